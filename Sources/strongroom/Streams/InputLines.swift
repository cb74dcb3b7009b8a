import StrongroomClient
import VaultWire

/// A line of standard input: a card number or token, and for cards perhaps an expiry behind a comma.
struct InputLine {
    /// The first field; nil for one that cannot be a card number or token.
    let field: CardNumber?
    /// The text behind the comma; nil without a comma or with nothing behind it.
    let expiry: String?
    /// More than one comma: a third field could be a security code, and is not looked at.
    let isMalformed: Bool

    /// The field as a token; nil for anything else.
    var token: Token? { field?.withBytes { Token($0) } }
}

/// Standard input line by line, for calls that take a batch.
struct InputLines: ~Copyable {
    private let input: StandardInput
    private var splitter = LineSplitter()
    private var chunk = SecureBuffer()
    /// Read and not yet given out.
    private var waiting = SecureBuffer()
    private var isAtEnd = false

    init(_ input: StandardInput) { self.input = input }

    /// As many lines as are there, at most `max`, at least one; none at the end. Waits for input, not for a full batch.
    mutating func next(max: Int) async throws(Failure) -> [InputLine] {
        while true {
            let lines = takeLines(max: max)
            if !lines.isEmpty || isAtEnd { return lines }
            isAtEnd = try await !input.read(into: &chunk)
            Self.move(&chunk, behind: &waiting)
        }
    }

    private static func move(_ chunk: inout SecureBuffer, behind buffer: inout SecureBuffer) {
        buffer.append(contentsOf: chunk.span)
        chunk.removeAll()
    }

    private mutating func takeLines(max: Int) -> [InputLine] {
        let (lines, used) = Self.lines(in: waiting, &splitter, max: max, isLast: isAtEnd)
        waiting.removeFirst(used)
        return lines
    }

    private static func lines(
        in buffer: borrowing SecureBuffer, _ splitter: inout LineSplitter, max: Int, isLast: Bool
    ) -> (lines: [InputLine], used: Int) {
        var lines: [InputLine] = []
        var position = 0
        let bytes = buffer.span
        while lines.count < max, let next = splitter.next(in: bytes, at: &position, isLast: isLast) {
            switch next {
            case .text(let range): lines.append(line(range, bytes))
            case .overlong: lines.append(InputLine(field: nil, expiry: nil, isMalformed: true))
            }
        }
        return (lines, position)
    }

    private static func line(_ range: ByteRange, _ bytes: Span<UInt8>) -> InputLine {
        guard let card = CardLine(range, in: bytes) else {
            return InputLine(field: nil, expiry: nil, isMalformed: true)
        }
        var expiry: String?
        if let text = card.expiry, text.count > 0 {
            let view = text.view(in: bytes)
            var characters = ""
            for index in view.indices { characters.unicodeScalars.append(Unicode.Scalar(view[index])) }
            expiry = characters
        }
        return InputLine(field: CardNumber(card.pan.view(in: bytes)), expiry: expiry, isMalformed: false)
    }
}
