import LMDB
import Testing

@testable import VaultCore

@Suite("Moving index entries to a newer index key")
struct MoveEntriesTests {
    @Test("searches are exact after every slice, with a crash between any two", arguments: [1, 7, 100])
    func slices(limit: Int) throws {
        let (vault, held) = try TestVault.filled(120, seed: 11)
        var random = SeededRandom(11)
        let strangers = (0..<5).map { _ in random.pan() }
        try vault.reopen(keyring: try vault.keyring.rotated(.index))
        var moved = 0
        while true {
            let slice = try vault.moveEntries(limit)
            #expect(slice.moved <= limit)
            moved += slice.moved
            #expect(try vault.usage(.index, 1) == (120 - UInt64(moved), UInt64(moved)))
            #expect(try vault.usage(.index, 2).left == UInt64(moved))
            #expect(try vault.serves(held))
            for pan in strangers { #expect(try vault.find(pan) == nil) }
            if slice.isAtEnd { break }
            try vault.reopen()
        }
        #expect(moved == 120)
        #expect(try vault.scan(.index, 1) == 0)
        #expect(try vault.scan(.index, 2) == 120)
        #expect(try vault.verify().isSound)
        try vault.reopen(keyring: try vault.keyring.destroyingRetired(.index))
        #expect(try vault.serves(held))
        #expect(try vault.verify().isSound)
        #expect(try vault.moveAll(.index, by: limit) == (0, 0))
    }

    @Test("a card has one token throughout, whether it arrives before its entry moved, after, or in the middle")
    func arrivals() throws {
        var (vault, held) = try TestVault.filled(150, seed: 12)
        var random = SeededRandom(12)
        try vault.adopt(try vault.keyring.rotated(.index))
        while true {
            let slice = try vault.moveEntries(4)
            if slice.isAtEnd { break }
            let fresh = HeldCard(pan: random.pan(), format: "cards", subject: Bool.random(using: &random) ? "s" : "")
            #expect(try vault.find(fresh.pan, subject: fresh.subject) == nil)
            let token = try vault.tokenize(fresh.pan, subject: fresh.subject)
            #expect(try vault.tokenize(fresh.pan, subject: fresh.subject) == token)
            held[token] = fresh
            for (token, card) in held.shuffled(using: &random).prefix(10) {
                guard card.format == "cards" else {
                    // Under `reuse: never` there is one more each time.
                    let another = try vault.tokenize(card.pan, "once", subject: card.subject)
                    #expect(held[another] == nil)
                    held[another] = card
                    continue
                }
                #expect(try vault.tokenize(card.pan, subject: card.subject) == token)
                #expect(try vault.find(card.pan, subject: card.subject) == token)
            }
            let leaving = try #require(held.keys.randomElement(using: &random))
            #expect(try vault.forget([leaving]) == [.done])
            if let card = held.removeValue(forKey: leaving), card.format == "cards" {
                #expect(try vault.find(card.pan, subject: card.subject) == nil)
            }
        }
        #expect(try vault.usage(.index, 1).left == 0)
        #expect(try vault.usage(.index, 2).left == UInt64(held.count))
        #expect(try vault.serves(held))
        let report = try vault.verify()
        #expect(report.isSound, "\(report.findings.first?.description ?? "")")
        #expect(report.indexEntries == UInt64(held.count))
    }

    @Test("an entry that expired is replaced by a new token, under whichever key it was")
    func expired() throws {
        for moves in [false, true] {
            let vault = try TestVault()
            let pan: UInt64 = 4_111_111_111_111_111
            let old = try vault.tokenize(Order(pan: pan, format: 1, subject: "s", ttl: 10)).token
            try vault.adopt(try vault.keyring.rotated(.index))
            if moves { #expect(try vault.moveAll(.index, by: 3) == (1, 0)) }
            let new = try vault.tokenize(pan, subject: "s", at: TestVault.start + 10)
            #expect(new != old)
            #expect(try vault.find(pan, subject: "s", at: TestVault.start + 10) == new)
            #expect(try vault.usage(.index, 1).left == 0)
            #expect(try vault.usage(.index, 2).left == 1)
            #expect(try vault.verify().isSound)
        }
    }

    @Test("fingerprints survive a rotation of the data key and change with the index key")
    func fingerprints() throws {
        let vault = try TestVault()
        let pan: UInt64 = 4_111_111_111_111_111
        let first = try vault.fingerprint(pan)
        #expect(first.count == 32)
        try vault.adopt(try vault.keyring.rotated(.data))
        #expect(try vault.fingerprint(pan) == first)
        try vault.adopt(try vault.keyring.destroyingRetired(.data))
        #expect(try vault.fingerprint(pan) == first)
        try vault.adopt(try vault.keyring.rotated(.index))
        let second = try vault.fingerprint(pan)
        #expect(second != first)
        try vault.reopen(keyring: try vault.keyring.destroyingRetired(.index))
        #expect(try vault.fingerprint(pan) == second)
    }

    @Test("an entry whose record does not open, or that is of another card, is passed over and stays")
    func damaged() throws {
        let (vault, held) = try TestVault.filled(80, seed: 13)
        let tokens = held.keys.sorted()
        try vault.alter(tokens[3]) { $0[40] ^= 1 }
        let store = try #require(vault.store)
        var transaction = try store.environment.beginWrite()
        let stray = [UInt8](repeating: 0xEE, count: 32)
        let (one, odd): ([UInt8], [UInt8]) = ([0, 0, 0, 1], [1])
        try transaction.put(store.tables.index, stray.span, one.span)
        // A value of another size, under a key that no card has.
        let other = [UInt8](repeating: 0x11, count: 32)
        try transaction.put(store.tables.index, other.span, odd.span)
        // A token that exists, and not of that card.
        var mismatched = [UInt8](repeating: 0x22, count: 24)
        mismatched.append(bigEndian: tokens[5])
        try transaction.put(store.tables.index, mismatched.span, one.span)
        try transaction.commit()
        try vault.adopt(try vault.keyring.rotated(.index))
        for round in 0..<2 {
            let (moved, passedOver) = try vault.moveAll(.index, by: 9)
            #expect(moved == (round == 0 ? 79 : 0))
            #expect(passedOver == 4)
        }
        // The one of the damaged record: the strays were never counted. The scan sees all four.
        #expect(try vault.usage(.index, 1) == (1, 79))
        #expect(try vault.scan(.index, 1) == 4)
    }
}

@Suite("Request ids across a rotation of the index key")
struct RequestRotationTests {
    private let pan: UInt64 = 4_111_111_111_111_111

    private func order(_ vault: TestVault, _ id: String, pan: UInt64? = nil, withOlder: Bool = true) throws -> Order {
        let keys = try vault.requestKeys("shop", id)
        return Order(
            pan: pan ?? self.pan, format: vault.id("once"), request: keys.active,
            olderRequest: withOlder ? keys.older : nil)
    }

    @Test("a repeated request gets its token, before and after the rotation, until its day is over")
    func remembered() throws {
        let vault = try TestVault()
        let before = try vault.requestKeys("shop", "1")
        #expect(before.older == nil)
        let token = try vault.tokenize(try order(vault, "1")).token
        #expect(try vault.tokenize(try order(vault, "1")).token == token)
        try vault.adopt(try vault.keyring.rotated(.index))
        let after = try vault.requestKeys("shop", "1")
        #expect(after.active != before.active)
        #expect(try #require(after.older) == before.active)
        #expect(try vault.tokenize(try order(vault, "1")).token == token)
        #expect(try vault.moveAll(.index, by: 10).moved == 1)
        #expect(try vault.tokenize(try order(vault, "1")).token == token)
        // Another card under the same id.
        let conflict = try vault.tokenize(try order(vault, "1", pan: 5_555_555_555_554_444))
        #expect(conflict.outcome == .conflict)
        // A new request is remembered under the new key, and found by it alone.
        let later = try vault.tokenize(try order(vault, "2")).token
        #expect(later != token)
        #expect(try vault.tokenize(try order(vault, "2", withOlder: false)).token == later)
        let dayLater = TestVault.start + VaultWriter.requestMemory
        #expect(try vault.tokenize(try order(vault, "1"), at: dayLater).token != token)
    }

    @Test("where an index key was rotated twice, the requests of the key before the active one are remembered")
    func twice() throws {
        let vault = try TestVault()
        try vault.adopt(try vault.keyring.rotated(.index))
        let token = try vault.tokenize(try order(vault, "1")).token
        try vault.reopen(keyring: try decoded(try encoded(try vault.keyring.rotated(.index))))
        #expect(vault.keyring.retiring(.index).map(\.number) == [1, 2])
        #expect(try vault.tokenize(try order(vault, "1")).token == token)
    }

    @Test("without the older key the same request makes a second token")
    func control() throws {
        let vault = try TestVault()
        let token = try vault.tokenize(try order(vault, "1")).token
        try vault.adopt(try vault.keyring.rotated(.index))
        #expect(try vault.tokenize(try order(vault, "1", withOlder: false)).token != token)
    }

    @Test("whether requests from before a moment are remembered is known to the second")
    func remembersRequests() throws {
        let vault = try TestVault()
        let store = try #require(vault.store)
        let start = TestVault.start
        #expect(try !store.remembersRequests(before: .max, now: start))
        _ = try vault.tokenize(try order(vault, "1"), at: start)
        #expect(try store.remembersRequests(before: start + 1, now: start + 1))
        #expect(try !store.remembersRequests(before: start, now: start + 1))
        let end = start + VaultWriter.requestMemory
        #expect(try store.remembersRequests(before: start + 1, now: end - 1))
        #expect(try !store.remembersRequests(before: start + 1, now: end))
        // A later one does not count for it.
        _ = try vault.tokenize(try order(vault, "2"), at: start + 100)
        #expect(try !store.remembersRequests(before: start + 1, now: end))
        #expect(try store.remembersRequests(before: start + 101, now: end))
    }
}
