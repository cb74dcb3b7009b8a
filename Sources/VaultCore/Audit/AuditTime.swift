/// A moment of the audit log: milliseconds since 1970, in UTC without leap seconds.
package struct AuditTime: Hashable, Comparable, Sendable {
    package let milliseconds: UInt64

    /// The last one that has four digits of a year: 9999-12-31T23:59:59.999Z.
    package static let max = AuditTime(milliseconds: 253_402_300_799_999)

    package init(milliseconds: UInt64) { self.milliseconds = milliseconds }

    package static func < (a: AuditTime, b: AuditTime) -> Bool { a.milliseconds < b.milliseconds }

    /// Reads `2026-11-28T11:22:33.123Z`, exactly as records have it; `nil` for any other text.
    package init?(_ text: some Collection<UInt8>) {
        let bytes = Array(text)
        guard bytes.count == 24, bytes[23] == UInt8(ascii: "Z"), bytes[19] == UInt8(ascii: "."),
            let fraction = Self.number(bytes[20..<23]), let seconds = Self.seconds(bytes[..<19])
        else { return nil }
        milliseconds = seconds * 1000 + fraction
    }

    /// Reads what people type: `2026-11-28`, `2026-11-28T11:22`, `2026-11-28 11:22:33Z`, all in UTC; Unix seconds as
    /// `@1764328953`; or a time before now as `90s`, `30m`, `12h`, `7d` or `2w`.
    package init?(typed text: String, now: AuditTime) {
        var bytes = Array(text.utf8)
        if bytes.first == UInt8(ascii: "@") {
            guard let seconds = Self.number(bytes[1...]), seconds <= Self.max.milliseconds / 1000 else { return nil }
            self.init(milliseconds: seconds * 1000)
            return
        }
        let units: [UInt8: UInt64] = [
            UInt8(ascii: "s"): 1, UInt8(ascii: "m"): 60, UInt8(ascii: "h"): 3600, UInt8(ascii: "d"): 86_400,
            UInt8(ascii: "w"): 7 * 86_400,
        ]
        if let last = bytes.last, let unit = units[last], bytes.count <= 9, let count = Self.number(bytes.dropLast()) {
            let ago = count * unit * 1000
            self.init(milliseconds: ago < now.milliseconds ? now.milliseconds - ago : 0)
            return
        }
        if let exact = AuditTime(bytes) {
            self = exact
            return
        }
        if bytes.last == UInt8(ascii: "Z") { bytes.removeLast() }
        if bytes.count > 10, bytes[10] == UInt8(ascii: " ") { bytes[10] = UInt8(ascii: "T") }
        if bytes.count == 10 { bytes += Array("T00:00".utf8) }
        if bytes.count == 16 { bytes += Array(":00".utf8) }
        guard let seconds = Self.seconds(bytes[...]) else { return nil }
        self.init(milliseconds: seconds * 1000)
    }

    /// As records have it.
    package var text: String {
        let seconds = min(milliseconds, Self.max.milliseconds) / 1000
        let (days, second) = (seconds / 86_400, seconds % 86_400)
        let (year, month, day) = Self.date(ofDay: days)
        let date = "\(Self.padded(year, 4))-\(Self.padded(month, 2))-\(Self.padded(day, 2))"
        let time = [second / 3600, second / 60 % 60, second % 60].map { Self.padded($0, 2) }.joined(separator: ":")
        return "\(date)T\(time).\(Self.padded(min(milliseconds, Self.max.milliseconds) % 1000, 3))Z"
    }

    /// Seconds of `2026-11-28T11:22:33`.
    private static func seconds(_ bytes: ArraySlice<UInt8>) -> UInt64? {
        guard bytes.count == 19 else { return nil }
        let start = bytes.startIndex
        let marks: [(Int, UInt8)] = [
            (4, UInt8(ascii: "-")), (7, UInt8(ascii: "-")), (10, UInt8(ascii: "T")), (13, UInt8(ascii: ":")),
            (16, UInt8(ascii: ":")),
        ]
        guard marks.allSatisfy({ bytes[start + $0.0] == $0.1 }) else { return nil }
        func part(_ offset: Int, _ count: Int) -> UInt64? { number(bytes[(start + offset)..<(start + offset + count)]) }
        guard let year = part(0, 4), let month = part(5, 2), let day = part(8, 2), let hour = part(11, 2),
            let minute = part(14, 2), let second = part(17, 2), year >= 1970, 1...12 ~= month, day >= 1,
            day <= days(inMonth: month, year: year), hour < 24, minute < 60, second < 60
        else { return nil }
        return dayNumber(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> UInt64? {
        guard !digits.isEmpty, digits.count <= 15 else { return nil }
        var value: UInt64 = 0
        for digit in digits {
            guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= digit else { return nil }
            value = value * 10 + UInt64(digit - UInt8(ascii: "0"))
        }
        return value
    }

    private static func padded(_ value: UInt64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: Swift.max(0, width - digits.count)) + digits
    }

    private static func isLeap(_ year: UInt64) -> Bool {
        year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400))
    }

    private static func days(inMonth month: UInt64, year: UInt64) -> UInt64 {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days since 1970: years begin in March, so that the odd day is the last of a year.
    private static func dayNumber(_ year: UInt64, _ month: UInt64, _ day: UInt64) -> UInt64 {
        let shifted = month > 2 ? year : year - 1
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + dayOfYear - 719_468
    }

    private static func date(ofDay number: UInt64) -> (year: UInt64, month: UInt64, day: UInt64) {
        let days = number + 719_468
        let (era, day) = (days / 146_097, days % 146_097)
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365
        let dayOfYear = day - (365 * year + year / 4 - year / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (era * 400 + year + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }
}
