import StrongroomClient

/// Takes a bulk answer apart: counts its lines, and passes them on as they are or as JSON.
struct BulkAnswers: ~Copyable {
    enum Style {
        case plain
        /// A JSON line for each: the name of its first field; what stands behind a comma is the expiry.
        case json(StaticString)
    }

    private(set) var tally = Tally()
    private let style: Style
    /// The line under way: all of it for JSON, else only of lines that failed.
    private var line = SecureBuffer(capacity: 64)
    private var isAtStart = true
    private var isFailure = false

    init(_ style: Style) { self.style = style }

    /// Takes the next bytes and puts what is to be printed behind `output`.
    mutating func take(_ bytes: Span<UInt8>, into output: inout SecureBuffer) {
        if case .plain = style { output.append(contentsOf: bytes) }
        for index in bytes.indices {
            let byte = bytes[index]
            if isAtStart {
                isAtStart = false
                isFailure = byte == UInt8(ascii: "!")
            }
            if byte == 0x0A {
                endLine(&output)
            } else if isFailure {
                if line.count < 64 { line.append(byte) }
            } else if case .json = style {
                line.append(byte)
            }
        }
    }

    private mutating func endLine(_ output: inout SecureBuffer) {
        if isFailure {
            let code = code()
            tally.fail(code)
            if case .json = style { output.append(#"{"line":\#(tally.lines),"error":{"code":"\#(code)"}}"# + "\n") }
        } else {
            tally.succeed()
            if case .json(let name) = style { appendJSON(name, &output) }
        }
        isAtStart = true
        line.removeAll()
    }

    /// The text behind `!`, as far as it is one of a code.
    private func code() -> String {
        let bytes = line.span
        var text = ""
        for index in bytes.indices.dropFirst() {
            let byte = bytes[index]
            if byte == UInt8(ascii: "_") || (0x61...0x7A).contains(byte) {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            }
        }
        return text
    }

    /// `{"line":1,"pan":"...","expiry":"2031-05"}`: digits, hyphens and a comma need no escapes.
    private func appendJSON(_ name: StaticString, _ output: inout SecureBuffer) {
        output.append(#"{"line":\#(tally.lines),""#)
        output.append(name)
        output.append(#"":""#)
        let bytes = line.span
        var comma = bytes.count
        for index in bytes.indices where bytes[index] == UInt8(ascii: ",") { comma = index }
        output.append(contentsOf: bytes.extracting(0..<comma))
        if comma + 1 < bytes.count {
            output.append(#"","expiry":""#)
            output.append(contentsOf: bytes.extracting((comma + 1)..<bytes.count))
        }
        output.append("\"}\n")
    }
}
