import LMDB
import Testing

@testable import VaultCore

@Suite("Verify")
struct VerifyTests {
    private let vault: TestVault
    private let tokens: [UInt64]

    init() throws {
        vault = try TestVault()
        var random = SeededRandom(3)
        var orders: [Order] = []
        for index in 0..<100 {
            var order = Order(pan: random.pan(), format: UInt16(1 + index % 2))
            if index % 4 == 0 { order.subject = "s\(index)" }
            if index % 5 == 0 { order.purposes = 1 }
            if index % 2 == 1 { order.request = (UInt64(index), 1) }
            orders.append(order)
        }
        tokens = try vault.tokenize(orders).map(\.token)
    }

    private func change(_ body: (inout WriteTransaction, Tables) throws -> Void) throws {
        let store = try #require(vault.store)
        var transaction = try store.environment.beginWrite()
        try body(&transaction, store.tables)
        try transaction.commit()
    }

    private func kinds() throws -> [VerifyFinding.Kind] { try vault.verify().findings.map(\.kind) }

    /// The index key of a token.
    private func indexKey(of token: UInt64) throws -> [UInt8] {
        var found: [UInt8] = []
        try change { transaction, tables in
            var cursor = try transaction.cursor(tables.index)
            var isInside = try cursor.first()
            while isInside {
                if UInt64(bigEndian: cursor.key, at: 24) == token { found = cursor.key.copied }
                isInside = try cursor.next()
            }
        }
        return found
    }

    private func alter(record token: UInt64, _ body: (inout [UInt8]) -> Void) throws {
        try change { transaction, tables in
            var record = try #require(try copied(transaction, tables, token))
            body(&record)
            try transaction.put(tables.tokens, token, record.span)
        }
    }

    @Test("a sound vault is sound, and everything in it was seen")
    func sound() throws {
        let report = try vault.verify()
        #expect(report.isSound)
        #expect([report.records, report.indexEntries, report.subjects, report.requests] == [100, 100, 25, 50])
        let empty = try TestVault().verify()
        #expect(empty.isSound)
        #expect(empty.records == 0)
    }

    @Test("a hidden record is found by its index entry")
    func hiddenRecord() throws {
        try change { transaction, tables in _ = try transaction.delete(tables.tokens, tokens[8]) }
        let report = try vault.verify()
        #expect(report.findings.contains { $0.kind == .recordMissing && $0.token == tokens[8] && $0.table == .index })
        #expect(report.findings.contains { $0.kind == .subjectUnclaimed && $0.token == tokens[8] })
        // Of its data key, of its format, and of linked tokens.
        #expect(report.findings.count { $0.kind == .counter } == 3)
        #expect(report.findingCount == 5)
    }

    @Test("a hidden index entry is found by its record")
    func hiddenIndexEntry() throws {
        let key = try indexKey(of: tokens[1])
        try change { transaction, tables in _ = try transaction.delete(tables.index, key.span) }
        let findings = try vault.verify().findings
        #expect(findings.map(\.kind) == [.indexMissing, .counter])
        #expect(findings[0].token == tokens[1])
        #expect(findings[1].subject == "index key 1")
        #expect([findings[1].stored, findings[1].counted] == [100, 99])
    }

    @Test("a damaged record, in any of its parts, is one finding of its own kind")
    func damagedRecord() throws {
        try alter(record: tokens[1]) { $0[40] ^= 1 }
        try alter(record: tokens[2]) { $0[0] = 9 }
        try alter(record: tokens[3]) { $0.append(0) }
        try alter(record: tokens[5]) { $0[7] = 77 }
        let findings = try vault.verify().findings
        func kind(_ index: Int) -> VerifyFinding.Kind? { findings.first { $0.token == tokens[index] }?.kind }
        #expect(kind(1) == .recordDamaged)
        #expect(kind(2) == .layoutInvalid)
        #expect(kind(3) == .layoutInvalid)
        #expect(kind(5) == .keyVersionUnknown)
    }

    @Test("a record of an unknown format or purpose set is found although it opens")
    func unknownNumbers() throws {
        var cipher = try RecordCipher(vault.keyring)
        let pan = try #require(PAN(digits: 4_111_111_111_111_111))
        for (token, header) in [
            (tokens[1], RecordHeader(format: 9, keyVersion: 1, created: 1, deadline: 0, purposeSet: 0)),
            (tokens[3], RecordHeader(format: 2, keyVersion: 1, created: 1, deadline: 0, purposeSet: 7)),
            (tokens[5], RecordHeader(format: 900, keyVersion: 1, created: 1, deadline: 0, purposeSet: 0)),
        ] {
            var record = [UInt8](repeating: 0, count: 64)
            var span = record.mutableSpan
            try cipher.seal(Card(pan: pan, expiry: nil), header: header, token: token, into: &span)
            try change { transaction, tables in try transaction.put(tables.tokens, token, record.span) }
        }
        let found = Set(try kinds())
        #expect(found.isSuperset(of: [.formatUnknown, .purposeSetUnknown, .indexMissing, .indexMismatch, .counter]))
    }

    @Test("an index entry of another card, a wrong key version and a key of another size are told apart")
    func indexEntries() throws {
        let key = try indexKey(of: tokens[1])
        var mismatched = key
        mismatched[20] ^= 1
        let value: [UInt8] = [0, 0, 0, 1]
        let later: [UInt8] = [0, 0, 0, 2]
        let short = Array(key[0..<31])
        try change { transaction, tables in
            try transaction.put(tables.index, mismatched.span, value.span)
            try transaction.put(tables.index, key.span, later.span)
            try transaction.put(tables.index, short.span, value.span)
            let other = [UInt8](repeating: 1, count: 3)
            let third = [UInt8](repeating: 0xFE, count: 32)
            try transaction.put(tables.index, third.span, other.span)
        }
        let found = Set(try kinds())
        #expect(found.isSuperset(of: [.indexMismatch, .indexVersion, .keyInvalid, .layoutInvalid, .counter]))
    }

    @Test("missing, damaged and left-over subjects are found")
    func subjects() throws {
        let text: [UInt8] = Array(repeating: 1, count: 40)
        try change { transaction, tables in
            _ = try transaction.delete(tables.subjects, tokens[0])
            try transaction.put(tables.subjects, tokens[4], text.span)
            try transaction.put(tables.subjects, tokens[1], text.span)
            try transaction.put(tables.subjects, 999_999_999_999, text.span)
        }
        let findings = try vault.verify().findings.filter { $0.table == .subjects }
        func kind(_ token: UInt64) -> VerifyFinding.Kind? { findings.first { $0.token == token }?.kind }
        #expect(kind(tokens[0]) == .subjectMissing)
        #expect(kind(tokens[4]) == .subjectDamaged)
        #expect(kind(tokens[1]) == .subjectUnclaimed)
        #expect(kind(999_999_999_999) == .subjectUnclaimed)
    }

    @Test("a card that is also a token is found")
    func cardIsToken() throws {
        var cipher = try RecordCipher(vault.keyring)
        var record = [UInt8](repeating: 0, count: 64)
        var span = record.mutableSpan
        let header = RecordHeader(format: 1, keyVersion: 1, created: 1, deadline: 0, purposeSet: 0)
        let pan = try #require(PAN(digits: tokens[1]))
        try cipher.seal(Card(pan: pan, expiry: nil), header: header, token: tokens[2], into: &span)
        try change { transaction, tables in try transaction.put(tables.tokens, tokens[2], record.span) }
        #expect(try vault.verify().findings.contains { $0.kind == .cardIsToken && $0.token == tokens[2] })
    }

    @Test("every counter that is off by one is a finding with both numbers", arguments: 0..<4)
    func miscounts(which: Int) throws {
        let key = [MetaKey.dataRecords(1), MetaKey.indexEntries(1), MetaKey.formatTokens(2), MetaKey.dataRecords(5)][
            which]
        try change { transaction, tables in try transaction.adjust(tables, key, by: 1) }
        let findings = try vault.verify().findings
        #expect(findings.map(\.kind) == [.counter])
        #expect(findings[0].subject == ["data key 1", "index key 1", "format 2", "data key 5"][which])
        #expect(findings[0].stored == findings[0].counted + 1)
        #expect(findings[0].table == .meta)
    }

    @Test("registries, purpose sets and unknown keys of the meta table are checked")
    func meta() throws {
        let garbage: [UInt8] = [1]
        for key in [
            Array("nonsense".utf8), MetaKey.purposeSet(1), MetaKey.formatPrefix + Array("cards".utf8),
            MetaKey.dataRecords(1),
        ] {
            try change { transaction, tables in try transaction.put(tables.meta, key.span, garbage.span) }
        }
        #expect(try vault.verify().findings.count { $0.kind == .layoutInvalid && $0.table == .meta } == 4)
    }

    @Test("remembered requests of another form are found")
    func requests() throws {
        let value = [UInt8](repeating: 0, count: 11)
        try change { transaction, tables in
            try transaction.put(tables.requests, [UInt8](repeating: 1, count: 16).span, value.span)
            try transaction.put(tables.requests, [UInt8](repeating: 1, count: 15).span, value.span)
        }
        #expect(try kinds() == [.keyInvalid, .layoutInvalid])
    }

    @Test("findings are bounded and counted, and a whole damaged table is walked to its end")
    func bounded() throws {
        let vault = try TestVault()
        var random = SeededRandom(4)
        let tokens = try vault.tokenize((0..<3_000).map { _ in Order(pan: random.pan(), format: 1) }).map(\.token)
        let store = try #require(vault.store)
        var transaction = try store.environment.beginWrite()
        for token in tokens {
            var record = try #require(try copied(transaction, store.tables, token))
            record[50] ^= 1
            try transaction.put(store.tables.tokens, token, record.span)
        }
        try transaction.commit()
        let report = try vault.verify()
        #expect(report.isComplete)
        #expect(report.records == 3_000)
        #expect(report.findings.count == VerifyReport.findingsMax)
        #expect(report.findingCount == 3_000)
    }

    @Test("progress is reported to the end, and a check that is told to stop stops")
    func progress() throws {
        let vault = try TestVault()
        var random = SeededRandom(6)
        _ = try vault.tokenize((0..<5_000).map { _ in Order(pan: random.pan(), format: 1) })
        let store = try #require(vault.store)
        var verifier = try Verifier(store: store, keyring: vault.keyring)
        var steps: [VerifyProgress] = []
        let report = verifier.run { progress in
            steps.append(progress)
            return true
        }
        #expect(report.isSound)
        #expect(steps.count >= 6)
        #expect(zip(steps, steps.dropFirst()).allSatisfy { $0.done <= $1.done && $0.total == $1.total })
        #expect(steps.last?.done == 10_000)
        #expect(steps.last?.total == 10_000)
        var calls = 0
        let cut = verifier.run { _ in
            calls += 1
            return calls < 2
        }
        #expect(!cut.isComplete)
        #expect(!cut.isSound)
        #expect(cut.findingCount == 0)
        #expect(cut.records == 4_000)
        #expect(verifier.run { _ in true }.isSound)
    }

    @Test("writes between slices make no findings, and no snapshot stays open between them")
    func whileServing() throws {
        let vault = try TestVault()
        var random = SeededRandom(7)
        var tokens = try vault.tokenize(
            (0..<5_000).map { Order(pan: random.pan(), format: 1, subject: $0 % 3 == 0 ? "s" : "") }
        )
        .map(\.token)
        let store = try #require(vault.store)
        var verifier = try Verifier(store: store, keyring: vault.keyring)
        var failure: (any Error)?
        let report = verifier.run { _ in
            do {
                #expect(try store.environment.info.snapshotsOpen == 0)
                tokens.shuffle(using: &random)
                _ = try vault.forget(Array(tokens.suffix(300)))
                tokens.removeLast(300)
                tokens += try vault.tokenize(
                    (0..<300).map { Order(pan: random.pan(), format: 1, subject: $0 % 3 == 0 ? "t" : "") }
                )
                .map(\.token)
            } catch {
                failure = error
            }
            return true
        }
        #expect(failure == nil)
        #expect(report.isSound, "\(report.findings.first?.description ?? "")")
    }

    @Test("a finding prints no more of a token than its last four digits")
    func masked() throws {
        try alter(record: tokens[1]) { $0[40] ^= 1 }
        let finding = try #require(try vault.verify().findings.first)
        let digits = String(tokens[1])
        for text in ["\(finding)", finding.debugDescription, String(reflecting: finding)] {
            #expect(!text.contains(digits.prefix(6)))
            #expect(text.contains("token ending in " + digits.suffix(4)))
        }
        var dumped = ""
        dump(finding, to: &dumped)
        #expect(!dumped.contains(digits.prefix(6)))
    }
}
