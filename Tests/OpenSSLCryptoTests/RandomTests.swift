import Foundation
import OpenSSLCrypto
import Testing

@Suite("random")
struct RandomTests {
    /// Bounds that divide 2^64, that nearly do, and that leave a third of it over, where a plain remainder shows.
    static let bounds: [UInt64] = [64, 100 * 64, 900_000 * 64, 1 << 63 | 1 << 62, .max - 63]

    @Test(
        "numbers below a bound are equally likely: chi-square over 64 bins stays below a fixed limit",
        arguments: bounds)
    func uniform(bound: UInt64) {
        var pool = RandomPool()
        let bins = 64
        let draws = 640_000
        // Whole bins are equally wide; the last takes the remainder, which is far too small to matter.
        let width = bound / UInt64(bins)
        var counts = [Int](repeating: 0, count: bins)
        for _ in 0..<draws {
            let number = pool.uniform(below: bound)
            if number >= bound { Issue.record("\(number) is not below \(bound)") }
            counts[min(bins - 1, Int(number / width))] += 1
        }
        // 63 degrees of freedom: a fair generator exceeds 150 once in about 3 x 10^8 runs.
        let value = chiSquare(counts, expected: Double(draws) / Double(bins))
        #expect(value < 150, "chi-square \(value) for bound \(bound)")
        // And one below 20 is too even to be random: once in about 10^8 runs.
        #expect(value > 20, "chi-square \(value) for bound \(bound)")
    }

    @Test("a third of 2^64 left over makes no remainder of 3 more likely than the others")
    func remainders() {
        var pool = RandomPool()
        var counts = [0, 0, 0]
        for _ in 0..<300_000 { counts[Int(pool.uniform(below: 1 << 63 | 1 << 62) % 3)] += 1 }
        // 2 degrees of freedom: above 40 once in 5 x 10^8 runs. Multiplying without drawing again gives about 37,500.
        let value = chiSquare(counts, expected: 100_000)
        #expect(value < 40, "chi-square \(value)")
    }

    @Test("the same check finds a plain remainder at fault")
    func checkCanFail() {
        var pool = RandomPool()
        let bound = UInt64(1) << 63 | 1 << 62
        var counts = [Int](repeating: 0, count: 64)
        for _ in 0..<640_000 { counts[Int(pool.next() % bound / (bound / 64))] += 1 }
        #expect(chiSquare(counts, expected: 10_000) > 1000)
    }

    @Test("a bound of 1 gives 0, and small bounds give every number", arguments: UInt64(1)...20)
    func smallBounds(bound: UInt64) {
        var pool = RandomPool(.shown)
        var seen: Set<UInt64> = []
        for _ in 0..<2000 { seen.insert(pool.uniform(below: bound)) }
        #expect(seen == Set(0..<bound))
    }

    @Test("a bound of 0 stops the process")
    func zeroBound() async {
        await #expect(processExitsWith: .failure) {
            var pool = RandomPool()
            print(pool.uniform(below: 0))
            exit(0)
        }
    }

    @Test("every value of a byte is equally likely, in single draws and in the pool, across blocks")
    func bytes() throws {
        var pool = RandomPool()
        var drawn = [UInt8](repeating: 0, count: 1_000_003)
        var pooled = drawn
        var drawnBytes = drawn.mutableSpan
        try SystemRandom.fill(&drawnBytes)
        var pooledBytes = pooled.mutableSpan
        pool.fill(&pooledBytes)
        for sample in [drawn, pooled] {
            var counts = [Int](repeating: 0, count: 256)
            for byte in sample { counts[Int(byte)] += 1 }
            // 255 degrees of freedom: above 400 once in about 10^8 runs.
            let value = chiSquare(counts, expected: Double(sample.count) / 256)
            #expect(value < 400, "chi-square \(value)")
        }
    }

    @Test("no number comes twice from two pools over many blocks")
    func noRepeats() {
        var one = RandomPool()
        var two = RandomPool(.shown)
        var seen: Set<UInt64> = []
        for _ in 0..<50_000 {
            seen.insert(one.next())
            seen.insert(two.next())
        }
        #expect(seen.count == 100_000)
    }

    @Test("portions of every size are filled to the last byte", arguments: [0, 1, 7, 12, 4095, 4096, 4097, 10_000])
    func portions(count: Int) {
        var pool = RandomPool()
        var everSet = [UInt8](repeating: 0, count: count)
        for _ in 0..<16 {
            var portion = [UInt8](repeating: 0, count: count)
            var bytes = portion.mutableSpan
            pool.fill(&bytes)
            for index in everSet.indices { everSet[index] |= portion[index] }
        }
        // All 16 draws of one byte being zero happens once in 2^128.
        #expect(everSet.allSatisfy { $0 != 0 })
    }

    @Test("a child process does not hand out zeros from the block that the fork wiped")
    func fork() async {
        await #expect(processExitsWith: .exitCode(0)) {
            guard let symbol = unsafe dlsym(nil, "fork") else { exit(1) }
            let fork = unsafe unsafeBitCast(symbol, to: (@convention(c) () -> pid_t).self)
            var pool = RandomPool()
            _ = pool.next()
            let child = fork()
            if child == 0 {
                var zeros = 0
                for _ in 0..<600 where pool.next() == 0 { zeros += 1 }
                _exit(zeros == 0 ? 0 : 7)
            }
            var status: CInt = -1
            unsafe waitpid(child, &status, 0)
            exit(status == 0 ? 0 : 2)
        }
    }

    private func chiSquare(_ counts: [Int], expected: Double) -> Double {
        counts.reduce(0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
    }
}
