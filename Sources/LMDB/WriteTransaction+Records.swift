internal import CLMDB

extension WriteTransaction {
    /// The value of `key`, or `nil`. Nothing is copied or allocated. The corresponding C function is `mdb_get`.
    @available(*, noasync)
    @_lifetime(borrow self)
    package borrowing func get(_ table: IntegerTable, _ key: UInt64) throws(LMDBError) -> Span<UInt8>? {
        try owns(table.handle, .get)
        var value = unsafe MDB_val()
        switch unsafe RawStore.get(pointer, table.handle, key, &value) {
        case MDB_SUCCESS: return unsafe _overrideLifetime(value.bytes, borrowing: self)
        case MDB_NOTFOUND: return nil
        case let code: throw LMDBError(code: code, .get)
        }
    }

    /// The value of `key`, or `nil`. Nothing is copied or allocated. The corresponding C function is `mdb_get`.
    @available(*, noasync)
    @_lifetime(borrow self)
    package borrowing func get(_ table: BytesTable, _ key: Span<UInt8>) throws(LMDBError) -> Span<UInt8>? {
        try owns(table.handle, .get)
        var value = unsafe MDB_val()
        switch unsafe RawStore.get(pointer, table.handle, key, &value) {
        case MDB_SUCCESS: return unsafe _overrideLifetime(value.bytes, borrowing: self)
        case MDB_NOTFOUND: return nil
        case let code: throw LMDBError(code: code, .get)
        }
    }

    /// Stores `value` under `key`, over any earlier one. Throws `mapFull`, `badKeySize`, `io`, ... The corresponding C
    /// function is `mdb_put`.
    @available(*, noasync)
    package mutating func put(_ table: IntegerTable, _ key: UInt64, _ value: Span<UInt8>) throws(LMDBError) {
        try owns(table.handle, .put)
        _ = try finds(table.handle, key, .put)
        try done(unsafe RawStore.put(pointer, table.handle, key, value, 0), .put)
    }

    /// Stores `value` under `key`, over any earlier one. The corresponding C function is `mdb_put`.
    @available(*, noasync)
    package mutating func put(_ table: BytesTable, _ key: Span<UInt8>, _ value: Span<UInt8>) throws(LMDBError) {
        try owns(table.handle, .put)
        _ = try finds(table.handle, key, .put)
        try done(unsafe RawStore.put(pointer, table.handle, key, value, 0), .put)
    }

    /// Stores `value` under `key` unless the key exists; false if it does, and then nothing changes. The corresponding
    /// C function is `mdb_put` with `MDB_NOOVERWRITE`.
    @available(*, noasync)
    package mutating func insert(_ table: IntegerTable, _ key: UInt64, _ value: Span<UInt8>) throws(LMDBError) -> Bool {
        try owns(table.handle, .insert)
        if try finds(table.handle, key, .insert) { return false }
        return try inserted(unsafe RawStore.put(pointer, table.handle, key, value, UInt32(MDB_NOOVERWRITE)))
    }

    /// Stores `value` under `key` unless the key exists; false if it does, and then nothing changes. The corresponding
    /// C function is `mdb_put` with `MDB_NOOVERWRITE`.
    @available(*, noasync)
    package mutating func insert(
        _ table: BytesTable, _ key: Span<UInt8>, _ value: Span<UInt8>
    ) throws(LMDBError) -> Bool {
        try owns(table.handle, .insert)
        if try finds(table.handle, key, .insert) { return false }
        return try inserted(unsafe RawStore.put(pointer, table.handle, key, value, UInt32(MDB_NOOVERWRITE)))
    }

    /// Removes `key`; false if it was not there. The corresponding C function is `mdb_del`.
    @available(*, noasync)
    package mutating func delete(_ table: IntegerTable, _ key: UInt64) throws(LMDBError) -> Bool {
        try owns(table.handle, .delete)
        guard try finds(table.handle, key, .delete) else { return false }
        return try deleted(unsafe RawStore.delete(pointer, table.handle, key))
    }

    /// Removes `key`; false if it was not there. The corresponding C function is `mdb_del`.
    @available(*, noasync)
    package mutating func delete(_ table: BytesTable, _ key: Span<UInt8>) throws(LMDBError) -> Bool {
        try owns(table.handle, .delete)
        guard try finds(table.handle, key, .delete) else { return false }
        return try deleted(unsafe RawStore.delete(pointer, table.handle, key))
    }

    /// Entries and pages of a table, this transaction's changes included. The corresponding C function is `mdb_stat`.
    @available(*, noasync)
    package borrowing func statistics(_ table: IntegerTable) throws(LMDBError) -> TableStatistics {
        try owns(table.handle, .statistics)
        return try unsafe RawStore.statistics(pointer, table.handle)
    }

    /// Entries and pages of a table, this transaction's changes included. The corresponding C function is `mdb_stat`.
    @available(*, noasync)
    package borrowing func statistics(_ table: BytesTable) throws(LMDBError) -> TableStatistics {
        try owns(table.handle, .statistics)
        return try unsafe RawStore.statistics(pointer, table.handle)
    }

    private mutating func inserted(_ code: CInt) throws(LMDBError) -> Bool {
        if code == MDB_KEYEXIST { return false }
        try done(code, .insert)
        return true
    }

    private mutating func deleted(_ code: CInt) throws(LMDBError) -> Bool {
        if code == MDB_NOTFOUND { return false }
        try done(code, .delete)
        return true
    }

    /// Throws unless a change was made. One that was jumped out of leaves the transaction untouchable.
    private mutating func done(_ code: CInt, _ operation: LMDBError.Operation) throws(LMDBError) {
        if code == STRONGROOM_ABANDONED {
            abandon()
            throw LMDBError(code: MDB_CORRUPTED, operation)
        }
        try check(code, operation)
    }

    // Every change is preceded by a guarded look at the same key: a damaged page on the way is then an error of this
    // transaction, where the change itself would meet an assertion that ends the process.

    @inline(__always)
    private func finds(
        _ table: TableHandle, _ key: UInt64, _ operation: LMDBError.Operation
    ) throws(LMDBError) -> Bool {
        var value = unsafe MDB_val()
        return try found(unsafe RawStore.get(pointer, table, key, &value), operation)
    }

    @inline(__always)
    private func finds(
        _ table: TableHandle, _ key: Span<UInt8>, _ operation: LMDBError.Operation
    ) throws(LMDBError) -> Bool {
        var value = unsafe MDB_val()
        return try found(unsafe RawStore.get(pointer, table, key, &value), operation)
    }

    private func found(_ code: CInt, _ operation: LMDBError.Operation) throws(LMDBError) -> Bool {
        if code == MDB_NOTFOUND { return false }
        try check(code, operation)
        return true
    }
}
