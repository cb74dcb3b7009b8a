import ArgumentParser
import StrongroomClient
import VaultServer

struct ForgetCommand: FailingCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget",
        abstract: "Delete tokens and their cards for good.",
        discussion: """
            Reads one token a line and answers each: 'forgotten', or '!not_found' for one that is not there (any more).
            """)

    @OptionGroup var options: VaultOptions

    func perform() async throws(Failure) {
        let run = BatchRun(noun: "token", options: options, batch: 64)
        let done: BatchRun.Answer = options.json ? .members([("forgotten", .bool(true))]) : .text("forgotten")
        try await run.perform { (client, lines) throws(StrongroomError) in
            // One call each: a call for many says only how many of them were there.
            try await BatchRun.each(lines) { (line) throws(StrongroomError) in
                guard !line.isMalformed, let token = line.token else {
                    return .failure(line.isMalformed ? "malformed" : "invalid_token")
                }
                return try await client.forget([token]) == 1 ? done : .failure("not_found")
            }
        }
    }
}
