import ArgumentParser
import VaultCore
import VaultServer

extension AuditCommand {
    struct Verify: FailingCommand {
        static let configuration = CommandConfiguration(
            commandName: "verify", abstract: "Check every record, link, signature and gap of the log.",
            discussion: """
                The daemon checks its log while it writes it, with its keys and with what its database knows of the \
                log. With --offline the files are checked here, without a daemon and without secrets: give --key with \
                the verifier keys that were noted when the vault was set up ('strongroom audit key'), since whoever can \
                replace a log can replace the file of keys beside it.

                --witness compares with checkpoints that were kept elsewhere: that alone shows a log that was cut \
                short or rewritten as a whole by somebody who has its keys.

                Says what is wrong with the first bad record, and where it is. The exit code is 0 where the log is \
                sound, and 65 where it is not.
                """)

        @Option(help: ArgumentHelp("Begin with the segment of then: \(TypedTime.help).", valueName: "time"))
        var since: String?

        @Option(help: ArgumentHelp("Checkpoints that were kept elsewhere.", valueName: "file"))
        var witness: String?

        @Flag(help: "Older segments have gone to an archive: begin with the oldest that is here.")
        var archived = false

        @Option(
            help: ArgumentHelp(
                "A verifier key of the log, or of a witness who must have cosigned; repeatable.", valueName: "vkey"))
        var key: [String] = []

        @Flag(help: "The report as JSON.")
        var json = false

        @OptionGroup var source: RecordSource

        func validate() throws {
            guard key.isEmpty || source.offline != nil else {
                throw ValidationError("--key is for --offline: the daemon has keys of its own")
            }
        }

        func perform() async throws(Failure) {
            let notes = try witnessNotes()
            let report = try report(notes)
            if json {
                try Terminal.print(report.json)
            } else {
                for line in Self.lines(report) { try Terminal.print(line) }
            }
            guard report["complete"]?.flag == true else {
                throw Failure(.tryAgain, "the check was interrupted before its end")
            }
            guard report["sound"]?.flag == true else { throw Failure(.dataError, "") }
        }

        private func report(_ notes: [SignedNote]) throws(Failure) -> JSONValue {
            if let path = source.offline { return try offline(path, notes) }
            return try online(notes)
        }

        private func witnessNotes() throws(Failure) -> [SignedNote] {
            guard let witness else { return [] }
            let bytes = try RecordSource.reading { () throws(AuditReadError) in
                do throws(FileError) {
                    return try AtomicFile.read(witness)
                } catch {
                    throw .file(error)
                }
            }
            guard let notes = SignedNote.all(in: bytes) else {
                throw Failure(.dataError, "\(witness): this is not a file of checkpoints")
            }
            return notes
        }

        // MARK: With a daemon

        /// Bytes of checkpoints that one request takes.
        private static let witnessBytesMax = 60 << 10

        private func online(_ notes: [SignedNote]) throws(Failure) -> JSONValue {
            // The newest say the most: each is of all records before it.
            var body: [UInt8] = []
            var sent = 0
            for note in notes.reversed() {
                let bytes = Array((note.description + "\n").utf8)
                guard body.count + bytes.count <= Self.witnessBytesMax else { break }
                body = bytes + body
                sent += 1
            }
            if sent < notes.count {
                Terminal.complain("strongroom: comparing with the newest \(sent) of \(notes.count) checkpoints")
            }
            var query: [(name: StaticString, values: [String])] = []
            if let since = try TypedTime.time(since, "--since") { query.append(("since", [since.text])) }
            if archived { query.append(("archived", ["true"])) }
            let progress = Progress("record", isShown: !json)
            defer { progress.clear() }
            var report: JSONValue?
            try source.options.endpoint().lines("POST", ControlTarget("/v1/audit/verify", query), sending: body) {
                (bytes) throws(Failure) in
                let value = JSONValue(bytes)
                if let whole = value?["report"] { report = whole }
                if let done = value?["done"]?.integer, let total = value?["total"]?.integer {
                    progress.update(
                        done: value?["records"]?.integer ?? 0, failed: 0,
                        fraction: total == 0 ? nil : Double(done) / Double(total))
                }
            }
            guard let report else { throw Failure(.unavailable, "the vault ended the check without a report") }
            return report
        }

        // MARK: Without

        private func offline(_ path: String, _ notes: [SignedNote]) throws(Failure) -> JSONValue {
            var options = AuditVerifier.Options()
            options.since = try TypedTime.time(since, "--since")
            options.witness = notes
            options.isArchived = archived
            if !key.isEmpty {
                var keys: [VerifierKey] = []
                for text in key {
                    guard let key = try? VerifierKey(text) else {
                        throw Failure(.usage, "--key: this is no verifier key")
                    }
                    keys.append(key)
                }
                options.trusted = keys
            }
            let wanted = options
            let progress = Progress("record", isShown: !json)
            defer { progress.clear() }
            let report = try RecordSource.reading { () throws(AuditReadError) in
                try AuditVerifier.run(try RecordSource.listing(path), wanted) { step in
                    let fraction = step.totalBytes == 0 ? nil : Double(step.doneBytes) / Double(step.totalBytes)
                    progress.update(done: step.records, failed: 0, fraction: fraction)
                    return true
                }
            }
            guard let value = JSONValue(Array(AuditText.report(report).text.utf8)) else {
                throw Failure(.software, "the report makes no sense")
            }
            return value
        }

        // MARK: For people

        static func lines(_ report: JSONValue) -> [String] {
            func number(_ name: String) -> UInt64 { report[name]?.integer ?? 0 }
            var lines: [String] = []
            if number("records") > 0 {
                lines.append(
                    "records \(Figures.count(number("first"))) to \(Figures.count(number("last"))) in "
                        + "\(Figures.count(number("segments"), "segment")), \(Figures.count(number("checkpoints"), "checkpoint"))"
                        + (number("witnesses") > 0 ? ", \(number("witnesses")) of the witness" : ""))
            }
            for seq in report["breaks"]?.items ?? [] {
                lines.append(
                    Terminal.yellow("record \(seq.integer ?? 0)")
                        + ": an operator went on here behind a log that did not fit its database")
            }
            if let finding = report["finding"], let kind = finding["kind"]?.text {
                var place = finding["file"]?.text ?? "?"
                if let line = finding["line"]?.integer, line > 0 { place += ", line \(line)" }
                if let seq = finding["record"]?.integer, seq > 0 { place += ", record \(seq)" }
                lines.append("\(Terminal.red(kind)): \(place)")
                lines.append("  \(finding["detail"]?.text ?? "")")
            } else if report["sound"]?.flag == true {
                let (last, signed) = (number("last"), number("signed_through"))
                if signed < last, number("authenticated") < number("records") {
                    lines.append(
                        "records \(Figures.count(signed + 1)) to \(Figures.count(last)) are behind the last checkpoint: "
                            + "only their links were checked")
                }
                lines.append(Terminal.green("sound"))
            }
            return lines
        }
    }
}
