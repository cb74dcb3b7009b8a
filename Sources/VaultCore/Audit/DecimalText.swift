/// Numbers as decimal digits, eight at a time: one wide division for eight digits instead of eight.
enum DecimalText {
    /// Digits of the largest number.
    static let digitsMax = 20
    private static let eight: UInt64 = 100_000_000

    /// Writes a number without leading zeros; the place behind it.
    @inline(__always)
    static func write(_ number: UInt64, to output: inout MutableSpan<UInt8>, at start: Int) -> Int {
        if number < eight { return writeShort(UInt32(truncatingIfNeeded: number), to: &output, at: start) }
        let (upper, low) = number.quotientAndRemainder(dividingBy: eight)
        let end = write(upper, to: &output, at: start)
        writeEight(UInt32(truncatingIfNeeded: low), to: &output, at: end)
        return end + 8
    }

    /// Writes a number below 10^8 without leading zeros.
    @inline(__always)
    private static func writeShort(_ number: UInt32, to output: inout MutableSpan<UInt8>, at start: Int) -> Int {
        var count = 1
        var bound: UInt32 = 10
        while bound <= number, count < 8 {
            count += 1
            bound &*= 10
        }
        var rest = number
        for place in stride(from: start + count - 1, through: start, by: -1) {
            output[place] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
        return start + count
    }

    /// Writes exactly eight digits.
    @inline(__always)
    private static func writeEight(_ number: UInt32, to output: inout MutableSpan<UInt8>, at start: Int) {
        let (high, low) = (number / 10_000, number % 10_000)
        writePair(high / 100, to: &output, at: start)
        writePair(high % 100, to: &output, at: start + 2)
        writePair(low / 100, to: &output, at: start + 4)
        writePair(low % 100, to: &output, at: start + 6)
    }

    @inline(__always)
    private static func writePair(_ number: UInt32, to output: inout MutableSpan<UInt8>, at start: Int) {
        output[start] = 0x30 + UInt8(truncatingIfNeeded: number / 10)
        output[start + 1] = 0x30 + UInt8(truncatingIfNeeded: number % 10)
    }
}
