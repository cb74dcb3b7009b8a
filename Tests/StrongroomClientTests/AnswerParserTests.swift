import StrongroomClient
import Testing

@Suite("Answers of HTTP")
struct AnswerParserTests {
    /// What a parser makes of a stream that arrives in pieces of `piece` bytes; nil after a fault.
    private func parse(_ text: String, piece: Int = .max) -> [String]? {
        let bytes = Array(text.utf8)
        var parser = AnswerParser()
        var events: [String] = []
        var body = ""
        var start = 0
        while start < bytes.count {
            let end = start + min(piece, bytes.count - start)
            let part = Array(bytes[start..<end])
            start = end
            var position = 0
            do throws(AnswerParser.Fault) {
                while let event = try parser.next(in: part.span, at: &position) {
                    switch event {
                    case .head: events.append("head \(parser.head.status)")
                    case .body(let range): body += String(decoding: part[range], as: UTF8.self)
                    case .end:
                        events.append("body \(body)")
                        if let succeeded = parser.head.succeeded { events.append("succeeded \(succeeded)") }
                        events.append(parser.head.closes ? "close" : "end")
                        body = ""
                    }
                }
            } catch {
                return nil
            }
        }
        return events
    }

    private let fixed = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    private let chunked = """
        HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n00002;x=y\r\nlo\r\n0\r\n\
        Strongroom-Succeeded: 12\r\nStrongroom-Failed: 3\r\n\r\n
        """

    @Test("two answers in a row, whole and in pieces of every size")
    func pieces() {
        for piece in 1...(fixed + chunked).utf8.count {
            #expect(
                parse(fixed + chunked + fixed, piece: piece) == [
                    "head 200", "body hello", "end", "head 200", "body hello", "succeeded 12", "end",
                    "head 200", "body hello", "end",
                ])
        }
    }

    @Test("every truncation is incomplete, never an end and never a fault")
    func truncations() {
        for text in [fixed, chunked] {
            for count in 0..<text.utf8.count {
                let events = parse(String(decoding: Array(text.utf8).prefix(count), as: UTF8.self))
                #expect(events.map { !$0.contains("end") } == true)
            }
        }
    }

    @Test("an interim answer is followed by the real one")
    func interim() {
        #expect(parse("HTTP/1.1 100 Continue\r\n\r\n" + fixed) == ["head 200", "body hello", "end"])
    }

    @Test("an empty body and a close")
    func empty() {
        let text = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: Close\r\nRetry-After: 1\r\n\r\n"
        #expect(parse(text) == ["head 503", "body ", "close"])
    }

    @Test(
        "what is no answer of a vault is a fault",
        arguments: [
            "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000\r\n\r\n",
            "HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 101 Switching\r\n\r\n", "SSH-2.0-OpenSSH\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n123456789\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
            "HTTP/1.1 200 OK\r\nA\rB: c\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\n: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: \u{0}\r\n\r\n", "HTTP/1.1 200 OK\r\n A: folded\r\n\r\n",
            "HTTP/1.1 200 OK\r\n" + String(repeating: "a: b\r\n", count: 3000) + "\r\n",
        ])
    func faults(_ text: String) {
        #expect(parse(text) == nil)
        #expect(parse(text, piece: 1) == nil)
    }
}
