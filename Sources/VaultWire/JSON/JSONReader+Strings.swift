extension JSONReader {
    /// The next value, which must be a string: unescaped in place, as the range of its text without quotes.
    ///
    /// Faults with `.shape` when the next value is something else, with `.syntax` when the string is not well formed.
    @_lifetime(self: copy self)
    package mutating func string() throws(JSONFault) -> ByteRange {
        skipWhiteSpace()
        guard current == UInt8(ascii: "\"") else { throw .shape }
        let start = position + 1
        var index = start
        while index < bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: "\"") {
                position = index + 1
                return ByteRange(offset: start, count: index - start)
            }
            if byte < 0x20 || byte >= 0x80 || byte == UInt8(ascii: "\\") { break }
            index += 1
        }
        return try stringWithEscapes(from: start, plainUntil: index)
    }

    /// The rest of a string from its first byte that is not plain ASCII: copies down over its own escapes.
    @inline(never)
    @_lifetime(self: copy self)
    private mutating func stringWithEscapes(from start: Int, plainUntil: Int) throws(JSONFault) -> ByteRange {
        position = plainUntil
        var write = plainUntil
        while position < bytes.count {
            let byte = bytes[position]
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return ByteRange(offset: start, count: write - start)
            case UInt8(ascii: "\\"):
                position += 1
                try unescape(to: &write)
            case 0x20..<0x80:
                put(byte, to: &write)
                position += 1
            case 0x80...:
                let length = try sequenceLength()
                for _ in 0..<length {
                    put(bytes[position], to: &write)
                    position += 1
                }
            default:
                throw .syntax
            }
        }
        throw .syntax
    }

    /// One escape, `position` just behind its backslash. An escape is always longer than what it stands for.
    @_lifetime(self: copy self)
    private mutating func unescape(to write: inout Int) throws(JSONFault) {
        let kind = current
        position += 1
        switch kind {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): put(kind, to: &write)
        case UInt8(ascii: "b"): put(0x08, to: &write)
        case UInt8(ascii: "f"): put(0x0C, to: &write)
        case UInt8(ascii: "n"): put(0x0A, to: &write)
        case UInt8(ascii: "r"): put(0x0D, to: &write)
        case UInt8(ascii: "t"): put(0x09, to: &write)
        case UInt8(ascii: "u"): putUTF8(try escapedScalar(), to: &write)
        default:
            position = min(position, bytes.count)
            throw .syntax
        }
    }

    /// The scalar of a `\u` escape or of a surrogate pair of two, `position` just behind the first `u`.
    @_lifetime(self: copy self)
    private mutating func escapedScalar() throws(JSONFault) -> UInt32 {
        let first = try fourHexDigits()
        switch first {
        case 0xD800..<0xDC00:
            guard current == UInt8(ascii: "\\") else { throw .syntax }
            position += 1
            guard current == UInt8(ascii: "u") else { throw .syntax }
            position += 1
            let second = try fourHexDigits()
            guard (0xDC00..<0xE000).contains(second) else { throw .syntax }
            return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
        case 0xDC00..<0xE000:
            throw .syntax
        default:
            return first
        }
    }

    @_lifetime(self: copy self)
    private mutating func fourHexDigits() throws(JSONFault) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            let digit = current
            switch digit {
            case 0x30...0x39: value = value << 4 | UInt32(digit - 0x30)
            case 0x41...0x46: value = value << 4 | UInt32(digit - 0x41 + 10)
            case 0x61...0x66: value = value << 4 | UInt32(digit - 0x61 + 10)
            default: throw .syntax
            }
            position += 1
        }
        return value
    }

    /// Bytes of the UTF-8 sequence at `position`, whose first byte is not ASCII; faults unless it is well formed
    /// (Unicode 15, table 3-7: no overlong form, no surrogate, nothing above U+10FFFF).
    private func sequenceLength() throws(JSONFault) -> Int {
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch bytes[position] {
        case 0xC2...0xDF: length = 2
        case 0xE0: (length, second) = (3, 0xA0...0xBF)
        case 0xE1...0xEC, 0xEE...0xEF: length = 3
        case 0xED: (length, second) = (3, 0x80...0x9F)
        case 0xF0: (length, second) = (4, 0x90...0xBF)
        case 0xF1...0xF3: length = 4
        case 0xF4: (length, second) = (4, 0x80...0x8F)
        default: throw .syntax
        }
        guard bytes.count - position >= length, second.contains(bytes[position + 1]) else { throw .syntax }
        for index in 2..<max(length, 2) where bytes[position + index] & 0xC0 != 0x80 { throw .syntax }
        return length
    }

    @_lifetime(self: copy self)
    private mutating func putUTF8(_ scalar: UInt32, to write: inout Int) {
        switch scalar {
        case 0..<0x80:
            put(UInt8(scalar), to: &write)
        case 0x80..<0x800:
            put(UInt8(0xC0 | scalar >> 6), to: &write)
            put(UInt8(0x80 | scalar & 0x3F), to: &write)
        case 0x800..<0x10000:
            put(UInt8(0xE0 | scalar >> 12), to: &write)
            put(UInt8(0x80 | scalar >> 6 & 0x3F), to: &write)
            put(UInt8(0x80 | scalar & 0x3F), to: &write)
        default:
            put(UInt8(0xF0 | scalar >> 18), to: &write)
            put(UInt8(0x80 | scalar >> 12 & 0x3F), to: &write)
            put(UInt8(0x80 | scalar >> 6 & 0x3F), to: &write)
            put(UInt8(0x80 | scalar & 0x3F), to: &write)
        }
    }

    @inline(__always)
    @_lifetime(self: copy self)
    private mutating func put(_ byte: UInt8, to write: inout Int) {
        bytes[write] = byte
        write += 1
    }
}
