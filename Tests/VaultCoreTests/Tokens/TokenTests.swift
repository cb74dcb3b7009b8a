import Testing

@testable import VaultCore

@Suite("Tokens")
struct TokenTests {
    @Test("12 to 19 digits without a leading zero are a token, and come back as they were", arguments: 0...40)
    func lengths(count: Int) throws {
        let digits = (0..<count).map { UInt8(0x31 + $0 % 9) }
        guard (12...19).contains(count) else {
            #expect(throws: TokenError.length) { try Token(ascii: digits.span) }
            return
        }
        let token = try Token(ascii: digits.span)
        #expect(token.length == count)
        #expect(appended { token.append(to: &$0) } == digits)
        var written = [UInt8](repeating: 0xAA, count: 24)
        var span = written.mutableSpan
        #expect(token.write(into: &span) == count)
        #expect(Array(written[..<count]) == digits)
        #expect(written[count...].allSatisfy { $0 == 0xAA })
        #expect(Token(value: token.value) == token)
    }

    @Test("a byte that is not a digit is refused at every place, and a leading zero too", arguments: 12...19)
    func everyByte(count: Int) {
        for place in 0..<count {
            for byte in UInt8.min...UInt8.max {
                var digits = [UInt8](repeating: 0x39, count: count)
                digits[place] = byte
                let accepted = (0x30...0x39).contains(byte) && !(place == 0 && byte == 0x30)
                #expect(((try? Token(ascii: digits.span)) != nil) == accepted)
            }
        }
    }

    @Test("only integers of 12 to 19 digits are a token's value")
    func values() {
        #expect(Token(value: 99_999_999_999) == nil)
        #expect(Token(value: 100_000_000_000)?.length == 12)
        #expect(Token(value: 9_999_999_999_999_999_999)?.length == 19)
        #expect(Token(value: 10_000_000_000_000_000_000) == nil)
        #expect(Token(value: 0) == nil)
        #expect(Token(value: .max) == nil)
    }

    @Test("no way of printing a token shows a digit, since a caller may have put a card number there")
    func redaction() throws {
        let token = try Token(ascii: Array("4111111111111111".utf8).span)
        var dumped = ""
        dump(token, to: &dumped)
        for text in ["\(token)", String(reflecting: token), "\([token: token])", "\(Optional(token) as Any)", dumped] {
            #expect(!text.contains("411"), "\(text)")
        }
        #expect("\(token)" == "Token(redacted)")
        #expect("\(TokenDraw.token(token, tries: 1))" == "token(Token(redacted), tries: 1)")
    }

    @Test("a token from a card number has its digits")
    func fromPAN() throws {
        let digits = Array("6205500000000000004".utf8)
        let token = Token(digitsOf: try PAN(ascii: digits.span))
        #expect(appended { token.append(to: &$0) } == digits)
    }
}
