internal import Glibc
internal import LMDB

// How a database comes to be: whole or not at all, so that a visible one can always be opened.
extension Store {
    /// Smallest map worth opening, in bytes.
    package static let mapBytesMin = 1 << 20

    /// Makes an empty database for the vault of `keyring` in the directory `path`, which is missing or holds no record.
    ///
    /// It is made under another name, flushed, and renamed: LMDB writes its first pages without a flush before them, and a
    /// power cut then could leave a file that never opens. What an earlier attempt left is removed.
    package static func create(path: String, keyring: Keyring) throws(StoreError) {
        let temporary = path + ".new"
        try removeFiles(temporary)
        guard unsafe mkdir(temporary, 0o700) == 0 else { throw failure("mkdir", temporary) }
        _ = try Store(path: temporary, mapBytes: mapBytesMin, readers: 2, keyring: keyring)
        try removeFiles(path)
        guard unsafe rename(temporary, path) == 0 else { throw failure("rename", path) }
        do throws(FileError) {
            try AtomicFile.syncDirectory(of: path)
        } catch {
            throw .file(error)
        }
    }

    /// Whether there is a database file with anything in it. One that cannot be looked at is there: opening it will say
    /// what stands in the way.
    static func isThere(path: String) -> Bool {
        var status = stat()
        guard unsafe stat(path + "/data.mdb", &status) == 0 else { return errno != ENOENT }
        return status.st_size > 0
    }

    /// Whether the database in `path` holds no record; one that is not there holds none.
    package static func isEmpty(path: String) throws(StoreError) -> Bool {
        var status = stat()
        guard unsafe stat(path + "/data.mdb", &status) == 0 else { return true }
        let size = max(mapBytesMin, Int(status.st_size))
        return try lmdb { () throws(LMDBError) in
            let environment = try Environment(path: path, mapBytes: size, maxReaders: 2, maxTables: Tables.count)
            var transaction = try environment.beginWrite()
            let tables = try Tables(&transaction, create: false)
            return try transaction.statistics(tables.tokens).entries == 0
        }
    }

    private static func removeFiles(_ directory: String) throws(StoreError) {
        for file in ["data.mdb", "lock.mdb"] {
            guard unsafe unlink(directory + "/" + file) == 0 || errno == ENOENT else {
                throw failure("unlink", directory + "/" + file)
            }
        }
        guard unsafe rmdir(directory) == 0 || errno == ENOENT else { throw failure("rmdir", directory) }
    }

    private static func failure(_ operation: StaticString, _ path: String) -> StoreError {
        .file(FileError(operation: operation, path: path, code: errno))
    }
}
