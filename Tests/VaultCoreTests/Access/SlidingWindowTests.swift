import Testing

@testable import VaultCore

@Suite("Sliding windows")
struct SlidingWindowTests {
    private static let start: UInt32 = 1_700_000_000

    @Test(
        "counts what happened within the window, slot by slot as a plain list would",
        arguments: SlidingWindow.Length.allCases)
    func model(length: SlidingWindow.Length) {
        var generator = SplitMix(seed: 7)
        var window = SlidingWindow(length)
        var events: [(slot: UInt64, amount: UInt64)] = []
        var now = Self.start
        for _ in 0..<3_000 {
            now += UInt32(generator.next() % (2 * length.slotSeconds))
            if generator.next() % 50 == 0 { now += UInt32(length.slotSeconds) * UInt32(generator.next() % 80) }
            let amount = generator.next() % 1_000
            window.add(amount, now: now)
            let slot = UInt64(now) / length.slotSeconds
            events.append((slot, amount))
            events.removeAll { $0.slot + UInt64(length.slots) <= slot }
            #expect(window.total == events.reduce(0) { $0 + $1.amount })
        }
    }

    @Test("what is counted falls out after the window, and not a slot before", arguments: SlidingWindow.Length.allCases)
    func expiry(length: SlidingWindow.Length) {
        let seconds = UInt32(length.slotSeconds) * UInt32(length.slots)
        let begin = Self.start / UInt32(length.slotSeconds) * UInt32(length.slotSeconds)
        var window = SlidingWindow(length)
        window.add(5, now: begin)
        window.advance(to: begin + seconds - 1)
        #expect(window.total == 5)
        window.advance(to: begin + seconds)
        #expect(window.total == 0)
    }

    @Test("the wait it names is the shortest after which there is room")
    func waiting() {
        var generator = SplitMix(seed: 3)
        for _ in 0..<300 {
            var window = SlidingWindow(.minute)
            var now = Self.start
            for _ in 0..<20 {
                now += UInt32(generator.next() % 5)
                window.add(generator.next() % 10, now: now)
            }
            let (amount, limit) = (generator.next() % 20, 20 + generator.next() % 60)
            let wait = window.wait(for: amount, within: limit, now: now)
            var later = window
            later.advance(to: now + wait)
            #expect(later.total + amount <= limit)
            if wait > 0 {
                var earlier = window
                earlier.advance(to: now + wait - 1)
                #expect(earlier.total + amount > limit)
            }
        }
    }

    @Test("more than the limit at once waits for an empty window")
    func tooMuch() {
        var window = SlidingWindow(.minute)
        window.add(1, now: Self.start)
        #expect(window.wait(for: 100, within: 10, now: Self.start + 20) == 40)
        #expect(window.wait(for: 10, within: 10, now: Self.start + 20) == 40)
        #expect(window.wait(for: 9, within: 10, now: Self.start + 20) == 0)
    }

    @Test("a clock that goes back a little is waited for, and loses nothing")
    func smallStepBack() {
        var window = SlidingWindow(.minute)
        window.add(3, now: Self.start)
        window.add(4, now: Self.start - 2)
        #expect(window.total == 7)
        window.advance(to: Self.start + 59)
        #expect(window.total == 7)
        window.advance(to: Self.start + 60)
        #expect(window.total == 0)
        // Two threads that read the clock a second apart, in turns, do not make the window shorter.
        window.add(1, now: Self.start + 60)
        for second in 1..<UInt32(60) {
            window.advance(to: Self.start + 60 + second)
            window.advance(to: Self.start + 60 + second - 1)
        }
        #expect(window.total == 1)
    }

    @Test(
        "a clock that goes back a year takes the counts along: they end after the same time",
        arguments: [3, 59, 60, 61, 31_536_000])
    func bigStepBack(seconds: UInt32) {
        var window = SlidingWindow(.minute)
        window.add(1, now: Self.start - 30)
        window.add(2, now: Self.start)
        let now = Self.start - seconds
        window.add(4, now: now)
        #expect(window.total == 7)
        window.advance(to: now + 29)
        #expect(window.total == 7)
        window.advance(to: now + 30)
        #expect(window.total == 6)
        window.advance(to: now + 60)
        #expect(window.total == 0)
    }

    @Test("counts stop at the largest number, and never wrap")
    func saturation() {
        var window = SlidingWindow(.day)
        window.add(.max, now: Self.start)
        window.add(.max, now: Self.start + 3600)
        #expect(window.total == .max)
        _ = window.wait(for: .max, within: 1, now: Self.start)
        window.advance(to: Self.start + 90_000)
        window.advance(to: Self.start + 200_000)
        #expect(window.total == 0)
    }

    @Test("survives being stored, at any moment", arguments: SlidingWindow.Length.allCases)
    func coding(length: SlidingWindow.Length) throws {
        var window = SlidingWindow(length)
        var now = Self.start
        for step in 0..<UInt32(200) {
            now += step % 7 * UInt32(length.slotSeconds)
            window.add(UInt64(step), now: now)
            var writer = StateWriter()
            window.write(to: &writer)
            var reader = StateReader(writer.bytes[...])
            var read = SlidingWindow(length)
            try read.read(&reader)
            #expect(read == window && reader.isAtEnd)
        }
    }
}

/// Random numbers that are the same in every run.
struct SplitMix {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
