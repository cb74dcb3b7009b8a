import LMDB
import Testing

@testable import VaultCore

@Suite("Moving records to a newer data key")
struct MoveRecordsTests {
    @Test("a move in slices, with a crash between any two, moves everything once", arguments: [1, 7, 100])
    func slices(limit: Int) throws {
        let (vault, held) = try TestVault.filled(150, seed: 1)
        try vault.reopen(keyring: try vault.keyring.rotated(.data))
        var moved = 0
        var slices = 0
        while true {
            let slice = try vault.moveRecords(limit)
            #expect(slice.moved <= limit)
            #expect(slice.passedOver == 0)
            moved += slice.moved
            slices += 1
            let (left, gone) = try vault.usage(.data, 1)
            #expect(Int(left) == 150 - moved)
            #expect(Int(gone) == moved)
            #expect(Int(try vault.usage(.data, 2).left) == moved)
            if slices % 20 == 1 { #expect(try vault.verify().isSound) }
            if slice.isAtEnd { break }
            try vault.reopen()
        }
        #expect(moved == 150)
        #expect(slices >= 150 / limit)
        #expect(try vault.serves(held))
        #expect(try vault.scan(.data, 1) == 0)
        #expect(try vault.scan(.data, 2) == 150 + UInt64(held.values.count { !$0.subject.isEmpty }))
        for (token, card) in held {
            let versions = try vault.sealedUnder(token)
            #expect(versions.record == 2)
            #expect(versions.subject == (card.subject.isEmpty ? nil : 2))
        }
        let report = try vault.verify()
        #expect(report.isSound, "\(report.findings.first?.description ?? "")")

        // Without the old key everything is still there.
        try vault.reopen(keyring: try vault.keyring.destroyingRetired(.data))
        #expect(try vault.serves(held))
        #expect(try vault.verify().isSound)
        // Another walk finds nothing to do, and the old count of what was moved stays.
        #expect(try vault.moveAll(.data, by: limit) == (0, 0))
        #expect(try vault.usage(.data, 1) == (0, 150))
    }

    @Test("expired records are moved with their deadline, created and purposes as they were")
    func header() throws {
        let vault = try TestVault()
        let old = try vault.tokenize(
            Order(pan: 4_111_111_111_111_111, format: 1, subject: "s", ttl: 10, purposes: vault.purpose("charge")))
        let before = try #require(try vault.inspect(old.token))
        try vault.reopen(keyring: try vault.keyring.rotated(.data))
        #expect(try vault.moveAll(.data, by: 5) == (1, 0))
        let after = try #require(try vault.inspect(old.token))
        #expect([after.created, after.deadline] == [before.created, before.deadline])
        #expect(after.purposes == before.purposes)
        #expect(try vault.reveal(old.token, at: TestVault.start + 10).status == .missing)
        #expect(try vault.reveal(old.token, purpose: vault.purpose("refund")).status == .purposeDenied)
    }

    @Test(
        "tokens made, updated and forgotten between slices leave nothing behind and nothing counted twice",
        arguments: [2, 3] as [UInt64])
    func whileServing(seed: UInt64) throws {
        var (vault, held) = try TestVault.filled(200, seed: seed)
        var random = SeededRandom(seed)
        try vault.adopt(try vault.keyring.rotated(.data))
        var moved: UInt64 = 0
        while true {
            let slice = try vault.moveRecords(5)
            moved += UInt64(slice.moved)
            if slice.isAtEnd { break }
            for _ in 0..<3 {
                let subject = Bool.random(using: &random) ? "new" : ""
                let card = HeldCard(pan: random.pan(), format: "cards", subject: subject)
                held[try vault.tokenize(card.pan, subject: card.subject)] = card
            }
            for (token, card) in held.shuffled(using: &random).prefix(2) where card.format == "cards" {
                let expiry = CardExpiry(packed: .random(in: 1...1_000, using: &random))
                let order = Order(pan: card.pan, format: 1, subject: card.subject, expiry: expiry)
                let item = try vault.tokenize(order)
                #expect(item.token == token)
                held[token]?.expiry = item.resultExpiry
                // Moved by itself, and its subject with it.
                let versions = try vault.sealedUnder(token)
                #expect(versions.record == 2)
                #expect(versions.subject == (card.subject.isEmpty ? nil : 2))
            }
            let leaving = Array(held.keys.shuffled(using: &random).prefix(2))
            #expect(try vault.forget(leaving) == [.done, .done])
            for token in leaving { held[token] = nil }
        }
        #expect(try vault.usage(.data, 1) == (0, moved))
        #expect(try vault.usage(.data, 2).left == UInt64(held.count))
        #expect(moved < 200)
        #expect(try vault.scan(.data, 1) == 0)
        #expect(try vault.serves(held))
        let report = try vault.verify()
        #expect(report.isSound, "\(report.findings.first?.description ?? "")")
        #expect(report.records == UInt64(held.count))
        try vault.reopen(keyring: try vault.keyring.destroyingRetired(.data))
        #expect(try vault.serves(held))
    }

    @Test("a record or subject that does not open is passed over and counted, and its version still holds it")
    func damaged() throws {
        var (vault, held) = try TestVault.filled(120, seed: 4)
        let tokens = held.keys.sorted()
        let plain = tokens.filter { held[$0]?.subject == "" }
        let linked = try #require(tokens.first { held[$0]?.subject != "" })
        try vault.alter(plain[0]) { $0[40] ^= 4 }
        try vault.alter(plain[1]) { $0[0] ^= 1 }
        try vault.alter(plain[2]) { $0[1] ^= 2 }
        try vault.alter(linked, inSubjects: true) { $0[20] ^= 1 }
        try vault.reopen(keyring: try vault.keyring.rotated(.data))
        for round in 0..<3 {
            let (moved, passedOver) = try vault.moveAll(.data, by: 10)
            #expect(moved == (round == 0 ? 116 : 0))
            #expect(passedOver == 4, "round \(round)")
            #expect(try vault.usage(.data, 1) == (4, 116))
            try vault.reopen()
        }
        // Four records and a subject, and not the ones that moved.
        #expect(try vault.scan(.data, 1) == 5)
        #expect(try vault.sealedUnder(linked) == (1, 1))
        #expect(try vault.reveal(linked).status == .revealed)
        for token in plain.prefix(3) { held[token] = nil }
        #expect(try vault.serves(held))
        let kinds = Set(try vault.verify().findings.map(\.kind))
        #expect(kinds.isSuperset(of: [.recordDamaged, .layoutInvalid, .subjectDamaged]))
        #expect(!kinds.contains(.subjectVersion))
    }

    @Test("an update of a token whose subject does not open is damage of one item, not of its group")
    func updateOfDamaged() throws {
        let vault = try TestVault()
        let pans: [UInt64] = [4_111_111_111_111_111, 5_555_555_555_554_444]
        let token = try vault.tokenize(pans[0], subject: "s")
        try vault.alter(token, inSubjects: true) { $0[20] ^= 1 }
        try vault.adopt(try vault.keyring.rotated(.data))
        let items = try vault.tokenize([
            Order(pan: pans[0], format: 1, subject: "s", expiry: CardExpiry(packed: 5)), Order(pan: pans[1], format: 1),
        ])
        #expect(items.map(\.outcome) == [.damaged, .done])
        #expect(try vault.sealedUnder(token) == (1, 1))
        #expect(try vault.usage(.data, 1).left == 1)
        #expect(try vault.verify().findings.map(\.kind) == [.subjectDamaged])
    }

    @Test("a second rotation before the first move ended takes records of both versions along")
    func twoRotations() throws {
        var (vault, held) = try TestVault.filled(90, seed: 5)
        try vault.reopen(keyring: try vault.keyring.rotated(.data))
        #expect(try vault.moveRecords(30).moved == 30)
        let card = HeldCard(pan: 4_111_111_111_111_111, format: "cards", subject: "late")
        held[try vault.tokenize(card.pan, subject: card.subject)] = card
        try vault.reopen(keyring: try vault.keyring.rotated(.data))
        #expect(try vault.moveAll(.data, by: 20) == (91, 0))
        #expect(try vault.usage(.data, 1) == (0, 90))
        #expect(try vault.usage(.data, 2) == (0, 31))
        #expect(try vault.usage(.data, 3).left == 91)
        #expect(try vault.verify().isSound)
        try vault.reopen(keyring: try vault.keyring.destroyingRetired(.data))
        #expect(try vault.serves(held))
    }

    @Test("records left under a version that the keyring does not have are reported, and others are served")
    func keyGone() throws {
        let (vault, held) = try TestVault.filled(60, seed: 6)
        try vault.reopen(keyring: try vault.keyring.rotated(.data))
        #expect(try vault.moveRecords(20).moved == 20)
        let left = try held.keys.filter { try vault.sealedUnder($0).record == 1 }
        #expect(left.count == 40)
        try vault.reopen(keyring: try vault.keyring.destroyingRetired(.data))
        let findings = try vault.verify().findings
        #expect(findings.count { $0.kind == .keyVersionUnknown } == 40)
        #expect(Set(findings.filter { $0.kind == .keyVersionUnknown }.map(\.token)) == Set(left))
        for (token, card) in held {
            let reveal = try vault.reveal(token)
            #expect(reveal.status == (left.contains(token) ? .damaged : .revealed))
            if reveal.status == .revealed { #expect(reveal.pan == card.pan) }
        }
        #expect(try vault.moveAll(.data, by: 7) == (0, 40))
        #expect(try vault.usage(.data, 1).left == 40)
    }

    @Test("a scan that is cancelled gives no answer")
    func cancelled() throws {
        let (vault, _) = try TestVault.filled(20, seed: 7)
        let store = try #require(vault.store)
        #expect(try store.scan(.data, for: 1) { true } == nil)
        #expect(try store.scan(.index, for: 1) { true } == nil)
        #expect(try store.scan(.index, for: 1) { false } == 20)
    }
}
