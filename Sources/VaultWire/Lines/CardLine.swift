/// A bulk tokenize line, `PAN` or `PAN,YYYY-MM`, as ranges; whether they hold a card and a month is decided later.
package struct CardLine: Equatable, BitwiseCopyable, Sendable {
    /// The text before the comma, or all of it.
    package let pan: ByteRange
    /// The text behind the comma; nil without a comma, empty when nothing follows it.
    package let expiry: ByteRange?

    /// Splits the line at `line` of `buffer`; nil for more than one comma, which is `malformed`: a third field could
    /// be a security code, and is not looked at.
    package init?(_ line: ByteRange, in buffer: Span<UInt8>) {
        let text = line.view(in: buffer)
        var comma = -1
        for index in text.indices where text[index] == UInt8(ascii: ",") {
            guard comma < 0 else { return nil }
            comma = index
        }
        guard comma >= 0 else {
            pan = line
            expiry = nil
            return
        }
        let start = Int(line.offset)
        pan = ByteRange(offset: start, count: comma)
        expiry = ByteRange(offset: start + comma + 1, count: text.count - comma - 1)
    }
}
