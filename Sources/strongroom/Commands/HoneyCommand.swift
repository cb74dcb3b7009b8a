import ArgumentParser

struct HoneyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "honey", abstract: "Tokens that are traps: whoever asks for one has stolen it.",
        subcommands: [List.self, Add.self])

    struct Add: FailingCommand {
        static let configuration = CommandConfiguration(
            commandName: "add", abstract: "Make honey tokens, one a line.",
            discussion: """
                They look like any token, and 'inspect' shows a card that nobody has. Put them where only a thief looks: \
                into backups, exports and old tables, beside real ones. A client that asks to reveal one is told that \
                there is no such token, and an alarm is raised. Give them to no client to use.
                """)

        @Option(
            help: ArgumentHelp("The format of the tokens; the vault's default where none is named.", valueName: "name"))
        var format: String?

        @Option(help: ArgumentHelp("How many, 1 to 1000.", valueName: "number"))
        var count = 1

        @Flag(help: "The vault's own JSON.")
        var json = false

        @OptionGroup var options: ControlOptions

        func validate() throws {
            guard 1...1_000 ~= count else { throw ValidationError("--count is 1 to 1000") }
        }

        func perform() async throws(Failure) {
            var query: [(name: StaticString, values: [String])] = [("count", ["\(count)"])]
            if let format { query.append(("format", [format])) }
            let (text, value) = try options.endpoint().call("POST", ControlTarget("/v1/honey/add", query))
            if json { return try Terminal.print(text) }
            for token in value["tokens"]?.items ?? [] { try Terminal.print(token.text ?? "") }
        }
    }

    struct List: FailingCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Show every honey token, and whether one was asked for.",
            discussion: "Reads through all records, which takes a second or so for some millions of them.")

        @Flag(help: "The vault's own JSON.")
        var json = false

        @OptionGroup var options: ControlOptions

        func perform() async throws(Failure) {
            let (text, value) = try options.endpoint().call("GET", "/v1/honey")
            if json { return try Terminal.print(text) }
            for line in HoneyReport(value).lines { try Terminal.print(line) }
        }
    }
}

/// The honey tokens of a vault, for people.
struct HoneyReport {
    private(set) var lines: [String] = []

    init(_ value: JSONValue) {
        let tokens = value["honey"]?.items ?? []
        if tokens.isEmpty {
            lines.append("there are no honey tokens; 'strongroom honey add' makes some")
        } else {
            var table = Table(["TOKEN", "FORMAT", "CREATED", "ENDS"])
            for token in tokens {
                let end = token["expires_at"]?.integer ?? 0
                table.add([
                    token["token"]?.text ?? "", token["format"]?.text ?? "-",
                    Figures.moment(token["created"]?.integer ?? 0), end == 0 ? "-" : Figures.moment(end),
                ])
            }
            lines += table.lines
        }
        if value["complete"]?.flag == false { lines.append("and more: only the first \(tokens.count) are shown") }
        if let line = Self.alarm(value) { lines.append(Terminal.red(line)) }
    }

    /// What `status` says too; nil where no honey token was touched.
    static func alarm(_ value: JSONValue?) -> String? {
        guard let touched = value?["touched"]?.integer, touched > 0 else { return nil }
        let client = value?["last_client"]?.text ?? "?"
        let time = Figures.moment(value?["last_touched"]?.integer ?? 0)
        return "\(Figures.count(touched, "honey token")) asked for since start, last by \(client) on \(time)"
    }
}
