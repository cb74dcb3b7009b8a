/// One line of a bulk answer: digits, `pan,expiry`, or `!code`.
package enum AnswerLine {
    /// Bytes of the longest answer line with its end.
    package static let maxBytes = max(1 + ProblemCode.codeBytesMax + 1, Limits.digitsMax + 1 + ExpiryMonth.bytes + 1)

    /// Appends a PAN or a token.
    @inline(__always)
    package static func append(_ digits: Digits, to output: inout OutputRawSpan) {
        output.append(digits)
        output.append(0x0A)
    }

    /// Appends a PAN and its expiry; a card without one keeps the comma, so that every line has two fields.
    package static func append(_ pan: Digits, expiry: ExpiryMonth?, to output: inout OutputRawSpan) {
        output.append(pan)
        output.append(UInt8(ascii: ","))
        if let expiry { output.append(expiry) }
        output.append(0x0A)
    }

    /// Appends why a line failed.
    package static func append(_ problem: ProblemCode, to output: inout OutputRawSpan) {
        output.append(UInt8(ascii: "!"))
        output.append(problem.code)
        output.append(0x0A)
    }
}
