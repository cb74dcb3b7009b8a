import Glibc
import Testing

@testable import LMDB

@Suite("Full and failing storage")
struct FullTests {
    /// Inserts blocks of 1 KiB in transactions of 64 until one fails; the number committed and the failure.
    private func fillUp(
        _ store: Store, from first: UInt64 = 0, limit: Int = 100_000
    ) -> (committed: Int, error: LMDBError?) {
        var committed = 0
        let block = payload(1, 1000)
        do throws(LMDBError) {
            while committed < limit {
                var transaction = try store.environment.beginWrite()
                for offset in 0..<64 {
                    try transaction.put(store.numbers, first + UInt64(committed + offset), block.span)
                }
                try transaction.commit()
                committed += 64
            }
        } catch {
            return (committed, error)
        }
        return (committed, nil)
    }

    /// What must hold after a clean "full".
    private func checkUsable(_ store: Store, _ committed: Int) throws {
        #expect(!store.environment.isWriteStopped && !store.environment.isPanicked)
        #expect(committed > 0)
        #expect(try read(store.environment, store.numbers, 0) == payload(1, 1000))
        #expect(try read(store.environment, store.numbers, UInt64(committed - 1)) == payload(1, 1000))
        #expect(try read(store.environment, store.numbers, UInt64(committed)) == nil)
    }

    @Test("a full map is typed, loses only its transaction, and a larger limit lets writing go on")
    func mapFull() throws {
        let store = try Store(mapBytes: 1 << 20)
        let (committed, error) = fillUp(store)
        #expect(error?.kind == .mapFull && error?.isOutcomeUnknown == false)
        try checkUsable(store, committed)
        var transaction = try store.environment.beginWrite()
        var kinds: [LMDBError.Kind] = []
        for key in 0..<3000 as Range<UInt64> where kinds.count < 2 {
            do throws(LMDBError) {
                try transaction.put(store.numbers, (1 << 32) + key, payload(key, 1000).span)
            } catch {
                kinds.append(error.kind)
            }
        }
        #expect(kinds == [.mapFull, .badTransaction])
        var commitFailure: LMDBError.Kind?
        do throws(LMDBError) { try transaction.commit() } catch { commitFailure = error.kind }
        #expect(commitFailure == .badTransaction)
        #expect(!store.environment.isWriteStopped)
        try store.environment.resize(mapBytes: 4 << 20)
        let (more, _) = fillUp(store, from: UInt64(committed))
        #expect(more > committed)
        try checkUsable(store, committed + more)
    }

    @Test("a full disk is typed, loses only its transaction, and writing goes on after space was made")
    func diskFull() throws {
        let directory = TemporaryDirectory()
        guard unsafe mount("tmpfs", directory.path, "tmpfs", 0, "size=1m") == 0 else {
            print("!!! full disk test skipped: mounting a small tmpfs is not permitted here (errno \(errno))")
            return
        }
        defer { _ = unsafe umount2(directory.path, Int32(MNT_DETACH)) }
        let store = try Store(directory: directory)
        let (committed, error) = fillUp(store)
        #expect(error?.kind == .diskFull && error?.operation == .commit && error?.isOutcomeUnknown == false)
        try checkUsable(store, committed)
        let again = fillUp(store, from: UInt64(committed))
        #expect(again.error?.kind == .diskFull)
        _ = unsafe mount("tmpfs", directory.path, "tmpfs", UInt(MS_REMOUNT), "size=4m")
        let more = fillUp(store, from: UInt64(committed + again.committed))
        #expect(more.committed > committed)
        try checkUsable(store, committed + again.committed + more.committed)
    }

    @Test("a copy onto a full device is typed and harms nothing")
    func copyFull() throws {
        let store = try Store()
        try store.fill(1000)
        let full = unsafe open("/dev/full", O_WRONLY)
        defer { close(full) }
        #expect(
            kind { () throws(LMDBError) in
                try store.environment.copyCompacted(toFileDescriptor: full)
            } == .diskFull)
        try store.fill(1001)
    }

    @Test("after a commit that failed for another reason no write is accepted, reads go on, and reopening heals")
    func writeStopped() async {
        await #expect(processExitsWith: .success) {
            try failACommit()
        }
    }

    @Test("files that are not LMDB's, or of another format version, are refused by name")
    func foreignFiles() throws {
        let directory = TemporaryDirectory()
        do { try Store(directory: directory).fill(10) }
        for (offset, bytes, expected) in [
            (20, [9, 0, 0, 0], .versionMismatch), (16, [1, 2, 3, 4], .corrupted),
        ] as [(Int, [UInt8], LMDBError.Kind)] {
            let descriptor = unsafe open(directory.path + "/data.mdb", O_RDWR)
            for page in 0..<2 { _ = unsafe pwrite(descriptor, bytes, 4, page * 4096 + offset) }
            close(descriptor)
            #expect(
                kind { () throws(LMDBError) in
                    _ = try Environment(path: directory.path, mapBytes: 1 << 20)
                } == expected)
        }
        #expect(
            kind { () throws(LMDBError) in
                _ = try Environment(path: directory.path + "/absent", mapBytes: 1 << 20)
            } == .other)
    }
}

/// A file size limit makes the kernel refuse the commit's page writes; it must not be mistaken for a clean "full".
private func failACommit() throws {
    signal(SIGXFSZ, SIG_IGN)
    let directory = TemporaryDirectory()
    try writeOverLimit(try Store(directory: directory))
    let reopened = try Store(directory: directory)
    try reopened.fill(200)
    require(try read(reopened.environment, reopened.numbers, 199) == payload(199), "the reopened store does not work")
}

private func writeOverLimit(_ store: Store) throws {
    try store.fill(100)
    limitFileSize(64 << 10)
    let refusal = failure { () throws(LMDBError) in
        var transaction = try store.environment.beginWrite()
        for key in 0..<5000 as Range<UInt64> { try transaction.put(store.numbers, key, payload(key, 100).span) }
        try transaction.commit()
    }
    limitFileSize(.max)
    require(refusal?.operation == .commit && refusal?.isOutcomeUnknown == true, "the commit did not fail as unknown")
    require(store.environment.isWriteStopped, "writes are not stopped")
    let next = failure { () throws(LMDBError) in try store.environment.beginWrite().commit() }
    require(next?.kind == .writeStopped, "the next write was not refused")
    require(try read(store.environment, store.numbers, 50) == payload(50), "reads do not go on")
}

private func limitFileSize(_ bytes: UInt) {
    var limit = rlimit(rlim_cur: bytes, rlim_max: .max)
    require(unsafe setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0, "no file size limit")
}

/// For code in another process, where an expectation cannot report.
private func require(_ condition: Bool, _ message: StaticString) {
    if !condition { preconditionFailure("\(message)") }
}
