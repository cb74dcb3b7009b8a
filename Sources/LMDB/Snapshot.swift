internal import CLMDB

/// A consistent, unchanging view of the store, borrowed from a ``Reader``.
///
/// Spans it returns point into the store and cannot outlive it. No call allocates or copies. Belongs to the thread that
/// uses its reader. LMDB keeps no checksums: check the length of a value before reading it. If a call throws, later
/// calls throw `badTransaction`: take a new snapshot (or ``refresh()``) for the rest of the work.
@safe
package struct Snapshot: ~Copyable, ~Escapable {
    /// The reader's state; the reader is exclusively borrowed for the life of this value.
    let state: UnsafeMutablePointer<ReaderState>
    /// The running transaction of `state`.
    private(set) var pointer: OpaquePointer
    private let identity: UInt32

    @_lifetime(borrow state)
    init(_ state: UnsafeMutablePointer<ReaderState>) {
        unsafe self.state = state
        // `renew` has just succeeded, so there is one.
        unsafe pointer = state.pointee.transaction.unsafelyUnwrapped
        identity = unsafe state.pointee.environment.identity
    }

    deinit {
        unsafe state.pointee.end()
        unsafe state.pointee.environment.gate.leave()
    }

    /// Moves on to the last committed state, on a fresh transaction. Spans taken before are gone.
    ///
    /// If it throws (`readersFull`, as it needs a second slot for a moment, or `panic`) the snapshot stays as it was.
    @available(*, noasync)
    @_lifetime(self: copy self)
    package mutating func refresh() throws(LMDBError) {
        let fresh = try unsafe ReaderState.begin(state.pointee.environment)
        unsafe mdb_txn_abort(pointer)
        unsafe state.pointee.transaction = fresh
        unsafe state.pointee.isDamaged = false
        unsafe pointer = fresh
    }

    /// The number of the last commit this snapshot shows. The corresponding C function is `mdb_txn_id`.
    package var transactionNumber: Int { unsafe mdb_txn_id(pointer) }

    /// The value of `key`, or `nil`. The corresponding C function is `mdb_get`.
    @available(*, noasync)
    @_lifetime(borrow self)
    package borrowing func get(_ table: IntegerTable, _ key: UInt64) throws(LMDBError) -> Span<UInt8>? {
        try owns(table.handle, .get)
        var value = unsafe MDB_val()
        switch unsafe RawStore.get(pointer, table.handle, key, &value) {
        case MDB_SUCCESS: return unsafe _overrideLifetime(value.bytes, borrowing: self)
        case MDB_NOTFOUND: return nil
        case let code: throw failure(code, .get)
        }
    }

    /// The value of `key`, or `nil`. The corresponding C function is `mdb_get`.
    @available(*, noasync)
    @_lifetime(borrow self)
    package borrowing func get(_ table: BytesTable, _ key: Span<UInt8>) throws(LMDBError) -> Span<UInt8>? {
        try owns(table.handle, .get)
        var value = unsafe MDB_val()
        switch unsafe RawStore.get(pointer, table.handle, key, &value) {
        case MDB_SUCCESS: return unsafe _overrideLifetime(value.bytes, borrowing: self)
        case MDB_NOTFOUND: return nil
        case let code: throw failure(code, .get)
        }
    }

    /// Entries and pages of a table. The corresponding C function is `mdb_stat`.
    @available(*, noasync)
    package borrowing func statistics(_ table: IntegerTable) throws(LMDBError) -> TableStatistics {
        try statistics(table.handle)
    }

    /// Entries and pages of a table. The corresponding C function is `mdb_stat`.
    @available(*, noasync)
    package borrowing func statistics(_ table: BytesTable) throws(LMDBError) -> TableStatistics {
        try statistics(table.handle)
    }

    private borrowing func statistics(_ table: TableHandle) throws(LMDBError) -> TableStatistics {
        try owns(table, .statistics)
        do throws(LMDBError) {
            return try unsafe RawStore.statistics(pointer, table)
        } catch {
            throw failure(error.code, .statistics)
        }
    }

    @inline(__always)
    borrowing func owns(_ table: TableHandle, _ operation: LMDBError.Operation) throws(LMDBError) {
        if table.environment != identity { throw LMDBError(.invalid, operation) }
    }

    borrowing func openCursor(_ table: TableHandle) throws(LMDBError) -> RawCursor {
        try owns(table, .openCursor)
        do throws(LMDBError) {
            return try unsafe RawCursor(pointer, table)
        } catch {
            throw failure(error.code, .openCursor)
        }
    }

    /// The error for `code`, after noting that this transaction is not to be used again.
    borrowing func failure(_ code: CInt, _ operation: LMDBError.Operation) -> LMDBError {
        unsafe state.pointee.isDamaged = true
        return LMDBError(code: code, operation)
    }
}
