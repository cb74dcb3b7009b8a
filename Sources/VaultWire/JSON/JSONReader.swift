/// A strict pull parser for one JSON document (RFC 8259) that lies in a mutable buffer.
///
/// The caller asks for what it expects (`beginObject`, `nextName`, `string`, ...) and is told where the text lies.
/// Strings are unescaped in place, so no text ever leaves the buffer, and nothing is allocated. Strict means: UTF-8
/// without overlong forms or surrogates, no lone surrogate escapes, no byte order mark, no comments, no trailing
/// commas, nothing after the value. There is no recursion anywhere: depth costs no stack.
///
/// Every access to the buffer is bounds-checked by `MutableSpan`; this type holds no pointer of its own.
/// After a fault the reader stands somewhere inside the document, and the buffer may be partly unescaped.
package struct JSONReader: ~Copyable, ~Escapable {
    /// The document; bytes before `position` may already be unescaped.
    var bytes: MutableSpan<UInt8>
    /// The next byte to look at; at most `bytes.count`.
    var position = 0

    /// Starts at the first byte. A document above `Limits.bodyBytesCeiling` reads as an empty one, which is no JSON:
    /// the transport refuses such a body long before.
    @_lifetime(copy bytes)
    package init(_ bytes: consuming MutableSpan<UInt8>) {
        self.bytes = bytes
        if self.bytes.count > Limits.bodyBytesCeiling { self.bytes = MutableSpan() }
    }

    /// A view of a text this reader has returned.
    @_lifetime(borrow self)
    package func view(_ range: ByteRange) -> Span<UInt8> {
        bytes.span.extracting(range.positions)
    }
}

/// What is wrong with a document.
package enum JSONFault: Error, Sendable {
    /// It is not JSON, or over a limit of the reader (depth, length of a number).
    case syntax
    /// It may be JSON, but not what was asked for; the reader stands at a token boundary.
    case shape
}

extension JSONReader {
    /// Enters an object. Faults with `.shape` when the next value is something else.
    @_lifetime(self: copy self)
    package mutating func beginObject() throws(JSONFault) {
        try begin(with: UInt8(ascii: "{"))
    }

    /// The name of the object's next member, with its colon consumed; nil when the object has ended.
    ///
    /// `isFirst` is the caller's: true before the first call for an object, kept between calls.
    @_lifetime(self: copy self)
    package mutating func nextName(_ isFirst: inout Bool) throws(JSONFault) -> ByteRange? {
        guard try hasNext(before: UInt8(ascii: "}"), &isFirst) else { return nil }
        return try name()
    }

    /// Enters an array. Faults with `.shape` when the next value is something else.
    @_lifetime(self: copy self)
    package mutating func beginArray() throws(JSONFault) {
        try begin(with: UInt8(ascii: "["))
    }

    /// Whether the array has another element, which is then read next; see `nextName` for `isFirst`.
    @_lifetime(self: copy self)
    package mutating func nextElement(_ isFirst: inout Bool) throws(JSONFault) -> Bool {
        try hasNext(before: UInt8(ascii: "]"), &isFirst)
    }

    /// Checks that only white space follows the document's one value.
    @_lifetime(self: copy self)
    package mutating func end() throws(JSONFault) {
        skipWhiteSpace()
        guard position == bytes.count else { throw .syntax }
    }

    /// The member name here and its colon.
    @_lifetime(self: copy self)
    mutating func name() throws(JSONFault) -> ByteRange {
        skipWhiteSpace()
        guard current == UInt8(ascii: "\"") else { throw .syntax }
        let name = try string()
        skipWhiteSpace()
        guard current == UInt8(ascii: ":") else { throw .syntax }
        position += 1
        return name
    }

    @_lifetime(self: copy self)
    private mutating func begin(with bracket: UInt8) throws(JSONFault) {
        skipWhiteSpace()
        guard current == bracket else { throw .shape }
        position += 1
    }

    @inline(__always)
    @_lifetime(self: copy self)
    private mutating func hasNext(before end: UInt8, _ isFirst: inout Bool) throws(JSONFault) -> Bool {
        skipWhiteSpace()
        if current == end {
            position += 1
            return false
        }
        if isFirst {
            isFirst = false
            return true
        }
        guard current == UInt8(ascii: ",") else { throw .syntax }
        position += 1
        return true
    }

    /// The byte at `position`, or 0 at the end: a NUL is legal nowhere in JSON, so both fail in the same way.
    @inline(__always)
    var current: UInt8 { position < bytes.count ? bytes[position] : 0 }

    @inline(__always)
    @_lifetime(self: copy self)
    mutating func skipWhiteSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }
}
