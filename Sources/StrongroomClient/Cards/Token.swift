internal import VaultWire

/// What stands for a card: 12 to 19 digits that do not begin with 0.
public struct Token: Sendable, Hashable {
    /// The digits as a number.
    public let value: UInt64

    /// Reads 12 to 19 ASCII digits of which the first is not 0; nil for anything else.
    public init?(_ ascii: Span<UInt8>) {
        guard (12...19).contains(ascii.count), ascii[0] != 0x30, let digits = Digits(ascii) else { return nil }
        value = digits.value
    }

    /// The same from a text, as a database holds it.
    public init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        self.init(bytes.span)
    }

    /// The digits.
    public var text: String { String(value) }
}

extension Token: CustomStringConvertible, CustomReflectable {
    /// The last four digits: someone may have put a card number where a token belongs. `text` has them all.
    public var description: String { "Token(…\(text.suffix(4)))" }
    /// No children.
    public var customMirror: Mirror { Mirror(self, children: [], displayStyle: .struct) }
}

/// The month a card expires in.
public struct CardExpiry: Sendable, Hashable {
    public let year: Int
    public let month: Int

    /// Takes a year of four digits and a month from 1 to 12; nil for anything else.
    public init?(year: Int, month: Int) {
        guard (1000...9999).contains(year), (1...12).contains(month) else { return nil }
        self.year = year
        self.month = month
    }

    /// Reads `YYYY-MM`; nil for anything else.
    public init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        guard bytes.count == 7, bytes[4] == 0x2D else { return nil }
        for index in [0, 1, 2, 3, 5, 6] where !(0x30...0x39).contains(bytes[index]) { return nil }
        let digits = bytes.map { Int($0) - 0x30 }
        self.init(
            year: digits[0] * 1000 + digits[1] * 100 + digits[2] * 10 + digits[3], month: digits[5] * 10 + digits[6])
    }
}

extension CardExpiry: CustomStringConvertible {
    /// `YYYY-MM`.
    public var description: String { "\(year)-\(month < 10 ? "0" : "")\(month)" }
}
