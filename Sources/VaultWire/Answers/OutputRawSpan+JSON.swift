/// JSON values as answers write them: no white space, members in the order they are appended.
extension OutputRawSpan {
    /// Bytes that a text of `bytes` may take as a JSON string with its quotes: every byte may become `\u00xx`.
    package static func jsonStringBytesMax(_ bytes: Int) -> Int { 6 * bytes + 2 }

    /// Appends well-formed UTF-8 as a JSON string: quotes, backslashes and control characters escaped.
    @_lifetime(self: copy self)
    package mutating func append(jsonString text: Span<UInt8>) {
        append(UInt8(ascii: "\""))
        for index in text.indices {
            let byte = text[index]
            if byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") {
                append(byte)
            } else {
                append(escaped: byte)
            }
        }
        append(UInt8(ascii: "\""))
    }

    @inline(never)
    @_lifetime(self: copy self)
    private mutating func append(escaped byte: UInt8) {
        append(UInt8(ascii: "\\"))
        if byte >= 0x20 {
            append(byte)
        } else {
            append("u00")
            append(hex: byte)
        }
    }

    /// Appends a number as a JSON string of all its digits: `"0042"`.
    @inline(__always)
    @_lifetime(self: copy self)
    package mutating func append(jsonString digits: Digits) {
        append(UInt8(ascii: "\""))
        append(digits)
        append(UInt8(ascii: "\""))
    }

    /// Appends an ASCII literal without quotes, backslashes and control characters as a JSON string.
    @inline(__always)
    @_lifetime(self: copy self)
    package mutating func append(jsonString text: StaticString) {
        append(UInt8(ascii: "\""))
        append(text)
        append(UInt8(ascii: "\""))
    }

    /// Appends a byte as two hexadecimal digits in lower case.
    @_lifetime(self: copy self)
    package mutating func append(hex byte: UInt8) {
        append(Self.hexDigit(byte >> 4))
        append(Self.hexDigit(byte & 0x0F))
    }

    @inline(__always)
    private static func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 &+ value : 0x57 &+ value }
}
