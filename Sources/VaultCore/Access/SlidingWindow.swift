/// How many things happened within the last minute, hour or day, by the wall clock.
///
/// ```
///  slot:      n-59 ... n-2 n-1  n        n = Unix seconds / seconds of a slot; the oldest falls out as n grows
///  counts:     7        0   3   12       total = their sum
/// ```
/// A clock that goes back by a slot or two is waited for: what happens then counts into the newest slot. One that goes
/// back further takes the slots along, so that they fall out after the same time as if it had not. One that goes forward
/// empties slots early; a limit on a wall clock can do no better, and only such a clock counts across a restart.
package struct SlidingWindow: Equatable, Sendable {
    /// How long a window is, and how finely it is counted.
    package enum Length: Sendable, CaseIterable {
        case minute, hour, day

        /// Slots of the window.
        package var slots: Int { self == .day ? 24 : 60 }

        /// Seconds that one slot counts.
        package var slotSeconds: UInt64 {
            switch self {
            case .minute: 1
            case .hour: 60
            case .day: 3600
            }
        }
    }

    /// Slots that the clock may go back while the newest slot waits for it.
    private static let patience: UInt64 = 2

    package let length: Length
    /// The slot numbered n is at index n modulo their number.
    private var counts: [UInt64]
    private var newest: UInt64 = 0
    /// What is counted within the window.
    package private(set) var total: UInt64 = 0

    package init(_ length: Length) {
        self.length = length
        counts = [UInt64](repeating: 0, count: length.slots)
    }

    /// Counts `amount` things that happen now. `now` is in Unix seconds, as everywhere here.
    package mutating func add(_ amount: UInt64, now: UInt32) {
        advance(to: now)
        let index = Int(newest % UInt64(counts.count))
        counts[index] = counts[index].saturatingSum(amount)
        total = total.saturatingSum(amount)
    }

    /// Lets fall out what is too old.
    package mutating func advance(to now: UInt32) {
        let slot = UInt64(now) / length.slotSeconds
        if slot == newest { return }
        if slot < newest {
            if newest - slot > Self.patience { rebase(to: slot) }
            return
        }
        if slot - newest >= UInt64(counts.count) {
            clear()
        } else {
            for number in newest + 1...slot {
                let index = Int(number % UInt64(counts.count))
                total -= min(total, counts[index])
                counts[index] = 0
            }
        }
        newest = slot
    }

    /// Forgets everything.
    package mutating func clear() {
        for index in counts.indices { counts[index] = 0 }
        total = 0
    }

    /// Seconds, at least 1, until `amount` more would leave the total at or below `limit`, if nothing else happened: 0
    /// where that is so now. An amount above the limit has to wait until the window is empty.
    package mutating func wait(for amount: UInt64, within limit: UInt64, now: UInt32) -> UInt32 {
        advance(to: now)
        let room = limit - min(limit, amount)
        if total <= room { return 0 }
        var left = total
        for age in stride(from: UInt64(counts.count - 1), through: 0, by: -1) where newest >= age {
            let number = newest - age
            left -= min(left, counts[Int(number % UInt64(counts.count))])
            if left > room { continue }
            let end = (number + UInt64(counts.count)) * length.slotSeconds
            let start = max(UInt64(now), newest * length.slotSeconds)
            return UInt32(clamping: max(1, end - min(end, start)))
        }
        return UInt32(clamping: UInt64(counts.count) * length.slotSeconds)
    }

    /// Every slot keeps its distance from the newest.
    private mutating func rebase(to slot: UInt64) {
        let size = UInt64(counts.count)
        let shift = Int((newest - slot) % size)
        if shift > 0 { counts = Array(counts[shift...] + counts[..<shift]) }
        newest = slot
    }
}

// How a window is stored: the newest slot's number, and the slots that are not empty by their age.
extension SlidingWindow {
    func write(to writer: inout StateWriter) {
        writer.append(newest)
        let filled = (0..<UInt64(counts.count)).filter { newest >= $0 && count(at: $0) > 0 }
        writer.append(UInt8(filled.count))
        for age in filled {
            writer.append(UInt8(age))
            writer.append(count(at: age))
        }
    }

    mutating func read(_ reader: inout StateReader) throws(StateDamaged) {
        clear()
        newest = try reader.integer()
        for _ in 0..<(try reader.integer() as UInt8) {
            let age = UInt64(try reader.integer() as UInt8)
            guard age < UInt64(counts.count), age <= newest else { throw StateDamaged() }
            let amount: UInt64 = try reader.integer()
            counts[Int((newest - age) % UInt64(counts.count))] = amount
            total = total.saturatingSum(amount)
        }
    }

    private func count(at age: UInt64) -> UInt64 { counts[Int((newest - age) % UInt64(counts.count))] }
}

extension UInt64 {
    /// The sum, or the largest number where it does not fit.
    func saturatingSum(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
