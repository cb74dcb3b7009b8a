/// The names of all fields that any request has. One list, so that a decoder is a switch over values, not texts.
enum FieldName: UInt8 {
    case format
    case pan
    case expiry
    case subject
    case purpose
    case purposes
    case ttl
    case reference
    case requestID
    case token
    case tokens
    case cards

    /// The field with this name, compared byte by byte: names do not fold case. Nil for a name that is none of ours.
    init?(_ name: Span<UInt8>) {
        // The length leaves three names at most, so one comparison settles most fields.
        switch name.count {
        case 3 where name.equals("pan"): self = .pan
        case 3 where name.equals("ttl"): self = .ttl
        case 5 where name.equals("token"): self = .token
        case 5 where name.equals("cards"): self = .cards
        case 6 where name.equals("tokens"): self = .tokens
        case 6 where name.equals("expiry"): self = .expiry
        case 6 where name.equals("format"): self = .format
        case 7 where name.equals("purpose"): self = .purpose
        case 7 where name.equals("subject"): self = .subject
        case 8 where name.equals("purposes"): self = .purposes
        case 9 where name.equals("reference"): self = .reference
        case 10 where name.equals("request_id"): self = .requestID
        default: return nil
        }
    }
}

/// Which fields one object has had so far, to refuse a second one of the same name.
struct SeenFields {
    private var bits: UInt32 = 0

    /// Notes a field; faults when it was there before.
    @inline(__always)
    mutating func insert(_ field: FieldName) throws(RequestFault) {
        let bit = Self.bit(field)
        guard bits & bit == 0 else { throw .json(.shape) }
        bits |= bit
    }

    /// Whether the field was there.
    func contains(_ field: FieldName) -> Bool { bits & Self.bit(field) != 0 }

    /// Whether no other field than these two was there.
    func hasOnly(_ first: FieldName, _ second: FieldName) -> Bool {
        bits & ~(Self.bit(first) | Self.bit(second)) == 0
    }

    private static func bit(_ field: FieldName) -> UInt32 { 1 << UInt32(field.rawValue) }
}
