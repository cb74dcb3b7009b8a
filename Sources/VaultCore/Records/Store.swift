package import LMDB

/// The open database of a vault: its environment and its tables. One per process (LMDB allows no more).
package final class Store: Sendable {
    /// Version of tables and layouts that this code reads and writes.
    package static let schema: UInt64 = 2
    /// What can be read: schema 1 has no marks of keyring and place, and gets them at the first write.
    private static let schemas: ClosedRange<UInt64> = 1...schema
    /// Added to a key version's count of encryptions at each start: more than a crash can leave uncounted, which is one
    /// group of writes.
    package static let encryptionsReserve: UInt64 = 1 << 14

    package let environment: Environment
    let tables: Tables

    /// Opens or makes the database in `path` for the vault of `keyring`.
    ///
    /// Refuses a database of another vault, another schema, or on a network file system. Writes only where the database
    /// is new, so an old one opens on a full disk. The directory must be locked by the caller.
    ///
    /// `mayBegin` allows a file without a single commit to become this vault's. Where a keyring vouches that there was a
    /// database, an empty one is a lost one: it is refused, and left as it is.
    package init(
        path: String, mapBytes: Int, readers: Int, keyring: Keyring, mayBegin: Bool = true
    ) throws(StoreError) {
        if !mayBegin, !Self.isThere(path: path) { throw .missing }
        let bytesBefore = try Self.fileBytes(path + "/data.mdb")
        let environment = try lmdb { () throws(LMDBError) in
            let environment = try Environment(
                path: path, mapBytes: mapBytes, maxReaders: readers, maxTables: Tables.count, mode: 0o600)
            _ = try environment.clearStaleReaders()
            return environment
        }
        // Only the very first transaction makes anything. A damaged page can make LMDB say that a table is not there, and a
        // vault must not be begun anew over its own cards.
        let info = try lmdb { () throws(LMDBError) in try environment.info }
        let isNew = info.lastTransaction == 0 && bytesBefore <= 2 * info.pageBytes
        guard mayBegin || !isNew else { throw .missing }
        var transaction = try environment.begin()
        do throws(LMDBError) {
            tables = try Tables(&transaction, create: isNew)
        } catch {
            if error.kind == .incompatibleTable { throw .damaged("its tables") }
            throw .lmdb(error)
        }
        self.environment = environment
        try Self.checkOwner(&transaction, tables, keyring: keyring, isNew: isNew)
        try transaction.end()
    }

    /// Readies the database for writing: counts the encryptions that a crash may have left uncounted, and gives numbers
    /// to names that have none. The first write after opening; that it succeeds shows that the disk takes writes.
    ///
    /// `afterCrash` is false where nothing was lost since the last count: at a reload.
    package func prepare(
        keyring: Keyring, formats: [String], purposes: [String], afterCrash: Bool = true
    ) throws(StoreError) -> Registry {
        var transaction = try environment.begin()
        if afterCrash, let active = keyring.active(.data) {
            let key = MetaKey.encryptions(active.number)
            let count = try transaction.counter(tables, key)
            try transaction.putCounter(tables, key, count + Self.encryptionsReserve)
        }
        try transaction.putCounter(tables, MetaKey.schema, Self.schema)
        var registry = try Registry.load(&transaction, tables)
        try registry.register(formats: formats, purposes: purposes, &transaction, tables)
        try transaction.end()
        return registry
    }

    /// The names on file, without writing. Blocks while a write transaction is open.
    package func registry() throws(StoreError) -> Registry {
        var transaction = try environment.begin()
        return try Registry.load(&transaction, tables)
    }

    /// The size of a file; 0 where there is none.
    private static func fileBytes(_ path: String) throws(StoreError) -> Int {
        do throws(FileError) {
            return try AtomicFile.size(of: path)
        } catch {
            if error.isMissing { return 0 }
            throw .file(error)
        }
    }

    private static func checkOwner(
        _ transaction: inout WriteTransaction, _ tables: Tables, keyring: Keyring, isNew: Bool
    ) throws(StoreError) {
        var vault: [UInt8] = []
        vault.append(bigEndian: keyring.vaultID.high)
        vault.append(bigEndian: keyring.vaultID.low)
        if isNew {
            try transaction.putCounter(tables, MetaKey.schema, schema)
            try transaction.putMeta(tables, MetaKey.vault, vault)
            return
        }
        guard let found = try transaction.meta(tables, MetaKey.schema), found.count == 8 else {
            throw .damaged("schema version")
        }
        let version = UInt64(bigEndian: found.span, at: 0)
        guard schemas.contains(version) else { throw .schema(version) }
        guard let owner = try transaction.meta(tables, MetaKey.vault), owner.count == 16 else {
            throw .damaged("vault id")
        }
        guard owner == vault else {
            throw .foreignKeyring(database: VaultID(owner.span, at: 0).text, keyring: keyring.vaultID.text)
        }
    }
}

extension Environment {
    func begin() throws(StoreError) -> WriteTransaction {
        do throws(LMDBError) {
            return try beginWrite()
        } catch {
            throw .lmdb(error)
        }
    }
}

extension WriteTransaction {
    consuming func end() throws(StoreError) {
        do throws(LMDBError) {
            try commit()
        } catch {
            throw .lmdb(error)
        }
    }
}

extension WriteTransaction {
    /// A value of the meta table, copied; of a size that no value there has, only as much as shows that.
    mutating func meta(_ tables: Tables, _ key: [UInt8]) throws(StoreError) -> [UInt8]? {
        try lmdb { () throws(LMDBError) in
            guard let value = try get(tables.meta, key.span) else { return nil }
            return value.extracting(first: MetaKey.valueBytesMax + 1).copied
        }
    }

    mutating func putMeta(_ tables: Tables, _ key: [UInt8], _ value: [UInt8]) throws(StoreError) {
        try lmdb { () throws(LMDBError) in try put(tables.meta, key.span, value.span) }
    }

    /// An 8-byte counter; 0 where there is none yet.
    mutating func counter(_ tables: Tables, _ key: [UInt8]) throws(StoreError) -> UInt64 {
        guard let value = try meta(tables, key) else { return 0 }
        guard value.count == 8 else { throw .damaged("a counter") }
        return UInt64(bigEndian: value.span, at: 0)
    }

    mutating func putCounter(_ tables: Tables, _ key: [UInt8], _ value: UInt64) throws(StoreError) {
        var bytes: [UInt8] = []
        bytes.append(bigEndian: value)
        try putMeta(tables, key, bytes)
    }
}
