import Testing

@testable import VaultCore

@Suite("Tokens and cards apart")
struct CollisionTests {
    /// Twelve digits less six of the BIN, or eight of the lead, leave ten thousand or a few tokens to a bucket.
    private static func tiny(_ luhn: TokenFormat.LuhnRule) -> TestFormat {
        TestFormat(
            name: "tiny", keep: .none, luhn: luhn, lead: luhn == .any ? "41111111" : "4111111", acceptLuhnInvalid: true)
    }

    @Test("a card that equals a live token is refused, and is a card again once the token is gone")
    func cardIsToken() throws {
        let vault = try TestVault([TestFormat(name: "cards", luhn: .valid, lead: "4")])
        let token = try vault.tokenize(4_111_111_111_111_111)
        #expect(passesLuhnByDefinition(token))
        let refused = try vault.tokenize(Order(pan: token, format: 1))
        #expect(refused.outcome == .invalidPAN)
        #expect(refused.token == 0)
        // For any subject, and in one batch with others.
        let batch = try vault.tokenize([
            Order(pan: 5_555_555_555_554_444, format: 1), Order(pan: token, format: 1, subject: "s"),
        ])
        #expect(batch.map(\.outcome) == [.done, .invalidPAN])
        #expect(try vault.forget([token]) == [.done])
        #expect(try vault.tokenize(Order(pan: token, format: 1)).outcome == .done)
        #expect(try vault.verify().isSound)
    }

    @Test(
        "tokens never equal a stored card, although the cards lie in the midst of the bucket",
        arguments: [
            TokenFormat.LuhnRule.valid, .any,
        ])
    func tokenIsNoCard(luhn: TokenFormat.LuhnRule) throws {
        let vault = try TestVault([Self.tiny(luhn)])
        // 411111110000...: cards in the same range as the tokens, every second one of what passes.
        let first: UInt64 = luhn == .any ? 411_111_110_000 : 411_111_100_000
        let size: UInt64 = luhn == .any ? 10_000 : 100_000
        let cards = (first..<first + size).filter { luhn == .any || passesLuhnByDefinition($0) }
        #expect(cards.count == 10_000)
        var taken: Set<UInt64> = []
        var stored: Set<UInt64> = []
        var refused = 0
        for start in stride(from: 0, to: cards.count, by: 500) {
            let orders = cards[start..<start + 500].enumerated().filter { $0.offset % 2 == 0 }.map { $0.element }
            for (pan, item) in zip(orders, try vault.tokenize(orders.map { Order(pan: $0, format: 1) })) {
                switch item.outcome {
                case .done:
                    #expect(taken.insert(item.token).inserted)
                    stored.insert(pan)
                case .invalidPAN:
                    #expect(taken.contains(pan))
                    refused += 1
                default:
                    Issue.record("outcome \(item.outcome)")
                }
            }
        }
        #expect(taken.isDisjoint(with: stored))
        #expect(refused > 100)
        #expect(stored.count + refused == 5_000)
        #expect(try vault.verify().isSound)
    }

    @Test("a full bucket says so, makes nothing, and is usable again after one token is forgotten")
    func full() throws {
        let vault = try TestVault([
            TestFormat(name: "tiny", keep: .none, luhn: .any, reuse: .never, lead: "41111111")
        ])
        var random = SeededRandom(5)
        let pans = (0..<100).map { _ in random.pan(length: 12) }
        var tokens: Set<UInt64> = []
        for _ in 0..<100 {
            let items = try vault.tokenize(pans.map { Order(pan: $0, format: 1) })
            #expect(items.allSatisfy { $0.outcome == .done })
            tokens.formUnion(items.map(\.token))
        }
        #expect(tokens.count == 10_000)
        let items = try vault.tokenize([Order(pan: pans[0], format: 1), Order(pan: 4_111_111_111_111_111, format: 1)])
        #expect(items.map(\.outcome) == [.bucketFull, .done])
        #expect(try vault.forget([411_111_111_234]) == [.done])
        #expect(try vault.tokenize(Order(pan: pans[1], format: 1)).token == 411_111_111_234)
        #expect(try vault.tokenize(Order(pan: pans[1], format: 1)).outcome == .bucketFull)
        let report = try vault.verify()
        #expect(report.isSound)
        #expect(report.records == 10_001)
    }
}
