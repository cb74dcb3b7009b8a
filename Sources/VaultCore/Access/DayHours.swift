/// A part of every day, in UTC, such as `06:00-22:00`; `22:00-06:00` goes over midnight.
package struct DayHours: Hashable, Sendable {
    /// Minutes of the day; the end is not in it, and may be 1,440.
    package let start: UInt16
    package let end: UInt16

    /// Reads `HH:MM-HH:MM`; nil for anything else, and for hours that begin when they end. `24:00` is an end.
    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count == 11, bytes[5] == 0x2D, let start = Self.minute(bytes[0..<5]),
            let end = Self.minute(bytes[6..<11]), start < 1440, start != end, start != end % 1440 || start == 0
        else { return nil }
        self.start = start
        self.end = end
    }

    private static func minute(_ text: ArraySlice<UInt8>) -> UInt16? {
        let bytes = Array(text)
        let digits = [bytes[0], bytes[1], bytes[3], bytes[4]]
        guard bytes[2] == 0x3A, digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        let numbers = digits.map { UInt16($0 - 0x30) }
        let (hour, minute) = (numbers[0] * 10 + numbers[1], numbers[2] * 10 + numbers[3])
        guard minute < 60, hour < 24 || (hour == 24 && minute == 0) else { return nil }
        return hour * 60 + minute
    }

    /// Whether a moment in Unix seconds is in it.
    package func contains(_ now: UInt32) -> Bool {
        let minute = UInt16(now % 86_400 / 60)
        return start < end ? minute >= start && minute < end : minute >= start || minute < end
    }

    package var text: String { "\(Self.text(start))-\(Self.text(end))" }

    private static func text(_ minute: UInt16) -> String {
        let two = { (number: UInt16) in number < 10 ? "0\(number)" : "\(number)" }
        return "\(two(minute / 60)):\(two(minute % 60))"
    }
}
