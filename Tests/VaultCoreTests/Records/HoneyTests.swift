import LMDB
import SecretMemory
import Testing

@testable import VaultCore

@Suite("Honey tokens")
struct HoneyTests {
    @Test("one shows what any token shows, and reveals nothing whatever is asked")
    func reveal() throws {
        let vault = try TestVault()
        let real = try vault.tokenize(4_111_111_111_111_111)
        let token = try vault.makeHoney(1)[0]
        let shown = try #require(try vault.inspect(token))
        #expect(shown.card.pan.passesLuhn)
        #expect(shown.card.pan.brand != .unknown)
        let expiry = try #require(shown.card.expiry)
        #expect(!expiry.isPast(atUnixSeconds: Int64(TestVault.start)))
        #expect(shown.created == TestVault.start)
        #expect(shown.format == vault.id("cards"))
        #expect(shown.purposes == .max)
        // Another format's client, a purpose that is not allowed, after any deadline: nobody was given it.
        for formats in [TestVault.allFormats, 0, 1 << 2] as [UInt64] {
            for purpose in [UInt64.max, 0] {
                for now in [TestVault.start, .max] {
                    let reveal = try vault.reveal(token, purpose: purpose, formats: formats, at: now)
                    #expect(reveal.status == .honey)
                    #expect([reveal.pan, UInt64(reveal.panLength), UInt64(reveal.expiry)] == [0, 0, 0])
                }
            }
        }
        #expect(
            try vault.revealAll([real, token, 9_900_000_000_000_000, token]) == [.revealed, .honey, .missing, .honey])
        #expect(vault.honeyMet == 2)
        #expect(try vault.revealAll([real]) == [.revealed])
        #expect(vault.honeyMet == 0)
    }

    @Test("no search and no request for the same card comes to it")
    func search() throws {
        let vault = try TestVault()
        for token in try vault.makeHoney(20) {
            let pan = try #require(try vault.inspect(token)).card.pan.value
            #expect(try vault.find(pan) == nil)
            #expect(try vault.find(pan, subject: "honey:") == nil)
            let own = try vault.tokenize(pan)
            #expect(own != token)
            #expect(try vault.reveal(own).status == .revealed)
            #expect(try vault.reveal(token).status == .honey)
        }
        #expect(try vault.verify().isSound)
    }

    @Test("they are counted, listed, found sound, and forgotten like any")
    func counted() throws {
        let (vault, held) = try TestVault.filled(300, seed: 4)
        #expect(try vault.statistics().honeyTokens == 0)
        #expect(try vault.listHoney() == [])
        let tokens = try vault.makeHoney(7) + vault.makeHoney(5, "once")
        #expect(try vault.statistics().honeyTokens == 12)
        #expect(try vault.listHoney() == tokens.sorted())
        #expect(try vault.listHoney(max: 3) == Array(tokens.sorted().prefix(3)))
        #expect(try vault.verify().isSound)
        #expect(try vault.forget([tokens[0], tokens[7]]) == [.done, .done])
        #expect(try vault.statistics().honeyTokens == 10)
        #expect(try vault.reveal(tokens[0]).status == .missing)
        try vault.reopen()
        #expect(try vault.listHoney().count == 10)
        #expect(try vault.reveal(tokens[1]).status == .honey)
        #expect(try vault.serves(held))
        #expect(try vault.verify().isSound)
    }

    @Test("the list walks through more records than one snapshot shows")
    func slices() throws {
        let vault = try TestVault()
        var random = SeededRandom(6)
        var tokens: [UInt64] = []
        for _ in 0..<9 {
            _ = try vault.tokenize((0..<1_000).map { _ in Order(pan: random.pan(), format: 1) })
            tokens += try vault.makeHoney(3)
        }
        #expect(try vault.listHoney() == tokens.sorted())
    }

    @Test("a rotation of every key moves them with the others")
    func rotation() throws {
        let (vault, held) = try TestVault.filled(100, seed: 5)
        let tokens = try vault.makeHoney(10)
        let shown = try tokens.map { try vault.inspect($0)?.card.pan.value }
        try vault.reopen(keyring: try vault.keyring.rotated(.data).rotated(.index))
        #expect(try vault.moveAll(.data, by: 7) == (110, 0))
        #expect(try vault.moveAll(.index, by: 7) == (110, 0))
        try vault.reopen(keyring: try vault.keyring.destroyingRetired(.data).destroyingRetired(.index))
        for token in tokens { #expect(try vault.reveal(token).status == .honey) }
        #expect(try tokens.map { try vault.inspect($0)?.card.pan.value } == shown)
        #expect(try vault.statistics().honeyTokens == 10)
        #expect(try vault.serves(held))
        #expect(try vault.verify().isSound)
    }

    @Test("without its flag the record does not open: who writes to the disk can neither disarm a trap nor set one")
    func flag() throws {
        let vault = try TestVault()
        let real = try vault.tokenize(4_111_111_111_111_111)
        let token = try vault.makeHoney(1)[0]
        for each in [real, token] {
            try vault.alter(each) { $0[1] ^= RecordFlags.honey.rawValue }
            #expect(try vault.reveal(each).status == .damaged)
            #expect(!(try vault.verify().isSound))
            try vault.alter(each) { $0[1] ^= RecordFlags.honey.rawValue }
            #expect(try vault.verify().isSound)
        }
    }

    @Test("a wrong count of them is found")
    func wrongCount() throws {
        let vault = try TestVault()
        _ = try vault.makeHoney(2)
        let store = try #require(vault.store)
        for count in [1, 3] as [UInt64] {
            var transaction = try store.environment.beginWrite()
            try transaction.putCounter(store.tables, MetaKey.honeyTokens, count)
            try transaction.commit()
            let findings = try vault.verify().findings
            #expect(findings.map(\.kind) == [.counter])
            #expect(findings.first?.subject == "honey tokens")
            #expect([findings.first?.stored, findings.first?.counted] == [count, 2])
        }
    }

    @Test("formats of every kind get one that fits")
    func formats() throws {
        let formats: [TestFormat] = [
            TestFormat(name: "bins", keep: .bin6Last4), TestFormat(name: "long", keep: .bin8Last4),
            TestFormat(name: "blank", keep: .none, luhn: .valid),
            TestFormat(name: "short-lived", reuse: .never, ttl: 60),
        ]
        let vault = try TestVault(formats)
        for format in formats {
            for token in try vault.makeHoney(20, format.name) {
                let shown = try #require(try vault.inspect(token))
                let made = try #require(vault.table[vault.id(format.name)])
                #expect(made.allowedLengths.contains(PANLengths(Int(shown.card.pan.length))))
                #expect(shown.deadline == (format.ttl.map { TestVault.start + $0 } ?? 0))
            }
        }
        #expect(try vault.verify().isSound)
        let item = WriteBatch(access: Access(formats: 0))
        var wrong = WriteItem()
        wrong.kind = .honey
        wrong.format = 60
        item.items.append(wrong)
        #expect(throws: WriteFailure.self) { try vault.apply([item]) }
    }

    @Test("drawn cards pass Luhn, have an allowed length, and differ", arguments: 12...19)
    func draw(length: Int) throws {
        var random = SeededRandom(UInt64(length))
        func drawn(_ lengths: PANLengths) -> PAN? {
            HoneyCard.draw(lengths: lengths) { UInt64.random(in: 0..<$0, using: &random) }
        }
        let cards = (0..<200).compactMap { _ in drawn(PANLengths(length)) }
        #expect(cards.count == 200)
        for card in cards {
            #expect(Int(card.length) == length)
            #expect(passesLuhnByDefinition(card.value))
        }
        #expect(Set(cards.map(\.value)).count > 190)
        #expect(drawn([]) == nil)
        for _ in 0..<200 { #expect(try [15, 16].contains(#require(drawn(.all)).length)) }
        let brands = Set((0..<500).compactMap { _ in drawn(.all)?.brand })
        #expect(brands == [.visa, .mastercard, .amex, .discover, .jcb])
    }
}

extension TestVault {
    func makeHoney(_ count: Int, _ format: String = "cards", at now: UInt32 = TestVault.start) throws -> [UInt64] {
        let batch = WriteBatch(access: Access(formats: 0))
        for _ in 0..<count {
            var item = WriteItem()
            item.kind = .honey
            item.format = id(format)
            batch.items.append(item)
        }
        try apply([batch], at: now)
        try #require(batch.all.allSatisfy { $0.outcome == .done && $0.token != 0 })
        return batch.all.map(\.token)
    }

    func revealAll(_ tokens: [UInt64]) throws -> [RevealStatus] { try reveal(tokens).map(\.status) }

    func listHoney(max: Int = .max) throws -> [UInt64] { try store?.honeyTokens(max: max).map(\.token) ?? [] }

    func statistics() throws -> StoreStatistics {
        guard let store else { preconditionFailure("the vault is closed") }
        return try store.statistics(keyring: keyring, formats: [1, 2])
    }
}
