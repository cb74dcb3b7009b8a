/// Figures as people read them.
enum Figures {
    /// Thousands apart: `1,234,567`.
    static func whole(_ value: Double) -> String {
        let digits = String(Int(value.rounded()))
        var text = ""
        for (place, digit) in digits.enumerated() {
            if place > 0, (digits.count - place).isMultiple(of: 3) { text.append(",") }
            text.append(digit)
        }
        return text
    }

    /// About three significant digits: `0.512`, `14.8`, `153`.
    static func short(_ value: Double) -> String {
        switch value {
        case ..<10: fixed(value, value < 1 ? 3 : 2)
        case ..<100: fixed(value, 1)
        default: whole(value)
        }
    }

    /// Nanoseconds as microseconds or milliseconds: `850 us`, `1.25 ms`.
    static func duration(_ nanoseconds: UInt64) -> String {
        nanoseconds < 1_000_000
            ? "\(short(Double(nanoseconds) / 1e3)) us" : "\(short(Double(nanoseconds) / 1e6)) ms"
    }

    /// Bytes in MiB, without the unit.
    static func megabytes(_ bytes: UInt64) -> String { whole(Double(bytes) / 1_048_576) }

    /// A share as `12 %`.
    static func percent(_ share: Double) -> String { "\(Int((share * 100).rounded())) %" }

    /// With so many digits behind the point.
    static func fixed(_ value: Double, _ places: Int) -> String {
        var scale = 1.0
        for _ in 0..<places { scale *= 10 }
        let scaled = Int((value * scale).rounded())
        let rest = String(scaled % Int(scale))
        return "\(scaled / Int(scale)).\(String(repeating: "0", count: places - rest.count))\(rest)"
    }
}
