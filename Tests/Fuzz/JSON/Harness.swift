// Feeds one body to the JSON validator and to every request decoder, and checks what they promise about each other.
import VaultWire

/// The entry point that libFuzzer calls with each input.
@c(LLVMFuzzerTestOneInput)
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    // libFuzzer owns the bytes for the length of this call; they are copied, since decoders change their buffer.
    let input = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
    let isDocument = validate(input)
    guard validate(input) == isDocument else { fatalError("two answers for one document") }

    decode(input, isDocument) { (span) throws(ProblemCode) in
        var request = TokenizeRequest()
        try request.decode(&span)
        guard request.isBatch || request.cards.count == 1, !request.cards.isEmpty else { fatalError("no card") }
        for card in request.cards {
            check(card.pan, in: span.span)
            if let expiry = card.expiry { check(expiry, in: span.span) }
            if let subject = card.subject { checkText(subject, in: span.span, max: 128) }
            if let reference = card.reference { checkText(reference, in: span.span, max: 128) }
            if let requestID = card.requestID { checkText(requestID, in: span.span, max: 64) }
            if let format = request.format(of: card) { checkName(format, in: span.span) }
            for purpose in request.purposes(of: card) { checkName(purpose, in: span.span) }
            guard card.ttl != 0, card.purposeCount <= 32 else { fatalError("limit") }
        }
    }
    decode(input, isDocument) { (span) throws(ProblemCode) in
        var request = DetokenizeRequest()
        try request.decode(&span)
        checkName(request.purpose, in: span.span)
        check(request.list, in: span.span)
    }
    decode(input, isDocument) { (span) throws(ProblemCode) in
        var request = TokensRequest()
        try request.decode(&span)
        check(request.list, in: span.span)
    }
    decode(input, isDocument) { (span) throws(ProblemCode) in
        let request = try FindRequest(decoding: &span)
        checkName(request.format, in: span.span)
        check(request.pan, in: span.span)
        if let subject = request.subject { checkText(subject, in: span.span, max: 128) }
    }
    decode(input, isDocument) { (span) throws(ProblemCode) in
        check(try FingerprintRequest(decoding: &span).pan, in: span.span)
    }
    decode(input, isDocument) { (span) throws(ProblemCode) in
        checkText(try SubjectRequest(decoding: &span).subject, in: span.span, max: 128)
    }
    decode(input, isDocument) { (span) throws(ProblemCode) in
        let request = try ConsentRequest(decoding: &span)
        checkText(request.subject, in: span.span, max: 128)
        checkName(request.purpose, in: span.span)
    }
    return 0
}

func validate(_ input: [UInt8]) -> Bool {
    var copy = input
    var span = copy.mutableSpan
    return JSONDocument.validate(&span) == .accepted
}

/// Runs one decoder; what it takes has to be JSON, and what it refuses has to have one of three reasons.
func decode(
    _ input: [UInt8], _ isDocument: Bool, by body: (inout MutableSpan<UInt8>) throws(ProblemCode) -> Void
) {
    var copy = input
    var span = copy.mutableSpan
    do throws(ProblemCode) {
        try body(&span)
        guard isDocument else { fatalError("a request that is not JSON") }
    } catch {
        guard error == .malformed || error == .tooLarge || error == .sensitiveAuthenticationData else {
            fatalError("a decoder has no business to say that")
        }
    }
}

func check(_ list: TokenList, in buffer: Span<UInt8>) {
    guard list.isBatch || list.tokens.count == 1, !list.tokens.isEmpty else { fatalError("no token") }
    for token in list.tokens { check(token, in: buffer) }
}

/// A text lies inside the buffer, and comes back the same when it is written as JSON and read again.
func check(_ range: ByteRange, in buffer: Span<UInt8>) {
    let text = range.view(in: buffer)
    var encoded = [UInt8](repeating: 0, count: OutputRawSpan.jsonStringBytesMax(text.count))
    let count = unsafe encoded.withUnsafeMutableBytes { memory in
        // The span does not outlive the array's storage.
        var output = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
        output.append(jsonString: text)
        return unsafe output.finalize(for: memory)
    }
    encoded.removeLast(encoded.count - count)
    var reader = JSONReader(encoded.mutableSpan)
    guard let again = try? reader.string(), (try? reader.end()) != nil else { fatalError("not JSON again") }
    let copy = reader.view(again)
    guard copy.count == text.count else { fatalError("another text") }
    for index in text.indices where text[index] != copy[index] { fatalError("another text") }
}

func checkText(_ range: ByteRange, in buffer: Span<UInt8>, max: Int) {
    check(range, in: buffer)
    guard RequestText.isPrintable(range.view(in: buffer), max: max) else { fatalError("not a text") }
}

func checkName(_ range: ByteRange, in buffer: Span<UInt8>) {
    check(range, in: buffer)
    guard RequestText.isName(range.view(in: buffer)) else { fatalError("not a name") }
}
