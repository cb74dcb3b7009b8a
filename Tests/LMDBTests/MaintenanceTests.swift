import Glibc
import Synchronization
import Testing

@testable import LMDB

@Suite("Maintenance")
struct MaintenanceTests {
    @Test("the library is one this code was written for")
    func version() {
        #expect(Environment.version.hasPrefix("0.9."))
    }

    @Test("a compacted copy holds every record and no free page")
    func copyCompacted() throws {
        let store = try Store()
        try store.fill(20_000)
        var transaction = try store.environment.beginWrite()
        for key in 0..<19_000 as Range<UInt64> { _ = try transaction.delete(store.numbers, key) }
        try transaction.commit()
        let target = store.directory.path + "/copy"
        _ = unsafe mkdir(target, 0o700)
        let descriptor = unsafe open(target + "/data.mdb", O_WRONLY | O_CREAT, 0o600)
        try store.environment.copyCompacted(toFileDescriptor: descriptor)
        close(descriptor)
        let copied = try Environment(path: target, mapBytes: 64 << 20)
        var opening = try copied.beginWrite()
        let numbers = try opening.integerTable("numbers", create: false)
        let entries = try opening.statistics(numbers).entries
        try opening.commit()
        #expect(entries == 1000)
        for key in [19_000, 19_999] as [UInt64] { #expect(try read(copied, numbers, key) == payload(key)) }
        let (small, large) = (try copied.info, try store.environment.info)
        #expect(small.mapBytesUsed * 10 < large.mapBytesUsed)
    }

    @Test("the limit cannot change under an open transaction, and never goes below the data")
    func resizeWaits() throws {
        let store = try Store(mapBytes: 8 << 20)
        try store.fill(10_000)
        var reader = try Reader(store.environment)
        do {
            let snapshot = try reader.snapshot()
            #expect(
                kind { () throws(LMDBError) in
                    try store.environment.resize(mapBytes: 16 << 20, waiting: .milliseconds(20))
                } == .busy)
            let value = copy(optional: try snapshot.get(store.numbers, 9_999))
            #expect(value == payload(9_999))
        }
        try store.environment.resize(mapBytes: 16 << 20)
        #expect(try store.environment.info.mapBytesLimit == 16 << 20)
        try store.environment.resize(mapBytes: 1)
        let info = try store.environment.info
        #expect(info.mapBytesLimit >= info.mapBytesUsed)
        #expect(try read(store.environment, store.numbers, 9_999) == payload(9_999))
    }

    @Test("readers on other threads never see a map move under them")
    func resizeUnderLoad() async throws {
        let store = try Store(mapBytes: 8 << 20)
        try store.fill(10_000)
        let stop = StopFlag()
        let environment = store.environment
        let numbers = store.numbers
        let wrong = try await withThrowingTaskGroup(of: Int.self) { group in
            for seed in 0..<3 as Range<UInt64> {
                group.addTask {
                    // In rounds, so that machines with few cores run the resizing task too.
                    var wrong = 0
                    while !stop.isSet {
                        wrong += try lookUp(environment, numbers, seed)
                        await Task.yield()
                    }
                    return wrong
                }
            }
            group.addTask {
                defer { stop.set() }
                return resizeManyTimes(environment)
            }
            return try await group.reduce(0, +)
        }
        #expect(wrong == 0)
    }
}

private final class StopFlag: Sendable {
    private let flag = Atomic<Bool>(false)
    var isSet: Bool { flag.load(ordering: .relaxed) }
    func set() { flag.store(true, ordering: .relaxed) }
}

private func lookUp(_ environment: Environment, _ table: IntegerTable, _ seed: UInt64) throws -> Int {
    var reader = try Reader(environment)
    var key = seed
    var wrong = 0
    for _ in 0..<200 {
        let snapshot = try reader.snapshot()
        for _ in 0..<100 {
            key = (key &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407) % 10_000
            guard let value = try snapshot.get(table, key) else {
                wrong += 1
                continue
            }
            if value[0] != UInt8(truncatingIfNeeded: key) { wrong += 1 }
        }
    }
    return wrong
}

/// The number of rounds that did not change the limit, which must be none.
private func resizeManyTimes(_ environment: Environment) -> Int {
    var busy = 0
    for round in 1...200 {
        do throws(LMDBError) {
            try environment.resize(mapBytes: (8 + round % 7) << 20)
        } catch {
            busy += 1
        }
    }
    return busy
}
