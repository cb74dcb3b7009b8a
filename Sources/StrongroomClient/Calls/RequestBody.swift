internal import VaultWire

/// Writes a JSON request. Texts are escaped; card numbers go from their own memory straight into the buffer.
struct RequestBody: ~Copyable {
    private(set) var buffer: SecureBuffer
    private var needsComma = false

    /// Makes an empty body; with the right capacity it is never moved.
    init(capacity: Int = 512) { buffer = SecureBuffer(capacity: capacity) }

    consuming func finish() -> SecureBuffer { buffer }

    mutating func beginObject() { begin(0x7B) }
    mutating func endObject() { end(0x7D) }
    mutating func beginArray() { begin(0x5B) }
    mutating func endArray() { end(0x5D) }

    /// The name of a member; its value follows.
    mutating func name(_ name: StaticString) {
        separate()
        buffer.append(0x22)
        buffer.append(name)
        buffer.append(0x22)
        buffer.append(0x3A)
        needsComma = false
    }

    mutating func string(_ text: String) {
        let bytes = Array(text.utf8)
        string(bytes.span)
    }

    mutating func string(_ text: borrowing Span<UInt8>) {
        separate()
        buffer.append(0x22)
        for index in text.indices {
            let byte = text[index]
            switch byte {
            case 0x22, 0x5C:
                buffer.append(0x5C)
                buffer.append(byte)
            case 0..<0x20:
                buffer.append(#"\u00"#)
                buffer.append(byte >> 4 + 0x30)
                buffer.append(byte & 15 < 10 ? byte & 15 + 0x30 : byte & 15 + 0x57)
            default: buffer.append(byte)
            }
        }
        buffer.append(0x22)
        needsComma = true
    }

    mutating func number(_ value: UInt64) {
        separate()
        buffer.append(String(value))
        needsComma = true
    }

    // MARK: Members

    mutating func member(_ name: StaticString, _ value: String?) {
        guard let value else { return }
        self.name(name)
        string(value)
    }

    mutating func member(_ name: StaticString, _ values: [String]?) {
        guard let values else { return }
        self.name(name)
        beginArray()
        for value in values { string(value) }
        endArray()
    }

    mutating func member(_ name: StaticString, _ value: UInt32?) {
        guard let value else { return }
        self.name(name)
        number(UInt64(value))
    }

    mutating func member(_ name: StaticString, _ card: CardNumber) {
        self.name(name)
        card.withBytes { string($0) }
    }

    /// The fields of a card.
    mutating func members(of card: Card) {
        member("format", card.format)
        member("pan", card.number)
        member("expiry", card.expiry.map { "\($0)" })
        member("subject", card.subject)
        member("purposes", card.purposes)
        member("ttl", card.ttlSeconds)
        member("reference", card.reference)
        member("request_id", card.requestID)
    }

    /// `"tokens":[...]`
    mutating func members(tokens: [Token]) {
        name("tokens")
        beginArray()
        for token in tokens { string(token.text) }
        endArray()
    }

    private mutating func begin(_ bracket: UInt8) {
        separate()
        buffer.append(bracket)
        needsComma = false
    }

    private mutating func end(_ bracket: UInt8) {
        buffer.append(bracket)
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { buffer.append(0x2C) }
        needsComma = false
    }
}
