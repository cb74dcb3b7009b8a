internal import NIOHTTP1
internal import VaultWire

/// A request head, judged: what is called, in which form, and how its body comes. Everything that is not plainly right is
/// refused here, before a byte of the body is looked at.
struct RequestHead {
    enum Form { case json, lines }

    let call: Call
    let form: Form
    /// Bytes of the body where the head says; `nil` for a chunked one.
    let contentLength: Int?
    let expectsContinue: Bool
    let keepsAlive: Bool
    /// Bulk only.
    let purpose: String?
    /// Bulk only.
    let format: String?
    /// Bulk detokenize only: answers carry the expiry too.
    let wantsExpiry: Bool

    /// Why a head is refused, and whether the connection can be trusted to hold another request: not after anything that
    /// two parsers could read in two ways.
    struct Refusal: Error {
        let problem: ProblemCode
        let closes: Bool

        static let malformed = Refusal(problem: .malformed, closes: true)
    }

    init(_ head: HTTPRequestHead, operations allowed: Operations, bodyBytesMax: Int) throws(Refusal) {
        guard head.version == .http1_1 else { throw .malformed }
        // The decoder takes what follows for a tunnel's bytes.
        guard head.method != .CONNECT else { throw Refusal(problem: .methodNotAllowed, closes: true) }
        try Self.checkFields(head.headers)
        contentLength = try Self.contentLength(head.headers)
        expectsContinue = try Self.expectsContinue(head.headers)
        keepsAlive = Self.keepsAlive(head.headers)
        guard let call = Self.call(of: head.uri) else { throw Refusal(problem: .notFound, closes: false) }
        guard head.method == .POST else { throw Refusal(problem: .methodNotAllowed, closes: false) }
        guard head.headers["content-encoding"].isEmpty else {
            throw Refusal(problem: .unsupportedMediaType, closes: false)
        }
        form = try Self.form(head.headers)
        if form == .json {
            self.call = call
            if let contentLength, contentLength > bodyBytesMax { throw Refusal(problem: .tooLarge, closes: true) }
            (purpose, format, wantsExpiry) = (nil, nil, false)
        } else {
            switch call {
            case .tokenize: self.call = .bulkTokenize
            case .detokenize: self.call = .bulkDetokenize
            default: throw Refusal(problem: .unsupportedMediaType, closes: false)
            }
            purpose = try Self.single("strongroom-purpose", in: head.headers)
            format = try Self.single("strongroom-format", in: head.headers)
            switch try Self.single("strongroom-fields", in: head.headers) {
            case nil, "pan": wantsExpiry = false
            case "pan,expiry", "pan, expiry": wantsExpiry = true
            default: throw .malformed
            }
            if self.call == .bulkTokenize, purpose != nil || wantsExpiry {
                throw .malformed
            }
            if self.call == .bulkDetokenize, purpose == nil || format != nil {
                throw .malformed
            }
        }
        guard allowed.contains(call.operation) else { throw Refusal(problem: .denied, closes: false) }
    }

    /// Field syntax that the decoder lets pass: control bytes and repeated fields whose meaning would be a matter of taste.
    private static func checkFields(_ headers: HTTPHeaders) throws(Refusal) {
        var hosts = 0
        var count = 0
        for (name, value) in headers {
            count += 1
            if hasControlBytes(value) { throw .malformed }
            if name.utf8.count == 4, equalsIgnoringCase(name, "host") { hosts += 1 }
        }
        guard hosts == 1, count <= Limits.headerFieldsMax else { throw .malformed }
        guard let host = headers.first(name: "host"),
            !host.utf8.contains(where: { $0 == 0x2C || $0 == 0x20 || $0 == 0x40 })
        else { throw .malformed }
        let codings = headers["transfer-encoding"]
        if !codings.isEmpty {
            guard codings.count == 1, equalsIgnoringCase(codings[0], "chunked"), headers["content-length"].isEmpty
            else {
                throw .malformed
            }
        }
        guard headers["upgrade"].isEmpty else { throw .malformed }
    }

    /// The call of a request target, in origin form or absolute form (RFC 9112 3.2); the path is compared byte for byte.
    static func call(of target: String) -> Call? {
        guard target.utf8.count <= Limits.targetBytesMax else { return nil }
        var path = target[...]
        for scheme in ["https://", "http://"] where path.utf8.starts(with: scheme.utf8) {
            guard let slash = path.dropFirst(scheme.count).firstIndex(of: "/") else { return nil }
            path = path[slash...]
        }
        switch path {
        case "/v1/tokenize": return .tokenize
        case "/v1/detokenize": return .detokenize
        case "/v1/inspect": return .inspect
        case "/v1/find": return .find
        case "/v1/fingerprint": return .fingerprint
        case "/v1/forget": return .forget
        default: return nil
        }
    }

    /// `application/json` or `text/plain`, once, with no parameter but a charset of UTF-8.
    private static func form(_ headers: HTTPHeaders) throws(Refusal) -> Form {
        let refusal = Refusal(problem: .unsupportedMediaType, closes: false)
        let types = headers["content-type"]
        guard types.count == 1 else { throw refusal }
        let parts = types[0].split(separator: ";", omittingEmptySubsequences: false).map { trimmed($0) }
        guard parts.count <= 2 else { throw refusal }
        if parts.count == 2 {
            let isUTF8 =
                equalsIgnoringCase(parts[1], "charset=utf-8") || equalsIgnoringCase(parts[1], "charset=\"utf-8\"")
            let isASCII = equalsIgnoringCase(parts[1], "charset=us-ascii")
            guard isUTF8 || isASCII else { throw refusal }
        }
        if equalsIgnoringCase(parts[0], "application/json") { return .json }
        if equalsIgnoringCase(parts[0], "text/plain") { return .lines }
        throw refusal
    }

    private static func contentLength(_ headers: HTTPHeaders) throws(Refusal) -> Int? {
        let values = headers["content-length"]
        if values.isEmpty {
            return headers["transfer-encoding"].isEmpty ? 0 : nil
        }
        guard values.count == 1, !values[0].isEmpty, values[0].utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let length = Int(values[0])
        else { throw .malformed }
        return length
    }

    private static func expectsContinue(_ headers: HTTPHeaders) throws(Refusal) -> Bool {
        let values = headers["expect"]
        if values.isEmpty { return false }
        guard values.count == 1, equalsIgnoringCase(values[0], "100-continue") else {
            throw .malformed
        }
        return true
    }

    private static func keepsAlive(_ headers: HTTPHeaders) -> Bool {
        !headers["connection"].contains { value in
            value.split(separator: ",").contains { equalsIgnoringCase(trimmed($0), "close") }
        }
    }

    private static func single(_ name: String, in headers: HTTPHeaders) throws(Refusal) -> String? {
        let values = headers[name]
        guard values.count <= 1 else { throw .malformed }
        guard let value = values.first else { return nil }
        guard (1...Limits.nameBytesMax).contains(value.utf8.count) else { throw .malformed }
        return value
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text
        while text.utf8.first == 0x20 || text.utf8.first == 0x09 { text.removeFirst() }
        while text.utf8.last == 0x20 || text.utf8.last == 0x09 { text.removeLast() }
        return text
    }

    /// Whether a field's value has bytes that no value has: controls other than tab.
    static func hasControlBytes(_ value: String) -> Bool {
        value.utf8.contains { ($0 < 0x20 && $0 != 0x09) || $0 == 0x7F }
    }

    /// Compares ASCII letters without case and every other byte exactly: Unicode folding would let U+212A pass for k.
    private static func equalsIgnoringCase(_ text: some StringProtocol, _ literal: String) -> Bool {
        text.utf8.elementsEqual(literal.utf8) { a, b in
            a == b || ((0x41...0x5A).contains(a) && a | 0x20 == b)
        }
    }
}

extension Call {
    /// The right that a call needs.
    var operation: Operations {
        switch self {
        case .tokenize, .bulkTokenize: .tokenize
        case .detokenize, .bulkDetokenize: .detokenize
        case .inspect: .inspect
        case .find: .find
        case .fingerprint: .fingerprint
        case .forget: .forget
        case .unknown: []
        }
    }
}
