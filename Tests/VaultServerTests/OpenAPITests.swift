import Testing

@testable import VaultWire

/// Compares docs/openapi.yaml with what the daemon's decoders take and its encoders write.
@Suite("The OpenAPI document is what the daemon does")
struct OpenAPITests {
    let document: Outline

    init() throws { document = Outline(try #require(Repository.text("docs/openapi.yaml"))) }

    private func schema(_ name: String) -> String { "components/schemas/\(name)" }

    private func properties(_ name: String) -> Set<String> { Set(document.keys("\(schema(name))/properties")) }

    private func required(_ name: String) -> Set<String> { Set(document.items("\(schema(name))/required")) }

    @Test("its paths are those of the router, all POST")
    func paths() throws {
        let router = try #require(Repository.text("Sources/VaultServer/HTTP/RequestHead.swift"))
        let routed = router.matches(of: #/case "(\/v1\/[a-z\/]+)": return/#).map { String($0.output.1) }
        #expect(routed.count >= 6)
        #expect(Set(document.keys("paths")) == Set(routed))
        for path in document.keys("paths") { #expect(document.keys("paths/\(path)") == ["post"]) }
    }

    @Test("its problem codes are those of the sources, in order")
    func codes() {
        #expect(document.items(schema("ProblemCode") + "/enum") == ProblemCode.allCases.map { "\($0.code)" })
    }

    @Test("its statuses are those that codes have")
    func statuses() {
        let known = Set(ProblemCode.allCases.map { String($0.status) } + ["200"])
        for path in document.keys("paths") {
            for status in document.keys("paths/\(path)/post/responses") {
                #expect(known.contains(status), "\(path) \(status)")
            }
        }
    }

    @Test("its brands are those of the sources")
    func brands() throws {
        let source = try #require(Repository.text("Sources/VaultCore/Cards/Brand.swift"))
        let names = source.matches(of: #/case \.[a-z]+: "([a-z]+)"/#).map { String($0.output.1) }
        #expect(names.count > 10)
        #expect(document.items(schema("Brand") + "/enum") == names)
    }

    @Test("its bounds are those of the limits")
    func limits() {
        #expect(
            document.value(schema("TokenizeBatchRequest") + "/properties/cards/maxItems")
                == "\(Limits.cardsPerRequestMax)")
        for name in ["DetokenizeBatchRequest", "TokenBatchRequest"] {
            let path = schema(name) + "/properties/tokens/maxItems"
            #expect(document.value(path) == "\(Limits.tokensPerRequestMax)")
        }
        let purposes = schema("TokenizeRequest") + "/properties/purposes/maxItems"
        #expect(document.value(purposes) == "\(Limits.purposesPerCardMax)")
        #expect(document.value(schema("Subject") + "/maxLength") == "\(Limits.subjectBytesMax)")
        #expect(document.value(schema("Reference") + "/maxLength") == "\(Limits.referenceBytesMax)")
        #expect(document.value(schema("TTL") + "/maximum") == "\(Limits.ttlSecondsMax)")
        #expect(document.value(schema("Name") + "/pattern") == "^[a-z0-9_.-]{1,\(Limits.nameBytesMax)}$")
        #expect(document.value(schema("RequestID") + "/pattern") == "^[!-~]{1,\(Limits.requestIDBytesMax)}$")
    }

    // MARK: Requests

    /// A value that is right for each field that any request has.
    private static let samples: [String: String] = [
        "format": #""cards""#, "pan": #""4111111111111111""#, "expiry": #""2028-05""#, "subject": #""customer-9""#,
        "purpose": #""charge""#, "purposes": #"["charge"]"#, "ttl": "60", "reference": #""order-7""#,
        "request_id": #""a1""#, "token": #""9959024232861111""#, "tokens": #"["9959024232861111"]"#,
        "cards": #"[{"pan":"4111111111111111"}]"#,
    ]

    /// Whether a document of these fields is taken.
    private static func isTaken(_ fields: some Sequence<String>, _ decode: Decode) -> Bool {
        let members = fields.sorted().map { "\"\($0)\":\(samples[$0] ?? "null")" }
        var bytes = Array("{\(members.joined(separator: ","))}".utf8)
        var span = bytes.mutableSpan
        do throws(ProblemCode) {
            try decode(&span)
            return true
        } catch {
            #expect(error == .malformed)
            return false
        }
    }

    typealias Decode = @Sendable (inout MutableSpan<UInt8>) throws(ProblemCode) -> Void

    private static let tokenize: Decode = { (bytes) throws(ProblemCode) in
        var request = TokenizeRequest()
        try request.decode(&bytes)
    }
    private static let detokenize: Decode = { (bytes) throws(ProblemCode) in
        var request = DetokenizeRequest()
        try request.decode(&bytes)
    }
    private static let tokens: Decode = { (bytes) throws(ProblemCode) in
        var request = TokensRequest()
        try request.decode(&bytes)
    }
    private static let find: Decode = { (bytes) throws(ProblemCode) in _ = try FindRequest(decoding: &bytes) }
    private static let fingerprint: Decode = { (bytes) throws(ProblemCode) in
        _ = try FingerprintRequest(decoding: &bytes)
    }

    private static let requests: [(schema: String, decode: Decode)] = [
        ("TokenizeRequest", tokenize), ("TokenizeBatchRequest", tokenize), ("DetokenizeRequest", detokenize),
        ("DetokenizeBatchRequest", detokenize), ("TokenRequest", tokens), ("TokenBatchRequest", tokens),
        ("FindRequest", find), ("FingerprintRequest", fingerprint),
    ]

    @Test("every request takes exactly the fields of its schema, and needs exactly the required ones", arguments: 0..<8)
    func requestFields(_ index: Int) throws {
        let (name, decode) = Self.requests[index]
        let properties = properties(name)
        let required = required(name)
        try #require(!required.isEmpty, "schema \(name)")
        #expect(Self.isTaken(properties, decode), "\(name) with every field")
        #expect(Self.isTaken(required, decode), "\(name) with the required fields")
        for field in required {
            #expect(!Self.isTaken(properties.subtracting([field]), decode), "\(name) without \(field)")
        }
        for field in Self.samples.keys where !properties.contains(field) {
            #expect(!Self.isTaken(required.union([field]), decode), "\(name) with \(field)")
        }
    }

    @Test("no request has a field without a sample here, and there are no other field names")
    func fieldNames() throws {
        let source = try #require(Repository.text("Sources/VaultWire/Requests/FieldName.swift"))
        let names = source.matches(of: #/name\.equals\("([a-z_]+)"\)/#).map { String($0.output.1) }
        #expect(Set(names) == Set(Self.samples.keys))
        #expect(names.count == Self.samples.count)
    }

    // MARK: Answers

    private func written(_ body: (inout OutputRawSpan) -> Void) -> String {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 8)
        defer { unsafe memory.deallocate() }
        // The span does not outlive the allocation, and exactly its first `count` bytes are initialized.
        var span = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
        body(&span)
        let count = unsafe span.finalize(for: memory)
        return unsafe String(decoding: memory[0..<count], as: UTF8.self)
    }

    /// The member names of a flat object as our encoders write it.
    private func members(_ text: String) -> Set<String> {
        Set(text.matches(of: #/[{,]"([a-z_0-9]+)":/#).map { String($0.output.1) })
    }

    @Test("every answer has exactly the members of its schema when it has all, and the required ones when it has few")
    func answers() {
        let card = MaskedCard(
            last4: Digits(value: 1, length: 4), bin: Digits(value: 41_111_111, length: 8), brand: "visa")
        let bare = MaskedCard(last4: nil, bin: nil, brand: "visa")
        let token = Digits(value: 9_900_000_000_000_001, length: 16)
        let month = ExpiryMonth(year: 2028, month: 5)
        let moment = Timestamp(seconds: 0)
        let text: [UInt8] = [0x61]
        let answers: [(String, (inout OutputRawSpan) -> Void, (inout OutputRawSpan) -> Void)] = [
            (
                "TokenizeAnswer",
                {
                    TokenizeAnswer(token: token, card: card, expiry: month, expiresAt: moment)
                        .append(reference: text.span, to: &$0)
                }, { TokenizeAnswer(token: token, card: card).append(reference: nil, to: &$0) }
            ),
            (
                "DetokenizeAnswer", { DetokenizeAnswer.append(pan: token, expiry: month, to: &$0) },
                { DetokenizeAnswer.append(pan: token, expiry: nil, to: &$0) }
            ),
            (
                "InspectAnswer",
                {
                    InspectAnswer(token: token, card: card, expiry: month, created: moment, expiresAt: moment)
                        .append(format: text.span, purposes: text.span, to: &$0)
                }, { InspectAnswer(card: bare, created: moment).append(format: text.span, purposes: nil, to: &$0) }
            ),
            ("FindAnswer", { FindAnswer.append(token: token, to: &$0) }, { FindAnswer.append(token: token, to: &$0) }),
            (
                "FingerprintAnswer", { FingerprintAnswer.append(fingerprint: text.span, to: &$0) },
                { FingerprintAnswer.append(fingerprint: text.span, to: &$0) }
            ),
            (
                "ForgetAnswer", { ForgetAnswer.append(forgotten: 1, to: &$0) },
                { ForgetAnswer.append(forgotten: 1, to: &$0) }
            ),
            ("Problem", { ProblemAnswer.append(.busy, to: &$0) }, { ProblemAnswer.append(.busy, to: &$0) }),
        ]
        for (name, full, short) in answers {
            #expect(members(written(full)) == properties(name), "\(name)")
            #expect(members(written(short)) == required(name), "\(name)")
        }
    }
}
