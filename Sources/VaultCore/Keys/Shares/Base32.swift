/// Crockford's base 32: the digits and the letters but I, L, O and U (crockford.com/base32.html).
///
/// Characters of a share are secret: a value and its character are found without a branch on them and without a table.
enum Base32 {
    /// The character of a value below 32, in upper case.
    static func symbol(_ value: UInt8) -> UInt8 {
        // From 10 on come letters; I, L, O and U are each left out where the alphabet would reach them.
        var symbol = UInt8(ascii: "0") &+ value
        symbol &+= (UInt8(ascii: "A") - UInt8(ascii: "9") - 1) & mask(value, above: 9)
        symbol &+= 1 & mask(value, above: 17)
        symbol &+= 1 & mask(value, above: 19)
        symbol &+= 1 & mask(value, above: 21)
        symbol &+= 1 & mask(value, above: 26)
        return symbol
    }

    /// The value of a character of either case, look-alikes included; `nil` for one that is not in the alphabet.
    static func value(_ character: UInt8) -> UInt8? {
        let lowered = mask(character, above: UInt8(ascii: "a") - 1) & ~mask(character, above: UInt8(ascii: "z"))
        let upper = character ^ (0x20 & lowered)
        var value: UInt8 = 0
        var found: UInt8 = 0
        for candidate: UInt8 in 0..<32 {
            let same = mask(upper, equal: symbol(candidate))
            value |= candidate & same
            found |= same
        }
        let one = mask(upper, equal: UInt8(ascii: "I")) | mask(upper, equal: UInt8(ascii: "L"))
        value |= 1 & one
        found |= one | mask(upper, equal: UInt8(ascii: "O"))
        return found == 0 ? nil : value
    }

    /// All ones when `value` is above `limit`, otherwise 0.
    @inline(__always)
    private static func mask(_ value: UInt8, above limit: UInt8) -> UInt8 {
        UInt8(truncatingIfNeeded: (UInt16(limit) &- UInt16(value)) >> 8)
    }

    /// All ones when both are the same, otherwise 0.
    @inline(__always)
    private static func mask(_ left: UInt8, equal right: UInt8) -> UInt8 {
        UInt8(truncatingIfNeeded: (UInt16(left ^ right) &- 1) >> 8)
    }
}
