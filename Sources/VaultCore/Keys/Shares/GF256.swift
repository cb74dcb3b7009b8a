/// The field of 256 elements that secrets are shared over: polynomials over GF(2) modulo x^8 + x^4 + x^3 + x + 1.
///
/// The modulus is 0x11B: the field of AES (FIPS 197, section 4) and one of those of ISO/IEC 19592-2. A byte is an
/// element, bit n the coefficient of x^n. Elements may be secret: every operation takes the same steps whatever its
/// operands are, with no branch on them and no table. Any thread.
enum GF256 {
    /// The sum, which is the difference too.
    @inline(__always)
    static func add(_ left: UInt8, _ right: UInt8) -> UInt8 { left ^ right }

    /// The product: shift and add, eight steps for any operands.
    @inline(__always)
    static func multiply(_ left: UInt8, _ right: UInt8) -> UInt8 {
        var product: UInt8 = 0
        var power = left
        var bits = right
        for _ in 0..<8 {
            // 0 or all ones, so that a bit selects without a branch.
            product ^= power & (0 &- (bits & 1))
            power = power << 1 ^ 0x1B & (0 &- (power >> 7))
            bits >>= 1
        }
        return product
    }

    /// The element whose product with `element` is 1; 0, which has none, gives 0.
    ///
    /// It is the power 254, as the power 255 of any element but 0 is 1: eleven products, for any element.
    static func inverse(_ element: UInt8) -> UInt8 {
        let power2 = multiply(element, element)
        let power3 = multiply(power2, element)
        let power6 = multiply(power3, power3)
        let power12 = multiply(power6, power6)
        let power15 = multiply(power12, power3)
        let power30 = multiply(power15, power15)
        let power60 = multiply(power30, power30)
        let power120 = multiply(power60, power60)
        let power126 = multiply(power120, power6)
        let power127 = multiply(power126, element)
        return multiply(power127, power127)
    }
}
