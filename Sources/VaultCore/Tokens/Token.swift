/// A token: 12 to 19 digits that never begin with 0, so that one unsigned integer is the whole of it.
///
/// It is also the key of the token table. A caller may put a card number where a token belongs, so a value parsed from a
/// request is as secret as a card number until the store has found it: like `PAN` it cannot be printed.
///
/// Thread rule: a value, any thread.
package struct Token: Sendable, Hashable, Comparable {
    /// The digits as one unsigned integer, 10^11 to 10^19 - 1.
    package let value: UInt64

    /// Reads a token from exactly 12 to 19 ASCII digits of which the first is not 0.
    ///
    /// - Throws: `TokenError`, which carries nothing of the input.
    @inline(__always)
    package init(ascii: Span<UInt8>) throws(TokenError) {
        let count = ascii.count
        guard Digits.lengths.contains(count) else { throw .length }
        guard let scan = Digits.scan(ascii) else { throw .notDigits }
        guard scan.value >= Digits.power(count - 1) else { throw .leadingZero }
        value = scan.value
    }

    /// Restores a token from a key of the token table; nil unless it has 12 to 19 digits.
    @inline(__always)
    package init?(value: UInt64) {
        guard value >= 100_000_000_000, value < 10_000_000_000_000_000_000 else { return nil }
        self.value = value
    }

    /// The token with the same digits as a card number: what the two-way check between tokens and cards looks up.
    @inline(__always)
    package init(digitsOf pan: PAN) {
        value = pan.value
    }

    /// The number of digits, 12 to 19.
    @inline(__always)
    package var length: Int { Digits.count(of: value) }

    /// True when the digits pass the Luhn check, as those of a `luhn: invalid` format never do.
    package var passesLuhn: Bool { Digits.passesLuhn(value) }

    /// Appends all `length` digits; traps when fewer bytes are free.
    @inline(__always)
    package func append(to output: inout OutputRawSpan) {
        Digits.append(value, count: length, to: &output)
    }

    /// Writes all `length` digits over the first bytes of `output` and returns their count; traps when it is shorter.
    @inline(__always)
    @discardableResult
    package func write(into output: inout MutableSpan<UInt8>) -> Int {
        let count = length
        Digits.write(value, count: count, into: &output)
        return count
    }

    package static func < (left: Token, right: Token) -> Bool { left.value < right.value }
}

/// Why bytes are not a token. Carries nothing of the input.
package enum TokenError: Error, Equatable {
    /// Fewer than 12 or more than 19 bytes.
    case length
    /// A byte that is not an ASCII digit.
    case notDigits
    /// The first digit is 0, as in no token.
    case leadingZero
}

extension Token: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Always `Token(redacted)`.
    package var description: String { "Token(redacted)" }

    /// Always `Token(redacted)`.
    package var debugDescription: String { "Token(redacted)" }

    /// No children, so that `dump` and test frameworks show no stored property.
    package var customMirror: Mirror { Mirror(self, children: [], displayStyle: .struct) }
}
