/// The few ways this module writes bytes. Each appends, and traps rather than write past the span: callers size the
/// span by the `maxBytes` of what they write.
extension OutputRawSpan {
    /// Appends an ASCII literal.
    @inline(__always)
    @_lifetime(self: copy self)
    package mutating func append(_ text: StaticString) {
        let count = text.utf8CodeUnitCount
        precondition(count <= freeCapacity, "the answer is longer than its bound")
        guard count > 0 else { return }
        unsafe withUnsafeMutableBytes { buffer, initialized in
            // The check above leaves `count` bytes behind `initialized`, and the literal has as many.
            unsafe buffer.baseAddress.unsafelyUnwrapped.advanced(by: initialized)
                .copyMemory(from: text.utf8Start, byteCount: count)
            initialized &+= count
        }
    }

    /// Appends bytes as they are.
    @inline(__always)
    @_lifetime(self: copy self)
    package mutating func append(_ text: Span<UInt8>) {
        let count = text.count
        precondition(count <= freeCapacity, "the answer is longer than its bound")
        guard count > 0 else { return }
        unsafe text.withUnsafeBufferPointer { source in
            unsafe withUnsafeMutableBytes { buffer, initialized in
                // The check above leaves `count` bytes behind `initialized`; no pointer is nil for a count above 0.
                unsafe buffer.baseAddress.unsafelyUnwrapped.advanced(by: initialized)
                    .copyMemory(from: source.baseAddress.unsafelyUnwrapped, byteCount: count)
                initialized &+= count
            }
        }
    }

    /// Appends all digits of a number, leading zeros included.
    @inline(__always)
    @_lifetime(self: copy self)
    package mutating func append(_ digits: Digits) {
        appendDecimal(digits.value, length: Int(digits.length))
    }

    /// Appends a number with as many digits as it needs.
    @_lifetime(self: copy self)
    package mutating func appendDecimal(_ value: UInt64) {
        var length = 1
        var rest = value
        while rest >= 10 {
            rest /= 10
            length += 1
        }
        if length > 16 {
            appendDecimal(value / 10_000_000_000_000_000, length: length - 16)
            appendDecimal(value % 10_000_000_000_000_000, length: 16)
        } else {
            appendDecimal(value, length: length)
        }
    }

    /// Appends the last `length` (1 to 24) decimal digits of a number, in groups of eight from the right.
    @inline(__always)
    @_lifetime(self: copy self)
    package mutating func appendDecimal(_ value: UInt64, length: Int) {
        if length == 16 {
            appendEight(value / 100_000_000 % 100_000_000)
            appendEight(value % 100_000_000)
            return
        }
        let low = value % 100_000_000
        if length <= 8 {
            appendPart(low, length: length)
            return
        }
        let upper = value / 100_000_000
        if length <= 16 {
            appendPart(upper % 100_000_000, length: length &- 8)
        } else {
            appendPart(upper / 100_000_000, length: length &- 16)
            appendEight(upper % 100_000_000)
        }
        appendEight(low)
    }

    /// Appends the last `length` (1 to 8) digits of a number below 10^8.
    @inline(__always)
    @_lifetime(self: copy self)
    private mutating func appendPart(_ value: UInt64, length: Int) {
        var word = Self.asciiDigits(value) >> UInt64(truncatingIfNeeded: (8 &- length) &* 8)
        for _ in 0..<length {
            append(UInt8(truncatingIfNeeded: word))
            word >>= 8
        }
    }

    @inline(__always)
    @_lifetime(self: copy self)
    private mutating func appendEight(_ value: UInt64) {
        // Eight initialized bytes; the append checks that they fit.
        unsafe append(Self.asciiDigits(value).littleEndian, as: UInt64.self)
    }

    /// The eight ASCII digits of a number below 10^8, the first in the lowest byte, split in halves three times.
    @inline(__always)
    private static func asciiDigits(_ value: UInt64) -> UInt64 {
        let high = value / 10_000
        let halves = high | (value &- high &* 10_000) << 32
        let hundreds = (halves &* 10_486) >> 20 & 0x0000_007F_0000_007F
        let quarters = hundreds | (halves &- hundreds &* 100) << 16
        let tens = (quarters &* 103) >> 10 & 0x000F_000F_000F_000F
        let digits = tens | (quarters &- tens &* 10) << 8
        return digits | 0x3030_3030_3030_3030
    }
}
