/// Decimal digits as bytes, as integers and as Luhn sums, eight at a time.
///
/// Card numbers and tokens have 12 to 19 digits, so three 64-bit words hold one: the last eight digits, the eight before
/// them, and at most three more. Each word is treated as eight lanes of one byte, first digit in the lowest byte, so that
/// no step loops over digits, branches on a digit, or looks one up in a table at an address that depends on it.
///
///     digits   4 1 1 | 1 1 1 1 1 1 1 1 | 1 1 1 1 1 1 1 1      (19)
///     word      top  |      middle     |       low
///
/// Thread rule: pure functions, any thread.
package enum Digits {
    /// The lengths, in digits, of every card number and token.
    package static let lengths: ClosedRange<Int> = 12...19

    /// What twelve to nineteen ASCII digits say.
    struct Scan {
        /// The digits as one unsigned integer; 19 digits always fit.
        var value: UInt64
        /// The Luhn sum over all digits, at most 171; the number passes when it is a multiple of ten.
        var luhnSum: UInt64
    }

    /// Reads a whole span of 12 to 19 ASCII digits; nil when any byte is not one of `0`-`9`.
    ///
    /// The caller has checked the length: a span of another length traps.
    @inline(__always)
    static func scan(_ ascii: Span<UInt8>) -> Scan? {
        let count = ascii.count
        precondition(lengths.contains(count), "Digits.scan takes 12 to 19 bytes")
        let words = load(ascii, count: count)
        guard areDigits(words.top) && areDigits(words.middle) && areDigits(words.low) else { return nil }
        let (top, middle, low) = (words.top &- zeros, words.middle &- zeros, words.low &- zeros)
        let value = number(top) &* 10_000_000_000_000_000 &+ number(middle) &* 100_000_000 &+ number(low)
        return Scan(value: value, luhnSum: luhnSum(top, middle, low))
    }

    /// The Luhn sum of a number written in decimal; leading zeros add nothing, so the length does not matter.
    @inline(__always)
    static func luhnSum(of value: UInt64) -> UInt64 {
        let (rest, low) = value.quotientAndRemainder(dividingBy: 100_000_000)
        let (top, middle) = rest.quotientAndRemainder(dividingBy: 100_000_000)
        return luhnSum(lanes(top), lanes(middle), lanes(low))
    }

    /// True when the decimal digits of `value` pass the Luhn check.
    package static func passesLuhn(_ value: UInt64) -> Bool {
        luhnSum(of: value) % 10 == 0
    }

    /// Ten to the power of `exponent`, which is 0 to 19.
    @inline(__always)
    package static func power(_ exponent: Int) -> UInt64 {
        switch exponent {
        case 0: 1
        case 1: 10
        case 2: 100
        case 3: 1_000
        case 4: 10_000
        case 5: 100_000
        case 6: 1_000_000
        case 7: 10_000_000
        case 8: 100_000_000
        case 9: 1_000_000_000
        case 10: 10_000_000_000
        case 11: 100_000_000_000
        case 12: 1_000_000_000_000
        case 13: 10_000_000_000_000
        case 14: 100_000_000_000_000
        case 15: 1_000_000_000_000_000
        case 16: 10_000_000_000_000_000
        case 17: 100_000_000_000_000_000
        case 18: 1_000_000_000_000_000_000
        case 19: 10_000_000_000_000_000_000
        default: preconditionFailure("a power of ten outside 0...19")
        }
    }

    /// The number of decimal digits of `value`; 1 for zero.
    @inline(__always)
    package static func count(of value: UInt64) -> Int {
        // log10(2) is 1233/4096 to the accuracy that 64 bits need; the guess is right or one too low.
        let guess = ((64 - value.leadingZeroBitCount) * 1233) >> 12
        return value >= power(guess) ? guess + 1 : max(guess, 1)
    }
}

// MARK: - Writing

extension Digits {
    /// Appends exactly `count` digits (12 to 19) of `value`, which must have no more than that.
    ///
    /// Traps when fewer than `count` bytes are free.
    @inline(__always)
    static func append(_ value: UInt64, count: Int, to output: inout OutputRawSpan) {
        precondition(output.freeCapacity >= count, "no room for \(count) digits")
        unsafe output.withUnsafeMutableBytes { buffer, initializedCount in
            // The buffer is the span's whole capacity, and the check above left `count` bytes behind the initialized ones.
            unsafe store(value, count: count, at: buffer.baseAddress.unsafelyUnwrapped + initializedCount)
            initializedCount += count
        }
    }

    /// Writes exactly `count` digits (12 to 19) of `value` over the first bytes of `output`; traps when it is shorter.
    @inline(__always)
    static func write(_ value: UInt64, count: Int, into output: inout MutableSpan<UInt8>) {
        precondition(output.count >= count, "no room for \(count) digits")
        unsafe output.withUnsafeMutableBytes { buffer in
            // The check above proves that `count` bytes are there; the base address of a non-empty span is not nil.
            unsafe store(value, count: count, at: buffer.baseAddress.unsafelyUnwrapped)
        }
    }

    /// Appends the last `count` decimal digits of a small number, zero-padded: an issuer number or the last four.
    static func appendSmall(_ value: UInt32, count: Int, to output: inout OutputRawSpan) {
        for position in stride(from: count - 1, through: 0, by: -1) {
            output.append(0x30 &+ UInt8(UInt64(value) / power(position) % 10))
        }
    }

    /// Stores `count` digits as two or three overlapping words, first digits first, so that later words repair the overlap.
    @inline(__always)
    private static func store(_ value: UInt64, count: Int, at pointer: UnsafeMutableRawPointer) {
        precondition(lengths.contains(count), "Digits.store writes 12 to 19 bytes")
        let (rest, low) = value.quotientAndRemainder(dividingBy: 100_000_000)
        // Every word lies within the `count` bytes that both callers have proved to be there, since count is at least 12.
        if count <= 16 {
            let middle = (lanes(rest) | zeros) &>> UInt64(8 * (16 - count))
            unsafe pointer.storeBytes(of: middle.littleEndian, as: UInt64.self)
        } else {
            let (top, middle) = rest.quotientAndRemainder(dividingBy: 100_000_000)
            let first = (lanes(top) | zeros) &>> UInt64(8 * (24 - count))
            unsafe pointer.storeBytes(of: first.littleEndian, as: UInt64.self)
            unsafe pointer.storeBytes(
                of: (lanes(middle) | zeros).littleEndian, toByteOffset: count - 16, as: UInt64.self)
        }
        unsafe pointer.storeBytes(of: (lanes(low) | zeros).littleEndian, toByteOffset: count - 8, as: UInt64.self)
    }
}

// MARK: - Eight lanes at a time

extension Digits {
    /// `0` in every lane.
    private static let zeros: UInt64 = 0x3030_3030_3030_3030

    /// The three words of a number, right-aligned, padded with `0` characters on the left.
    @inline(__always)
    private static func load(_ ascii: Span<UInt8>, count: Int) -> (top: UInt64, middle: UInt64, low: UInt64) {
        let bytes = unsafe ascii.bytes
        // `unsafeLoadUnaligned(fromByteOffset:)` checks its bounds and any eight bytes are a UInt64: nothing here can
        // read outside the span. All offsets are within 12...19 bytes.
        let first = unsafe UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: 0, as: UInt64.self))
        let low = unsafe UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: count - 8, as: UInt64.self))
        if count <= 16 {
            return (zeros, rightAligned(first, count: count - 8), low)
        }
        let middle = unsafe UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: count - 16, as: UInt64.self))
        return (rightAligned(first, count: count - 16), middle, low)
    }

    /// Keeps the first `count` lanes (1 to 8), moved to the end of the word behind `0` characters.
    @inline(__always)
    private static func rightAligned(_ word: UInt64, count: Int) -> UInt64 {
        // At 8 lanes the padding shifts out by 64 bits, which the smart shift defines as zero.
        (word << UInt64(8 * (8 - count))) | (zeros >> UInt64(8 * count))
    }

    /// True when every lane is an ASCII digit.
    @inline(__always)
    private static func areDigits(_ word: UInt64) -> Bool {
        // High nibble 3, and still 3 when six is added: 0x30...0x39. The sum cannot carry into the next lane once the
        // first test has passed; when it has not, the answer is no in any case.
        let nibbles: UInt64 = 0xF0F0_F0F0_F0F0_F0F0
        return (word & nibbles) == zeros && ((word &+ 0x0606_0606_0606_0606) & nibbles) == zeros
    }

    /// The number that eight lanes of 0-9 spell.
    @inline(__always)
    private static func number(_ lanes: UInt64) -> UInt64 {
        // Pairs, then fours, then eights: each multiplication adds a lane times its weight to its right neighbour.
        let pairs = ((lanes &* (1 + (10 << 8))) &>> 8) & 0x00FF_00FF_00FF_00FF
        let fours = ((pairs &* (1 + (100 << 16))) &>> 16) & 0x0000_FFFF_0000_FFFF
        return (fours &* (1 + (10_000 << 32))) &>> 32
    }

    /// The eight lanes, each 0-9, of a number below 100,000,000.
    @inline(__always)
    private static func lanes(_ number: UInt64) -> UInt64 {
        let (high, low) = number.quotientAndRemainder(dividingBy: 10_000)
        let fours = high | (low &<< 32)
        // Division by 100 of values below 10,000 and by 10 of values below 100, as multiplications in separate lanes.
        let hundreds = ((fours &* 10_486) &>> 20) & 0x0000_007F_0000_007F
        let pairs = hundreds | ((fours &- hundreds &* 100) &<< 16)
        let tens = ((pairs &* 103) &>> 10) & 0x000F_000F_000F_000F
        return tens | ((pairs &- tens &* 10) &<< 8)
    }

    /// The Luhn sum of three words of 0-9 lanes; words have even length, so the doubled lanes are the same in each.
    @inline(__always)
    private static func luhnSum(_ top: UInt64, _ middle: UInt64, _ low: UInt64) -> UInt64 {
        let lanes = luhnLanes(top) &+ luhnLanes(middle) &+ luhnLanes(low)
        // At most 27 a lane and 216 in all, so the sum of the lanes fits the top byte.
        return (lanes &* 0x0101_0101_0101_0101) &>> 56
    }

    /// Every second lane from the right doubled, less nine where that is above nine.
    @inline(__always)
    private static func luhnLanes(_ lanes: UInt64) -> UInt64 {
        let doubled = (lanes & 0x00FF_00FF_00FF_00FF) &<< 1
        let above = ((doubled &+ 0x0076_0076_0076_0076) &>> 7) & 0x0001_0001_0001_0001
        return (lanes & 0xFF00_FF00_FF00_FF00) &+ doubled &- above &* 9
    }
}
