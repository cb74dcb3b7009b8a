import Testing

@testable import VaultCore

@Suite("Token buckets")
struct TokenBucketTests {
    /// Every number of `length` digits, not beginning with 0, with these fixed digits and this Luhn rule, ascending.
    private func enumerate(prefix: String, suffix: String, length: Int, luhn: TokenFormat.LuhnRule) -> [UInt64] {
        let free = length - prefix.count - suffix.count
        let base = (UInt64(prefix) ?? 0) * Digits.power(length - prefix.count) + (UInt64(suffix) ?? 0)
        var found: [UInt64] = []
        for middle in 0..<Digits.power(free) {
            let value = base + middle * Digits.power(suffix.count)
            guard value >= Digits.power(length - 1) else { continue }
            if luhn == .any || (luhn == .valid) == passesLuhnByDefinition(value) { found.append(value) }
        }
        return found
    }

    /// The bucket's tokens in the order of their numbers; records an issue when `index(of:)` is not the inverse.
    private func tokens(of bucket: TokenBucket) -> [UInt64] {
        (0..<bucket.capacity).map { index in
            let token = bucket.token(at: index)
            if bucket.index(of: token) != index { Issue.record("number \(index) does not come back") }
            return token.value
        }
    }

    @Test(
        "a bucket of any shape holds exactly the numbers that a search over all combinations finds, each once",
        arguments: TokenFormat.LuhnRule.allCases, 0...5)
    func bruteForce(luhn: TokenFormat.LuhnRule, suffixDigits: Int) {
        var random = SeededRandom(UInt64(suffixDigits) * 31 + 7)
        for length in 12...19 {
            for free in 1...4 {
                let prefixDigits = length - suffixDigits - free
                let prefix = "\(Int.random(in: 1...9, using: &random))" + digits(prefixDigits - 1, &random)
                let suffix = digits(suffixDigits, &random)
                let shape = BucketShape(
                    prefixDigits: prefixDigits, suffixDigits: suffixDigits, length: length, luhn: luhn)
                let bucket = TokenBucket(prefix: UInt64(prefix) ?? 0, suffix: UInt64(suffix) ?? 0, shape: shape)
                let expected = enumerate(prefix: prefix, suffix: suffix, length: length, luhn: luhn)
                #expect(UInt64(expected.count) == bucket.capacity)
                #expect(tokens(of: bucket).sorted() == expected)
            }
        }
    }

    private func digits(_ count: Int, _ random: inout SeededRandom) -> String {
        (0..<count).map { _ in "\(Int.random(in: 0...9, using: &random))" }.joined()
    }

    @Test(
        "without a prefix the first digit is never 0, and the bucket is still exactly what a search finds",
        arguments: TokenFormat.LuhnRule.allCases)
    func bruteForceWithoutPrefix(luhn: TokenFormat.LuhnRule) {
        // Only long suffixes leave few enough free digits to enumerate without a prefix.
        for (length, suffix) in [(12, "00000000"), (12, "987654321"), (13, "0123456789"), (14, "12345678901")] {
            let shape = BucketShape(prefixDigits: 0, suffixDigits: suffix.count, length: length, luhn: luhn)
            let bucket = TokenBucket(prefix: 0, suffix: UInt64(suffix) ?? 0, shape: shape)
            let expected = enumerate(prefix: "", suffix: suffix, length: length, luhn: luhn)
            #expect(UInt64(expected.count) == bucket.capacity)
            #expect(tokens(of: bucket).sorted() == expected)
        }
    }

    /// Every format whose tokens this file draws: each keep and rule, with the leads that go with it.
    static let formats: [TokenFormat] = TokenFormat.Keep.allCases.flatMap { keep in
        TokenFormat.LuhnRule.allCases.flatMap { luhn in
            (keep.binDigits > 0 ? [nil] : [nil, "", "7", "9912", "123456"]).compactMap { lead in
                try? TokenFormat(name: "f", id: 1, keep: keep, luhn: luhn, lead: lead, acceptLuhnInvalid: true)
            }
        }
    }

    @Test("every format is sound")
    func formatCount() {
        #expect(Self.formats.count == 2 * 3 + 2 * 3 * 5)
    }

    @Test("the real buckets of every format that can be enumerated equal the search", arguments: 12...19)
    func realBuckets(length: Int) throws {
        let pan = try #require(panForTest((0..<length).map { UInt8(0x31 + ($0 * 7) % 9) }))
        let text = String(pan.value)
        var enumerated = 0
        for format in Self.formats where format.allowedLengths.contains(PANLengths(length)) {
            let bucket = try TokenBucket(format, pan: pan)
            #expect(bucket.capacity == format.capacity(forLength: length).tokens)
            guard bucket.capacity <= 100_000 else { continue }
            let prefix = format.keep.binDigits > 0 ? String(text.prefix(format.keep.binDigits)) : format.lead.text
            let suffix = String(text.suffix(format.keep.lastDigits))
            #expect(
                tokens(of: bucket).sorted()
                    == enumerate(prefix: prefix, suffix: suffix, length: length, luhn: format.luhn))
            enumerated += 1
        }
        if [12, 14, 15, 16, 17].contains(length) { #expect(enumerated > 0) }
    }

    @Test("random tokens of every format have the promised digits and Luhn sum, at both ends of the bucket too")
    func promises() throws {
        var random = SeededRandom(99)
        var checked = 0
        for length in 12...19 {
            for format in Self.formats {
                let pan = try #require(panForTest(Array(("4" + digits(length - 1, &random)).utf8)))
                let digitsOfPAN = String(pan.value)
                guard format.allowedLengths.contains(PANLengths(length)) else {
                    #expect(throws: TokenBucketError.lengthRefused) { try TokenBucket(format, pan: pan) }
                    continue
                }
                let bucket = try TokenBucket(format, pan: pan)
                var indices = [0, 1, 8, 9, 10, bucket.capacity / 2, bucket.capacity - 2, bucket.capacity - 1]
                for _ in 0..<200 { indices.append(UInt64.random(in: 0..<bucket.capacity, using: &random)) }
                for index in indices {
                    let token = bucket.token(at: index)
                    let text = String(token.value)
                    let passes = passesLuhnByDefinition(token.value)
                    #expect(text.count == length)
                    #expect(format.luhn == .any || passes == (format.luhn == .valid))
                    #expect(text.hasPrefix(format.lead.text))
                    #expect(text.hasPrefix(digitsOfPAN.prefix(format.keep.binDigits)))
                    #expect(text.hasSuffix(digitsOfPAN.suffix(format.keep.lastDigits)))
                    #expect(bucket.index(of: token) == index)
                    checked += 1
                }
            }
        }
        #expect(checked > 40_000)
    }

    @Test("a number outside the bucket has no index: other length, prefix, suffix or Luhn sum")
    func outside() throws {
        let pan = try #require(panForTest(Array("4111111111111111".utf8)))
        let bucket = try TokenBucket(try TokenFormat(name: "f", id: 1), pan: pan)
        let inside = bucket.token(at: 123_456_789).value
        func index(_ value: UInt64) -> UInt64? { Token(value: value).flatMap(bucket.index(of:)) }
        #expect(index(inside) == 123_456_789)
        #expect(index(inside - 1_000_000_000_000_000) == nil)
        #expect(index(inside + 1) == nil)
        #expect(index(inside / 10) == nil)
        #expect(index(inside * 10) == nil)
        #expect(index(pan.value) == nil)
        let sameUpper = (0..<10).map { inside / 100_000 * 100_000 + $0 * 10_000 + inside % 10_000 }
        #expect(sameUpper.filter { index($0) != nil }.count == 9)
        let free = try TokenBucket(TokenFormat(name: "f", id: 1, keep: .none, lead: ""), pan: pan)
        #expect(Token(value: 999_999_999_999_999).flatMap(free.index(of:)) == nil)
    }

    @Test("the published cards never get a token that passes Luhn under the default format")
    func defaultFormatOnCards() throws {
        guard let cards = CardVectors.cards() else { return }
        let format = try TokenFormat(name: "cards", id: 1, acceptLuhnInvalid: true)
        var random = SeededRandom(3)
        for card in cards {
            let pan = try #require(panForTest(card.pan))
            let bucket = try TokenBucket(format, pan: pan)
            for _ in 0..<50 {
                let token = bucket.token(at: UInt64.random(in: 0..<bucket.capacity, using: &random))
                #expect(!token.passesLuhn)
                #expect(token.length == card.pan.count)
                #expect(String(token.value).hasSuffix(card.last4))
            }
        }
    }
}
