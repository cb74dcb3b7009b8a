// Feeds one bulk body in pieces to the line splitter, and compares with the plainest way to split lines.
import VaultWire

/// The entry point that libFuzzer calls with each input: one byte for the size of the pieces, then the body.
@c(LLVMFuzzerTestOneInput)
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    // libFuzzer owns the bytes for the length of this call; they are copied.
    let input = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
    guard let size = input.first else { return 0 }
    let body = Array(input.dropFirst())
    let lines = split(body, piece: Int(size) + 1)
    guard lines == expected(body) else { fatalError("other lines") }
    for case let line? in lines { check(line) }
    return 0
}

func split(_ body: [UInt8], piece: Int) -> [[UInt8]?] {
    var splitter = LineSplitter()
    var lines: [[UInt8]?] = []
    var buffer: [UInt8] = []
    var sent = 0
    while true {
        let count = min(piece, body.count - sent)
        buffer += body[sent..<(sent + count)]
        sent += count
        let isLast = sent == body.count
        var position = 0
        while let line = splitter.next(in: buffer.span, at: &position, isLast: isLast) {
            switch line {
            case .text(let range): lines.append(Array(buffer[range.positions]))
            case .overlong: lines.append(nil)
            }
        }
        buffer.removeFirst(position)
        guard buffer.count <= Limits.lineBytesMax + 1 else { fatalError("too much is kept") }
        if isLast {
            guard buffer.isEmpty else { fatalError("bytes left over") }
            return lines
        }
    }
}

func expected(_ body: [UInt8]) -> [[UInt8]?] {
    var lines: [[UInt8]?] = []
    var rest = body[...]
    while !rest.isEmpty {
        let end = rest.firstIndex(of: 0x0A)
        var line = rest[..<(end ?? rest.endIndex)]
        rest = end.map { rest[($0 + 1)...] } ?? []
        if end != nil, line.last == 0x0D { line.removeLast() }
        lines.append(line.count <= Limits.lineBytesMax ? Array(line) : nil)
    }
    return lines
}

/// The parts of a card line put together are the line again, and digits that are read are written the same.
func check(_ line: [UInt8]) {
    if let card = CardLine(ByteRange(offset: 0, count: line.count), in: line.span) {
        var again = Array(line[card.pan.positions])
        if let expiry = card.expiry { again += [0x2C] + line[expiry.positions] }
        guard again == line else { fatalError("another card line") }
    } else {
        guard line.count(where: { $0 == 0x2C }) > 1 else { fatalError("a card line was refused") }
    }
    let isNumber = (1...19).contains(line.count) && line.allSatisfy { (0x30...0x39).contains($0) }
    guard let digits = Digits(line.span) else {
        guard !isNumber else { fatalError("a number was refused") }
        return
    }
    guard isNumber else { fatalError("no number was taken") }
    var written = [UInt8](repeating: 0, count: AnswerLine.maxBytes)
    let count = unsafe written.withUnsafeMutableBytes { memory in
        // The span does not outlive the array's storage.
        var output = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
        AnswerLine.append(digits, to: &output)
        return unsafe output.finalize(for: memory)
    }
    guard Array(written[0..<count]) == line + [0x0A] else { fatalError("other digits") }
}
