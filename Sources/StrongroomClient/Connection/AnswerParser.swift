/// The head of an HTTP answer, as far as anybody here asks.
package struct AnswerHead: Sendable, Equatable {
    /// Three digits.
    package var status = 0
    /// Whether the connection ends after this answer.
    package var closes = false
    /// `Retry-After` in seconds.
    package var retryAfterSeconds: Int?
    /// Of a bulk answer, from its trailers.
    package var succeeded: UInt64?
    /// Of a bulk answer, from its trailers.
    package var failed: UInt64?

    var contentLength: Int?
    var isChunked = false
}

/// A strict pull parser for HTTP/1.1 answers, whatever the pieces they arrive in.
///
/// Bodies are never copied: they are ranges of the buffer at hand. Only lines of heads, chunk sizes and trailers are,
/// up to a limit, and those carry no card data. After a fault the connection is of no further use.
package struct AnswerParser: Sendable {
    /// What comes next in the stream.
    package enum Event: Equatable {
        /// The head is complete; a body or an end follows.
        case head
        /// These bytes of the buffer belong to the body.
        case body(Range<Int>)
        /// The answer is complete, trailers included.
        case end
    }

    /// The bytes are not an HTTP/1.1 answer with a length.
    package struct Fault: Error {}

    private enum State {
        case statusLine, header
        case fixedBody(Int)
        case chunkSize
        case chunk(Int)
        case chunkEnd, trailer, end
    }

    /// Bytes of a head or of all trailers.
    private static let headBytesMax = 16 << 10

    /// The head of the answer under way.
    package private(set) var head = AnswerHead()
    private var state = State.statusLine
    private var line: [UInt8] = []
    private var headBytes = 0

    package init() {}

    /// Whether no answer is under way.
    package var isBetweenAnswers: Bool {
        if case .statusLine = state { return headBytes == 0 }
        return false
    }

    /// The next event at `position`, which moves past it; nil when more bytes are needed.
    package mutating func next(in bytes: Span<UInt8>, at position: inout Int) throws(Fault) -> Event? {
        while true {
            switch state {
            case .statusLine:
                guard try takeLine(bytes, &position) else { return nil }
                try readStatus()
                state = .header
            case .header:
                guard try takeLine(bytes, &position) else { return nil }
                if line.isEmpty {
                    guard let event = try endOfHead() else { continue }
                    return event
                }
                try readField(isTrailer: false)
            case .fixedBody(0): state = .end
            case .fixedBody(let left):
                guard let range = take(left, bytes, &position) else { return nil }
                state = .fixedBody(left - range.count)
                return .body(range)
            case .chunkSize:
                guard try takeLine(bytes, &position) else { return nil }
                let size = try chunkSize()
                headBytes = 0
                state = size == 0 ? .trailer : .chunk(size)
            case .chunk(0): state = .chunkEnd
            case .chunk(let left):
                guard let range = take(left, bytes, &position) else { return nil }
                state = .chunk(left - range.count)
                return .body(range)
            case .chunkEnd:
                guard try takeLine(bytes, &position) else { return nil }
                guard line.isEmpty else { throw Fault() }
                headBytes = 0
                state = .chunkSize
            case .trailer:
                guard try takeLine(bytes, &position) else { return nil }
                if line.isEmpty { state = .end } else { try readField(isTrailer: true) }
            case .end:
                state = .statusLine
                headBytes = 0
                return .end
            }
        }
    }

    private func take(_ left: Int, _ bytes: Span<UInt8>, _ position: inout Int) -> Range<Int>? {
        let count = min(left, bytes.count - position)
        guard count > 0 else { return nil }
        defer { position += count }
        return position..<(position + count)
    }

    /// Collects a line into `line`, without its CRLF; false when it goes on beyond `bytes`.
    private mutating func takeLine(_ bytes: Span<UInt8>, _ position: inout Int) throws(Fault) -> Bool {
        if isLineTaken {
            line.removeAll(keepingCapacity: true)
            isLineTaken = false
        }
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            headBytes += 1
            guard headBytes <= Self.headBytesMax else { throw Fault() }
            if byte == 0x0A {
                guard line.last == 0x0D else { throw Fault() }
                line.removeLast()
                isLineTaken = true
                return true
            }
            // A CR stands before LF alone; of the control bytes only tab is legal.
            guard line.last != 0x0D, byte >= 0x20 || byte == 0x0D || byte == 0x09, byte != 0x7F else { throw Fault() }
            line.append(byte)
        }
        return false
    }

    private var isLineTaken = false
}

// MARK: - Lines

extension AnswerParser {
    /// `HTTP/1.1 200 OK`
    private mutating func readStatus() throws(Fault) {
        guard line.count >= 12, line.starts(with: "HTTP/1.1 ".utf8), let status = number(line[9..<12]),
            (100...599).contains(status), line.count == 12 || line[12] == 0x20
        else { throw Fault() }
        head = AnswerHead()
        head.status = Int(status)
    }

    private mutating func readField(isTrailer: Bool) throws(Fault) {
        guard let colon = line.firstIndex(of: 0x3A), colon > 0 else { throw Fault() }
        let name = line[..<colon].map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
        guard name.allSatisfy({ $0 > 0x20 }) else { throw Fault() }
        var value = line[(colon + 1)...]
        while let first = value.first, first == 0x20 || first == 0x09 { value.removeFirst() }
        while let last = value.last, last == 0x20 || last == 0x09 { value.removeLast() }
        if isTrailer {
            if name.elementsEqual("strongroom-succeeded".utf8) { head.succeeded = number(value) }
            if name.elementsEqual("strongroom-failed".utf8) { head.failed = number(value) }
            return
        }
        if name.elementsEqual("content-length".utf8) {
            guard head.contentLength == nil, let length = number(value), length <= UInt64(Int32.max) else {
                throw Fault()
            }
            head.contentLength = Int(length)
        } else if name.elementsEqual("transfer-encoding".utf8) {
            guard !head.isChunked, lower(value).elementsEqual("chunked".utf8) else { throw Fault() }
            head.isChunked = true
        } else if name.elementsEqual("connection".utf8) {
            if lower(value).elementsEqual("close".utf8) { head.closes = true }
        } else if name.elementsEqual("retry-after".utf8) {
            head.retryAfterSeconds = number(value).map { Int(clamping: $0) }
        }
    }

    /// Nil for an interim answer, which another one follows.
    private mutating func endOfHead() throws(Fault) -> Event? {
        headBytes = 0
        if head.status < 200 {
            guard head.status != 101 else { throw Fault() }
            state = .statusLine
            return nil
        }
        switch (head.isChunked, head.contentLength) {
        case (true, nil): state = .chunkSize
        case (false, let length?): state = .fixedBody(length)
        // Both is an attempt to confuse; neither would end with the connection, which anybody can cut.
        case (true, .some), (false, nil): throw Fault()
        }
        return .head
    }

    /// Hexadecimal, with extensions ignored.
    private func chunkSize() throws(Fault) -> Int {
        var size = 0
        var digits = 0
        for byte in line {
            let digit: UInt8
            switch byte {
            case 0x30...0x39: digit = byte - 0x30
            case 0x41...0x46: digit = byte - 0x41 + 10
            case 0x61...0x66: digit = byte - 0x61 + 10
            case 0x3B, 0x20, 0x09:
                guard digits > 0 else { throw Fault() }
                return size
            default: throw Fault()
            }
            digits += 1
            guard digits <= 8 else { throw Fault() }
            size = size << 4 | Int(digit)
        }
        guard digits > 0 else { throw Fault() }
        return size
    }

    private func number(_ text: ArraySlice<UInt8>) -> UInt64? {
        guard (1...19).contains(text.count), text.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return text.reduce(0) { $0 * 10 + UInt64($1 - 0x30) }
    }

    private func lower(_ text: ArraySlice<UInt8>) -> [UInt8] {
        text.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
    }
}
