/// A card as the limits know it: keyed hashes, of the card and of what a probe would keep fixed, its first six digits
/// and its last four.
package struct CardMark: Equatable, Sendable {
    package let card: UInt64
    package let bucket: UInt64

    package init(card: UInt64, bucket: UInt64) {
        self.card = card
        self.bucket = bucket
    }
}

/// How many different cards a client has named in each bucket (equal first six and last four digits) within an hour.
///
/// Whoever tries out the middle digits of a card whose ends are known names many cards of one bucket; honest traffic
/// hardly ever names two. Memory is bounded: at most `entriesMax` cards, 16 bytes each, and a list is never longer than
/// `listMax`. When there are more, the oldest cards of small buckets are forgotten first.
///
/// ```
///  heads[bucket] ─> entry ─> entry ─> none      entry: card (8)  minute (4)  next (4)
/// ```
package struct CardBuckets: Sendable {
    /// Distinct cards of one client that are remembered at a time.
    package static let entriesMax = 1 << 18
    private static let minutes: UInt32 = 60
    private static let none = UInt32.max

    private struct Entry {
        var card: UInt64
        /// When it was named last, in minutes since 1970.
        var minute: UInt32
        /// The next entry of its bucket, or of the free list.
        var next: UInt32
    }

    private let entriesMax: Int
    /// Cards of one bucket that are kept: more than any limit that is set.
    package var listMax: Int
    /// From so many on a bucket is stored.
    package var keepFrom: Int
    private var heads: [UInt64: UInt32] = [:]
    private var entries: [Entry] = []
    private var free = CardBuckets.none
    private var used = 0
    /// Buckets that had `keepFrom` cards.
    private var large: Set<UInt64> = []
    private var latest: UInt32 = 0

    package init(listMax: Int, keepFrom: Int, entriesMax: Int = CardBuckets.entriesMax) {
        self.listMax = listMax
        self.keepFrom = keepFrom
        self.entriesMax = entriesMax
    }

    /// Cards remembered now.
    package var count: Int { used }

    /// Notes a card and gives how many different ones its bucket has had within the hour, this one included.
    package mutating func add(_ mark: CardMark, now: UInt32) -> Int {
        let minute = currentMinute(now)
        let size = remove(from: mark.bucket) { $0.minute + Self.minutes <= minute }
        var next = heads[mark.bucket] ?? Self.none
        while next != Self.none {
            if entries[Int(next)].card == mark.card {
                entries[Int(next)].minute = minute
                return size
            }
            next = entries[Int(next)].next
        }
        guard size < listMax else { return size + 1 }
        if used >= entriesMax { makeRoom(minute) }
        insert(mark, minute)
        if size + 1 >= keepFrom { large.insert(mark.bucket) }
        return size + 1
    }

    /// Seconds, at least 1, until a bucket has fewer than `limit` cards, if none is named until then.
    package func wait(_ bucket: UInt64, limit: Int, now: UInt32) -> UInt32 {
        let minutes = list(bucket).map { entries[Int($0)].minute }.sorted(by: >)
        guard limit > 0 else { return Self.minutes * 60 }
        guard minutes.count >= limit else { return 1 }
        let end = UInt64(minutes[limit - 1] + Self.minutes) * 60
        return UInt32(clamping: max(1, end - min(end, UInt64(now))))
    }

    /// Cards of the fullest bucket; 0 where none has `keepFrom`.
    package mutating func fullest(now: UInt32) -> Int {
        let minute = currentMinute(now)
        var most = 0
        for bucket in Array(large) { most = max(most, remove(from: bucket) { $0.minute + Self.minutes <= minute }) }
        return most
    }

    package mutating func clear() {
        heads = [:]
        entries = []
        free = Self.none
        used = 0
        large = []
    }

    /// The minute of now. A clock that went back by up to two minutes is waited for; one that went back further takes what
    /// is remembered along.
    private mutating func currentMinute(_ now: UInt32) -> UInt32 {
        let minute = now / 60
        if minute >= latest {
            latest = minute
        } else if latest - minute > 2 {
            let shift = latest - minute
            for index in entries.indices { entries[index].minute -= min(shift, entries[index].minute) }
            latest = minute
        }
        return latest
    }

    private func list(_ bucket: UInt64) -> [UInt32] {
        var indexes: [UInt32] = []
        var next = heads[bucket] ?? Self.none
        while next != Self.none {
            indexes.append(next)
            next = entries[Int(next)].next
        }
        return indexes
    }

    private mutating func insert(_ mark: CardMark, _ minute: UInt32) {
        let entry = Entry(card: mark.card, minute: minute, next: heads[mark.bucket] ?? Self.none)
        if free != Self.none {
            let index = free
            free = entries[Int(index)].next
            entries[Int(index)] = entry
            heads[mark.bucket] = index
        } else {
            heads[mark.bucket] = UInt32(entries.count)
            entries.append(entry)
        }
        used += 1
    }

    /// Takes entries out of a bucket; how many are left.
    private mutating func remove(from bucket: UInt64, _ isGone: (Entry) -> Bool) -> Int {
        var (size, last, next) = (0, Self.none, heads[bucket] ?? Self.none)
        while next != Self.none {
            let index = next
            next = entries[Int(index)].next
            if isGone(entries[Int(index)]) {
                entries[Int(index)] = Entry(card: 0, minute: 0, next: free)
                free = index
                used -= 1
                if last == Self.none { heads[bucket] = next } else { entries[Int(last)].next = next }
            } else {
                last = index
                size += 1
            }
        }
        if size == 0 { heads[bucket] = nil }
        if size < keepFrom { large.remove(bucket) }
        return size
    }

    /// Forgets cards until a quarter of the room is free: what is older than an hour, then ever younger cards of buckets
    /// that are not large, and where all are large, everything.
    private mutating func makeRoom(_ minute: UInt32) {
        for age in [Self.minutes, 30, 15, 7, 3, 1, 0] {
            for bucket in Array(heads.keys) where age == Self.minutes || !large.contains(bucket) {
                _ = remove(from: bucket) { $0.minute + age <= minute }
            }
            if used <= entriesMax - entriesMax / 4 { return }
        }
        clear()
    }
}

// What is stored: the cards of buckets that are on their way to a limit.
extension CardBuckets {
    /// At most `bytesMax` bytes, the fullest buckets first.
    func write(to writer: inout StateWriter, bytesMax: Int) {
        var room = (bytesMax - 4) / 20
        var rows: [(UInt64, Entry)] = []
        for (bucket, indexes) in large.map({ ($0, list($0)) }).sorted(by: { $0.1.count > $1.1.count }) {
            guard indexes.count >= keepFrom, indexes.count <= room else { break }
            room -= indexes.count
            rows += indexes.map { (bucket, entries[Int($0)]) }
        }
        writer.append(UInt32(rows.count))
        for (bucket, entry) in rows {
            writer.append(bucket)
            writer.append(entry.card)
            writer.append(entry.minute)
        }
    }

    mutating func read(_ reader: inout StateReader) throws(StateDamaged) {
        clear()
        for _ in 0..<(try reader.integer() as UInt32) {
            let bucket: UInt64 = try reader.integer()
            let card: UInt64 = try reader.integer()
            let minute: UInt32 = try reader.integer()
            guard minute <= UInt32.max / 60 else { throw StateDamaged() }
            latest = max(latest, minute)
            guard used < entriesMax else { continue }
            insert(CardMark(card: card, bucket: bucket), minute)
            large.insert(bucket)
        }
    }
}
