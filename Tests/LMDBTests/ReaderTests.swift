import Glibc
import Testing

@testable import LMDB

@Suite("Readers")
struct ReaderTests {
    @Test("100,000 snapshots of one reader use one slot and pin nothing")
    func reuse() throws {
        let store = try Store(mapBytes: 8 << 20)
        try store.fill(1000)
        var reader = try Reader(store.environment)
        let before = try store.environment.info
        #expect(before.readerSlotsUsed == 1 && before.snapshotsOpen == 0)
        var wrong = 0
        for round in 0..<100_000 as Range<UInt64> {
            if round % 1000 == 0 {
                var transaction = try store.environment.beginWrite()
                try transaction.put(store.numbers, round % 977, payload(round % 977).span)
                try transaction.commit()
            }
            let key = round % 1000
            let right = try reader.withSnapshot { snapshot throws(LMDBError) in
                guard let value = try snapshot.get(store.numbers, key) else { return false }
                return value.count == 48 && value[0] == UInt8(truncatingIfNeeded: key)
            }
            if !right { wrong += 1 }
        }
        #expect(wrong == 0)
        let after = try store.environment.info
        #expect(after.readerSlotsUsed == 1 && after.snapshotsOpen == 0)
        #expect(after.lastTransaction == before.lastTransaction + 100)
        #expect(after.mapBytesUsed - before.mapBytesUsed < 64 * after.pageBytes)
    }

    @Test("an open snapshot shows in the figures, with its age in commits")
    func age() throws {
        let store = try Store()
        var reader = try Reader(store.environment)
        do {
            let snapshot = try reader.snapshot()
            for _ in 0..<5 { try store.fill(1) }
            let info = try store.environment.info
            #expect(info.snapshotsOpen == 1 && info.oldestSnapshotAge == 5)
            _ = snapshot.transactionNumber
        }
        let info = try store.environment.info
        #expect(info.snapshotsOpen == 0 && info.oldestSnapshotAge == 0)
        #expect(info.mapBytesLimit == 64 << 20 && info.readerSlotsLimit == 16)
    }

    @Test("one reader too many is refused by name, and a dropped one makes room")
    func slots() throws {
        let store = try Store(maxReaders: 2)
        let first = try Reader(store.environment)
        do {
            let second = try Reader(store.environment)
            #expect(kind { () throws(LMDBError) in _ = try Reader(store.environment) } == .readersFull)
            _ = consume second
        }
        let third = try Reader(store.environment)
        _ = consume third
        _ = consume first
    }

    @Test("a damaged page costs the records on it and no others")
    func damagedPage() throws {
        let directory = TemporaryDirectory()
        do {
            let store = try Store(directory: directory)
            try store.fill(20_000)
        }
        let pages = try damagePages(of: directory.path + "/data.mdb", holding: payload(10_000))
        #expect(pages == 1)
        let store = try Store(directory: directory)
        var reader = try Reader(store.environment)
        var right = 0
        var failed = 0
        var next: UInt64 = 0
        while next < 20_000 {
            // A batch as the daemon does it: go on after the record that failed, on a new snapshot.
            do throws(LMDBError) {
                try reader.withSnapshot { snapshot throws(LMDBError) in
                    while next < 20_000 {
                        next += 1
                        guard let value = try snapshot.get(store.numbers, next - 1) else { continue }
                        if copy(value) == payload(next - 1) { right += 1 }
                    }
                }
            } catch {
                #expect(error.kind == .corrupted && error.operation == .get)
                failed += 1
            }
        }
        #expect(failed > 0 && failed < 80)
        #expect(right + failed == 20_000)

        // The same within one snapshot.
        var snapshot = try reader.snapshot()
        var kinds: [LMDBError.Kind] = []
        for key in [10_000, 1, 1] as [UInt64] {
            do throws(LMDBError) { _ = try snapshot.get(store.numbers, key) == nil } catch { kinds.append(error.kind) }
            if kinds.count == 2 { try snapshot.refresh() }
        }
        #expect(kinds == [.corrupted, .badTransaction])
        let found = copy(optional: try snapshot.get(store.numbers, 1))
        #expect(found == payload(1))
    }

    @Test("a cursor that meets a damaged page leaves the reader usable")
    func damagedScan() throws {
        let directory = TemporaryDirectory()
        do {
            let store = try Store(directory: directory)
            try store.fill(5000)
        }
        _ = try damagePages(of: directory.path + "/data.mdb", holding: payload(2500))
        let store = try Store(directory: directory)
        var reader = try Reader(store.environment)
        var walked = 0
        let failure = kind { () throws(LMDBError) in
            let snapshot = try reader.snapshot()
            var cursor = try snapshot.cursor(store.numbers)
            while try cursor.next() { walked += 1 }
        }
        #expect(failure == .corrupted && walked > 2000 && walked < 2501)
        let snapshot = try reader.snapshot()
        var cursor = try snapshot.cursor(store.numbers)
        let found = try cursor.seek(atOrAfter: 4000)
        #expect(found && cursor.key == 4000)
    }

    @Test(
        "no single damaged page ends the process that reads it, and none but garbage one that writes to it",
        arguments: Damage.allCases)
    func damageSweep(damage: Damage) async {
        await #expect(processExitsWith: .success) { [damage = damage as Damage] in
            try sweepDamage(damage)
        }
    }

    @Test("a reader killed in its snapshot is stale until cleared; a killed writer leaves no trace")
    func killedProcess() async throws {
        let store = try Store()
        try store.fill(1)
        let result = await #expect(processExitsWith: .failure) { [path = store.directory.path as String] in
            try dieInTransactions(path)
        }
        guard case .signal(SIGKILL) = result?.exitStatus else {
            Issue.record("the other process did not get as far as its end")
            return
        }
        try afterKill(store)
    }

    private func afterKill(_ store: Store) throws {
        let info = try store.environment.info
        #expect(info.readerSlotsUsed == 1 && info.snapshotsOpen == 1)
        let cleared = try store.environment.clearStaleReaders()
        #expect(cleared == 1)
        let after = try store.environment.info
        #expect(after.snapshotsOpen == 0)
        #expect(try read(store.environment, store.numbers, 99) == nil)
        try store.fill(2)
    }
}

/// What is done to a page.
enum Damage: String, CaseIterable, Codable, Sendable {
    case zeroed, random, ones, copiedFromElsewhere, halfZeroed
}

/// Damages every page of a small store in turn; each time every record is looked up and walked, and some are
/// changed, in a process of its own.
private func sweepDamage(_ damage: Damage) throws {
    let directory = TemporaryDirectory()
    do { try Store(mapBytes: 8 << 20, directory: directory).fill(3000) }
    let path = directory.path + "/data.mdb"
    let sound = readFile(path)
    var random = SystemRandomNumberGenerator()
    // Pages 0 and 1 say which data is current; a damaged one is refused at opening, if it is the current one.
    let rounds = damage == .random ? 10 : 1
    for round in 2..<(2 + rounds * (sound.count / 4096 - 2)) {
        let page = 2 + (round - 2) % (sound.count / 4096 - 2)
        var bytes = sound
        for offset in 0..<4096 {
            let index = page * 4096 + offset
            switch damage {
            case .zeroed: bytes[index] = 0
            case .random: bytes[index] = UInt8.random(in: 0...255, using: &random)
            case .ones: bytes[index] = 255
            case .copiedFromElsewhere: bytes[index] = sound[(page == 2 ? 3 : page - 1) * 4096 + offset]
            case .halfZeroed: bytes[index] = offset < 2048 ? bytes[index] : 0
            }
        }
        writeFile(path, bytes)
        // The table of tables may be the page: then the store does not open, which is an answer too.
        guard let store = try? Store(mapBytes: 8 << 20, directory: directory, create: false) else { continue }
        try exercise(store, writes: damage != .random && damage != .ones)
    }
}

private func exercise(_ store: Store, writes: Bool) throws {
    var reader = try Reader(store.environment)
    for key in 0..<3000 as Range<UInt64> {
        _ = failure { () throws(LMDBError) in
            let snapshot = try reader.snapshot()
            _ = try snapshot.get(store.numbers, key) == nil
        }
    }
    _ = failure { () throws(LMDBError) in
        let snapshot = try reader.snapshot()
        var cursor = try snapshot.cursor(store.numbers)
        while try cursor.next() { _ = cursor.value.count }
    }
    guard writes else { return }
    for key in stride(from: 0, to: 3000, by: 50) as StrideTo<UInt64> {
        _ = failure { () throws(LMDBError) in
            var transaction = try store.environment.beginWrite()
            if key % 100 == 0 { _ = try transaction.delete(store.numbers, key) }
            try transaction.put(store.numbers, key, [1, 2, 3].span)
        }
    }
}

private func readFile(_ path: String) -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY)
    defer { close(descriptor) }
    var status = stat()
    _ = unsafe fstat(descriptor, &status)
    var bytes = [UInt8](repeating: 0, count: status.st_size)
    _ = unsafe pread(descriptor, &bytes, bytes.count, 0)
    return bytes
}

private func writeFile(_ path: String, _ bytes: [UInt8]) {
    let descriptor = unsafe open(path, O_WRONLY | O_TRUNC)
    defer { close(descriptor) }
    _ = unsafe pwrite(descriptor, bytes, bytes.count, 0)
}

private func dieInTransactions(_ path: String) throws {
    let environment = try Environment(path: path, mapBytes: 64 << 20)
    var reader = try Reader(environment)
    let snapshot = try reader.snapshot()
    var transaction = try environment.beginWrite()
    let numbers = try transaction.integerTable("numbers", create: false)
    try transaction.put(numbers, 99, [1].span)
    kill(getpid(), SIGKILL)
    _ = snapshot.transactionNumber
    try transaction.commit()
}

/// Zeroes every page of a file that holds `pattern`; returns how many.
private func damagePages(of path: String, holding pattern: [UInt8]) throws -> Int {
    let descriptor = unsafe open(path, O_RDWR)
    defer { close(descriptor) }
    var page = [UInt8](repeating: 0, count: 4096)
    let zeros = page
    var offset = 0
    var damaged = 0
    while unsafe pread(descriptor, &page, 4096, offset) == 4096 {
        let holds = (0...(4096 - pattern.count)).contains {
            page[$0] == pattern[0] && page[$0..<($0 + pattern.count)] == pattern[...]
        }
        if holds {
            damaged += 1
            _ = unsafe pwrite(descriptor, zeros, 4096, offset)
        }
        offset += 4096
    }
    return damaged
}
