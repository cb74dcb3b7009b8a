import ArgumentParser
import StrongroomClient

struct DetokenizeCommand: FailingCommand {
    static let configuration = CommandConfiguration(
        commandName: "detokenize",
        abstract: "Exchange tokens for their card numbers.",
        discussion: """
            Reads one token a line and prints the card number of each, through one bulk stream of any length. Every \
            reveal names a purpose.

              strongroom detokenize --purpose charge < tokens.txt | billing-job
            """)

    @Option(help: ArgumentHelp("What the cards are needed for.", valueName: "name"))
    var purpose: String

    @Option(help: ArgumentHelp("'pan', or 'pan,expiry' for 'PAN,YYYY-MM' lines.", valueName: "names"))
    var fields = "pan"

    @OptionGroup var options: VaultOptions

    func validate() throws {
        guard ["pan", "pan,expiry"].contains(fields) else {
            throw ValidationError("--fields is 'pan' or 'pan,expiry'")
        }
    }

    func perform() async throws(Failure) {
        let run = BulkRun(noun: "token", options: options, style: options.json ? .json("pan") : .plain)
        try await run.perform { (client) throws(StrongroomError) in
            try await client.bulkDetokenize(purpose: purpose, withExpiry: fields == "pan,expiry")
        }
    }
}
