import StrongroomClient
import VaultWire

/// How many lines got what they asked for, and why the others did not.
struct Tally {
    private(set) var lines: UInt64 = 0
    private(set) var failed: UInt64 = 0
    private var codes: [String: UInt64] = [:]
    private var areAllRetryable = true

    mutating func succeed(_ count: UInt64 = 1) { lines += count }

    mutating func fail(_ code: String) {
        lines += 1
        failed += 1
        codes[code, default: 0] += 1
        areAllRetryable = areAllRetryable && (ProblemCode.allCases.first { "\($0.code)" == code }?.isRetryable ?? false)
    }

    /// `100,000 tokens in 1.2 s (83,333/s), 3 failed: 2 not_found, 1 invalid_token`
    func summary(_ noun: String, seconds: Double) -> String {
        var text = "\(Figures.count(lines, noun)) in \(Figures.time(seconds))"
        if seconds > 0.01, lines > 1 { text += " (\(Figures.count(Int(Double(lines) / seconds)))/s)" }
        guard failed > 0 else { return text }
        let reasons = codes.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map {
            "\(Figures.count($0.value)) \($0.key)"
        }
        return text + ", \(Figures.count(failed)) failed: " + reasons.joined(separator: ", ")
    }

    /// Ends the command as the lines did: 0, 65, or 75 where all that failed may succeed later.
    func finish() throws(Failure) {
        guard failed > 0 else { return }
        throw Failure(areAllRetryable ? .tryAgain : .dataError, "")
    }
}
