internal import VaultWire

/// The members of one answer object, of whatever call: each call takes from it what it needs. Unknown ones are
/// skipped, so that a newer vault may say more.
struct AnswerFields {
    var error: String?
    var token: Token?
    var number: CardNumber?
    var expiry: CardExpiry?
    var last4: String?
    var bin: String?
    var brand: String?
    var format: String?
    var created: String?
    var expiresAt: String?
    var reference: String?
    var fingerprint: String?
    var purposes: [String]?
    var forgotten: UInt64?
    /// Of a problem.
    var code: String?

    init() {}

    /// Reads one object.
    init(_ reader: inout JSONReader) throws(JSONFault) {
        try reader.beginObject()
        var isFirst = true
        while let name = try reader.nextName(&isFirst) {
            switch text(reader.view(name)) {
            case "error": error = try AnswerFields(&reader).code ?? ""
            case "token":
                let range = try reader.string()
                token = Token(reader.view(range))
            case "pan":
                let range = try reader.string()
                number = CardNumber(reader.view(range))
            case "expiry": expiry = CardExpiry(try string(&reader))
            case "last4": last4 = try string(&reader)
            case "bin": bin = try string(&reader)
            case "brand": brand = try string(&reader)
            case "format": format = try string(&reader)
            case "created": created = try string(&reader)
            case "expires_at": expiresAt = try string(&reader)
            case "reference": reference = try string(&reader)
            case "fingerprint": fingerprint = try string(&reader)
            case "purposes": purposes = try strings(&reader)
            case "forgotten": forgotten = try reader.unsignedInteger()
            case "code": code = try string(&reader)
            default: try reader.skipValue()
            }
        }
    }

    /// Never for a card number.
    private func string(_ reader: inout JSONReader) throws(JSONFault) -> String {
        let range = try reader.string()
        return text(reader.view(range))
    }

    private func strings(_ reader: inout JSONReader) throws(JSONFault) -> [String] {
        var texts: [String] = []
        var isFirst = true
        try reader.beginArray()
        while try reader.nextElement(&isFirst) { texts.append(try string(&reader)) }
        return texts
    }

    private func text(_ bytes: Span<UInt8>) -> String {
        unsafe bytes.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
    }
}

// MARK: - Answers

extension AnswerFields {
    /// Reads a whole answer of one object.
    static func one(_ bytes: inout MutableSpan<UInt8>) throws(StrongroomError) -> AnswerFields {
        do throws(JSONFault) {
            var reader = JSONReader(bytes._mutatingExtracting(...))
            let fields = try AnswerFields(&reader)
            try reader.end()
            return fields
        } catch {
            throw .badAnswer
        }
    }

    /// Reads `{"results":[...]}` with exactly `count` items.
    static func many(_ bytes: inout MutableSpan<UInt8>, count: Int) throws(StrongroomError) -> [AnswerFields] {
        do throws(JSONFault) {
            var reader = JSONReader(bytes._mutatingExtracting(...))
            var items: [AnswerFields] = []
            items.reserveCapacity(count)
            var isFirst = true
            try reader.beginObject()
            while let name = try reader.nextName(&isFirst) {
                guard reader.view(name).equals("results") else {
                    try reader.skipValue()
                    continue
                }
                var isFirstItem = true
                try reader.beginArray()
                while try reader.nextElement(&isFirstItem) { items.append(try AnswerFields(&reader)) }
            }
            try reader.end()
            guard items.count == count else { throw JSONFault.shape }
            return items
        } catch {
            throw .badAnswer
        }
    }

    /// What an item stands for, or why it failed.
    func result<Value>(
        _ make: (AnswerFields) throws(StrongroomError) -> Value
    ) throws(StrongroomError) -> Result<Value, StrongroomError> {
        if let error { return .failure(StrongroomError(code: error, status: nil)) }
        return .success(try make(self))
    }

    func tokenized() throws(StrongroomError) -> TokenizedCard {
        guard let token, let last4, let bin, let brand else { throw .badAnswer }
        return TokenizedCard(
            token: token, last4: last4, bin: bin, brand: brand, expiry: expiry, expiresAt: expiresAt,
            reference: reference)
    }

    func revealed() throws(StrongroomError) -> RevealedCard {
        guard let number else { throw .badAnswer }
        return RevealedCard(number: number, expiry: expiry)
    }

    func inspected() throws(StrongroomError) -> InspectedToken {
        guard let format, let brand, let created else { throw .badAnswer }
        return InspectedToken(
            format: format, last4: last4, bin: bin, brand: brand, expiry: expiry, created: created,
            expiresAt: expiresAt, purposes: purposes)
    }
}
