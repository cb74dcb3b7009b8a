/// What the texts of a request may be. Cards, tokens and expiry dates are not checked here: the domain says what is
/// wrong with those, with a code of its own.
extension JSONReader {
    /// Any string.
    @_lifetime(self: copy self)
    mutating func requestString() throws(RequestFault) -> ByteRange {
        do throws(JSONFault) { return try string() } catch { throw .json(error) }
    }

    /// The name of a format or purpose: 1 to 64 of `a-z 0-9 _ . -`.
    @_lifetime(self: copy self)
    mutating func requestName() throws(RequestFault) -> ByteRange {
        let range = try requestString()
        guard RequestText.isName(view(range)) else { throw .json(.shape) }
        return range
    }

    /// A text that people may read, 1 to `max` bytes without control characters.
    @_lifetime(self: copy self)
    mutating func requestText(max: Int) throws(RequestFault) -> ByteRange {
        let range = try requestString()
        guard RequestText.isPrintable(view(range), max: max) else { throw .json(.shape) }
        return range
    }

    /// A request id: 1 to 64 visible ASCII characters.
    @_lifetime(self: copy self)
    mutating func requestID() throws(RequestFault) -> ByteRange {
        let range = try requestString()
        guard RequestText.isRequestID(view(range)) else { throw .json(.shape) }
        return range
    }

    /// A time to live, 1 to `Limits.ttlSecondsMax` seconds.
    @_lifetime(self: copy self)
    mutating func requestTTL() throws(RequestFault) -> UInt32 {
        let seconds: UInt64
        do throws(JSONFault) { seconds = try unsignedInteger() } catch { throw .json(error) }
        guard seconds >= 1, seconds <= Limits.ttlSecondsMax else { throw .json(.shape) }
        return UInt32(truncatingIfNeeded: seconds)
    }
}

/// The rules behind the texts, for header fields too, where purposes and formats of bulk requests travel.
package enum RequestText {
    /// Whether a text is a name of a format or purpose: 1 to 64 of `a-z 0-9 _ . -`.
    package static func isName(_ text: Span<UInt8>) -> Bool {
        guard (1...Limits.nameBytesMax).contains(text.count) else { return false }
        for index in text.indices {
            switch text[index] {
            case 0x61...0x7A, 0x30...0x39, UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"): continue
            default: return false
            }
        }
        return true
    }

    /// Whether a well-formed UTF-8 text has 1 to `max` bytes and no control character (C0, DEL, C1).
    package static func isPrintable(_ text: Span<UInt8>, max: Int) -> Bool {
        guard (1...max).contains(text.count) else { return false }
        var previous: UInt8 = 0
        for index in text.indices {
            let byte = text[index]
            if byte < 0x20 || byte == 0x7F || (previous == 0xC2 && byte < 0xA0) { return false }
            previous = byte
        }
        return true
    }

    /// Whether a text is a request id: 1 to 64 visible ASCII characters.
    package static func isRequestID(_ text: Span<UInt8>) -> Bool {
        guard (1...Limits.requestIDBytesMax).contains(text.count) else { return false }
        for index in text.indices where !(0x21...0x7E).contains(text[index]) { return false }
        return true
    }
}
