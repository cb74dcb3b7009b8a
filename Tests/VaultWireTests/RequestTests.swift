import Testing

@testable import VaultWire

/// Every request type behind one name, so that tables can run over all of them.
enum Call: CaseIterable {
    case tokenize, detokenize, tokens, find, fingerprint, subject, consent

    func decode(_ bytes: inout MutableSpan<UInt8>) throws(ProblemCode) {
        switch self {
        case .tokenize:
            var request = TokenizeRequest()
            try request.decode(&bytes)
        case .detokenize:
            var request = DetokenizeRequest()
            try request.decode(&bytes)
        case .tokens:
            var request = TokensRequest()
            try request.decode(&bytes)
        case .find: _ = try FindRequest(decoding: &bytes)
        case .fingerprint: _ = try FingerprintRequest(decoding: &bytes)
        case .subject: _ = try SubjectRequest(decoding: &bytes)
        case .consent: _ = try ConsentRequest(decoding: &bytes)
        }
    }

    /// The smallest body it takes.
    var body: String {
        switch self {
        case .tokenize, .fingerprint: #"{"pan":"4111111111111111"}"#
        case .detokenize: #"{"purpose":"charge","token":"9912345678901234"}"#
        case .tokens: #"{"token":"9912345678901234"}"#
        case .find: #"{"format":"cards","pan":"4111111111111111"}"#
        case .subject: #"{"subject":"customer 7"}"#
        case .consent: #"{"subject":"customer 7","purpose":"charge"}"#
        }
    }

    /// The verdict on a body: nil when it is taken. Also what is left of the body.
    func verdict(_ body: [UInt8]) -> (problem: ProblemCode?, left: [UInt8]) {
        var copy = body
        var span = copy.mutableSpan
        do throws(ProblemCode) {
            try decode(&span)
            return (nil, copy)
        } catch {
            return (error, copy)
        }
    }

    func problem(_ body: String) -> ProblemCode? { verdict(Array(body.utf8)).problem }
}

@Suite("Requests")
struct RequestTests {
    @Test("a tokenize request with everything in it", arguments: [0, 1])
    func tokenizeFull(round: Int) throws {
        var request = TokenizeRequest()
        for _ in 0...round {
            var body = Array(
                #"""
                {"format":"cards","pan":"4111111111111111","expiry":"2028-05","subject":"c\u00e9-7",
                 "purposes":["charge","refund.full"],"ttl":3600,"reference":"order \"7\"","request_id":"a-b_c!"}
                """#.utf8)
            var span = body.mutableSpan
            try request.decode(&span)
            #expect(!request.isBatch)
            #expect(request.cards.count == 1)
            let card = request.cards[0]
            #expect(text(request.format(of: card), body) == "cards")
            #expect(text(card.pan, body) == "4111111111111111")
            #expect(text(card.expiry, body) == "2028-05")
            #expect(text(card.subject, body) == "cé-7")
            #expect(request.purposes(of: card).map { text($0, body) } == ["charge", "refund.full"])
            #expect(card.ttl == 3600)
            #expect(text(card.reference, body) == "order \"7\"")
            #expect(text(card.requestID, body) == "a-b_c!")
        }
    }

    @Test("a batch keeps the order of its cards, and each keeps its own purposes and format")
    func tokenizeBatch() throws {
        var body = Array(
            #"""
            {"cards":[{"pan":"1","purposes":["a","b"]},{"pan":"2"},
             {"pan":"3","purposes":["c"],"format":"own"}],"format":"all"}
            """#.utf8)
        var request = TokenizeRequest()
        var span = body.mutableSpan
        try request.decode(&span)
        #expect(request.isBatch)
        #expect(request.cards.map { text($0.pan, body) } == ["1", "2", "3"])
        #expect(request.cards.map { request.purposes(of: $0).map { text($0, body) } } == [["a", "b"], [], ["c"]])
        #expect(request.cards.map { text(request.format(of: $0), body) } == ["all", "all", "own"])
    }

    @Test("token requests name one token or many")
    func tokens() throws {
        var request = DetokenizeRequest()
        var body = Array(#"{"tokens":["9912","x",""],"purpose":"charge"}"#.utf8)
        var span = body.mutableSpan
        try request.decode(&span)
        #expect(request.list.isBatch)
        #expect(request.list.tokens.map { text($0, body) } == ["9912", "x", ""])
        #expect(text(request.purpose, body) == "charge")

        body = Array(#" { "purpose" : "charge" , "token" : "9912345678901234" } "#.utf8)
        span = body.mutableSpan
        try request.decode(&span)
        #expect(!request.list.isBatch)
        #expect(request.list.tokens.map { text($0, body) } == ["9912345678901234"])
    }

    @Test("the smallest body of every call is taken, and every prefix of it refused", arguments: Call.allCases)
    func prefixes(call: Call) {
        let body = Array(call.body.utf8)
        #expect(call.verdict(body).problem == nil)
        for length in 0..<body.count { #expect(call.verdict(Array(body[0..<length])).problem == .malformed) }
    }

    @Test("every bit of every smallest body may flip: what is then taken is still JSON", arguments: Call.allCases)
    func flips(call: Call) {
        let body = Array(call.body.utf8)
        for index in body.indices {
            for value in UInt8.min...UInt8.max where value != body[index] {
                var copy = body
                copy[index] = value
                if call.verdict(copy).problem == nil { #expect(VaultWireTests.verdict(copy) == .accepted) }
            }
        }
    }

    @Test("a body of another shape is malformed", arguments: Call.allCases)
    func shapes(call: Call) {
        for body in [
            "", " ", "[]", "null", "7", "\"x\"", "{}", "[\(call.body)]", call.body + "x", call.body + call.body,
        ] {
            #expect(call.problem(body) == .malformed, "\(body)")
        }
    }

    @Test("a field that is unknown, there twice, or of another case is malformed", arguments: Call.allCases)
    func unknownFields(call: Call) {
        let open = call.body.dropLast()
        #expect(call.problem(open + #","x":1}"#) == .malformed)
        #expect(call.problem(open + #","PAN":"1"}"#) == .malformed)
        #expect(call.problem(open + #","":""}"#) == .malformed)
        #expect(call.problem(open + "," + call.body.dropFirst()) == .malformed)
        #expect(call.problem(open + ",}") == .malformed)
    }

    @Test(
        "wrong types and values are malformed",
        arguments: [
            #"{"pan":4111111111111111}"#, #"{"pan":null}"#, #"{"pan":["4111111111111111"]}"#, #"{"pan":{}}"#,
            #"{"pan":true}"#,
            #"{"expiry":"2028-05"}"#, #"{"pan":"1","expiry":202805}"#, #"{"pan":"1","subject":""}"#,
            #"{"pan":"1","subject":7}"#,
            #"{"pan":"1","subject":"a\u0000b"}"#, #"{"pan":"1","subject":"a\u0085b"}"#,
            #"{"pan":"1","reference":"a\nb"}"#,
            #"{"pan":"1","reference":"\u007f"}"#, #"{"pan":"1","purposes":[]}"#, #"{"pan":"1","purposes":"charge"}"#,
            #"{"pan":"1","purposes":["Charge"]}"#, #"{"pan":"1","purposes":[""]}"#, #"{"pan":"1","purposes":["a b"]}"#,
            #"{"pan":"1","purposes":[1]}"#, #"{"pan":"1","ttl":0}"#, #"{"pan":"1","ttl":-5}"#,
            #"{"pan":"1","ttl":1.5}"#,
            #"{"pan":"1","ttl":"60"}"#, #"{"pan":"1","ttl":4294967296}"#, #"{"pan":"1","ttl":1e3}"#,
            #"{"pan":"1","request_id":""}"#,
            #"{"pan":"1","request_id":"a b"}"#, #"{"pan":"1","request_id":"é"}"#, #"{"pan":"1","format":"Cards"}"#,
            #"{"pan":"1","format":""}"#, #"{"cards":[]}"#, #"{"cards":{}}"#, #"{"cards":[{}]}"#,
            #"{"cards":[[{"pan":"1"}]]}"#,
            #"{"cards":[{"pan":"1"}],"pan":"1"}"#, #"{"ttl":5,"cards":[{"pan":"1"}]}"#,
            #"{"cards":[{"pan":"1","cards":[]}]}"#,
            #"{"pan":"1","token":"1"}"#, #"{"cards":[{"pan":"1"},]}"#, #"{"cards":[{"pan":"1"} {"pan":"2"}]}"#,
            #"{"cards":[{"pan":"1","pan":"2"}]}"#, #"{"pan":"1","p\u0061n":"2"}"#,
        ])
    func tokenizeMalformed(body: String) {
        #expect(Call.tokenize.problem(body) == .malformed)
    }

    @Test(
        "a detokenize without a purpose, without a token, or with both forms is malformed",
        arguments: [
            #"{"token":"1"}"#, #"{"purpose":"charge"}"#, #"{"purpose":"charge","token":"1","tokens":["2"]}"#,
            #"{"purpose":"charge","tokens":["1"],"token":"2"}"#, #"{"purpose":"charge","tokens":[]}"#,
            #"{"purpose":"charge","tokens":[1]}"#, #"{"purpose":"charge\u0000x","token":"1"}"#,
            #"{"purpose":"","token":"1"}"#,
            #"{"purpose":"charge","token":null}"#, #"{"purpose":["charge"],"token":"1"}"#,
            #"{"purpose":"charge","tokens":"1"}"#,
        ])
    func detokenizeMalformed(body: String) {
        #expect(Call.detokenize.problem(body) == .malformed)
    }

    @Test("names may be written with escapes")
    func escapedNames() {
        #expect(Call.tokenize.problem(#"{"p\u0061n":"\u0034111"}"#) == nil)
    }

    @Test("each limit holds at its number and not one further")
    func limits() {
        func tokenize(_ field: String, _ value: String) -> ProblemCode? {
            Call.tokenize.problem(#"{"pan":"1",""# + field + #"":"# + value + "}")
        }
        func quoted(_ count: Int) -> String { "\"" + String(repeating: "a", count: count) + "\"" }
        func list(_ count: Int, _ element: String) -> String {
            "[" + [String](repeating: element, count: count).joined(separator: ",") + "]"
        }
        for (field, max) in [("subject", 128), ("reference", 128), ("request_id", 64), ("format", 64)] {
            #expect(tokenize(field, quoted(max)) == nil)
            #expect(tokenize(field, quoted(max + 1)) == .malformed)
        }
        #expect(tokenize("purposes", list(32, quoted(64))) == nil)
        #expect(tokenize("purposes", list(33, quoted(64))) == .malformed)
        #expect(tokenize("purposes", list(1, quoted(65))) == .malformed)
        #expect(tokenize("ttl", "4294967295") == nil)
        #expect(tokenize("ttl", "4294967296") == .malformed)
        #expect(tokenize("subject", #"""# + String(repeating: "é", count: 64) + #"""#) == nil)
        #expect(tokenize("subject", #"""# + String(repeating: "é", count: 64) + #"x""#) == .malformed)
        #expect(Call.tokenize.problem(#"{"cards":"# + list(1_000, #"{"pan":"1"}"#) + "}") == nil)
        #expect(Call.tokenize.problem(#"{"cards":"# + list(1_001, #"{"pan":"1"}"#) + "}") == .tooLarge)
        #expect(Call.detokenize.problem(#"{"purpose":"p","tokens":"# + list(10_000, quoted(16)) + "}") == nil)
        #expect(Call.detokenize.problem(#"{"purpose":"p","tokens":"# + list(10_001, quoted(16)) + "}") == .tooLarge)
    }

    @Test("a request decodes the same after a failed one")
    func reuseAfterFailure() throws {
        var request = TokenizeRequest()
        let bad = withDocument(Array(#"{"cards":[{"pan":"1","purposes":["a"]},{"pan":2}]}"#.utf8)) { span in
            problem { try request.decode(&span) }
        }
        #expect(bad.0 == .malformed)
        try withDocument(Array(#"{"pan":"1"}"#.utf8)) { try request.decode(&$0) }
        #expect(request.cards.count == 1 && !request.isBatch && request.format == nil)
        #expect(request.purposes(of: request.cards[0]).isEmpty)
    }

    @Test("100,000 nested arrays in place of a token are malformed")
    func nested() {
        let deep = String(repeating: "[", count: 100_000)
        #expect(Call.detokenize.problem(#"{"purpose":"charge","token":"# + deep) == .malformed)
        #expect(Call.tokenize.problem(#"{"cvv":"# + deep) == .sensitiveAuthenticationData)
    }

    /// Bodies that use every field and both forms, with white space and escapes.
    static let richBodies: [(call: Call, body: String)] = [
        (
            .tokenize,
            #"""
            { "format":"cards", "pan":"4111111111111111","expiry":"2028-05","subject":"c\u00e9-\uD83D\uDE00",
            "purposes":["charge","refund.full"],"ttl":3600,"reference":"order \"7\" é","request_id":"a-b_c!"}
            """#
        ),
        (.tokenize, #"{"cards":[{"pan":"1","purposes":["a","b"]},{"pan":"2","ttl":9}, {"pan":"3"}],"format":"all"}"#),
        (.detokenize, #"{"tokens":["9912345678901234", "99\u003134"],"purpose":"charge"}"#),
        (.find, #"{"subject":"a","pan":"4111111111111111","format":"cards"}"#),
    ]

    @Test("rich bodies: no prefix is taken, and whatever is taken after a bit has flipped is JSON", arguments: 0..<4)
    func richDamage(index: Int) {
        let (call, text) = Self.richBodies[index]
        let body = Array(text.utf8)
        #expect(call.verdict(body).problem == nil)
        for length in 0..<body.count { #expect(call.verdict(Array(body[0..<length])).problem == .malformed) }
        for position in body.indices {
            for bit in UInt8(0)..<8 {
                var copy = body
                copy[position] ^= 1 << bit
                if call.verdict(copy).problem == nil { #expect(VaultWireTests.verdict(copy) == .accepted) }
            }
        }
    }

    @Test("ranges stay inside the buffer, whatever three bytes are changed", arguments: 0..<20)
    func randomDamage(seed: Int) {
        var random = SeededRandom(state: UInt64(seed))
        let body = Array(Self.richBodies[seed % 2].body.utf8)
        var request = TokenizeRequest()
        for _ in 0..<500 {
            var copy = body
            for _ in 0..<3 {
                copy[Int.random(in: body.indices, using: &random)] = body.randomElement(using: &random)!
            }
            let (failure, left) = withDocument(copy) { span in problem { try request.decode(&span) } }
            guard failure == nil else { continue }
            for card in request.cards {
                for range in [card.pan, card.expiry, card.subject, card.reference, card.requestID] {
                    if let range { #expect(range.positions.upperBound <= left.count) }
                }
                for range in request.purposes(of: card) {
                    let isName = RequestText.isName(range.view(in: left.span))
                    #expect(isName)
                }
            }
        }
    }
}
