/// A decoded `/v1/tokenize`: one card, or up to 1,000 in `cards`.
///
/// Keep one per event loop and call `decode` again and again: once its arrays have grown, to 400 KB at the very most, a
/// decode allocates nothing. The ranges are into the buffer decoded last. One thread at a time.
package struct TokenizeRequest: Sendable {
    /// One card to tokenize. Texts are ranges; what is absent is nil.
    package struct Card: Equatable, BitwiseCopyable, Sendable {
        /// The format named on this card; see `TokenizeRequest.format(of:)`.
        fileprivate(set) var ownFormat: ByteRange?
        /// The text of the card number, not yet checked in any way.
        package fileprivate(set) var pan = ByteRange(offset: 0, count: 0)
        /// The text of the expiry date, not yet checked in any way.
        package fileprivate(set) var expiry: ByteRange?
        /// Whom the card belongs to, 1 to 128 bytes.
        package fileprivate(set) var subject: ByteRange?
        /// What comes back in the answer, 1 to 128 bytes.
        package fileprivate(set) var reference: ByteRange?
        /// By which a repeated request is known, 1 to 64 bytes.
        package fileprivate(set) var requestID: ByteRange?
        /// Seconds the token is to live, at least 1.
        package fileprivate(set) var ttl: UInt32?
        /// The part of `TokenizeRequest.purposes` that is this card's; empty when the field is absent.
        fileprivate var firstPurpose: UInt32 = 0
        /// How many purposes the card names; 0 when the field is absent.
        package fileprivate(set) var purposeCount: UInt32 = 0

        fileprivate init() {}
    }

    /// Whether the request had `cards`, so that the answer has `results`.
    package private(set) var isBatch = false
    /// The format named for the request as a whole.
    package private(set) var format: ByteRange?
    /// The cards in order, 1 to 1,000; exactly one unless `isBatch`. Undefined after a failed decode.
    package private(set) var cards: [Card] = []
    /// The purposes of all cards, one behind the other.
    private var purposes: [ByteRange] = []

    /// Makes an empty request with room for one card.
    package init() {
        cards.reserveCapacity(1)
        purposes.reserveCapacity(Limits.purposesPerCardMax)
    }

    /// The format that holds for a card: its own, or the request's; nil means the default format.
    package func format(of card: Card) -> ByteRange? { card.ownFormat ?? format }

    /// The purposes of a card, in the order written; repetitions are not removed.
    package func purposes(of card: Card) -> ArraySlice<ByteRange> {
        let first = Int(card.firstPurpose)
        return purposes[first..<(first + Int(card.purposeCount))]
    }

    /// Decodes a body, unescaping its strings in place.
    ///
    /// Throws `.malformed`, `.tooLarge` (more than 1,000 cards) or `.sensitiveAuthenticationData`.
    package mutating func decode(_ bytes: inout MutableSpan<UInt8>) throws(ProblemCode) {
        reset()
        try JSONReader.decode(&bytes) { (reader) throws(RequestFault) in
            var seen = SeenFields()
            var single = Card()
            var isFirst = true
            try reader.requestObject()
            while let field = try reader.nextField(&isFirst, seen: &seen) {
                switch field {
                case .format:
                    format = try reader.requestName()
                case .cards:
                    isBatch = true
                    try reader.requestArray(max: Limits.cardsPerRequestMax) { (reader) throws(RequestFault) in
                        cards.append(try card(&reader))
                    }
                default:
                    try value(of: field, &reader, into: &single)
                }
            }
            if isBatch {
                // `format` is all that `cards` may have beside it.
                guard seen.hasOnly(.format, .cards) else { throw .json(.shape) }
            } else {
                guard seen.contains(.pan) else { throw .json(.shape) }
                cards.append(single)
            }
        }
    }

    private mutating func reset() {
        isBatch = false
        format = nil
        cards.removeAll(keepingCapacity: true)
        purposes.removeAll(keepingCapacity: true)
    }

    /// One element of `cards`.
    private mutating func card(_ reader: inout JSONReader) throws(RequestFault) -> Card {
        var seen = SeenFields()
        var card = Card()
        var isFirst = true
        try reader.requestObject()
        while let field = try reader.nextField(&isFirst, seen: &seen) {
            if field == .format {
                card.ownFormat = try reader.requestName()
            } else {
                try value(of: field, &reader, into: &card)
            }
        }
        guard seen.contains(.pan) else { throw .json(.shape) }
        return card
    }

    /// The value of any field of a card but `format`.
    private mutating func value(
        of field: FieldName, _ reader: inout JSONReader, into card: inout Card
    ) throws(RequestFault) {
        switch field {
        case .pan: card.pan = try reader.requestString()
        case .expiry: card.expiry = try reader.requestString()
        case .subject: card.subject = try reader.requestText(max: Limits.subjectBytesMax)
        case .reference: card.reference = try reader.requestText(max: Limits.referenceBytesMax)
        case .requestID: card.requestID = try reader.requestID()
        case .ttl: card.ttl = try reader.requestTTL()
        case .purposes:
            let first = purposes.count
            do throws(RequestFault) {
                try reader.requestArray(max: Limits.purposesPerCardMax) { (reader) throws(RequestFault) in
                    purposes.append(try reader.requestName())
                }
            } catch {
                // Too many names for one card is a faulty card, not a large request.
                if case .tooMany = error { throw .json(.shape) }
                throw error
            }
            card.firstPurpose = UInt32(truncatingIfNeeded: first)
            card.purposeCount = UInt32(truncatingIfNeeded: purposes.count - first)
        default: throw .json(.shape)
        }
    }
}
