/// A card number (primary account number): 12 to 19 digits that do not begin with 0, held as an integer.
///
/// A trivial value of 16 bytes, so that it needs no heap and leaves nothing behind but the stack it was on. It cannot be
/// printed: interpolation, `print`, `dump` and debuggers' reflection all give `PAN(redacted)`. The digits leave it only
/// through `append(to:)` and `write(into:)`, as bytes, into a buffer that the caller owns and wipes.
///
/// Thread rule: a value, any thread.
package struct PAN: Sendable, Equatable {
    /// The digits as one unsigned integer.
    package let value: UInt64
    /// The number of digits, 12 to 19.
    package let length: UInt8

    /// Reads a card number from exactly 12 to 19 ASCII digits; nothing is trimmed, skipped or converted.
    ///
    /// - Parameters:
    ///   - ascii: the whole field, of any length; the length is judged before any byte is read.
    ///   - acceptLuhnInvalid: take numbers of issuers that use no check digit.
    /// - Throws: `PANError`, which carries nothing of the input.
    @inline(__always)
    package init(ascii: Span<UInt8>, acceptLuhnInvalid: Bool = false) throws(PANError) {
        let count = ascii.count
        guard Digits.lengths.contains(count) else { throw .length }
        guard let scan = Digits.scan(ascii) else { throw .notDigits }
        // Industry digit 0 belongs to no payment network, and all zeros would pass Luhn.
        guard scan.value >= Digits.power(count - 1) else { throw .leadingZero }
        guard acceptLuhnInvalid || scan.luhnSum % 10 == 0 else { throw .luhn }
        value = scan.value
        length = UInt8(truncatingIfNeeded: count)
    }

    /// Restores a card number from a decrypted record; nil when `value` does not have exactly `length` digits.
    ///
    /// The Luhn check is not repeated: the format that stored the number may accept issuers without it.
    package init?(value: UInt64, length: UInt8) {
        guard Digits.lengths.contains(Int(length)), Digits.count(of: value) == Int(length) else { return nil }
        self.value = value
        self.length = length
    }

    /// True when the digits pass the Luhn check.
    package var passesLuhn: Bool { Digits.passesLuhn(value) }
}

/// Why bytes are not a card number. Carries nothing of the input.
package enum PANError: Error, Equatable {
    /// Fewer than 12 or more than 19 bytes.
    case length
    /// A byte that is not an ASCII digit.
    case notDigits
    /// The first digit is 0, which no payment network uses.
    case leadingZero
    /// The check digit is wrong, and the format does not accept such numbers.
    case luhn
}

// MARK: - What may be shown

extension PAN {
    /// The last four digits as a number, 0 to 9,999.
    package var last4: UInt16 { UInt16(truncatingIfNeeded: value % 10_000) }

    /// The number of leading digits that `bin` shows: 8 from 16 digits on, else 6, and never so many that, with the last
    /// four, fewer than four digits stay hidden (13 digits: 5, 12 digits: 4).
    ///
    /// PCI SSC FAQ 1091 lets 16 digits and more show the first eight and four others, which hides at least four, and 15
    /// digits the first six and last four, which hides five. It takes the same first six for 14 digits, which hides four.
    /// For shorter numbers it gives no smaller figure; six of 12 would leave two digits, or ten Luhn-valid candidates, so
    /// the rule of four hidden digits is carried on downwards.
    package var binLength: Int { length >= 16 ? 8 : min(6, Int(length) - 8) }

    /// The issuer's leading digits, `binLength` of them, as a number.
    package var bin: UInt32 { leadingDigits(binLength) }

    /// The first `count` digits (1 to 8) as a number. More than `bin` shows must not leave the vault.
    @inline(__always)
    package func leadingDigits(_ count: Int) -> UInt32 {
        precondition(1...8 ~= count, "leading digits of a PAN: 1 to 8")
        return UInt32(truncatingIfNeeded: value / Digits.power(Int(length) - count))
    }

    /// Appends the four digits of `last4`; traps when fewer than four bytes are free.
    package func appendLast4(to output: inout OutputRawSpan) {
        Digits.appendSmall(UInt32(last4), count: 4, to: &output)
    }

    /// Appends the `binLength` digits of `bin`; traps when fewer bytes are free.
    package func appendBIN(to output: inout OutputRawSpan) {
        Digits.appendSmall(bin, count: binLength, to: &output)
    }
}

// MARK: - The digits themselves

extension PAN {
    /// Appends all `length` digits; traps when fewer bytes are free. The caller wipes the buffer after use.
    @inline(__always)
    package func append(to output: inout OutputRawSpan) {
        Digits.append(value, count: Int(length), to: &output)
    }

    /// Writes all `length` digits over the first bytes of `output` and returns their count; traps when it is shorter.
    @inline(__always)
    @discardableResult
    package func write(into output: inout MutableSpan<UInt8>) -> Int {
        Digits.write(value, count: Int(length), into: &output)
        return Int(length)
    }
}

// MARK: - Redaction

extension PAN: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Always `PAN(redacted)`.
    package var description: String { "PAN(redacted)" }

    /// Always `PAN(redacted)`.
    package var debugDescription: String { "PAN(redacted)" }

    /// No children, so that `dump` and test frameworks show no stored property.
    package var customMirror: Mirror { Mirror(self, children: [], displayStyle: .struct) }
}
