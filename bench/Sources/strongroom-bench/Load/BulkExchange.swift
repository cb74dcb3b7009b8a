internal import StrongroomClient

/// A bulk stream driven as fast as it goes: one task sends lines, another reads the answers and checks each.
struct BulkExchange {
    /// Bytes of a piece of the upload.
    private static let chunkBytes = 64 << 10

    let scenario: String

    /// Hands in the cards `range` and returns their tokens.
    func tokenize(_ client: StrongroomClient, _ range: Range<Int>) async throws -> [UInt64] {
        let tokens = try await exchange(count: range.count) { () throws(StrongroomError) in
            try await client.bulkTokenize()
        } line: { place in
            Deck.number(range.lowerBound + place)
        }
        guard !tokens.contains(LineReader.notANumber) else { throw BenchError.wrongAnswer(scenario: scenario) }
        return tokens
    }

    /// Reveals `cards`, in that order, and compares every answer with the card it must be.
    func detokenize(_ client: StrongroomClient, _ cards: [(index: Int, token: UInt64)]) async throws {
        let numbers = try await exchange(count: cards.count) { () throws(StrongroomError) in
            try await client.bulkDetokenize(purpose: VaultAddress.purpose)
        } line: { place in
            cards[place].token
        }
        for (number, card) in zip(numbers, cards) where number != Deck.number(card.index) {
            throw BenchError.wrongAnswer(scenario: scenario)
        }
    }

    /// Hands in cards that the vault has seen and compares their tokens with those it gave before.
    func tokenizeAgain(_ client: StrongroomClient, _ cards: [(index: Int, token: UInt64)]) async throws {
        let tokens = try await exchange(count: cards.count) { () throws(StrongroomError) in
            try await client.bulkTokenize()
        } line: { place in
            Deck.number(cards[place].index)
        }
        for (token, card) in zip(tokens, cards) where token != card.token {
            throw BenchError.wrongAnswer(scenario: scenario)
        }
    }

    private func exchange(
        count: Int, open: () async throws(StrongroomError) -> BulkStream, line: @escaping @Sendable (Int) -> UInt64
    ) async throws -> [UInt64] {
        do {
            let stream = try await open()
            async let upload: Void = Self.send(stream, count, line)
            let answers = try await Self.receive(stream, count)
            try await upload
            guard answers.count == count, stream.summary?.succeeded == UInt64(count), stream.summary?.failed == 0 else {
                throw BenchError.wrongCount(scenario: scenario, expected: count, got: answers.count)
            }
            return answers
        } catch let error as StrongroomError {
            throw BenchError.failed(scenario: scenario, error)
        }
    }

    private static func send(_ stream: BulkStream, _ count: Int, _ line: @Sendable (Int) -> UInt64) async throws {
        var chunk = SecureBuffer(capacity: chunkBytes + 32)
        for place in 0..<count {
            chunk.appendDecimal(line(place))
            chunk.append(0x0A)
            if chunk.count >= chunkBytes {
                try await stream.send(chunk.span)
                chunk.removeAll()
            }
        }
        try await stream.send(chunk.span)
        try await stream.finish()
    }

    private static func receive(_ stream: BulkStream, _ count: Int) async throws -> [UInt64] {
        var answers: [UInt64] = []
        answers.reserveCapacity(count)
        var reader = LineReader()
        var buffer = SecureBuffer()
        while try await stream.receive(into: &buffer) {
            reader.read(buffer.span) { answers.append($0) }
        }
        if !reader.isBetweenLines { answers.append(LineReader.notANumber) }
        return answers
    }
}
