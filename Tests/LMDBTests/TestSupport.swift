import Glibc
import Testing

@testable import LMDB

/// A directory of its own for one test, removed afterwards.
final class TemporaryDirectory: Sendable {
    let path: String

    init() {
        let made = unsafe strdup("/tmp/strongroom-lmdb-XXXXXX")
        guard let made = unsafe made, unsafe mkdtemp(made) != nil else { preconditionFailure("no temporary directory") }
        path = unsafe String(cString: made)
        unsafe free(made)
    }

    deinit {
        for name in ["data.mdb", "lock.mdb", "strongroom.lock", "copy.mdb", "copy/data.mdb", "copy/lock.mdb"] {
            _ = unsafe unlink(path + "/" + name)
        }
        _ = unsafe rmdir(path + "/copy")
        _ = unsafe rmdir(path)
    }
}

/// A store with one table of each kind.
struct Store {
    let directory: TemporaryDirectory
    let environment: Environment
    let numbers: IntegerTable
    let names: BytesTable

    init(
        mapBytes: Int = 64 << 20, maxReaders: Int = 16, directory: TemporaryDirectory = TemporaryDirectory(),
        create: Bool = true
    ) throws {
        self.directory = directory
        environment = try Environment(path: directory.path, mapBytes: mapBytes, maxReaders: maxReaders)
        var transaction = try environment.beginWrite()
        numbers = try transaction.integerTable("numbers", create: create)
        names = try transaction.bytesTable("names", create: create)
        try transaction.commit()
    }

    /// Stores `count` records of `bytes` each under the keys 0, `step`, 2 * `step`...
    func fill(_ count: Int, bytes: Int = 48, step: UInt64 = 1) throws {
        var transaction = try environment.beginWrite()
        for index in 0..<UInt64(count) {
            try transaction.put(numbers, index * step, payload(index * step, bytes).span)
        }
        try transaction.commit()
    }
}

/// Bytes that tell which key they belong to.
func payload(_ key: UInt64, _ count: Int = 48) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: (key >> UInt64($0 % 8 * 8)) &+ UInt64($0) &* 31) }
}

/// A copy of what a span shows, for comparing.
func copy(_ span: borrowing Span<UInt8>) -> [UInt8] {
    var bytes: [UInt8] = []
    for index in 0..<span.count { bytes.append(span[index]) }
    return bytes
}

func copy(optional span: borrowing Span<UInt8>?) -> [UInt8]? {
    switch span {
    case .some(let bytes): copy(bytes)
    case .none: nil
    }
}

func read(_ environment: Environment, _ table: IntegerTable, _ key: UInt64) throws(LMDBError) -> [UInt8]? {
    var reader = try Reader(environment)
    return try reader.withSnapshot { snapshot throws(LMDBError) in
        guard let value = try snapshot.get(table, key) else { return nil }
        return copy(value)
    }
}

func kind(_ body: () throws(LMDBError) -> Void) -> LMDBError.Kind? {
    failure(body)?.kind
}

func failure(_ body: () throws(LMDBError) -> Void) -> LMDBError? {
    do throws(LMDBError) {
        try body()
        return nil
    } catch {
        return error
    }
}
