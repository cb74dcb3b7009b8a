import LMDB
import Testing

@testable import VaultCore

@Suite("Forget")
struct ForgetTests {
    private let now = TestVault.start
    private let visa: UInt64 = 4_111_111_111_111_111

    @Test("a forgotten token is gone from every table and the card gets a new one")
    func own() throws {
        let vault = try TestVault()
        let token = try vault.tokenize(visa, subject: "anna")
        #expect(try vault.forget([token]) == [.done])
        #expect(try vault.reveal(token).status == .missing)
        #expect(try vault.find(visa, subject: "anna") == nil)
        let report = try vault.verify()
        #expect(report.isSound)
        #expect([report.records, report.indexEntries, report.subjects] == [0, 0, 0])
        let again = try vault.tokenize(visa, subject: "anna")
        #expect(try vault.reveal(again).pan == visa)
    }

    @Test("forgetting twice, in one batch or two, is done once and then a miss")
    func twice() throws {
        let vault = try TestVault()
        let token = try vault.tokenize(visa)
        let other = try vault.tokenize(visa, "once")
        #expect(try vault.forget([token, token, other]) == [.done, .missing, .done])
        #expect(try vault.forget([token, other]) == [.missing, .missing])
    }

    @Test("tokens that are not there, do not parse, or are in a format the caller does not see are the same miss")
    func misses() throws {
        let vault = try TestVault()
        let token = try vault.tokenize(visa)
        let sees: UInt64 = 1 << UInt64(vault.id("once"))
        #expect(
            try vault.forget([token, token + 1, 0, visa, .max], formats: sees) == [
                .missing, .missing, .missing, .missing, .missing,
            ])
        #expect(try vault.forget([token], formats: 0) == [.missing])
        #expect(try vault.reveal(token).pan == visa)
        #expect(try vault.forget([token], formats: 1 << UInt64(vault.id("cards"))) == [.done])
    }

    @Test("under reuse never one of several tokens of a card goes and the others stay")
    func oneOfMany() throws {
        let vault = try TestVault()
        var tokens: [UInt64] = []
        for _ in 0..<5 { tokens.append(try vault.tokenize(visa, "once", subject: "s")) }
        #expect(try vault.forget([tokens[2]]) == [.done])
        for (index, token) in tokens.enumerated() {
            #expect(try vault.reveal(token).status == (index == 2 ? .missing : .revealed))
        }
        #expect(try vault.verify().isSound)
    }

    @Test("writes and forgets of one group see each other in order")
    func group() throws {
        let vault = try TestVault()
        let first = WriteBatch(access: Access(formats: .max))
        first.append(Order(pan: visa, format: 1))
        try vault.apply([first])
        let token = first.all[0].token
        let forget = WriteBatch(access: Access(formats: .max))
        forget.append(forget: token)
        let again = WriteBatch(access: Access(formats: .max))
        again.append(Order(pan: visa, format: 1))
        try vault.apply([forget, again])
        #expect(forget.all[0].outcome == .done)
        #expect(again.all[0].outcome == .done)
        #expect(again.all[0].token != token)
        #expect(try vault.reveal([token, again.all[0].token]).map(\.status) == [.missing, .revealed])
    }

    @Test("one damaged record is an answer of its own and does not stop its group")
    func damaged() throws {
        let vault = try TestVault()
        let tokens = try vault.tokenize((0..<3).map { Order(pan: visa, format: 1, subject: "s\($0)") }).map(\.token)
        let store = try #require(vault.store)
        var transaction = try store.environment.beginWrite()
        var record = try #require(try copied(transaction, store.tables, tokens[1]))
        record[40] ^= 1
        try transaction.put(store.tables.tokens, tokens[1], record.span)
        try transaction.commit()
        #expect(try vault.reveal(tokens).map(\.status) == [.revealed, .damaged, .revealed])
        #expect(throws: StoreError.damaged("a record")) { try vault.inspect(tokens[1]) }
        #expect(throws: StoreError.damaged("a record")) { try vault.find(visa, subject: "s1") }
        let again = try vault.tokenize((0..<3).map { Order(pan: visa, format: 1, subject: "s\($0)") })
        #expect(again.map(\.outcome) == [.done, .damaged, .done])
        #expect(try vault.forget(tokens) == [.done, .damaged, .done])
        let report = try vault.verify()
        #expect(report.findings.map(\.kind) == [.recordDamaged])
        #expect(report.findings[0].token == tokens[1])
    }
}
