import Testing

@testable import VaultWire

@Suite("Bulk lines")
struct LineTests {
    /// A line as it comes out: its text, or nil for an overlong one.
    typealias Lines = [[UInt8]?]

    /// Feeds `input` in the given pieces, as a receive buffer would: kept bytes stay in front of the next piece.
    /// Also returns the most bytes that had to be kept between two pieces.
    static func split(_ input: [UInt8], pieces: (Int) -> Int) -> (lines: Lines, kept: Int) {
        var splitter = LineSplitter()
        var lines: Lines = []
        var kept = 0
        var buffer: [UInt8] = []
        var sent = 0
        repeat {
            let count = min(pieces(sent), input.count - sent)
            buffer += input[sent..<(sent + count)]
            sent += count
            var position = 0
            while let line = splitter.next(in: buffer.span, at: &position, isLast: false) {
                lines.append(bytes(line, buffer))
            }
            buffer.removeFirst(position)
            kept = max(kept, buffer.count)
        } while sent < input.count
        var position = 0
        while let line = splitter.next(in: buffer.span, at: &position, isLast: true) {
            lines.append(bytes(line, buffer))
        }
        #expect(position == buffer.count)
        return (lines, kept)
    }

    static func bytes(_ line: LineSplitter.Line, _ buffer: [UInt8]) -> [UInt8]? {
        switch line {
        case .text(let range): Array(buffer[range.positions])
        case .overlong: nil
        }
    }

    /// The same by the plainest means, to compare with.
    static func expected(_ input: [UInt8]) -> Lines {
        var lines: Lines = []
        var rest = input[...]
        while !rest.isEmpty {
            let end = rest.firstIndex(of: 0x0A)
            var line = rest[..<(end ?? rest.endIndex)]
            rest = end.map { rest[($0 + 1)...] } ?? []
            if end != nil, line.last == 0x0D { line.removeLast() }
            lines.append(line.count <= Limits.lineBytesMax ? Array(line) : nil)
        }
        return lines
    }

    @Test(
        "lines end with LF or CRLF, and the last may do without",
        arguments: [
            ("", []), ("\n", [""]), ("a", ["a"]), ("a\n", ["a"]), ("a\r\n", ["a"]), ("a\nb", ["a", "b"]),
            ("a\n\nb\r\n\r\n", ["a", "", "b", ""]),
            ("a\rb\n", ["a\rb"]), ("a\r\r\n", ["a\r"]), ("a\r", ["a\r"]),
        ])
    func ends(input: String, lines: [String]) {
        let expected: Lines = lines.map { Array($0.utf8) }
        #expect(Self.split(Array(input.utf8), pieces: { _ in 1 << 20 }).lines == expected)
        #expect(Self.split(Array(input.utf8), pieces: { _ in 1 }).lines == expected)
        #expect(Self.expected(Array(input.utf8)) == expected)
    }

    @Test("lines come out the same however the input is cut, and little is kept", arguments: 0..<300)
    func dripFeed(seed: Int) {
        var random = SeededRandom(state: UInt64(seed))
        var input: [UInt8] = []
        for _ in 0..<Int.random(in: 0...12, using: &random) {
            let count = [0, 1, 16, 19, 62, 63, 64, 65, 66, 67, 130, 1_000].randomElement(using: &random)!
            for _ in 0..<count { input.append([0x31, 0x0D, 0x2C, 0xFF].randomElement(using: &random)!) }
            input += [[0x0A], [0x0D, 0x0A], []].randomElement(using: &random)!
        }
        let expected = Self.expected(input)
        for piece in [1, 2, 7, 8, 64, 65, 66, 1 << 20] {
            let (lines, kept) = Self.split(input, pieces: { _ in piece })
            #expect(lines == expected, "pieces of \(piece)")
            #expect(kept <= Limits.lineBytesMax + 1)
        }
        let (lines, _) = Self.split(input, pieces: { _ in Int.random(in: 1...90, using: &random) })
        #expect(lines == expected)
    }

    @Test("64 bytes are a line and 65 are one malformed line, whatever ends them", arguments: ["\n", "\r\n", ""])
    func limit(end: String) {
        for (count, isLine) in [(64, true), (65, false), (66, false), (100_000, false)] {
            let line = [UInt8](repeating: 0x39, count: count)
            let rest = end.isEmpty ? "" : "7\n"
            for piece in [1, 64, 65, 66, 1 << 20] {
                let (lines, _) = Self.split(line + Array((end + rest).utf8), pieces: { _ in piece })
                #expect(lines == [isLine ? line : nil] + (rest.isEmpty ? [] : [[0x37]]))
            }
        }
    }

    func card(_ line: String) -> (pan: String, expiry: String?)? {
        let buffer = Array("..\(line)..".utf8)
        let range = ByteRange(offset: 2, count: line.utf8.count)
        return CardLine(range, in: buffer.span).map { (text($0.pan, buffer), text($0.expiry, buffer)) }
    }

    @Test("a card line is a PAN, or a PAN and an expiry, and nothing with a third field")
    func cardLines() throws {
        #expect(try #require(card("4111")) == ("4111", nil))
        #expect(try #require(card("4111,2028-05")) == ("4111", "2028-05"))
        #expect(try #require(card("4111,")) == ("4111", ""))
        #expect(try #require(card(",2028-05")) == ("", "2028-05"))
        #expect(try #require(card("")) == ("", nil))
        #expect(try #require(card("4111;2028-05")) == ("4111;2028-05", nil))
        #expect(card("4111,2028-05,123") == nil)
        #expect(card(",,") == nil)
    }

    @Test("answer lines are digits, digits and a month, or a code, within their bound")
    func answers() {
        func line(_ body: (inout OutputRawSpan) -> Void) -> String {
            String(decoding: written(capacity: AnswerLine.maxBytes, body), as: UTF8.self)
        }
        let longest = Digits(value: 9_999_999_999_999_999_999, length: 19)
        #expect(line { AnswerLine.append(longest, to: &$0) } == "9999999999999999999\n")
        #expect(
            line { AnswerLine.append(longest, expiry: ExpiryMonth(year: 2028, month: 5), to: &$0) }
                == "9999999999999999999,2028-05\n")
        #expect(line { AnswerLine.append(longest, expiry: nil, to: &$0) } == "9999999999999999999,\n")
        for problem in ProblemCode.allCases {
            #expect(line { AnswerLine.append(problem, to: &$0) } == "!\(problem.code)\n")
        }
    }
}

func == (left: (pan: String, expiry: String?), right: (String, String?)) -> Bool {
    left.pan == right.0 && left.expiry == right.1
}
