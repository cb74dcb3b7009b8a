import LMDB
import Testing

@testable import VaultCore

@Suite("Counting encryptions")
struct EncryptionCountTests {
    private let reserve = Store.encryptionsReserve

    private func counted(_ vault: TestVault, _ version: UInt32) throws -> UInt64 {
        try vault.counter(MetaKey.encryptions(version))
    }

    @Test("every seal and every seal anew is counted on the active version, and a reserve at each start")
    func seals() throws {
        let (vault, held) = try TestVault.filled(100, seed: 21)
        let linked = UInt64(held.values.count { !$0.subject.isEmpty })
        let updated = UInt64(held.values.count { $0.expiry != 0 })
        let first = reserve + 100 + linked + updated
        #expect(try counted(vault, 1) == first)
        #expect(vault.encryptions == first)
        // Taken up without a start: nothing is reserved before anything is spent.
        try vault.adopt(try vault.keyring.rotated(.data))
        #expect(vault.encryptions == 0)
        let one = try vault.moveRecords(30)
        #expect(one.moved == 30)
        let spent = try counted(vault, 2)
        #expect((30...60).contains(spent))
        #expect(vault.encryptions == spent)
        try vault.reopen()
        #expect(try counted(vault, 2) == spent + reserve)
        _ = try vault.moveAll(.data, by: 9)
        #expect(try counted(vault, 2) == 100 + linked + reserve)
        // What needs no seal costs none: walks over moved records, index entries, searches, forgets.
        _ = try vault.moveAll(.data, by: 9)
        try vault.adopt(try vault.keyring.rotated(.index))
        _ = try vault.moveAll(.index, by: 9)
        _ = try vault.forget([try #require(held.keys.first)])
        #expect(try counted(vault, 2) == 100 + linked + reserve)
        #expect(vault.encryptions == 100 + linked + reserve)
        #expect(try counted(vault, 1) == first)
        for _ in 0..<3 { try vault.reopen() }
        #expect(try counted(vault, 2) == 100 + linked + 4 * reserve)
        #expect(try counted(vault, 1) == first)
        #expect(try vault.verify().isSound)
    }

    /// A group of cards that is rejected whole at its last item.
    private func reject(_ vault: TestVault, _ count: Int, _ random: inout SeededRandom) throws {
        var orders = (0..<count).map { _ in Order(pan: random.pan(), format: 1) }
        orders.append(Order(pan: 4_111_111_111_111_111, format: 60))
        #expect(throws: WriteFailure.self) { try vault.tokenize(orders) }
    }

    @Test("what a failed group spent is counted with the next that is done")
    func failedGroup() throws {
        let vault = try TestVault()
        var random = SeededRandom(22)
        try reject(vault, 300, &random)
        #expect(vault.uncounted == 300)
        #expect(try counted(vault, 1) == reserve)
        try reject(vault, 200, &random)
        #expect(vault.uncounted == 500)
        _ = try vault.tokenize(4_111_111_111_111_111)
        #expect(vault.uncounted == 0)
        #expect(try counted(vault, 1) == reserve + 501)
        #expect(vault.encryptions == reserve + 501)
        // A group that seals nothing counts it too.
        try reject(vault, 50, &random)
        _ = try vault.moveRecords(1)
        #expect(try counted(vault, 1) == reserve + 551)
        #expect(try vault.verify().isSound)
    }

    @Test("failed groups past a quarter of the reserve are counted before the next one begins")
    func quarter() throws {
        let vault = try TestVault()
        var random = SeededRandom(23)
        for round in 1...5 {
            try reject(vault, 1_000, &random)
            #expect(vault.uncounted == UInt64(round) * 1_000)
            #expect(try counted(vault, 1) == reserve)
        }
        // This one fails as well, and yet the five before it are counted.
        try reject(vault, 1_000, &random)
        #expect(vault.uncounted == 1_000)
        #expect(try counted(vault, 1) == reserve + 5_000)
        // So a crash at any time leaves less uncounted than the next start adds.
        #expect(vault.uncounted < reserve)
        try vault.reopen()
        #expect(try counted(vault, 1) == 2 * reserve + 5_000)
    }

    @Test(
        "a slice that finds no room has spent what it sealed, moved nothing, and goes on when there is room",
        arguments: ["", "s"])
    func fullMap(subject: String) throws {
        let vault = try TestVault(mapBytes: 1 << 20)
        var random = SeededRandom(24)
        var held: [UInt64: HeldCard] = [:]
        // In ever smaller groups, until there is no room for one card.
        for size in [50, 10, 1] {
            var isFull = false
            while !isFull {
                let pans = (0..<size).map { _ in random.pan() }
                do throws(WriteFailure) {
                    let items = try vault.tokenize(pans.map { Order(pan: $0, format: 1, subject: subject) })
                    for (pan, item) in zip(pans, items) {
                        held[item.token] = HeldCard(pan: pan, format: "cards", subject: subject)
                    }
                } catch {
                    #expect(error == .full)
                    isFull = true
                }
            }
        }
        let count = UInt64(held.count)
        try vault.adopt(try vault.keyring.rotated(.data))
        #expect(throws: WriteFailure.full) { try vault.moveRecords(100_000) }
        let spent = vault.uncounted
        print("a slice without room: \(spent) encryptions spent on \(count) records")
        #expect(spent > 0)
        #expect(try vault.usage(.data, 1) == (count, 0))
        #expect(try vault.verify().isSound)
        // Again and again, as a paused rotation does: never more than a start adds.
        for _ in 0..<100 {
            #expect(throws: WriteFailure.full) { try vault.moveRecords(100_000) }
            #expect(vault.uncounted < reserve / 2)
        }
        #expect(100 * spent > reserve / 2)
        let before = try counted(vault, 2) + vault.uncounted
        #expect(before > reserve / 4)
        try vault.store?.environment.resize(mapBytes: 4 << 20)
        #expect(try vault.moveAll(.data, by: 100) == (held.count, 0))
        #expect(try counted(vault, 2) == before + count * (subject.isEmpty ? 1 : 2))
        #expect(try vault.serves(held))
    }
}
