import ArgumentParser
import StrongroomClient
import VaultServer

struct FingerprintCommand: FailingCommand {
    static let configuration = CommandConfiguration(
        commandName: "fingerprint",
        abstract: "Print keyed hashes of card numbers.",
        discussion: """
            Reads one card number a line and prints its fingerprint in hexadecimal: the same for the same card in this \
            vault, whatever its tokens, and of no use anywhere else.
            """)

    @OptionGroup var options: VaultOptions

    func perform() async throws(Failure) {
        let run = BatchRun(noun: "card", options: options, batch: 64)
        let json = options.json
        try await run.perform { (client, lines) throws(StrongroomError) in
            try await BatchRun.each(lines) { (line) throws(StrongroomError) in
                guard let number = line.field, !line.isMalformed else {
                    return .failure(line.isMalformed ? "malformed" : "invalid_pan")
                }
                let fingerprint = try await client.fingerprint(number)
                return json ? .members([("fingerprint", .string(fingerprint))]) : .text(fingerprint)
            }
        }
    }
}
