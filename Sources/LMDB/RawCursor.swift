internal import CLMDB

/// A position in a table and the record there: what the four cursor types have in common.
///
/// The types above keep the transaction alive and unchanged for as long as this value exists.
@safe
struct RawCursor: ~Copyable {
    /// Open until `deinit`, which runs before the transaction can end.
    let pointer: OpaquePointer
    private var keyView: MDB_val
    private var valueView: MDB_val
    private(set) var isPositioned = false

    init(_ transaction: OpaquePointer, _ table: TableHandle) throws(LMDBError) {
        var opened: OpaquePointer?
        let code = unsafe mdb_cursor_open(transaction, table.index, &opened)
        guard code == MDB_SUCCESS, let cursor = unsafe opened else { throw LMDBError(code: code, .openCursor) }
        unsafe pointer = cursor
        unsafe keyView = MDB_val()
        unsafe valueView = MDB_val()
    }

    deinit { unsafe mdb_cursor_close(pointer) }

    /// The key at the position, living as long as the record stays in place.
    var key: Span<UInt8> {
        @_lifetime(borrow self)
        borrowing get {
            precondition(isPositioned, "a cursor was read without a position")
            return unsafe _overrideLifetime(keyView.bytes, borrowing: self)
        }
    }

    var integerKey: UInt64 {
        precondition(isPositioned, "a cursor was read without a position")
        return unsafe keyView.mv_data.loadUnaligned(as: UInt64.self)
    }

    var value: Span<UInt8> {
        @_lifetime(borrow self)
        borrowing get {
            precondition(isPositioned, "a cursor was read without a position")
            return unsafe _overrideLifetime(valueView.bytes, borrowing: self)
        }
    }

    /// Moves; false at the end of the table.
    @inline(__always)
    mutating func move(_ operation: MDB_cursor_op, integerKeys: Bool) throws(LMDBError) -> Bool {
        let code = unsafe strongroom_cursor_get(RawStore.guardKey, pointer, &keyView, &valueView, operation)
        return try moved(code, integerKeys: integerKeys)
    }

    mutating func seek(atOrAfter key: UInt64) throws(LMDBError) -> Bool {
        var key = key
        let code = unsafe withUnsafeMutablePointer(to: &key) { bytes in
            unsafe keyView = MDB_val(mv_size: 8, mv_data: UnsafeMutableRawPointer(bytes))
            // On success LMDB points `keyView` at the key it found, and away from ours.
            return unsafe strongroom_cursor_get(RawStore.guardKey, pointer, &keyView, &valueView, MDB_SET_RANGE)
        }
        return try moved(code, integerKeys: true)
    }

    mutating func seek(atOrAfter key: Span<UInt8>) throws(LMDBError) -> Bool {
        // LMDB has no empty key; the first record is at or after it.
        if key.isEmpty { return try move(MDB_FIRST, integerKeys: false) }
        let code = unsafe key.withUnsafeBufferPointer { bytes in
            unsafe keyView = MDB_val(bytes)
            return unsafe strongroom_cursor_get(RawStore.guardKey, pointer, &keyView, &valueView, MDB_SET_RANGE)
        }
        return try moved(code, integerKeys: false)
    }

    private mutating func moved(_ code: CInt, integerKeys: Bool) throws(LMDBError) -> Bool {
        isPositioned = code == MDB_SUCCESS
        if code == MDB_NOTFOUND { return false }
        try check(code, .moveCursor)
        if integerKeys, unsafe keyView.mv_size != 8 {
            isPositioned = false
            throw LMDBError(code: MDB_CORRUPTED, .moveCursor)
        }
        return true
    }

    /// Replaces the value at the position, which stays there.
    mutating func replace(_ value: Span<UInt8>, integerKeys: Bool) throws(LMDBError) {
        guard isPositioned else { throw LMDBError(.invalid, .replaceAtCursor) }
        // A value of another size makes LMDB remove the record and add it again; the key it adds must not lie in the
        // page it has just compacted, so it is copied to the stack first.
        let cursor = unsafe pointer
        let (keyStart, keyCount) = unsafe (keyView.mv_data, keyView.mv_size)
        let code: CInt = unsafe withUnsafeTemporaryAllocation(byteCount: keyCount, alignment: 8) { copy in
            unsafe copy.copyMemory(from: UnsafeRawBufferPointer(start: keyStart, count: keyCount))
            return unsafe value.withUnsafeBufferPointer { bytes in
                var name = unsafe MDB_val(mv_size: keyCount, mv_data: copy.baseAddress)
                var data = unsafe MDB_val(bytes)
                return unsafe mdb_cursor_put(cursor, &name, &data, UInt32(MDB_CURRENT))
            }
        }
        isPositioned = false
        try check(code, .replaceAtCursor)
        _ = try move(MDB_GET_CURRENT, integerKeys: integerKeys)
    }

    /// Removes the record at the position; the next move goes to the record after it.
    mutating func delete() throws(LMDBError) {
        guard isPositioned else { throw LMDBError(.invalid, .deleteAtCursor) }
        isPositioned = false
        try check(unsafe mdb_cursor_del(pointer, 0), .deleteAtCursor)
    }
}
