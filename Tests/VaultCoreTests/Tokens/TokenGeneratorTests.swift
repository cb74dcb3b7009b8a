import Testing

@testable import VaultCore

@Suite("Token generator")
struct TokenGeneratorTests {
    /// A bucket of 9,000 tokens: quick to fill, and any shape behaves alike.
    private let small = TokenBucket(
        prefix: 411_111, suffix: 1111,
        shape: BucketShape(prefixDigits: 6, suffixDigits: 4, length: 14, luhn: .invalid))

    private func pan(_ digits: String = "5555555555554444") throws -> PAN {
        try #require(panForTest(Array(digits.utf8)))
    }

    private func draw(
        _ bucket: TokenBucket, for pan: PAN, taken: Set<Token>, walkLimit: UInt64 = .max, random: inout SeededRandom
    ) -> TokenDraw {
        TokenGenerator.draw(
            from: bucket, for: pan, walkLimit: walkLimit,
            uniformBelow: { UInt64.random(in: 0..<$0, using: &random) }, isTaken: { taken.contains($0) })
    }

    @Test("an empty bucket answers at the first draw")
    func first() throws {
        var random = SeededRandom(1)
        guard case .token(_, let tries) = draw(small, for: try pan(), taken: [], random: &random) else {
            Issue.record("no token")
            return
        }
        #expect(tries == 1)
    }

    @Test("a bucket is filled to its last token, never twice the same, and is then known to be full")
    func fill() throws {
        var random = SeededRandom(2)
        var taken: Set<Token> = []
        let pan = try pan()
        for _ in 0..<small.capacity {
            guard case .token(let token, let tries) = draw(small, for: pan, taken: taken, random: &random) else {
                Issue.record("full at \(taken.count) of \(small.capacity)")
                return
            }
            #expect(tries <= small.capacity + 32)
            #expect(taken.insert(token).inserted)
        }
        #expect(UInt64(taken.count) == small.capacity)
        #expect(draw(small, for: pan, taken: taken, random: &random) == .bucketFull(tries: small.capacity + 32))
    }

    @Test("the last free token is found wherever it is", arguments: 0..<64)
    func lastFree(seed: UInt64) throws {
        var random = SeededRandom(seed &* 0x9E37_79B9_7F4A_7C15 &+ 1)
        let free = small.token(at: UInt64.random(in: 0..<small.capacity, using: &random))
        let found = TokenGenerator.draw(
            from: small, for: try pan(), uniformBelow: { UInt64.random(in: 0..<$0, using: &random) },
            isTaken: { $0 != free })
        guard case .token(let token, let tries) = found else {
            Issue.record("the last free token was not found")
            return
        }
        #expect(token == free)
        #expect(tries <= small.capacity + 32)
    }

    @Test("a token never equals the card number, even when that is the last one left")
    func neverThePAN() throws {
        let bucket = TokenBucket(
            prefix: 411_111_111, suffix: 1111,
            shape: BucketShape(prefixDigits: 9, suffixDigits: 4, length: 14, luhn: .any))
        let pan = try pan("41111111101111")
        #expect(bucket.index(of: Token(digitsOf: pan)) == 0)
        var random = SeededRandom(4)
        var taken: Set<Token> = []
        while case .token(let token, _) = draw(bucket, for: pan, taken: taken, random: &random) {
            #expect(token != Token(digitsOf: pan))
            taken.insert(token)
        }
        #expect(taken.count == 9)
    }

    @Test("a walk limit cuts the search short and says so")
    func walkLimit() throws {
        var random = SeededRandom(5)
        let all = Set((0..<small.capacity).map(small.token(at:)))
        #expect(
            draw(small, for: try pan(), taken: all, walkLimit: 100, random: &random) == .walkLimitReached(tries: 132))
        #expect(draw(small, for: try pan(), taken: all, walkLimit: 0, random: &random) == .walkLimitReached(tries: 32))
        #expect(
            draw(small, for: try pan(), taken: all, walkLimit: small.capacity, random: &random)
                == .bucketFull(tries: small.capacity + 32))
    }

    @Test("an error of the look-up or of the random source passes through unchanged, with its type")
    func errors() throws {
        struct Broken: Error, Equatable {}
        let pan = try pan()
        #expect(throws: Broken()) {
            try TokenGenerator.draw(
                from: small, for: pan, uniformBelow: { (_) throws(Broken) in 0 },
                isTaken: { (_) throws(Broken) in throw Broken() })
        }
        #expect(throws: Broken()) {
            try TokenGenerator.draw(
                from: small, for: pan, uniformBelow: { (_) throws(Broken) in throw Broken() },
                isTaken: { (_) throws(Broken) in false })
        }
    }

    @Test(
        "a walk visits every number once, for every capacity, start and step seed",
        arguments: [1, 2, 3, 9, 10, 30, 90, 97])
    func walk(capacity: UInt64) {
        for start in 0..<capacity {
            for seed in 0..<capacity {
                var walk = BucketWalk(capacity: capacity, start: start, stepSeed: seed)
                var seen: Set<UInt64> = []
                for _ in 0..<capacity { seen.insert(walk.next()) }
                #expect(UInt64(seen.count) == capacity && walk.next() == start)
            }
        }
    }

    @Test("a walk of the largest bucket does not overflow")
    func largestWalk() {
        let capacity: UInt64 = 9_000_000_000_000_000_000
        var walk = BucketWalk(capacity: capacity, start: capacity - 1, stepSeed: capacity - 1)
        for _ in 0..<1_000 { #expect(walk.next() < capacity) }
    }

    @Test(
        "draws are uniform over the tokens: chi-square over 900 tokens, and over each free digit",
        arguments: TokenFormat.LuhnRule.allCases)
    func uniform(luhn: TokenFormat.LuhnRule) throws {
        let free = luhn == .valid ? 4 : 3
        let bucket = TokenBucket(
            prefix: 99, suffix: 123_456,
            shape: BucketShape(prefixDigits: 2, suffixDigits: 12 - 2 - free, length: 12, luhn: luhn))
        var random = SeededRandom(6)
        let pan = try pan()
        let draws = Int(bucket.capacity) * 100
        var counts: [UInt64: Int] = [:]
        var digits = [[Int]](repeating: [Int](repeating: 0, count: 10), count: free)
        for _ in 0..<draws {
            guard case .token(let token, 1) = draw(bucket, for: pan, taken: [], random: &random) else { continue }
            counts[token.value, default: 0] += 1
            for place in 0..<free { digits[place][Int(token.value / Digits.power(12 - 2 - free + place) % 10)] += 1 }
        }
        let cells = Double(bucket.capacity)
        #expect(counts.count == Int(bucket.capacity))
        #expect(chiSquare(counts.values.map { $0 }, expected: 100) < limit(cells - 1))
        // The redundant digit of a Luhn rule is uniform too, as the digits above it run through all their values.
        for place in 0..<free {
            #expect(chiSquare(digits[place], expected: Double(draws) / 10) < limit(9))
        }
    }

    private func chiSquare(_ counts: [Int], expected: Double) -> Double {
        counts.reduce(0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
    }

    /// Mean plus five standard deviations of the chi-square distribution: passed by chance alone once in millions.
    private func limit(_ degrees: Double) -> Double { degrees + 5 * (2 * degrees).squareRoot() + 10 }
}
