internal import Glibc
internal import LMDB

// What an `init` that was cut short may leave: a database that never held a record.
extension Store {
    /// Smallest map worth opening, in bytes.
    package static let mapBytesMin = 1 << 20

    /// Bytes of LMDB's two first pages, which say where data is and hold none.
    private static let metaBytes = 8192

    /// Whether the database in `path` holds no record, as far as it can be read; a file too short to hold one is empty
    /// even where it is torn.
    package static func isEmpty(path: String) throws(StoreError) -> Bool {
        var status = stat()
        guard unsafe stat(path + "/data.mdb", &status) == 0 else { return true }
        if Int(status.st_size) <= metaBytes { return true }
        let size = max(mapBytesMin, Int(status.st_size))
        return try lmdb { () throws(LMDBError) in
            let environment = try Environment(path: path, mapBytes: size, maxReaders: 2, maxTables: Tables.count)
            var transaction = try environment.beginWrite()
            let tables = try Tables(&transaction, create: false)
            return try transaction.statistics(tables.tokens).entries == 0
        }
    }

    /// Removes a database that holds no record; leaves any other alone.
    package static func removeEmpty(path: String) throws(StoreError) {
        guard try isEmpty(path: path) else { return }
        for file in ["data.mdb", "lock.mdb"] {
            guard unsafe unlink(path + "/" + file) == 0 || errno == ENOENT else {
                throw .file(FileError(operation: "unlink", path: path + "/" + file, code: errno))
            }
        }
    }
}
