/// The digits of a PAN, a token or a part of one, as a number and how many digits it is written with.
///
/// A plain value that fits two registers. It never prints itself: `description` and mirrors show nothing of it.
package struct Digits: Equatable, BitwiseCopyable, Sendable {
    /// The number; below 10 to the power of `length`.
    package let value: UInt64
    /// Digits written, 1 to 19, leading zeros included.
    package let length: UInt8

    /// Takes a number and its length; traps on a length that is none.
    @inline(__always)
    package init(value: UInt64, length: UInt8) {
        precondition(length >= 1 && length <= UInt8(Limits.digitsMax), "a number has 1 to 19 digits here")
        self.value = value
        self.length = length
    }

    /// Reads 1 to 19 ASCII digits and nothing else; nil for any other text.
    @inline(__always)
    package init?(_ text: Span<UInt8>) {
        let count = text.count
        guard count >= 1, count <= Limits.digitsMax else { return nil }
        var value: UInt64 = 0
        var index = 0
        while index &+ 8 <= count {
            // Any eight bytes are a valid UInt64, and the load checks its bounds.
            let word = unsafe text.bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self)
            guard let eight = Self.eightDigits(UInt64(littleEndian: word)) else { return nil }
            value = value &* 100_000_000 &+ eight
            index &+= 8
        }
        while index < count {
            let digit = text[index] &- 0x30
            guard digit <= 9 else { return nil }
            value = value &* 10 &+ UInt64(digit)
            index &+= 1
        }
        self.value = value
        self.length = UInt8(truncatingIfNeeded: count)
    }

    /// The value of eight ASCII digits, the first in the lowest byte: pairs, then fours, then all, added in parallel.
    @inline(__always)
    private static func eightDigits(_ word: UInt64) -> UInt64? {
        let high = word & 0xF0F0_F0F0_F0F0_F0F0
        let carried = (word &+ 0x0606_0606_0606_0606) & 0xF0F0_F0F0_F0F0_F0F0
        guard high == 0x3030_3030_3030_3030, carried == high else { return nil }
        let digits = word &- 0x3030_3030_3030_3030
        let pairs = (digits &* 10 &+ digits >> 8) & 0x00FF_00FF_00FF_00FF
        let fours = (pairs &* 100 &+ pairs >> 16) & 0x0000_FFFF_0000_FFFF
        return (fours &* 10_000 &+ fours >> 32) & 0xFFFF_FFFF
    }
}

extension Digits: CustomStringConvertible, CustomReflectable {
    package var description: String { "(\(length) digits)" }
    package var customMirror: Mirror { Mirror(self, children: EmptyCollection<Mirror.Child>()) }
}
