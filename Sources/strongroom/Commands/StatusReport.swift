/// A status for people.
struct StatusReport {
    private(set) var lines: [String] = []
    private let now: UInt64

    init(_ status: JSONValue, now: UInt64) {
        self.now = now
        addSummary(status)
        addKeys(status)
        addJobs(status)
        addStore(status)
        addFormats(status)
        addCertificates(status)
    }

    private func text(_ value: JSONValue?) -> String { value?.text ?? "-" }

    private func number(_ value: JSONValue?) -> UInt64 { value?.integer ?? 0 }

    private mutating func section(_ title: String) {
        lines.append("")
        lines.append(Terminal.bold(title))
    }

    private mutating func addSummary(_ status: JSONValue) {
        let isSealed = status["sealed"]?.flag ?? false
        let isWriting = status["write_state"]?.text == "writing"
        let audit = status["audit"].map { AuditView($0, now: now) }
        let state =
            isSealed
            ? Terminal.red("sealed")
            : audit?.isOpen == false
                ? Terminal.red("serving nothing, the audit log cannot be written")
                : isWriting ? Terminal.green("serving") : Terminal.red("reading only, writes are stopped")
        lines.append("\(Terminal.bold(text(status["deployment"]))): \(state)")
        if isSealed { lines.append("  " + Terminal.yellow(unsealing(status["unseal"]))) }
        lines.append(
            "  strongroom \(text(status["version"])), process \(number(status["pid"])), up "
                + Figures.age(number(status["uptime_seconds"])) + ", LMDB \(text(status["lmdb"]))")
        lines.append("  vault \(text(status["vault_id"])), keyring generation \(number(status["keyring_generation"]))")
        if let root = status["root"]?.text { lines.append("  root key: \(root)") }
        if let alarm = HoneyReport.alarm(status["honey"]) { lines.append(Terminal.red("  \(alarm)")) }
        if let reason = status["displaced"]?.text {
            lines.append(Terminal.yellow("  \(reason); a new data key takes over"))
        }
        lines += audit?.lines ?? []
        addFrozen(status["frozen"])
        let pending = number(status["pending"])
        if pending > 0 {
            lines.append(
                Terminal.yellow(
                    "  \(Figures.count(pending, "command")) \(pending == 1 ? "waits" : "wait") for a second person: "
                        + "'strongroom pending'"))
        }
        lines.append(
            "  \(Figures.count(number(status["connections"]), "connection")), "
                + "\(Figures.count(number(status["writer_queue"]))) waiting to be written; since start "
                + "\(Figures.count(number(status["tokenized"]))) tokenized, "
                + "\(Figures.count(number(status["revealed"]))) revealed"
        )
    }

    private mutating func addFrozen(_ frozen: JSONValue?) {
        guard let frozen else { return }
        let all =
            [frozen["all"]].compactMap { $0 } + (frozen["clients"]?.items ?? []) + (frozen["formats"]?.items ?? [])
        for freeze in all.compactMap(FreezeView.init) {
            lines.append(Terminal.red("  \(freeze.subject) frozen, \(freeze.origin)"))
        }
        if frozen["saved"]?.flag == false {
            lines.append(Terminal.red("  what is frozen cannot be stored: a restart would forget the latest"))
        }
    }

    private mutating func addKeys(_ status: JSONValue) {
        guard let keys = status["keys"]?.items, !keys.isEmpty else { return }
        section("Keys")
        var table = Table(
            ["PURPOSE", "VERSION", "STATE", "AGE", "RECORDS", "ENCRYPTIONS"], rightAligned: [1, 3, 4, 5])
        for key in KeyVersionView.sorted(keys) {
            let created = number(key["created"])
            table.add([
                text(key["purpose"]), "\(number(key["version"]))", text(key["state"]),
                Figures.age(now > created ? now - created : 0), Figures.count(number(key["records"])),
                Figures.count(number(key["encryptions"])),
            ])
        }
        lines += table.lines
        lines += UseLevel.warnings(status["use"]).map { "  \($0)" }
    }

    private mutating func addJobs(_ status: JSONValue) {
        let jobs = JobView.all(status)
        guard !jobs.isEmpty else { return }
        section("Jobs")
        for job in jobs {
            let line = "  " + job.line(width: 118, barWidth: 12)
            lines.append(job.isBlocked ? Terminal.red(line) : line)
        }
    }

    /// What a sealed vault waits for.
    private func unsealing(_ unseal: JSONValue?) -> String {
        guard let unseal, unseal != .null else { return "'strongroom unseal' reads its root key again" }
        return "\(number(unseal["have"])) of \(number(unseal["need"])) shares of set \(Figures.set(unseal["set"])) are "
            + "entered: 'strongroom unseal' takes the others"
    }

    private mutating func addStore(_ status: JSONValue) {
        guard let store = status["store"] else { return }
        let (used, limit) = (number(store["used_bytes"]), number(store["limit_bytes"]))
        section("Store")
        lines.append(
            "  \(Figures.count(number(store["tokens"]), "token")), "
                + "\(Figures.count(number(store["index_entries"]))) in the index, "
                + Figures.count(number(store["subjects"]), "subject"))
        var fill = "\(Figures.bytes(used)) of \(Figures.bytes(limit)) (\(Figures.percent(used, of: limit)))"
        if limit > 0, Double(used) > 0.8 * Double(limit) {
            fill = Terminal.yellow(fill + ", raise store.map_size soon")
        }
        lines.append("  \(fill), \(Figures.count(number(store["readers"]), "reader"))")
    }

    private mutating func addFormats(_ status: JSONValue) {
        guard let formats = status["formats"]?.items, !formats.isEmpty else { return }
        section("Formats")
        var table = Table(
            ["NAME", "KEEPS", "LUHN", "REUSE", "TOKENS", "ROOM PER BUCKET (16 DIGITS)"], rightAligned: [4])
        var notes: [String] = []
        for format in formats {
            let capacity = format["bucket_capacity"]?["16"]?.integer
            table.add([
                text(format["name"]), text(format["keep"]), text(format["luhn"]), text(format["reuse"]),
                Figures.count(number(format["tokens"])), capacity.map { Figures.count($0) } ?? "refused",
            ])
            for note in format["notes"]?.items ?? [] { notes.append("  \(text(format["name"])): \(text(note))") }
        }
        lines += table.lines + notes
    }

    private mutating func addCertificates(_ status: JSONValue) {
        guard let certificates = status["certificates"]?.items, !certificates.isEmpty else { return }
        section("Certificates")
        var table = Table(["KIND", "LEFT", "SUBJECT", "FILE"], rightAligned: [1])
        var warnings: [String] = []
        for certificate in certificates {
            let end = number(certificate["not_after"])
            table.add([
                text(certificate["kind"]), Figures.left(until: end, now: now), text(certificate["subject"]),
                text(certificate["file"]),
            ])
            guard certificate["near_end"]?.flag == true else { continue }
            let what = "\(text(certificate["kind"])) \(certificate["file"]?.text ?? text(certificate["subject"]))"
            warnings.append(
                now > end
                    ? Terminal.red("  \(what) has ended")
                    : Terminal.yellow("  \(what) ends in \(Figures.left(until: end, now: now))"))
        }
        lines += table.lines + warnings
    }
}
