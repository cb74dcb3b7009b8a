import Testing

@testable import VaultWire

@Suite("Answers")
struct AnswerTests {
    static let masked = MaskedCard(
        last4: Digits(value: 42, length: 4), bin: Digits(value: 41_111, length: 6), brand: "visa")
    static let widest = MaskedCard(
        last4: Digits(value: 9_999, length: 4), bin: Digits(value: 99_999_999, length: 8),
        brand: "abcdefghijklmnopqrstuvwxyz_12345")
    static let longest = Digits(value: 9_999_999_999_999_999_999, length: 19)
    static let month = ExpiryMonth(year: 2028, month: 5)
    static let moment = Timestamp(seconds: 1_795_437_296)

    /// What is written, checked to be JSON and to stay within the bound.
    func answer(_ bound: Int, _ body: (inout OutputRawSpan) -> Void) -> String {
        let bytes = written(capacity: bound, body)
        #expect(verdict(bytes) == .accepted)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("tokenize answers, short and with everything")
    func tokenize() {
        let token = Digits(value: 9_912_345_678_900_042, length: 16)
        let short = answer(TokenizeAnswer.maxBytes(referenceBytes: 0)) {
            TokenizeAnswer(token: token, card: Self.masked).append(reference: nil, to: &$0)
        }
        #expect(short == #"{"token":"9912345678900042","last4":"0042","bin":"041111","brand":"visa"}"#)
        let reference = Array("o\"7\\é".utf8)
        let full = answer(TokenizeAnswer.maxBytes(referenceBytes: reference.count)) {
            TokenizeAnswer(token: token, card: Self.masked, expiry: Self.month, expiresAt: Self.moment)
                .append(reference: reference.span, to: &$0)
        }
        #expect(
            full == #"{"token":"9912345678900042","last4":"0042","bin":"041111","brand":"visa","expiry":"2028-05","#
                + #""expires_at":"2026-11-23T12:34:56Z","reference":"o\"7\\é"}"#)
    }

    @Test("the longest answers fill their bounds exactly or stay below them")
    func bounds() {
        let control = [UInt8](repeating: 0x01, count: 128)
        let tokenize = written(capacity: TokenizeAnswer.maxBytes(referenceBytes: 128)) {
            TokenizeAnswer(token: Self.longest, card: Self.widest, expiry: Self.month, expiresAt: Self.moment)
                .append(reference: control.span, to: &$0)
        }
        #expect(tokenize.count == TokenizeAnswer.maxBytes(referenceBytes: 128))
        #expect(verdict(tokenize) == .accepted)
        let reveal = written(capacity: DetokenizeAnswer.maxBytes) {
            DetokenizeAnswer.append(pan: Self.longest, expiry: Self.month, to: &$0)
        }
        #expect(reveal.count == DetokenizeAnswer.maxBytes)
        let name = [UInt8](repeating: 0x61, count: 64)
        let purposes = Array(
            [String](repeating: String(repeating: "p", count: 64), count: 32).joined(separator: ",").utf8)
        let inspect = written(capacity: InspectAnswer.maxBytes(purposesBytes: purposes.count)) {
            InspectAnswer(
                token: Self.longest, card: Self.widest, expiry: Self.month, created: Self.moment, expiresAt: Self.moment
            ).append(format: name.span, purposes: purposes.span, to: &$0)
        }
        #expect(verdict(inspect) == .accepted)
        let forgotten = written(capacity: ForgetAnswer.maxBytes) { ForgetAnswer.append(forgotten: .max, to: &$0) }
        #expect(forgotten.count == ForgetAnswer.maxBytes)
        let found = written(capacity: FindAnswer.maxBytes) { FindAnswer.append(token: Self.longest, to: &$0) }
        #expect(found.count == FindAnswer.maxBytes)
        let print = [UInt8](repeating: 0xAF, count: 32)
        let hashed = written(capacity: FingerprintAnswer.maxBytes(fingerprintBytes: 32)) {
            FingerprintAnswer.append(fingerprint: print.span, to: &$0)
        }
        #expect(hashed.count == FingerprintAnswer.maxBytes(fingerprintBytes: 32))
        #expect(String(decoding: hashed, as: UTF8.self).contains("afafaf"))
        for problem in ProblemCode.allCases {
            let failed = written(capacity: Results.errorBytesMax) { Results.append(problem, to: &$0) }
            #expect(verdict(failed) == .accepted)
        }
    }

    @Test("reveals, and batches of them with failures between")
    func detokenize() {
        let pan = Digits(value: 4_111_111_111_111_111, length: 16)
        let bound = Results.maxBytes(items: 3, itemBytes: DetokenizeAnswer.maxBytes)
        let batch = answer(bound) {
            Results.open(&$0)
            DetokenizeAnswer.append(pan: pan, expiry: Self.month, to: &$0)
            Results.separator(&$0)
            Results.append(.notFound, to: &$0)
            Results.separator(&$0)
            DetokenizeAnswer.append(pan: pan, expiry: nil, to: &$0)
            Results.close(&$0)
        }
        #expect(
            batch == #"{"results":[{"pan":"4111111111111111","expiry":"2028-05"},{"error":{"code":"not_found"}},"#
                + #"{"pan":"4111111111111111"}]}"#)
    }

    @Test("inspect answers show purposes as a list, and leave out what is not there")
    func inspect() {
        let answerShort = answer(InspectAnswer.maxBytes(purposesBytes: 0)) {
            InspectAnswer(card: Self.masked, created: Self.moment).append(
                format: Array("cards".utf8).span, purposes: nil, to: &$0)
        }
        #expect(
            answerShort
                == #"{"format":"cards","last4":"0042","bin":"041111","brand":"visa","created":"2026-11-23T12:34:56Z"}"#)
        let purposes = Array("charge,refund".utf8)
        let answerFull = answer(InspectAnswer.maxBytes(purposesBytes: purposes.count)) {
            InspectAnswer(
                token: Digits(value: 991, length: 3), card: Self.masked, expiry: Self.month, created: Self.moment,
                expiresAt: Timestamp(seconds: 0)
            ).append(format: Array("cards".utf8).span, purposes: purposes.span, to: &$0)
        }
        #expect(
            answerFull
                == #"{"token":"991","format":"cards","last4":"0042","bin":"041111","brand":"visa","expiry":"2028-05","#
                + #""created":"2026-11-23T12:34:56Z","expires_at":"1970-01-01T00:00:00Z","#
                + #""purposes":["charge","refund"]}"#
        )
    }

    @Test("problems are the same for every request", arguments: ProblemCode.allCases)
    func problems(problem: ProblemCode) {
        let text = answer(ProblemAnswer.maxBytes) { ProblemAnswer.append(problem, to: &$0) }
        #expect(text.hasPrefix(#"{"type":"urn:problem-type:strongroom:\#(problem.code)","title":""#))
        #expect(text.hasSuffix(#","status":\#(problem.status),"code":"\#(problem.code)"}"#))
    }

    @Test("any reference that a request may carry comes back as it was")
    func references() throws {
        for value in stride(from: UInt32(0x20), through: 0x10FFFF, by: 61) {
            guard let scalar = Unicode.Scalar(value), !(0x7F..<0xA0).contains(value) else { continue }
            let reference = "<" + String(scalar) + "\"\\/>"
            let bytes = Array(reference.utf8)
            var body = Array(#"{"pan":"1","reference":"#.utf8)
            body += written(capacity: OutputRawSpan.jsonStringBytesMax(bytes.count)) {
                $0.append(jsonString: bytes.span)
            }
            body += Array("}".utf8)
            var request = TokenizeRequest()
            var span = body.mutableSpan
            try request.decode(&span)
            #expect(text(request.cards[0].reference, body) == reference)
        }
    }

    @Test(
        "moments are written in UTC",
        arguments: [
            (0, "1970-01-01T00:00:00Z"), (951_782_399, "2000-02-28T23:59:59Z"), (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"), (1_709_164_800, "2024-02-29T00:00:00Z"),
            (2_147_483_648, "2038-01-19T03:14:08Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"), (4_107_542_399, "2100-02-28T23:59:59Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"), (253_402_300_800, "9999-12-31T23:59:59Z"),
            (UInt64.max, "9999-12-31T23:59:59Z"),
        ] as [(UInt64, String)])
    func moments(seconds: UInt64, expected: String) {
        let bytes = written(capacity: Timestamp.bytes) { $0.append(Timestamp(seconds: seconds)) }
        #expect(String(decoding: bytes, as: UTF8.self) == expected)
    }

    @Test("every day of 400 years follows the one before")
    func calendar() {
        var year: UInt64 = 1970
        var month: UInt64 = 1
        var day: UInt64 = 1
        for number in UInt64(0)..<146_097 {
            let civil = Timestamp(seconds: number * 86_400 + 86_399).civil
            #expect(civil.year == year && civil.month == month && civil.day == day)
            let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            let days: UInt64 = month == 2 ? (isLeap ? 29 : 28) : [4, 6, 9, 11].contains(month) ? 30 : 31
            day += 1
            if day > days { (day, month) = (1, month + 1) }
            if month > 12 { (month, year) = (1, year + 1) }
        }
    }

    @Test("an answer longer than the caller's span stops the process rather than write past it")
    func overflow() async {
        await #expect(processExitsWith: .failure) {
            _ = written(capacity: 3) { $0.append("four") }
        }
        await #expect(processExitsWith: .failure) {
            _ = written(capacity: 15) { $0.append(Digits(value: 1, length: 16)) }
        }
        await #expect(processExitsWith: .failure) {
            _ = written(capacity: 3) { $0.append([1, 2, 3, 4].span) }
        }
    }
}
