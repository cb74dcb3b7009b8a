/// Finds what could be a card number in text that people typed: names, reasons, paths. No such text goes into a log.
package enum CardLikeText {
    /// Digits from which on a run could be a card number.
    private static let digitsMin = 12

    /// Whether a text has a run of digits as long as a card number's, with single spaces or hyphens in it or without.
    package static func isIn(_ text: String) -> Bool { !runs(Array(text.utf8)).isEmpty }

    /// The same text with every digit of such runs as `#`.
    package static func masked(_ text: String) -> String {
        var bytes = Array(text.utf8)
        let runs = runs(bytes)
        guard !runs.isEmpty else { return text }
        for run in runs {
            for index in run where isDigit(bytes[index]) { bytes[index] = UInt8(ascii: "#") }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func runs(_ bytes: [UInt8]) -> [Range<Int>] {
        guard bytes.count >= digitsMin else { return [] }
        var runs: [Range<Int>] = []
        var start = 0
        while start < bytes.count {
            guard isDigit(bytes[start]) else {
                start += 1
                continue
            }
            var (end, digits) = (start, 0)
            while end < bytes.count {
                if isDigit(bytes[end]) {
                    digits += 1
                } else if !(isSeparator(bytes[end]) && end + 1 < bytes.count && isDigit(bytes[end + 1])) {
                    break
                }
                end += 1
            }
            if digits >= digitsMin { runs.append(start..<end) }
            start = end
        }
        return runs
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    private static func isSeparator(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "-") }
}
