import Testing

@testable import VaultCore

@Suite("Cards named in one bucket")
struct CardBucketsTests {
    private static let start: UInt32 = 1_700_000_040

    private func mark(_ card: UInt64, _ bucket: UInt64 = 1) -> CardMark { CardMark(card: card, bucket: bucket) }

    @Test("different cards count, the same one does not count twice, and buckets are apart")
    func counting() {
        var buckets = CardBuckets(listMax: 100, keepFrom: 1)
        #expect(buckets.add(mark(10), now: Self.start) == 1)
        #expect(buckets.add(mark(11), now: Self.start) == 2)
        #expect(buckets.add(mark(10), now: Self.start + 60) == 2)
        #expect(buckets.add(mark(10, 2), now: Self.start) == 1)
        #expect(buckets.fullest(now: Self.start) == 2)
    }

    @Test("a card is forgotten an hour after it was named last")
    func expiry() {
        var buckets = CardBuckets(listMax: 100, keepFrom: 1)
        for card in 0..<UInt64(10) { _ = buckets.add(mark(card), now: Self.start + UInt32(card) * 60) }
        #expect(buckets.add(mark(0), now: Self.start + 59 * 60) == 10)
        // Card 1 falls out, card 0 was named again.
        #expect(buckets.add(mark(100), now: Self.start + 61 * 60) == 10)
        #expect(buckets.add(mark(100), now: Self.start + 3 * 3600) == 1)
        #expect(buckets.count == 1)
    }

    @Test("agrees with a plain dictionary over random cards and times")
    func model() {
        var generator = SplitMix(seed: 11)
        var buckets = CardBuckets(listMax: 1_000, keepFrom: 5)
        var seen: [UInt64: [UInt64: UInt32]] = [:]
        var now = Self.start
        for _ in 0..<20_000 {
            now += UInt32(generator.next() % 10)
            let mark = mark(generator.next() % 60, generator.next() % 20)
            var cards = seen[mark.bucket] ?? [:]
            cards[mark.card] = now / 60
            cards = cards.filter { $0.value + 60 > now / 60 }
            seen[mark.bucket] = cards
            #expect(buckets.add(mark, now: now) == cards.count)
        }
    }

    @Test("a bucket keeps no more cards than limits need, and says that there are more")
    func listMax() {
        var buckets = CardBuckets(listMax: 5, keepFrom: 1)
        for card in 0..<UInt64(1_000) { _ = buckets.add(mark(card), now: Self.start) }
        #expect(buckets.count == 5)
        #expect(buckets.add(mark(5_000), now: Self.start) == 6)
    }

    @Test("names the time after which there is room")
    func waiting() {
        var buckets = CardBuckets(listMax: 100, keepFrom: 1)
        for card in 0..<UInt64(6) { _ = buckets.add(mark(card), now: Self.start + UInt32(card) * 60) }
        let now = Self.start + 6 * 60
        let wait = buckets.wait(1, limit: 4, now: now)
        var later = buckets
        #expect(later.add(mark(99), now: now + wait) == 4)
        var earlier = buckets
        #expect(earlier.add(mark(99), now: now + wait - 1) == 5)
    }

    @Test("full, it forgets old cards of small buckets and keeps the one that is being tried out")
    func bounded() {
        var buckets = CardBuckets(listMax: 1_000, keepFrom: 10, entriesMax: 4_096)
        for card in 0..<UInt64(200) { _ = buckets.add(mark(card), now: Self.start) }
        for number in 0..<UInt64(50_000) {
            _ = buckets.add(mark(number, 1_000 + number), now: Self.start + UInt32(number / 100))
        }
        #expect(buckets.count <= 4_096)
        #expect(buckets.add(mark(500), now: Self.start + 600) == 201)
    }

    @Test("full of large buckets, it stays within its bound")
    func allLarge() {
        var buckets = CardBuckets(listMax: 1_000, keepFrom: 1, entriesMax: 1_024)
        for number in 0..<UInt64(5_000) { _ = buckets.add(mark(number, number), now: Self.start) }
        #expect(buckets.count <= 1_024)
    }

    @Test("a clock that goes back a day takes the cards along")
    func stepBack() {
        var buckets = CardBuckets(listMax: 100, keepFrom: 1)
        for card in 0..<UInt64(6) { _ = buckets.add(mark(card), now: Self.start) }
        let now = Self.start - 86_400
        #expect(buckets.add(mark(50), now: now) == 7)
        #expect(buckets.add(mark(51), now: now + 59 * 60) == 8)
        #expect(buckets.add(mark(52), now: now + 61 * 60) == 2)
    }

    @Test("stores buckets that are on their way to a limit, as many as fit, the fullest first")
    func coding() throws {
        var buckets = CardBuckets(listMax: 100, keepFrom: 3)
        for card in 0..<UInt64(5) { _ = buckets.add(mark(card), now: Self.start) }
        for card in 0..<UInt64(3) { _ = buckets.add(mark(card, 2), now: Self.start) }
        for card in 0..<UInt64(2) { _ = buckets.add(mark(card, 3), now: Self.start) }
        func restored(bytesMax: Int) throws -> CardBuckets {
            var writer = StateWriter()
            buckets.write(to: &writer, bytesMax: bytesMax)
            #expect(writer.bytes.count <= bytesMax)
            var reader = StateReader(writer.bytes[...])
            var read = CardBuckets(listMax: 100, keepFrom: 3)
            try read.read(&reader)
            #expect(reader.isAtEnd)
            return read
        }
        var all = try restored(bytesMax: 10_000)
        #expect(all.count == 8)
        #expect(all.add(mark(9), now: Self.start + 60) == 6)
        #expect(all.add(mark(0, 2), now: Self.start + 60) == 3)
        #expect(all.add(mark(9, 3), now: Self.start + 60) == 1, "too few to be stored")
        #expect(try restored(bytesMax: 4 + 6 * 20).count == 5)
        #expect(try restored(bytesMax: 4).count == 0)
    }
}
