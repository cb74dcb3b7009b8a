/// The card brand that a number's leading digits point to.
///
/// A hint for display and routing, never a proof: the table behind it is what widely used open-source projects ship, not a
/// network's own list. The raw values may be stored and must not change. Thread rule: a value, any thread.
package enum Brand: UInt8, Sendable, Equatable, CaseIterable {
    case unknown = 0
    case visa = 1
    case mastercard = 2
    case amex = 3
    case diners = 4
    case discover = 5
    case jcb = 6
    case unionpay = 7
    case maestro = 8
    case mir = 9
    case elo = 10
    case hiper = 11
    case hipercard = 12
    case troy = 13
    case naranja = 14
    case verve = 15

    /// The name on the wire: lower-case ASCII of at most 15 bytes, so the string needs no heap.
    package var wireName: StaticString {
        switch self {
        case .unknown: "unknown"
        case .visa: "visa"
        case .mastercard: "mastercard"
        case .amex: "amex"
        case .diners: "diners"
        case .discover: "discover"
        case .jcb: "jcb"
        case .unionpay: "unionpay"
        case .maestro: "maestro"
        case .mir: "mir"
        case .elo: "elo"
        case .hiper: "hiper"
        case .hipercard: "hipercard"
        case .troy: "troy"
        case .naranja: "naranja"
        case .verve: "verve"
        }
    }
}

extension PAN {
    /// The brand of this number, by the longest prefix in `IssuerRanges`.
    package var brand: Brand { IssuerRanges.brand(ofFirst8: leadingDigits(8)) }
}
