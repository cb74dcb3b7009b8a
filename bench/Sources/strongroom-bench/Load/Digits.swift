internal import StrongroomClient

extension SecureBuffer {
    /// Appends a number in decimal.
    mutating func appendDecimal(_ value: UInt64) {
        var divisor: UInt64 = 1
        while value / divisor > 9 { divisor *= 10 }
        while divisor > 0 {
            append(UInt8(truncatingIfNeeded: value / divisor % 10) + 0x30)
            divisor /= 10
        }
    }
}

/// Reads lines of decimal digits from bytes that arrive in any pieces, keeping nothing but the number under way.
struct LineReader {
    /// A line that is no number of 1 to 19 digits, such as `!code`.
    static let notANumber: UInt64 = 0

    private var value: UInt64 = 0
    private var digits = 0
    private var isNumber = true

    /// Calls `line` with the number of each line that ends in `bytes`.
    mutating func read(_ bytes: Span<UInt8>, line: (UInt64) -> Void) {
        for index in bytes.indices {
            let byte = bytes[index]
            if byte == 0x0A {
                line(isNumber && digits > 0 ? value : Self.notANumber)
                value = 0
                digits = 0
                isNumber = true
            } else if (0x30...0x39).contains(byte), digits < 19 {
                value = value * 10 + UInt64(byte - 0x30)
                digits += 1
            } else {
                isNumber = false
            }
        }
    }

    /// Whether the last line has ended.
    var isBetweenLines: Bool { digits == 0 && isNumber }
}

/// Finds the values of one member, strings of digits, in a JSON answer of the vault, first to last.
struct DigitFields: ~Escapable {
    private let bytes: Span<UInt8>
    private var position = 0

    @_lifetime(copy bytes)
    init(_ bytes: Span<UInt8>) { self.bytes = bytes }

    /// The digits of the next `"name":"..."`; nil when there are no more, or what stands there is no number.
    mutating func next(_ name: StaticString) -> UInt64? {
        let length = name.utf8CodeUnitCount
        while position + length + 5 <= bytes.count {
            guard isMember(name, length) else {
                position += 1
                continue
            }
            position += length + 4
            var value: UInt64 = 0
            let start = position
            while position < bytes.count, (0x30...0x39).contains(bytes[position]), position - start < 19 {
                value = value * 10 + UInt64(bytes[position] - 0x30)
                position += 1
            }
            return position > start && position < bytes.count && bytes[position] == 0x22 ? value : nil
        }
        return nil
    }

    private func isMember(_ name: StaticString, _ length: Int) -> Bool {
        guard bytes[position] == 0x22, bytes[position + length + 1] == 0x22, bytes[position + length + 2] == 0x3A,
            bytes[position + length + 3] == 0x22
        else { return false }
        for offset in 0..<length where unsafe bytes[position + 1 + offset] != name.utf8Start[offset] { return false }
        return true
    }
}
