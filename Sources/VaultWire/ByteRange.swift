/// Where a piece of text lies in its request buffer, so that the text itself is never copied out of it.
///
/// Both fields count bytes. A range is only meaningful together with the buffer it was read from, and only until
/// that buffer is wiped or refilled.
package struct ByteRange: Equatable, BitwiseCopyable, Sendable {
    /// Bytes before the text.
    package let offset: UInt32
    /// Bytes of the text; may be 0.
    package let count: UInt32

    /// Makes a range; both numbers are at most `Limits.bodyBytesCeiling`, which 32 bits hold.
    package init(offset: Int, count: Int) {
        self.offset = UInt32(truncatingIfNeeded: offset)
        self.count = UInt32(truncatingIfNeeded: count)
    }

    /// The same as positions, for `Span.extracting`.
    package var positions: Range<Int> { Int(offset)..<(Int(offset) + Int(count)) }

    /// The text as a view into `buffer`; traps when the range does not lie inside it.
    @_lifetime(copy buffer)
    package func view(in buffer: Span<UInt8>) -> Span<UInt8> { buffer.extracting(positions) }
}
