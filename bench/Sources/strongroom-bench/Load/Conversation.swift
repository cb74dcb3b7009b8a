internal import StrongroomClient

/// What one connection of a closed loop asks, and whether the answers are right. Each connection has its own.
protocol Conversation: Sendable {
    /// The call.
    var path: StaticString { get }
    /// Cards in a request.
    var items: Int { get }
    /// Writes the next request's body.
    mutating func ask(_ body: inout SecureBuffer)
    /// Whether a 200 answers the request asked last.
    mutating func isRight(_ answer: borrowing Span<UInt8>) -> Bool
}

/// Reveals cards chosen evenly among all: one a request, or a batch.
struct Revealing: Conversation {
    let path: StaticString = "/v1/detokenize"
    let items: Int
    /// Token of each card.
    private let tokens: [UInt64]
    private var random: SplitMix64
    private var asked: [Int] = []

    init(_ tokens: [UInt64], items: Int, seed: UInt64) {
        self.tokens = tokens
        self.items = items
        random = SplitMix64(seed: seed)
        asked.reserveCapacity(items)
    }

    mutating func ask(_ body: inout SecureBuffer) {
        asked.removeAll(keepingCapacity: true)
        for _ in 0..<items { asked.append(Int.random(in: tokens.indices, using: &random)) }
        body.append(#"{"purpose":""#)
        body.append(VaultAddress.purpose)
        body.append(items == 1 ? #"","token":""# : #"","tokens":[""#)
        for (place, index) in asked.enumerated() {
            if place > 0 { body.append(#"",""#) }
            body.appendDecimal(tokens[index])
        }
        body.append(items == 1 ? #""}"# : #""]}"#)
    }

    mutating func isRight(_ answer: borrowing Span<UInt8>) -> Bool {
        var fields = DigitFields(answer.extracting(0..<answer.count))
        for index in asked where fields.next("pan") != Deck.number(index) { return false }
        return fields.next("pan") == nil
    }
}

/// Hands in one new card a request and keeps the token, which the scenario checks afterwards.
struct Tokenizing: Conversation {
    let path: StaticString = "/v1/tokenize"
    let items = 1
    private let newCards: NewCards
    private var asked = 0
    /// Cards handed in and the tokens they got.
    private(set) var tokens: [(index: Int, token: UInt64)] = []

    init(_ newCards: NewCards) { self.newCards = newCards }

    mutating func ask(_ body: inout SecureBuffer) {
        asked = newCards.take()
        body.append(#"{"pan":""#)
        body.appendDecimal(Deck.number(asked))
        body.append(#""}"#)
    }

    mutating func isRight(_ answer: borrowing Span<UInt8>) -> Bool {
        var fields = DigitFields(answer.extracting(0..<answer.count))
        guard let token = fields.next("token"), token != Deck.number(asked) else { return false }
        tokens.append((asked, token))
        return true
    }
}

/// Hands in one card a request, some the vault knows and some new ones, as a checkout does. A known card must get the
/// token it has; the tokens of new ones are kept, asked for again now and then, and checked afterwards.
struct CheckingOut: Conversation {
    let path: StaticString = "/v1/tokenize"
    let items = 1
    /// Tokens of the cards of the fill.
    private let filled: [UInt64]
    private let newCards: NewCards
    /// Share of new cards, 0 to 1.
    private let newShare: Double
    private var random: SplitMix64
    private var asked = 0
    /// The token it has; nil for a new card.
    private var expected: UInt64?
    /// New cards handed in and the tokens they got.
    private(set) var tokens: [(index: Int, token: UInt64)] = []

    /// One in so many known cards is one that came during the run.
    private static let recentEvery = 10

    init(_ filled: [UInt64], _ newCards: NewCards, newShare: Double, seed: UInt64) {
        self.filled = filled
        self.newCards = newCards
        self.newShare = newShare
        random = SplitMix64(seed: seed)
    }

    mutating func ask(_ body: inout SecureBuffer) {
        if Double.random(in: 0..<1, using: &random) < newShare {
            (asked, expected) = (newCards.take(), nil)
        } else if !tokens.isEmpty, Int.random(in: 0..<Self.recentEvery, using: &random) == 0 {
            let known = tokens[Int.random(in: tokens.indices, using: &random)]
            (asked, expected) = (known.index, known.token)
        } else {
            asked = Int.random(in: filled.indices, using: &random)
            expected = filled[asked]
        }
        body.append(#"{"pan":""#)
        body.appendDecimal(Deck.number(asked))
        body.append(#""}"#)
    }

    mutating func isRight(_ answer: borrowing Span<UInt8>) -> Bool {
        var fields = DigitFields(answer.extracting(0..<answer.count))
        guard let token = fields.next("token"), token != Deck.number(asked) else { return false }
        if let expected { return token == expected }
        tokens.append((asked, token))
        return true
    }
}
