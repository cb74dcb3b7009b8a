extension JSONReader {
    /// The next value, which must be a whole number without sign, fraction or exponent, at most 2^64 - 1.
    ///
    /// Faults with `.shape` when it is another value or another kind of number, so that nothing is ever rounded.
    @_lifetime(self: copy self)
    package mutating func unsignedInteger() throws(JSONFault) -> UInt64 {
        skipWhiteSpace()
        guard current == UInt8(ascii: "-") || isDigit else { throw .shape }
        let range = try number()
        var value: UInt64 = 0
        for index in range.positions {
            let digit = bytes[index]
            guard (0x30...0x39).contains(digit) else { throw .shape }
            let (scaled, overflowed) = value.multipliedReportingOverflow(by: 10)
            let (sum, carried) = scaled.addingReportingOverflow(UInt64(digit - 0x30))
            guard !overflowed, !carried else { throw .shape }
            value = sum
        }
        return value
    }

    /// The number at `position` by the grammar of RFC 8259, as written; its value is not computed.
    @_lifetime(self: copy self)
    mutating func number() throws(JSONFault) -> ByteRange {
        let start = position
        if current == UInt8(ascii: "-") { position += 1 }
        if current == UInt8(ascii: "0") {
            position += 1
        } else {
            try digits()
        }
        if current == UInt8(ascii: ".") {
            position += 1
            try digits()
        }
        if current | 0x20 == UInt8(ascii: "e") {
            position += 1
            if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
            try digits()
        }
        guard !isDigit, position - start <= Limits.jsonNumberBytesMax else { throw .syntax }
        return ByteRange(offset: start, count: position - start)
    }

    /// One digit or more.
    @_lifetime(self: copy self)
    private mutating func digits() throws(JSONFault) {
        guard isDigit else { throw .syntax }
        while isDigit { position += 1 }
    }

    private var isDigit: Bool { (0x30...0x39).contains(current) }
}
