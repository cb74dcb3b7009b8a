import ArgumentParser
import StrongroomClient
import VaultServer

struct FindCommand: FailingCommand {
    static let configuration = CommandConfiguration(
        commandName: "find",
        abstract: "Find the tokens of cards that are on file.",
        discussion: """
            Reads one card number a line and prints the token that the format gave it, or '!not_found'. That a card is \
            on file is knowledge of its own, so this is a right of its own.
            """)

    @Option(help: ArgumentHelp("The format to look in.", valueName: "name"))
    var format: String

    @Option(help: ArgumentHelp("Whom the cards belong to.", valueName: "text"))
    var subject: String?

    @OptionGroup var options: VaultOptions

    func perform() async throws(Failure) {
        let run = BatchRun(noun: "card", options: options, batch: 64)
        let (format, subject, json) = (format, subject, options.json)
        try await run.perform { (client, lines) throws(StrongroomError) in
            try await BatchRun.each(lines) { (line) throws(StrongroomError) in
                guard let number = line.field, !line.isMalformed else {
                    return .failure(line.isMalformed ? "malformed" : "invalid_pan")
                }
                let token = try await client.find(number, format: format, subject: subject)
                return json ? .members([("token", .string(token.text))]) : .text(token.text)
            }
        }
    }
}
