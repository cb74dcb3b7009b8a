/// Finds the lines of a bulk body in the receive buffer they arrived in, one chunk after another.
///
/// A line ends with LF or CRLF; the last one may do without. Nothing is copied and nothing is kept but one flag: the
/// bytes of an unfinished line stay with the caller, who puts the next chunk behind them. A line over the limit is
/// reported once, as `.overlong`, and the rest of it is dropped as it arrives, so memory stays bounded.
///
/// ```
/// var position = 0
/// while let line = splitter.next(in: buffer, at: &position, isLast: false) { ... }
/// // bytes before `position` are done with; the rest is the start of a line
/// ```
package struct LineSplitter: Sendable {
    /// One line of input; each has exactly one answer.
    package enum Line: Equatable, Sendable {
        /// A complete line without its end; it may be empty.
        case text(ByteRange)
        /// A line of more than `Limits.lineBytesMax` bytes, whose answer is `malformed`.
        case overlong
    }

    /// True while the rest of an overlong line is still arriving.
    private var isDropping = false

    /// Starts at the beginning of a line.
    package init() {}

    /// The next line at or after `position`, which moves behind it; nil when more bytes are needed.
    ///
    /// `isLast` says that no byte will follow `buffer`: then an unfinished line counts as one, and nil means the end.
    /// When nil, `position` is the first byte the caller has to keep, at most `Limits.lineBytesMax + 1` from the end.
    @inline(__always)
    package mutating func next(in buffer: Span<UInt8>, at position: inout Int, isLast: Bool) -> Line? {
        let start = position
        if !isDropping, let end = Self.lineFeed(in: buffer, from: start, to: start + Limits.lineBytesMax + 2) {
            position = end + 1
            let count = end > start && buffer[end - 1] == 0x0D ? end - 1 - start : end - start
            return count <= Limits.lineBytesMax ? .text(ByteRange(offset: start, count: count)) : .overlong
        }
        return unfinishedLine(in: buffer, at: &position, isLast: isLast)
    }

    /// Everything but a complete line of a legal length.
    @inline(never)
    private mutating func unfinishedLine(in buffer: Span<UInt8>, at position: inout Int, isLast: Bool) -> Line? {
        if isDropping {
            guard let end = Self.lineFeed(in: buffer, from: position, to: buffer.count) else {
                position = buffer.count
                return nil
            }
            isDropping = false
            position = end + 1
            return next(in: buffer, at: &position, isLast: isLast)
        }
        let start = position
        let count = buffer.count - start
        let mayEndWithCR = count == Limits.lineBytesMax + 1 && buffer[buffer.count - 1] == 0x0D && !isLast
        if count > Limits.lineBytesMax, !mayEndWithCR {
            if let end = Self.lineFeed(in: buffer, from: start, to: buffer.count) {
                position = end + 1
            } else {
                position = buffer.count
                isDropping = !isLast
            }
            return .overlong
        }
        guard isLast, count > 0 else { return nil }
        position = buffer.count
        return .text(ByteRange(offset: start, count: count))
    }

    /// The position of the first LF in `[start, limit)`, eight bytes at a time.
    @inline(__always)
    private static func lineFeed(in buffer: Span<UInt8>, from start: Int, to limit: Int) -> Int? {
        let end = min(limit, buffer.count)
        var index = start
        while index &+ 8 <= end {
            // Any eight bytes are a valid UInt64, and the load checks its bounds.
            let word = unsafe buffer.bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self)
            let difference = UInt64(littleEndian: word) ^ 0x0A0A_0A0A_0A0A_0A0A
            let zeros = (difference &- 0x0101_0101_0101_0101) & ~difference & 0x8080_8080_8080_8080
            if zeros != 0 { return index &+ zeros.trailingZeroBitCount >> 3 }
            index &+= 8
        }
        while index < end {
            if buffer[index] == 0x0A { return index }
            index &+= 1
        }
        return nil
    }
}
