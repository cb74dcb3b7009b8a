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

    private static func tenths(_ value: Double) -> String {
        let scaled = Int((value * 10).rounded())
        return "\(count(scaled / 10)).\(scaled % 10)"
    }

    private static func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
}
