/// A card to tokenize, and what the vault shall remember with it.
public struct Card: Sendable {
    public var number: CardNumber
    public var expiry: CardExpiry?
    /// The format of the token; nil takes that of the call, or the vault's default.
    public var format: String?
    /// Whom the card belongs to, up to 128 bytes.
    public var subject: String?
    /// What the token may be used for; nil is whatever its format allows.
    public var purposes: [String]?
    /// Seconds the token is to live.
    public var ttlSeconds: UInt32?
    /// Comes back in the answer, up to 128 bytes.
    public var reference: String?
    /// By which a repeated request is known, up to 64 visible ASCII characters.
    public var requestID: String?

    /// A card by its number alone; the rest may be set.
    public init(_ number: CardNumber, expiry: CardExpiry? = nil) {
        self.number = number
        self.expiry = expiry
    }
}

/// The answer to a tokenized card.
public struct TokenizedCard: Sendable, Hashable {
    public let token: Token
    public let last4: String
    public let bin: String
    public let brand: String
    public let expiry: CardExpiry?
    /// When the token ends, as RFC 3339 text in UTC.
    public let expiresAt: String?
    /// As the request gave it.
    public let reference: String?
}

/// A card that was revealed.
public struct RevealedCard: Sendable {
    public let number: CardNumber
    public let expiry: CardExpiry?
}

/// What may be shown of a token's card.
public struct InspectedToken: Sendable, Hashable {
    public let format: String
    /// Nil where the vault does not show it to this client.
    public let last4: String?
    /// Nil where the vault does not show it to this client.
    public let bin: String?
    public let brand: String
    public let expiry: CardExpiry?
    /// RFC 3339 text in UTC.
    public let created: String
    /// RFC 3339 text in UTC; nil is without end.
    public let expiresAt: String?
    /// What the token may be used for; nil is anything.
    public let purposes: [String]?
}
