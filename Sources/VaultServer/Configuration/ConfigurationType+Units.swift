extension ConfigurationType<Duration> {
    /// A whole number with one unit, `ms`, `s`, `m`, `h` or `d`, in `range`.
    static func duration(_ range: ClosedRange<Duration>) -> Self {
        let bounds = "from \(configurationText(range.lowerBound)) to \(configurationText(range.upperBound))"
        return scalar("a duration such as 30s, 10m, 2h or 90d, \(bounds)") { text, _ throws(ValueRefused) in
            guard let (number, unit) = quantity(text) else { throw ValueRefused() }
            guard let milliseconds = durationUnits.first(where: { $0.name == unit })?.milliseconds else {
                throw ValueRefused(message: unit.isEmpty ? "needs a unit: ms, s, m, h or d" : nil)
            }
            let (product, overflow) = number.multipliedReportingOverflow(by: milliseconds)
            guard !overflow else { throw ValueRefused() }
            let duration = Duration.milliseconds(product)
            guard range.contains(duration) else { throw ValueRefused() }
            return duration
        }
    }
}

extension ConfigurationType<Int> {
    /// A number of bytes in `range`, written with one unit: `B`, `KiB`, `MiB`, `GiB` or `TiB`.
    static func bytes(_ range: ClosedRange<Int>) -> Self {
        let (least, most) = (configurationText(bytes: range.lowerBound), configurationText(bytes: range.upperBound))
        return scalar("a size such as 16KiB, 64MiB or 1GiB, from \(least) to \(most)") { text, _ throws(ValueRefused) in
            guard let (number, unit) = quantity(text) else { throw ValueRefused() }
            guard let bytes = sizeUnits.first(where: { $0.name == unit })?.bytes else {
                if unit.isEmpty { throw ValueRefused(message: "needs a unit: B, KiB, MiB, GiB or TiB") }
                let hint = sizeUnits.first { $0.name.lowercased().first == unit.lowercased().first }
                throw ValueRefused(message: hint.map { "unknown unit '\(unit)', did you mean '\($0.name)'?" })
            }
            let (product, overflow) = number.multipliedReportingOverflow(by: bytes)
            guard !overflow, range.contains(product) else { throw ValueRefused() }
            return product
        }
    }
}

extension Duration {
    /// `count` days of 24 hours.
    static func days(_ count: Int) -> Duration { .seconds(count * 86_400) }
}

/// `duration` as the configuration writes it, in the largest unit that leaves a whole number.
func configurationText(_ duration: Duration) -> String {
    let (seconds, attoseconds) = duration.components
    let milliseconds = Int(seconds) * 1000 + Int(attoseconds / 1_000_000_000_000_000)
    guard milliseconds != 0, let unit = durationUnits.last(where: { milliseconds % $0.milliseconds == 0 }) else {
        return "\(milliseconds)ms"
    }
    return "\(milliseconds / unit.milliseconds)\(unit.name)"
}

/// `bytes` as the configuration writes it, in the largest unit that leaves a whole number.
func configurationText(bytes: Int) -> String {
    guard let unit = sizeUnits.last(where: { bytes % $0.bytes == 0 }), bytes != 0 else { return "\(bytes)B" }
    return "\(bytes / unit.bytes)\(unit.name)"
}

/// Splits `64MiB` into its number and unit; nil without a leading number.
private func quantity(_ text: String) -> (Int, String)? {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard let number = decimal(digits) else { return nil }
    return (number, String(text[digits.endIndex...]))
}

private let durationUnits: [(name: String, milliseconds: Int)] = [
    ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000),
]

private let sizeUnits: [(name: String, bytes: Int)] = [
    ("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40),
]
