import ArgumentParser
import StrongroomClient
import VaultServer

struct InspectCommand: FailingCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show what may be shown of tokens' cards.",
        discussion: """
            Reads one token a line and prints, with tabs between: token, format, brand, BIN, last four digits, expiry, \
            when the token was made, when it ends, and what it may be used for; '-' where there is nothing.
            """)

    @OptionGroup var options: VaultOptions

    func perform() async throws(Failure) {
        let run = BatchRun(noun: "token", options: options, batch: 1_000)
        try await run.perform { (client, lines) throws(StrongroomError) in
            let tokens = lines.compactMap { $0.isMalformed ? nil : $0.token }
            let results = try await client.inspect(tokens)
            let answers = zip(tokens, results).map { answer($0, $1) }
            return BatchRun.merge(lines, invalid: "invalid_token", answers) { $0.token != nil }
        }
    }

    private func answer(_ token: Token, _ result: Result<InspectedToken, StrongroomError>) -> BatchRun.Answer {
        switch result {
        case .failure(let error): return .failure(error.code.rawValue)
        case .success(let card):
            guard options.json else {
                let columns: [String?] = [
                    token.text, card.format, card.brand, card.bin, card.last4, card.expiry.map { "\($0)" },
                    card.created,
                    card.expiresAt, card.purposes?.joined(separator: ","),
                ]
                return .text(columns.map { $0 ?? "-" }.joined(separator: "\t"))
            }
            var members: [(String, JSONText)] = [
                ("token", .string(token.text)), ("format", .string(card.format)), ("brand", .string(card.brand)),
            ]
            if let bin = card.bin { members.append(("bin", .string(bin))) }
            if let last4 = card.last4 { members.append(("last4", .string(last4))) }
            if let expiry = card.expiry { members.append(("expiry", .string("\(expiry)"))) }
            members.append(("created", .string(card.created)))
            if let end = card.expiresAt { members.append(("expires_at", .string(end))) }
            if let purposes = card.purposes { members.append(("purposes", .array(purposes.map { .string($0) }))) }
            return .members(members)
        }
    }
}
