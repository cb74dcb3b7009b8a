import ArgumentParser
import StrongroomClient
import VaultServer

struct TokenizeCommand: FailingCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenize",
        abstract: "Exchange card numbers for tokens.",
        discussion: """
            Reads 'PAN' or 'PAN,YYYY-MM' lines and prints a token for each. Without --subject, --ttl and --purposes \
            any number of lines go through one bulk stream; with them, through batches of 1,000.

              strongroom tokenize --format cards < cards.txt > tokens.txt
            """)

    @Option(help: ArgumentHelp("The format of the tokens (default: the vault's own).", valueName: "name"))
    var format: String?

    @Option(help: ArgumentHelp("Whom the cards belong to.", valueName: "text"))
    var subject: String?

    @Option(help: ArgumentHelp("Seconds the tokens are to live.", valueName: "seconds"))
    var ttl: UInt32?

    @Option(help: ArgumentHelp("What the tokens may be used for, with commas between.", valueName: "names"))
    var purposes: String?

    @OptionGroup var options: VaultOptions

    func perform() async throws(Failure) {
        if subject == nil, ttl == nil, purposes == nil {
            let run = BulkRun(noun: "card", options: options, style: options.json ? .json("token") : .plain)
            return try await run.perform { (client) throws(StrongroomError) in
                try await client.bulkTokenize(format: format)
            }
        }
        let run = BatchRun(noun: "card", options: options, batch: 1_000)
        try await run.perform { (client, lines) throws(StrongroomError) in
            let cards = lines.compactMap { card($0) }
            let answers = try await client.tokenize(cards, format: format)
            return BatchRun.merge(lines, invalid: "invalid_pan", answers.map { answer($0) }) { card($0) != nil }
                .enumerated().map { index, answer in hasBadExpiry(lines[index]) ? .failure("invalid_expiry") : answer }
        }
    }

    /// Nil for a line that is refused without asking.
    private func card(_ line: InputLine) -> Card? {
        guard let field = line.field, !line.isMalformed, !hasBadExpiry(line) else { return nil }
        var card = Card(field, expiry: line.expiry.flatMap { CardExpiry($0) })
        card.subject = subject
        card.ttlSeconds = ttl
        card.purposes = purposes?.split(separator: ",").map(String.init)
        return card
    }

    private func hasBadExpiry(_ line: InputLine) -> Bool {
        guard let expiry = line.expiry, line.field != nil, !line.isMalformed else { return false }
        return CardExpiry(expiry) == nil
    }

    private func answer(_ result: Result<TokenizedCard, StrongroomError>) -> BatchRun.Answer {
        switch result {
        case .failure(let error): return .failure(error.code.rawValue)
        case .success(let card):
            guard options.json else { return .text(card.token.text) }
            var members: [(String, JSONText)] = [
                ("token", .string(card.token.text)), ("last4", .string(card.last4)), ("bin", .string(card.bin)),
                ("brand", .string(card.brand)),
            ]
            if let expiry = card.expiry { members.append(("expiry", .string("\(expiry)"))) }
            if let end = card.expiresAt { members.append(("expires_at", .string(end))) }
            return .members(members)
        }
    }
}

extension BatchRun.Answer {
    /// JSON members, for behind the line's number.
    static func members(_ members: [(String, JSONText)]) -> BatchRun.Answer {
        .text(String(JSONText.object(members).text.dropFirst()))
    }
}
