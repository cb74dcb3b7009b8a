import LMDB
import Testing

@testable import VaultCore

/// A card in a vault, as a test remembers it.
struct HeldCard {
    var pan: UInt64
    var format: String
    var subject: String
    var expiry: UInt16 = 0
}

extension TestVault {
    /// Fills a vault with cards of both formats, some with subjects, some updated, and some that expire at `start` + 10.
    static func filled(_ count: Int, seed: UInt64) throws -> (vault: TestVault, held: [UInt64: HeldCard]) {
        let vault = try TestVault()
        var random = SeededRandom(seed)
        var held: [UInt64: HeldCard] = [:]
        let cards = (0..<count).map { index in
            HeldCard(
                pan: random.pan(length: .random(in: 13...19, using: &random)),
                format: index % 3 == 1 ? "once" : "cards",
                subject: index % 4 == 0 ? "subject \(index)" : "")
        }
        let items = try vault.tokenize(
            cards.enumerated().map { index, card in
                Order(
                    pan: card.pan, format: vault.id(card.format), subject: card.subject,
                    ttl: index % 10 == 9 ? 10 : nil)
            })
        for (item, card) in zip(items, cards) {
            try #require(item.outcome == .done)
            held[item.token] = card
        }
        for (token, card) in held where token % 5 == 0 && card.format == "cards" {
            let item = try vault.tokenize(
                Order(pan: card.pan, format: 1, subject: card.subject, expiry: CardExpiry(packed: 77)))
            try #require(item.token == token)
            held[token]?.expiry = 77
        }
        return (vault, held)
    }

    /// Whether every card comes back from its token, and every card with one token from a search.
    func serves(_ held: [UInt64: HeldCard]) throws -> Bool {
        let tokens = Array(held.keys)
        for (token, reveal) in zip(tokens, try reveal(tokens)) {
            guard let card = held[token] else { return false }
            guard reveal.status == .revealed, reveal.pan == card.pan, reveal.expiry == card.expiry else { return false }
            guard card.format == "cards" else { continue }
            guard try find(card.pan, subject: card.subject) == token else { return false }
        }
        return true
    }

    func counter(_ key: [UInt8]) throws -> UInt64 {
        guard let store else { preconditionFailure("the vault is closed") }
        var transaction = try store.environment.beginWrite()
        return try transaction.counter(store.tables, key)
    }

    /// The data key version of a token's record, and of its subject where it has one.
    func sealedUnder(_ token: UInt64) throws -> (record: UInt32, subject: UInt32?) {
        guard let store else { preconditionFailure("the vault is closed") }
        let transaction = try store.environment.beginWrite()
        let record = try #require(try copied(transaction, store.tables, token))
        let subject = try transaction.get(store.tables.subjects, token)?.copied
        return (UInt32(bigEndian: record.span, at: 4), subject.map { UInt32(bigEndian: $0.span, at: 0) })
    }

    /// Changes a stored record or subject behind the vault's back.
    func alter(_ token: UInt64, inSubjects: Bool = false, _ change: (inout [UInt8]) -> Void) throws {
        guard let store else { preconditionFailure("the vault is closed") }
        let table = inSubjects ? store.tables.subjects : store.tables.tokens
        var transaction = try store.environment.beginWrite()
        var bytes = try #require(try transaction.get(table, token)?.copied)
        change(&bytes)
        try transaction.put(table, token, bytes.span)
        try transaction.commit()
    }

    func usage(_ purpose: KeyPurpose, _ version: UInt32) throws -> (left: UInt64, moved: UInt64) {
        guard let store else { preconditionFailure("the vault is closed") }
        return try store.usage(purpose, version)
    }

    func scan(_ purpose: KeyPurpose, _ version: UInt32) throws -> UInt64? {
        guard let store else { preconditionFailure("the vault is closed") }
        return try store.scan(purpose, for: version) { false }
    }

    /// Moves to the end of the walk in slices; what was moved, and what was passed over.
    func moveAll(_ purpose: KeyPurpose, by limit: Int) throws(WriteFailure) -> (moved: Int, passedOver: UInt32) {
        var moved = 0
        while true {
            let slice = purpose == .index ? try moveEntries(limit) : try moveRecords(limit)
            moved += slice.moved
            if slice.isAtEnd { return (moved, slice.passedOver) }
        }
    }
}
