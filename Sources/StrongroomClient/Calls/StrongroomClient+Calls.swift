internal import VaultWire

extension StrongroomClient {
    /// Exchanges a card for a token.
    public func tokenize(_ card: Card) async throws(StrongroomError) -> TokenizedCard {
        var body = RequestBody()
        body.beginObject()
        body.members(of: card)
        body.endObject()
        return try await call("/v1/tokenize", body.finish()) { (bytes) throws(StrongroomError) in
            try AnswerFields.one(&bytes).tokenized()
        }
    }

    /// Exchanges up to 1,000 cards for tokens: one answer each, in order.
    ///
    /// - Parameter format: of the cards that name none.
    public func tokenize(
        _ cards: [Card], format: String? = nil
    ) async throws(StrongroomError) -> [Result<TokenizedCard, StrongroomError>] {
        if cards.isEmpty { return [] }
        var body = RequestBody(capacity: 64 + cards.count * 256)
        body.beginObject()
        body.member("format", format)
        body.name("cards")
        body.beginArray()
        for card in cards {
            body.beginObject()
            body.members(of: card)
            body.endObject()
        }
        body.endArray()
        body.endObject()
        let count = cards.count
        return try await call("/v1/tokenize", body.finish()) { (bytes) throws(StrongroomError) in
            try Self.results(&bytes, count: count) { (fields) throws(StrongroomError) in try fields.tokenized() }
        }
    }

    /// Exchanges a token for its card. Every reveal has a purpose.
    public func detokenize(_ token: Token, purpose: String) async throws(StrongroomError) -> RevealedCard {
        var body = RequestBody()
        body.beginObject()
        body.member("purpose", purpose)
        body.member("token", token.text)
        body.endObject()
        return try await call("/v1/detokenize", body.finish()) { (bytes) throws(StrongroomError) in
            try AnswerFields.one(&bytes).revealed()
        }
    }

    /// Exchanges up to 10,000 tokens for their cards: one answer each, in order.
    public func detokenize(
        _ tokens: [Token], purpose: String
    ) async throws(StrongroomError) -> [Result<RevealedCard, StrongroomError>] {
        if tokens.isEmpty { return [] }
        var body = RequestBody(capacity: 128 + tokens.count * 24)
        body.beginObject()
        body.member("purpose", purpose)
        body.members(tokens: tokens)
        body.endObject()
        let count = tokens.count
        return try await call("/v1/detokenize", body.finish()) { (bytes) throws(StrongroomError) in
            try Self.results(&bytes, count: count) { (fields) throws(StrongroomError) in try fields.revealed() }
        }
    }

    /// What may be shown of a token's card.
    public func inspect(_ token: Token) async throws(StrongroomError) -> InspectedToken {
        try await call("/v1/inspect", Self.request(token)) { (bytes) throws(StrongroomError) in
            try AnswerFields.one(&bytes).inspected()
        }
    }

    /// What may be shown of up to 10,000 tokens' cards: one answer each, in order.
    public func inspect(_ tokens: [Token]) async throws(StrongroomError) -> [Result<InspectedToken, StrongroomError>] {
        if tokens.isEmpty { return [] }
        let count = tokens.count
        return try await call("/v1/inspect", Self.request(tokens)) { (bytes) throws(StrongroomError) in
            try Self.results(&bytes, count: count) { (fields) throws(StrongroomError) in try fields.inspected() }
        }
    }

    /// The token of a card that is on file; `notFound` where it is not. A right of its own.
    public func find(
        _ number: CardNumber, format: String, subject: String? = nil
    ) async throws(StrongroomError) -> Token {
        var body = RequestBody()
        body.beginObject()
        body.member("format", format)
        body.member("pan", number)
        body.member("subject", subject)
        body.endObject()
        return try await call("/v1/find", body.finish()) { (bytes) throws(StrongroomError) in
            guard let token = try AnswerFields.one(&bytes).token else { throw .badAnswer }
            return token
        }
    }

    /// A keyed hash of a card, in hexadecimal: the same for the same card, useless elsewhere.
    public func fingerprint(_ number: CardNumber) async throws(StrongroomError) -> String {
        var body = RequestBody()
        body.beginObject()
        body.member("pan", number)
        body.endObject()
        return try await call("/v1/fingerprint", body.finish()) { (bytes) throws(StrongroomError) in
            guard let fingerprint = try AnswerFields.one(&bytes).fingerprint else { throw .badAnswer }
            return fingerprint
        }
    }

    /// Deletes up to 10,000 tokens with their cards for good; how many there were.
    public func forget(_ tokens: [Token]) async throws(StrongroomError) -> Int {
        if tokens.isEmpty { return 0 }
        return try await call("/v1/forget", Self.request(tokens)) { (bytes) throws(StrongroomError) in
            guard let count = try AnswerFields.one(&bytes).forgotten else { throw .badAnswer }
            return Int(clamping: count)
        }
    }

    private static func request(_ token: Token) -> SecureBuffer {
        var body = RequestBody()
        body.beginObject()
        body.member("token", token.text)
        body.endObject()
        return body.finish()
    }

    private static func request(_ tokens: [Token]) -> SecureBuffer {
        var body = RequestBody(capacity: 64 + tokens.count * 24)
        body.beginObject()
        body.members(tokens: tokens)
        body.endObject()
        return body.finish()
    }

    private static func results<Value>(
        _ bytes: inout MutableSpan<UInt8>, count: Int,
        _ make: (AnswerFields) throws(StrongroomError) -> Value
    ) throws(StrongroomError) -> [Result<Value, StrongroomError>] {
        var results: [Result<Value, StrongroomError>] = []
        results.reserveCapacity(count)
        for fields in try AnswerFields.many(&bytes, count: count) { results.append(try fields.result(make)) }
        return results
    }
}
