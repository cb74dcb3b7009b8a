import ArgumentParser
import VaultCore
import VaultServer

struct ReportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report", abstract: "Reports for auditors and for the hour after an incident.",
        subcommands: [Exposure.self, Access.self])

    struct Exposure: FailingCommand {
        enum Format: String, ExpressibleByArgument, CaseIterable {
            case csv, json
        }

        static let configuration = CommandConfiguration(
            commandName: "exposure", abstract: "Every card that was revealed: to whom, when, why, and whose it is.",
            discussion: """
                A line for each token that a client or a certificate revealed: the list of whom to notify. The subject is \
                that of the token in the vault now; it is empty where the token has none, or has been forgotten since. \
                'withheld' is yes where the card was looked up and not sent after all, because of a freeze.
                """)

        @OptionGroup var wanted: RecordOptions

        @Option(help: ArgumentHelp("csv, with a header, or json, a line for each.", valueName: "format"))
        var format = Format.csv

        @OptionGroup var options: ControlOptions

        private static let columns = [
            "time", "token", "subject", "purpose", "client", "certificate", "peer", "record", "withheld",
        ]

        func validate() throws {
            guard wanted.client != nil || wanted.certificate != nil || wanted.subject != nil || wanted.token else {
                throw ValidationError("give --client, --certificate, --subject or --token")
            }
            guard wanted.operation == nil else {
                throw ValidationError("an exposure is of reveals: leave --operation out")
            }
        }

        func perform() async throws(Failure) {
            var output = OutputLines()
            var unreadable: UInt64?
            if format == .csv { try output.add(Self.columns.joined(separator: ",")) }
            let format = format
            let target = ControlTarget("/v1/report/exposure", try wanted.query())
            try options.endpoint().lines("POST", target, sending: try await wanted.body()) { (bytes) throws(Failure) in
                guard let value = JSONValue(bytes), value["token"] != nil else {
                    unreadable = try StreamEnd.unreadable(bytes)
                    return
                }
                if format == .json { return try output.add(String(decoding: bytes, as: UTF8.self)) }
                try output.add(
                    Self.columns.map { name in
                        CSVText.field(value[name]?.text ?? value[name]?.integer.map { String($0) } ?? "")
                    }.joined(separator: ","))
            }
            try output.flush()
            guard let unreadable else { throw StreamEnd.missing }
            RecordSource.warn(unreadable)
        }
    }

    struct Access: FailingCommand {
        static let configuration = CommandConfiguration(
            commandName: "access", abstract: "Who may do what, and who did what when last.",
            discussion: """
                Rights are those in force; uses are those in the log since --since, or since its beginning. A client that is \
                not configured any more is shown with what it did.
                """)

        @Option(help: ArgumentHelp("Look at the log from then on: \(TypedTime.help).", valueName: "time"))
        var since: String?

        @Flag(help: "The vault's own JSON.")
        var json = false

        @OptionGroup var options: ControlOptions

        func perform() async throws(Failure) {
            var query: [(name: StaticString, values: [String])] = []
            if let since = try TypedTime.time(since, "--since") { query.append(("since", [since.text])) }
            let (text, value) = try options.endpoint().call("GET", ControlTarget("/v1/report/access", query))
            if json { return try Terminal.print(text) }
            for line in Self.lines(value) { try Terminal.print(line) }
            RecordSource.warn(value["unreadable"]?.integer ?? 0)
        }

        static func lines(_ report: JSONValue) -> [String] {
            var clients = Table(
                ["CLIENT", "KNOWN BY", "CERTIFICATE UNTIL", "MAY", "FORMATS", "PURPOSES", "LAST USED", "DID"])
            for client in report["clients"]?.items ?? [] {
                clients.add([
                    client["name"]?.text ?? "", identity(client), until(client["seen"]), list(client["allow"]),
                    list(client["formats"]),
                    list(client["purposes"]), moment(client["last_used"]), uses(client),
                ])
            }
            var operators = Table(["OPERATOR", "MAY", "SECOND FACTOR", "LAST SEEN", "DID"])
            for person in report["operators"]?.items ?? [] {
                operators.add([
                    person["name"]?.text ?? "", rights(person), factor(person), moment(person["last_used"]),
                    uses(person),
                ])
            }
            let none = report["operators"]?.items.isEmpty ?? true
            return clients.lines + (none ? [] : [""] + operators.lines)
        }

        private static func identity(_ client: JSONValue) -> String {
            for name in ["dns", "uri", "spki_sha256"] {
                if let text = client[name]?.text { return "\(name) \(text)" }
            }
            return Terminal.yellow("not configured")
        }

        /// Of the certificate that it showed last.
        private static func until(_ seen: JSONValue?) -> String {
            seen?["not_after"]?.integer.map { String(Figures.moment($0)) } ?? "not seen"
        }

        private static func rights(_ person: JSONValue) -> String {
            person["configured"]?.flag == true ? list(person["allow"]) : Terminal.yellow("not configured")
        }

        private static func factor(_ person: JSONValue) -> String {
            guard let factor = person["second_factor"]?.text, factor != "none" else { return "-" }
            return person["enrolled"]?.flag == true ? factor : Terminal.yellow("\(factor), not enrolled")
        }

        private static func list(_ value: JSONValue?) -> String {
            let texts = (value?.items ?? []).compactMap(\.text)
            return texts.isEmpty ? "-" : texts.joined(separator: ",")
        }

        private static func moment(_ value: JSONValue?) -> String {
            value?.text.map { $0.prefix(16).replacing("T", with: " ") + "Z" } ?? Terminal.yellow("never")
        }

        private static func uses(_ caller: JSONValue) -> String {
            let uses = (caller["uses"]?.members ?? []).map {
                "\($0.name) \(Figures.count($0.value["count"]?.integer ?? 0))"
            }
            return uses.isEmpty ? "-" : uses.joined(separator: ", ")
        }
    }
}

/// Fields of comma-separated values (RFC 4180).
enum CSVText {
    /// In quotes where it has to be. What a spreadsheet would take for a formula gets an apostrophe in front: a subject is
    /// a client's word.
    static func field(_ text: String) -> String {
        var text = text
        if let first = text.unicodeScalars.first, ["=", "+", "-", "@", "\t", "\r"].contains(first) {
            text = "'" + text
        }
        guard text.unicodeScalars.contains(where: { ["\"", ",", "\n", "\r"].contains($0) }) else { return text }
        return "\"" + text.replacing("\"", with: "\"\"") + "\""
    }
}
