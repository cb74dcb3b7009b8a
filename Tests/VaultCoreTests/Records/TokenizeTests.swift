import LMDB
import Testing

@testable import VaultCore

@Suite("Tokenize and reveal")
struct TokenizeTests {
    private let now = TestVault.start
    private let visa: UInt64 = 4_111_111_111_111_111
    private let other: UInt64 = 5_555_555_555_554_444

    @Test("a card comes back from its token, with its expiry", arguments: 12...19)
    func roundTrip(length: Int) throws {
        var random = SeededRandom(UInt64(length))
        let vault = try TestVault()
        for _ in 0..<20 {
            let pan = random.pan(length: length)
            let expiry = CardExpiry(packed: .random(in: 1...1_200, using: &random))
            let item = try vault.tokenize(Order(pan: pan, format: 1, expiry: expiry))
            #expect(item.outcome == .done)
            #expect(item.resultExpiry == expiry?.packed)
            #expect(item.deadline == 0)
            let token = try #require(Token(value: item.token))
            #expect(token.length == length)
            #expect(!token.passesLuhn)
            #expect(item.token % 10_000 == pan % 10_000)
            #expect(String(item.token).hasPrefix("99"))
            let reveal = try vault.reveal(item.token)
            #expect(reveal.status == .revealed)
            #expect(reveal.pan == pan)
            #expect(Int(reveal.panLength) == length)
            #expect(reveal.expiry == expiry?.packed)
            #expect(try vault.find(pan) == item.token)
        }
        #expect(try vault.verify().isSound)
    }

    @Test("with reuse a card has one token, whichever order and batch it comes in; without, a new one each time")
    func reuse() throws {
        let vault = try TestVault()
        let token = try vault.tokenize(visa)
        #expect(try vault.tokenize(visa) == token)
        let batch = try vault.tokenize([
            Order(pan: other, format: 1), Order(pan: visa, format: 1), Order(pan: other, format: 1),
        ])
        #expect(batch.map(\.outcome) == [.done, .done, .done])
        #expect(batch[0].token == batch[2].token)
        #expect(batch[1].token == token)
        var once: Set<UInt64> = []
        for _ in 0..<50 { once.insert(try vault.tokenize(visa, "once")) }
        #expect(once.count == 50)
        for token in once { #expect(try vault.reveal(token).pan == visa) }
        #expect(once.contains(try #require(try vault.find(visa, "once"))))
        #expect(try vault.tokenize(visa) == token)
        #expect(try vault.verify().isSound)
    }

    @Test("the last digit decides: a miss for any other number")
    func misses() throws {
        let vault = try TestVault()
        let token = try vault.tokenize(visa)
        for near in [token - 1, token + 1, token ^ 1 << 40, visa, 0, .max, 100_000_000_000] {
            #expect(try vault.reveal(near).status == .missing)
            #expect(try vault.inspect(near) == nil)
        }
        #expect(
            try vault.reveal([0, token, token + 1, token]).map(\.status) == [.missing, .revealed, .missing, .revealed])
        #expect(try vault.reveal([]).isEmpty)
    }

    @Test("subjects and formats separate tokens of one card")
    func subjects() throws {
        let vault = try TestVault()
        let none = try vault.tokenize(visa)
        let anna = try vault.tokenize(visa, subject: "anna")
        let bob = try vault.tokenize(visa, subject: "bob")
        let once = try vault.tokenize(visa, "once", subject: "anna")
        #expect(Set([none, anna, bob, once]).count == 4)
        #expect(try vault.tokenize(visa, subject: "anna") == anna)
        #expect(try vault.find(visa, subject: "anna") == anna)
        #expect(try vault.find(visa, subject: "bob") == bob)
        #expect(try vault.find(visa) == none)
        #expect(try vault.find(visa, subject: "carol") == nil)
        #expect(try vault.find(visa, "once", subject: "anna") == once)
        #expect(try vault.find(visa, "once") == nil)
        for token in [none, anna, bob, once] { #expect(try vault.reveal(token).pan == visa) }
        #expect(try vault.verify().isSound)
        #expect(try vault.verify().subjects == 3)
    }

    @Test("a repeated request id under reuse never answers with the first token, for a day")
    func requestIDs() throws {
        let vault = try TestVault()
        let id = vault.id("once")
        let order = Order(pan: visa, format: id, expiry: CardExpiry(packed: 300), request: (1, 2))
        let first = try vault.tokenize(order)
        let again = try vault.tokenize(order, at: now + VaultWriter.requestMemory - 1)
        #expect(again.token == first.token)
        #expect(again.resultExpiry == 300)
        // Within one batch, too.
        let pair = try vault.tokenize([
            Order(pan: other, format: id, request: (3, 4)), Order(pan: other, format: id, request: (3, 4)),
        ])
        #expect(pair[0].token == pair[1].token)
        #expect(try vault.tokenize(Order(pan: visa, format: id, request: (1, 3))).token != first.token)
        #expect(try vault.tokenize(Order(pan: visa, format: id)).token != first.token)
        // The same id for another card is an error, and makes no token.
        let conflict = try vault.tokenize(Order(pan: other, format: id, request: (1, 2)))
        #expect(conflict.outcome == .conflict)
        #expect(conflict.token == 0)
        // After a day it is forgotten.
        let later = try vault.tokenize(order, at: now + VaultWriter.requestMemory)
        #expect(later.outcome == .done)
        #expect(later.token != first.token)
        #expect(try vault.verify().isSound)
    }

    @Test("a request id whose token was forgotten, or has expired, is a new request")
    func requestIDsOfTheDead() throws {
        let vault = try TestVault()
        let id = vault.id("once")
        let order = Order(pan: visa, format: id, request: (1, 2))
        let first = try vault.tokenize(order)
        #expect(try vault.forget([first.token]) == [.done])
        let second = try vault.tokenize(order)
        #expect(second.outcome == .done)
        #expect(try vault.reveal(second.token).pan == visa)
        let short = Order(pan: other, format: id, ttl: 60, request: (5, 6))
        let third = try vault.tokenize(short)
        let fourth = try vault.tokenize(short, at: now + 60)
        #expect(fourth.outcome == .done)
        #expect(fourth.token != third.token)
        #expect(try vault.reveal(fourth.token, at: now + 60).pan == other)
    }

    @Test("remembered request ids are swept after their day, a bounded number at a time")
    func sweep() throws {
        let vault = try TestVault()
        let id = vault.id("once")
        _ = try vault.tokenize((0..<50).map { Order(pan: visa, format: id, request: ($0, 1)) })
        _ = try vault.tokenize((0..<30).map { Order(pan: visa, format: id, request: ($0, 2)) }, at: now + 1_000)
        #expect(try vault.verify().requests == 80)
        let later = now + VaultWriter.requestMemory
        for _ in 0..<20 { try vault.sweepRequests(at: later - 1, limit: 10) }
        #expect(try vault.verify().requests == 80)
        for _ in 0..<20 { try vault.sweepRequests(at: later, limit: 10) }
        #expect(try vault.verify().requests == 30)
        for _ in 0..<20 { try vault.sweepRequests(at: later + 1_000, limit: 7) }
        #expect(try vault.verify().requests == 0)
        #expect(try vault.verify().isSound)
    }

    @Test("repeating a card with a new expiry, ttl or purposes changes them, and leaves what is not named")
    func updates() throws {
        let vault = try TestVault()
        let first = try vault.tokenize(
            Order(pan: visa, format: 1, expiry: CardExpiry(packed: 300), ttl: 1_000, purposes: vault.purpose("charge")))
        #expect(first.deadline == now + 1_000)
        func state() throws -> [UInt64] {
            let inspection = try #require(try vault.inspect(first.token))
            return [UInt64(inspection.card.expiry?.packed ?? 0), UInt64(inspection.deadline), inspection.purposes]
        }
        let charge = vault.purpose("charge")
        #expect(try state() == [300, UInt64(now) + 1_000, charge])
        // Nothing named: nothing changes, not even the record.
        let same = try vault.tokenize(Order(pan: visa, format: 1), at: now + 10)
        #expect(same.token == first.token)
        #expect(same.resultExpiry == 300)
        #expect(same.deadline == now + 1_000)
        #expect(try state() == [300, UInt64(now) + 1_000, charge])
        _ = try vault.tokenize(Order(pan: visa, format: 1, expiry: CardExpiry(packed: 400)), at: now + 10)
        #expect(try state() == [400, UInt64(now) + 1_000, charge])
        _ = try vault.tokenize(Order(pan: visa, format: 1, ttl: 50), at: now + 10)
        #expect(try state() == [400, UInt64(now) + 60, charge])
        _ = try vault.tokenize(Order(pan: visa, format: 1, purposes: vault.purpose("refund", "fraud")), at: now + 10)
        #expect(try state() == [400, UInt64(now) + 60, vault.purpose("refund", "fraud")])
        _ = try vault.tokenize(Order(pan: visa, format: 1, purposes: .max), at: now + 10)
        #expect(try state() == [400, UInt64(now) + 60, .max])
        let cleared = try vault.tokenize(Order(pan: visa, format: 1, clearsExpiry: true), at: now + 10)
        #expect(cleared.token == first.token)
        #expect(cleared.resultExpiry == 0)
        #expect(try state() == [0, UInt64(now) + 60, .max])
        #expect(try #require(try vault.inspect(first.token)).created == now)
        #expect(try vault.verify().isSound)
    }

    @Test("an update under reuse never makes a token of its own and leaves the earlier one alone")
    func noUpdateOnce() throws {
        let vault = try TestVault()
        let id = vault.id("once")
        let first = try vault.tokenize(Order(pan: visa, format: id, expiry: CardExpiry(packed: 300)))
        let second = try vault.tokenize(Order(pan: visa, format: id, expiry: CardExpiry(packed: 400)))
        #expect(try vault.reveal(first.token).expiry == 300)
        #expect(try vault.reveal(second.token).expiry == 400)
    }

    @Test("a ttl above the format's is cut to it, and the format's holds where none is asked for")
    func ttlClamp() throws {
        let vault = try TestVault([TestFormat(name: "short", ttl: 100), .cards])
        let short = vault.id("short")
        func deadline(_ ttl: UInt32?, _ format: UInt16) throws -> UInt32 {
            try vault.tokenize(Order(pan: visa, format: format, subject: "\(ttl ?? 0)-\(format)", ttl: ttl)).deadline
        }
        #expect(try deadline(nil, short) == now + 100)
        #expect(try deadline(1, short) == now + 1)
        #expect(try deadline(99, short) == now + 99)
        #expect(try deadline(100, short) == now + 100)
        #expect(try deadline(101, short) == now + 100)
        #expect(try deadline(.max, short) == now + 100)
        #expect(try deadline(nil, vault.id("cards")) == 0)
        #expect(try deadline(5, vault.id("cards")) == now + 5)
        // A deadline past what 32 bits of seconds hold ends with them, and is not 0.
        #expect(try deadline(.max - 1, vault.id("cards")) == .max)
    }

    @Test("an expired token is a miss for everyone from that very second, and the card gets a new one")
    func expiry() throws {
        let vault = try TestVault()
        let item = try vault.tokenize(Order(pan: visa, format: 1, subject: "s", ttl: 60))
        #expect(try vault.reveal(item.token, at: now + 59).pan == visa)
        #expect(try vault.find(visa, subject: "s", at: now + 59) == item.token)
        for time in [now + 60, now + 61, .max] {
            #expect(try vault.reveal(item.token, at: time).status == .missing)
            #expect(try vault.inspect(item.token, at: time) == nil)
            #expect(try vault.find(visa, subject: "s", at: time) == nil)
            #expect(try vault.forget([item.token], at: time) == [.missing])
        }
        let again = try vault.tokenize(visa, subject: "s", at: now + 60)
        #expect(again != 0)
        #expect(again != item.token)
        #expect(try vault.reveal(again, at: now + 1_000_000).pan == visa)
        #expect(try vault.reveal(item.token, at: now).status == .missing)
        let report = try vault.verify()
        #expect(report.isSound)
        #expect(report.records == 1)
        #expect(report.subjects == 1)
    }

    @Test("a purpose is denied by the record, by its format, and by a format no longer configured")
    func purposes() throws {
        let vault = try TestVault([.cards, TestFormat(name: "narrow", purposes: ["charge", "refund"])])
        let charge = vault.purpose("charge")
        let refund = vault.purpose("refund")
        let fraud = vault.purpose("fraud")
        let any = try vault.tokenize(visa)
        let charged = try vault.tokenize(Order(pan: other, format: 1, purposes: charge)).token
        let narrow = try vault.tokenize(Order(pan: visa, format: vault.id("narrow"))).token
        let mixed = try vault.tokenize(Order(pan: other, format: vault.id("narrow"), purposes: refund | fraud)).token
        for (token, allowed) in [
            (any, charge | refund | fraud), (charged, charge), (narrow, charge | refund), (mixed, refund),
        ] {
            for purpose in [charge, refund, fraud] {
                let reveal = try vault.reveal(token, purpose: purpose)
                #expect(reveal.status == (allowed & purpose != 0 ? .revealed : .purposeDenied))
                if reveal.status == .purposeDenied {
                    #expect(reveal.pan == 0)
                    #expect(reveal.expiry == 0)
                }
            }
            #expect(try vault.reveal(token, purpose: 0).status == .purposeDenied)
        }
        // Not seeing the format comes before having no purpose: a miss, as for a token that is not there.
        #expect(try vault.reveal(charged, purpose: fraud, formats: 1 << 5).status == .missing)
        try vault.reopen(formats: [.cards])
        #expect(try vault.reveal(narrow, purpose: charge).status == .purposeDenied)
        #expect(try vault.reveal(any, purpose: charge).status == .revealed)
    }

    @Test("a record without purposes is denied for all, and is not one for any")
    func emptyPurposes() throws {
        let vault = try TestVault()
        let item = try vault.tokenize(Order(pan: visa, format: 1, purposes: 0))
        #expect(item.outcome == .done)
        #expect(try vault.reveal(item.token, purpose: .max).status == .purposeDenied)
        #expect(try vault.inspect(item.token)?.purposes == 0)
    }

    @Test("sets of purposes are stored once, and found again after reopening")
    func purposeSets() throws {
        let vault = try TestVault(purposes: (0..<20).map { "p\($0)" })
        var random = SeededRandom(8)
        var expected: [UInt64: UInt64] = [:]
        let masks = (0..<40).map { _ in UInt64.random(in: 1..<1 << 20, using: &random) }
        for round in 0..<4 {
            for mask in masks {
                let item = try vault.tokenize(Order(pan: random.pan(), format: 1, purposes: mask))
                expected[item.token] = mask
            }
            if round % 2 == 0 { try vault.reopen() }
        }
        for (token, mask) in expected { #expect(try vault.inspect(token)?.purposes == mask) }
        let store = try #require(vault.store)
        var transaction = try store.environment.beginWrite()
        let distinct = UInt16(Set(masks).count)
        #expect(try transaction.meta(store.tables, MetaKey.purposeSet(distinct)) != nil)
        #expect(try transaction.meta(store.tables, MetaKey.purposeSet(distinct + 1)) == nil)
    }

    @Test("after a rotation old tokens reveal, cards keep them, and an update moves the record to the new key")
    func rotation() throws {
        let vault = try TestVault()
        let old = try vault.tokenize(visa, subject: "s")
        try vault.reopen(keyring: try vault.keyring.rotated(.data))
        #expect(try vault.reveal(old).pan == visa)
        #expect(try vault.tokenize(visa, subject: "s") == old)
        let new = try vault.tokenize(other)
        #expect(try vault.reveal([old, new]).map(\.pan) == [visa, other])
        #expect(try vault.verify().isSound)
        _ = try vault.tokenize(Order(pan: visa, format: 1, subject: "s", expiry: CardExpiry(packed: 9)))
        #expect(try vault.reveal(old).expiry == 9)
        #expect(try vault.verify().isSound)
        #expect(try vault.forget([old, new]) == [.done, .done])
        #expect(try vault.verify().isSound)
    }

    @Test("after an index rotation cards are found under either key")
    func indexRotation() throws {
        let vault = try TestVault()
        let old = try vault.tokenize(visa, subject: "s")
        try vault.reopen(keyring: try vault.keyring.rotated(.index))
        #expect(try vault.find(visa, subject: "s") == old)
        #expect(try vault.tokenize(visa, subject: "s") == old)
        let new = try vault.tokenize(other)
        #expect(try vault.find(other) == new)
        #expect(try vault.verify().isSound)
        #expect(try vault.forget([old]) == [.done])
        #expect(try vault.find(visa, subject: "s") == nil)
        let report = try vault.verify()
        #expect(report.isSound)
        #expect(report.indexEntries == 1)
    }
}
