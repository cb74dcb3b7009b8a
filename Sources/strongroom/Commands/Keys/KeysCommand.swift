import ArgumentParser

struct KeysCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "The keys that protect cards, and the root key that wraps them.",
        subcommands: [List.self, RotateCommand.self, DestroyCommand.self, RewrapCommand.self])

    struct List: FailingCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Show every key version, its use and its limits.",
            discussion: """
                ENCRYPTIONS is how often an active data key has encrypted, against the number after which it must not; \
                AGE stands against the cryptoperiod. Yellow: soon to be rotated; red: past its limit, rotate now.
                """)

        @Flag(help: "Show the receipts of destroyed keys too.")
        var receipts = false

        @Flag(help: "The vault's own JSON.")
        var json = false

        @OptionGroup var options: ControlOptions

        func perform() async throws(Failure) {
            let (text, value) = try options.endpoint().call("GET", "/v1/keys")
            if json { return try Terminal.print(text) }
            for line in KeysReport(value, withReceipts: receipts).lines { try Terminal.print(line) }
        }
    }
}
