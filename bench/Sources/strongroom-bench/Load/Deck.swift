internal import Synchronization

/// The test cards: card `index` is `4000`, eleven digits of the index, and the Luhn digit. Nobody's cards, and each can
/// be told from its index alone, so nothing needs to be remembered to know what the vault must answer.
enum Deck {
    /// Digits of a card.
    static let digits = 16

    /// The number of card `index`.
    static func number(_ index: Int) -> UInt64 {
        let payload = 400_000_000_000_000 + UInt64(index)
        return payload * 10 + luhnDigit(payload)
    }

    /// The digit that makes `payload` followed by it pass the Luhn check.
    static func luhnDigit(_ payload: UInt64) -> UInt64 {
        var rest = payload
        var sum: UInt64 = 0
        var isDoubled = true
        while rest > 0 {
            let digit = rest % 10
            sum += isDoubled ? (digit > 4 ? digit * 2 - 9 : digit * 2) : digit
            isDoubled.toggle()
            rest /= 10
        }
        return (10 - sum % 10) % 10
    }
}

/// Hands out the indices of cards that no vault has seen yet, to any thread.
final class NewCards: Sendable {
    private let next: Atomic<Int>

    init(from first: Int) { next = Atomic(first) }

    /// The first of `count` indices nobody else gets.
    func take(_ count: Int = 1) -> Int { next.wrappingAdd(count, ordering: .relaxed).oldValue }
}
