internal import VaultCore

/// What an operator wants to see of the log: from the arguments of a request, and from its body what is not for a URL.
struct AuditQuery {
    /// Most tokens that one request may name.
    private static let tokensMax = 1_000

    var filter = AuditFilter()
    /// Whose tokens are wanted; they are looked up in the vault.
    var subject: [UInt8]?

    /// Arguments of a request for records.
    static let arguments: Set<String> = [
        "client", "certificate", "operator", "purpose", "operation", "outcome", "since", "until",
    ]

    /// Throws where an argument makes no sense. The body has `token=` and `subject=` lines.
    init(_ request: ControlRequest, _ body: RequestBody) throws(KeyFailure) {
        filter.client = request.query["client"]
        filter.person = request.query["operator"]
        filter.purpose = request.query["purpose"]
        filter.outcome = request.query["outcome"]
        filter.since = try Self.time(request, "since")
        filter.until = try Self.time(request, "until")
        if let certificate = request.query["certificate"] {
            guard let hash = Self.fingerprint(certificate) else {
                throw .usage("certificate is the SHA-256 of a public key, 64 hexadecimal digits")
            }
            filter.certificate = hash
        }
        if let names = request.query["operation"] {
            let operations = names.split(separator: ",").map(String.init)
            for name in operations where AuditOperation(rawValue: name) == nil {
                throw .usage("there is no operation \(name) in the log")
            }
            filter.operations = Set(operations)
        }
        try read(try body.withBytes { (bytes) throws(KeyFailure) in bytes.copied })
    }

    private mutating func read(_ body: [UInt8]) throws(KeyFailure) {
        var tokens: Set<UInt64> = []
        for line in body.split(separator: 0x0A) {
            let text = String(decoding: line, as: UTF8.self)
            if text.hasPrefix("subject=") {
                guard subject == nil else { throw .usage("one subject at a time") }
                subject = Array(line.dropFirst("subject=".utf8.count))
            } else if text.hasPrefix("token="), let token = UInt64(text.dropFirst("token=".count)) {
                tokens.insert(token)
            } else {
                throw .usage("a line of the body is neither a token nor a subject")
            }
        }
        guard tokens.count <= Self.tokensMax else { throw .usage("at most \(Self.tokensMax) tokens at a time") }
        if !tokens.isEmpty { filter.tokens = tokens }
    }

    static func time(_ request: ControlRequest, _ name: String) throws(KeyFailure) -> AuditTime? {
        guard let text = request.query[name] else { return nil }
        guard let time = AuditTime(text.utf8) else {
            throw .usage("\(name) is a time such as 2026-11-28T11:22:33.000Z")
        }
        return time
    }

    /// As records have it: no colons, lower case.
    static func fingerprint(_ text: String) -> String? {
        let digits = text.lowercased().filter { $0 != ":" }
        guard digits.utf8.count == 64,
            digits.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
        else { return nil }
        return digits
    }
}

extension Span<UInt8> {
    /// An array of the same bytes. Not for secrets.
    fileprivate var copied: [UInt8] {
        var bytes: [UInt8] = []
        for index in indices { bytes.append(self[index]) }
        return bytes
    }
}
