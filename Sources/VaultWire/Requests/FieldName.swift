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
        // The length decides between two names at most, so one comparison settles most fields.
        switch name.count {
        case 3:
            if name.equals("pan") { self = .pan } else if name.equals("ttl") { self = .ttl } else { return nil }
        case 5:
            if name.equals("token") { self = .token } else if name.equals("cards") { self = .cards } else { return nil }
        case 6:
            switch true {
            case name.equals("tokens"): self = .tokens
            case name.equals("expiry"): self = .expiry
            case name.equals("format"): self = .format
            default: return nil
            }
        case 7:
            if name.equals("purpose") { self = .purpose } else if name.equals("subject") { self = .subject } else { return nil }
        case 8: if name.equals("purposes") { self = .purposes } else { return nil }
        case 9: if name.equals("reference") { self = .reference } else { return nil }
        case 10: if name.equals("request_id") { self = .requestID } else { return nil }
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
