/// Numbers as people read them.
enum Figures {
    /// `1,234,567`
    static func count(_ value: some BinaryInteger) -> String {
        let digits = Array(String(value).utf8)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0, digits[index - 1] != 0x2D { text += "," }
            text.unicodeScalars.append(Unicode.Scalar(digit))
        }
        return text
    }

    /// `1 token`, `2 tokens`
    static func count(_ value: some BinaryInteger, _ noun: String) -> String {
        "\(count(value)) \(noun)\(value == 1 ? "" : "s")"
    }

    /// `1.4 GiB`
    static func bytes(_ value: UInt64) -> String {
        var amount = Double(value)
        for unit in ["B", "KiB", "MiB", "GiB"] {
            if amount < 1024 { return unit == "B" ? "\(value) B" : "\(tenths(amount)) \(unit)" }
            amount /= 1024
        }
        return "\(tenths(amount)) TiB"
    }

    /// `12%`
    static func percent(_ part: UInt64, of whole: UInt64) -> String {
        whole == 0 ? "-" : "\(tenths(Double(part) * 100 / Double(whole)))%"
    }

    /// `850 ms`, `12.3 s`, `4:05 min`, `2:03:04 h`
    static func time(_ seconds: Double) -> String {
        if seconds < 1 { return "\(Int(seconds * 1000)) ms" }
        if seconds < 60 { return "\(tenths(seconds)) s" }
        let whole = Int(seconds)
        if whole < 3600 { return "\(whole / 60):\(two(whole % 60)) min" }
        return "\(whole / 3600):\(two(whole / 60 % 60)):\(two(whole % 60)) h"
    }

    /// `3 d`, `5 h`, `12 min`, `40 s`
    static func age(_ seconds: UInt64) -> String {
        if seconds >= 2 * 86_400 { return "\(count(seconds / 86_400)) d" }
        if seconds >= 2 * 3600 { return "\(seconds / 3600) h" }
        return seconds >= 120 ? "\(seconds / 60) min" : "\(seconds) s"
    }

    /// Time left of a certificate: days, or hours on the last two; `ENDED` when there is none.
    static func left(until end: UInt64, now: UInt64) -> String {
        guard end >= now else { return "ENDED" }
        let hours = (end - now) / 3_600
        return hours < 48 ? "\(hours) h" : "\(hours / 24) d"
    }

    /// `2026-11-23`, of Unix seconds, in UTC; `-` for 0.
    static func date(_ seconds: UInt64) -> String {
        guard seconds > 0 else { return "-" }
        // Days in eras of 400 years that begin on the first of March.
        let days = Int(min(seconds / 86_400, 100_000_000)) + 719_468
        let (era, day) = (days / 146_097, days % 146_097)
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365
        let dayOfYear = day - (365 * year + year / 4 - year / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        let dayOfMonth = dayOfYear - (153 * shifted + 2) / 5 + 1
        return "\(era * 400 + year + (month <= 2 ? 1 : 0))-\(two(month))-\(two(dayOfMonth))"
    }

    /// `2026-11-23 09:05:00Z`
    static func moment(_ seconds: UInt64) -> String {
        guard seconds > 0 else { return "-" }
        let second = Int(seconds % 86_400)
        return "\(date(seconds)) \(two(second / 3600)):\(two(second / 60 % 60)):\(two(second % 60))Z"
    }

    /// A set of shares as eight hexadecimal digits, whichever way it is written; `-` for none.
    static func set(_ value: JSONValue?) -> String {
        if let text = value?.text, !text.isEmpty { return text }
        guard let number = value?.integer, number > 0 else { return "-" }
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: max(0, 8 - digits.count)) + digits
    }

    /// `[######......]`
    static func bar(_ fraction: Double, width: Int) -> String {
        let filled = Int(min(max(fraction, 0), 1) * Double(width))
        return "[" + String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled) + "]"
    }

    private static func tenths(_ value: Double) -> String {
        let scaled = Int((value * 10).rounded())
        return "\(count(scaled / 10)).\(scaled % 10)"
    }

    private static func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
}
