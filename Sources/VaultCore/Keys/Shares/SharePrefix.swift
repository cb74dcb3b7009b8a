/// What the prefix of a typed share says: `sr`, eight hexadecimal digits, one to three decimal ones and a colon, with
/// all separators gone. Nothing in it is secret.
struct SharePrefix {
    /// The set in clear.
    let setID: UInt32
    /// The index in clear.
    let index: UInt8
    /// Bytes that the prefix takes, its colon included.
    let count: Int

    /// Reads the prefix at the beginning of `typed`; `nil` where there is none.
    init?(_ typed: borrowing Span<UInt8>) {
        let hexDigits = 2..<10
        guard typed.count > hexDigits.upperBound, typed[0] | 0x20 == UInt8(ascii: "s"),
            typed[1] | 0x20 == UInt8(ascii: "r")
        else { return nil }
        var set: UInt32 = 0
        for position in hexDigits {
            guard let digit = Self.digit(typed[position]) else { return nil }
            set = set << 4 | UInt32(digit)
        }
        var index = 0
        var position = hexDigits.upperBound
        while position < min(typed.count, hexDigits.upperBound + 3), typed[position] != UInt8(ascii: ":") {
            guard let digit = Self.digit(typed[position]), digit < 10 else { return nil }
            index = index * 10 + Int(digit)
            position += 1
        }
        let digits = position - hexDigits.upperBound
        guard digits > 0, position < typed.count, typed[position] == UInt8(ascii: ":"),
            let index = UInt8(exactly: index)
        else { return nil }
        // No leading zero: a hyphen mistyped as 0 must not go unnoticed.
        guard digits == 1 || Self.digit(typed[hexDigits.upperBound]) != 0 else { return nil }
        setID = set
        self.index = index
        count = position + 1
    }

    /// The value of a hexadecimal digit of either case, with `I` and `L` for 1 and `O` for 0.
    private static func digit(_ byte: UInt8) -> UInt8? {
        guard let value = Base32.value(byte), value < 16 else { return nil }
        return value
    }
}
