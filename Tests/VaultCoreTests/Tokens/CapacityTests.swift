import Testing

@testable import VaultCore

@Suite("Capacity")
struct CapacityTests {
    @Test(
        "the figures of the design's table come out",
        arguments: [
            // length, 6+4: all, invalid, valid; 8+4: all, invalid, valid
            (13, [UInt64(1_000), 900, 100], [UInt64(10), 9, 1]),
            (14, [10_000, 9_000, 1_000], [100, 90, 10]),
            (15, [100_000, 90_000, 10_000], [1_000, 900, 100]),
            (16, [1_000_000, 900_000, 100_000], [10_000, 9_000, 1_000]),
            (19, [1_000_000_000, 900_000_000, 100_000_000], [10_000_000, 9_000_000, 1_000_000]),
        ])
    func table(length: Int, bin6: [UInt64], bin8: [UInt64]) {
        for (keep, expected) in [(TokenFormat.Keep.bin6Last4, bin6), (.bin8Last4, bin8)] {
            let rules: [TokenFormat.LuhnRule] = [.any, .invalid, .valid]
            let found = rules.map { BucketCapacity("f", keep: keep, luhn: $0, lead: .empty, length: length).tokens }
            #expect(found == expected)
        }
    }

    @Test(
        "the lengths each BIN-keeping format takes are exactly those with 10,000 tokens",
        arguments: [
            (TokenFormat.Keep.bin6Last4, TokenFormat.LuhnRule.invalid, 15), (.bin6Last4, .valid, 15),
            (.bin6Last4, .any, 14),
            (.bin8Last4, .invalid, 17), (.bin8Last4, .valid, 17), (.bin8Last4, .any, 16),
        ])
    func allowedLengths(keep: TokenFormat.Keep, luhn: TokenFormat.LuhnRule, shortest: Int) throws {
        let format = try TokenFormat(name: "f", id: 1, keep: keep, luhn: luhn)
        for length in 12...19 {
            #expect(format.allowedLengths.contains(PANLengths(length)) == (length >= shortest))
            #expect(format.capacity(forLength: length).isAllowed == (length >= shortest))
        }
        #expect(format.refusedLengths.map(\.length) == Array(12..<shortest))
        #expect(format.notes.count == shortest - 12)
    }

    @Test("the arithmetic is told in the error")
    func arithmetic() throws {
        let cards = try TokenFormat(name: "cards", id: 1, keep: .bin8Last4)
        #expect(
            cards.capacity(forLength: 16).arithmetic
                == "format cards: 16-digit PANs: keep bin8+last4 leaves 4 free digits: 10^4 = 10000 combinations, "
                + "9000 of them Luhn-invalid, fewer than 10000")
        #expect(
            cards.capacity(forLength: 12).arithmetic
                == "format cards: 12-digit PANs: keep bin8+last4 leaves no free digit: 0 tokens, fewer than 10000")
        #expect(
            cards.capacity(forLength: 13).arithmetic
                == "format cards: 13-digit PANs: keep bin8+last4 leaves 1 free digit: 10^1 = 10 combinations, "
                + "9 of them Luhn-invalid, fewer than 10000")
        #expect(
            try TokenFormat(name: "f", id: 1, luhn: .valid).capacity(forLength: 16).arithmetic
                == "format f: 16-digit PANs: keep last4 with lead 99 leaves 10 free digits: 10^10 = 10000000000 combinations, "
                + "1000000000 of them Luhn-valid")
        #expect(
            try TokenFormat(name: "f", id: 1, keep: .none, luhn: .any, lead: "").capacity(forLength: 19).arithmetic
                == "format f: 19-digit PANs: keep none leaves 19 free digits: 9 x 10^18 = 9000000000000000000 combinations"
        )
    }

    @Test("a lead uses digits up")
    func leadCosts() throws {
        for (lead, tokens) in [("", UInt64(81_000_000)), ("7", 9_000_000), ("99", 900_000), ("9912", 9_000)] {
            let format = try TokenFormat(name: "f", id: 1, lead: lead)
            #expect(format.capacity(forLength: 12).tokens == tokens)
            #expect(format.allowedLengths.contains(PANLengths(12)) == (tokens >= 10_000))
        }
    }
}
