import Glibc
import LMDB
import Testing

@testable import VaultCore

@Suite("A full store")
struct FullStoreTests {
    /// Tokenizes until the map is full; what was acknowledged before.
    private func fill(_ vault: TestVault, _ random: inout SeededRandom) throws -> [(token: UInt64, pan: UInt64)] {
        var held: [(token: UInt64, pan: UInt64)] = []
        for _ in 0..<10_000 {
            let pans = (0..<100).map { _ in random.pan() }
            do throws(WriteFailure) {
                for (pan, item) in zip(pans, try vault.tokenize(pans.map { Order(pan: $0, format: 1, subject: "s") })) {
                    held.append((item.token, pan))
                }
            } catch {
                #expect(error == .full)
                return held
            }
        }
        Issue.record("the store never filled")
        return held
    }

    @Test("a full map refuses the group whole, keeps what it has, reads on, and writes again once there is room")
    func mapFull() throws {
        let vault = try TestVault(mapBytes: 1 << 20)
        var random = SeededRandom(9)
        var held = try fill(vault, &random)
        #expect(held.count > 500)
        // Refused again and again, with nothing left behind.
        for _ in 0..<5 {
            let pans = (0..<1_000).map { _ in random.pan() }
            #expect(throws: WriteFailure.full) { try vault.tokenize(pans.map { Order(pan: $0, format: 1) }) }
            for pan in pans { #expect(try vault.find(pan) == nil) }
        }
        for (token, pan) in held { #expect(try vault.reveal(token).pan == pan) }
        #expect(try vault.verify().isSound)
        #expect(try vault.verify().records == UInt64(held.count))

        // Room: by a larger map...
        try vault.store?.environment.resize(mapBytes: 2 << 20)
        let more = random.pan()
        held.append((try vault.tokenize(more), more))
        // ...which fills again, and then by forgetting. Each commit frees what the one before it replaced.
        held += try fill(vault, &random)
        for _ in 0..<4 {
            let leaving = Array(held.suffix(60))
            #expect(try vault.forget(leaving.map(\.token)).allSatisfy { $0 == .done })
            held.removeLast(60)
        }
        let last = random.pan()
        held.append((try vault.tokenize(last), last))
        for (token, pan) in held { #expect(try vault.reveal(token).pan == pan) }
        let report = try vault.verify()
        #expect(report.isSound)
        #expect(report.records == UInt64(held.count))
        try vault.reopen()
        #expect(try vault.verify().isSound)
    }

    @Test("a sound batch in one group with one that does not fit is not done either")
    func allOrNothing() throws {
        let vault = try TestVault(mapBytes: 1 << 20)
        var random = SeededRandom(10)
        let held = try fill(vault, &random)
        let small = WriteBatch(access: Access(formats: .max))
        let pan = random.pan()
        small.append(Order(pan: pan, format: 1))
        let forget = WriteBatch(access: Access(formats: .max))
        forget.append(forget: held[0].token)
        let large = WriteBatch(access: Access(formats: .max))
        for _ in 0..<2_000 { large.append(Order(pan: random.pan(), format: 1)) }
        #expect(throws: WriteFailure.full) { try vault.apply([small, forget, large]) }
        #expect(try vault.find(pan) == nil)
        #expect(try vault.reveal(held[0].token).pan == held[0].pan)
        #expect(try vault.verify().isSound)
    }

    @Test("a group with an item that cannot be done at all is rejected whole")
    func rejected() throws {
        let vault = try TestVault()
        let batch = WriteBatch(access: Access(formats: .max))
        batch.append(Order(pan: 4_111_111_111_111_111, format: 1, purposes: 5))
        batch.append(Order(pan: 5_555_555_555_554_444, format: 9))
        #expect(throws: WriteFailure.rejected(.damaged("a request of the writer"))) { try vault.apply([batch]) }
        #expect(try vault.find(4_111_111_111_111_111) == nil)
        #expect(try vault.verify().isSound)
        // The purpose set that the rejected group made is made again, and not only remembered.
        let item = try vault.tokenize(Order(pan: 4_111_111_111_111_111, format: 1, purposes: 5))
        #expect(try vault.inspect(item.token)?.purposes == 5)
        #expect(try vault.verify().isSound)
        // The encryption that went for nothing is counted all the same.
        let store = try #require(vault.store)
        var transaction = try store.environment.beginWrite()
        #expect(try transaction.counter(store.tables, MetaKey.encryptions(1)) == Store.encryptionsReserve + 2)
    }

    @Test("when the commit itself fails nothing of the group is there, and the next group is done")
    func commitFails() async {
        await #expect(processExitsWith: .success) {
            let vault = try TestVault()
            var random = SeededRandom(11)
            let first = (0..<200).map { _ in random.pan() }
            let held = try vault.tokenize(first.map { Order(pan: $0, format: 1, subject: "s") }).map(\.token)
            // No write may extend the file: what a commit that needs room then meets.
            var size = stat()
            let found = unsafe stat(vault.directory.path + "/data.mdb", &size)
            #expect(found == 0)
            _ = signal(SIGXFSZ, SIG_IGN)
            var before = rlimit()
            _ = unsafe getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &before)
            var limit = rlimit(rlim_cur: rlim_t(size.st_size), rlim_max: before.rlim_max)
            let isLimited = unsafe setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0
            #expect(isLimited)
            let batch = WriteBatch(access: Access(formats: .max))
            let second = (0..<2_000).map { _ in random.pan() }
            for pan in second { batch.append(Order(pan: pan, format: 1)) }
            batch.append(forget: held[0])
            var failure: WriteFailure?
            do throws(WriteFailure) { try vault.apply([batch]) } catch { failure = error }
            _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &before)
            print("a commit without room: \(failure.map { "\($0)" } ?? "done")")
            #expect(failure != nil)
            for pan in second { #expect(try vault.find(pan) == nil) }
            for (pan, reveal) in zip(first, try vault.reveal(held)) { #expect(reveal.pan == pan) }
            if case .unknown = failure {
                #expect(throws: WriteFailure.self) { try vault.tokenize(second[0]) }
                try vault.reopen()
            }
            #expect(try vault.verify().isSound)
            let token = try vault.tokenize(second[0])
            #expect(try vault.reveal(token).pan == second[0])
            #expect(try vault.verify().isSound)
        }
    }
}
