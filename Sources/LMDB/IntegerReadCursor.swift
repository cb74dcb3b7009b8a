internal import CLMDB

/// A walk through an ``IntegerTable`` in numeric order, within a snapshot it cannot outlive.
///
/// It starts without a position; reading ``key`` or ``value`` is allowed only after a move returned true. After a call
/// throws, the snapshot is spent, as for ``Snapshot``.
@safe
package struct IntegerReadCursor: ~Copyable, ~Escapable {
    private var raw: RawCursor
    /// The reader's state, borrowed for longer than this value lives.
    private let state: UnsafeMutablePointer<ReaderState>

    @_lifetime(borrow state)
    init(_ raw: consuming RawCursor, _ state: UnsafeMutablePointer<ReaderState>) {
        self.raw = raw
        unsafe self.state = state
    }

    /// The key at the position.
    package var key: UInt64 { raw.integerKey }

    /// The value at the position, until the cursor moves.
    package var value: Span<UInt8> {
        @_lifetime(borrow self)
        borrowing get { raw.value }
    }

    /// Goes to the smallest key; false if the table is empty. The corresponding C operation is `MDB_FIRST`.
    @available(*, noasync)
    @_lifetime(self: copy self)
    package mutating func first() throws(LMDBError) -> Bool {
        do throws(LMDBError) { return try raw.move(MDB_FIRST, integerKeys: true) } catch { throw spent(error) }
    }

    /// Goes to the next key, or to the first without a position; false at the end. The corresponding C operation is
    /// `MDB_NEXT`.
    @available(*, noasync)
    @_lifetime(self: copy self)
    package mutating func next() throws(LMDBError) -> Bool {
        do throws(LMDBError) { return try raw.move(MDB_NEXT, integerKeys: true) } catch { throw spent(error) }
    }

    /// Goes to `key` or the next one above; false if there is none. The corresponding C operation is `MDB_SET_RANGE`.
    @available(*, noasync)
    @_lifetime(self: copy self)
    package mutating func seek(atOrAfter key: UInt64) throws(LMDBError) -> Bool {
        do throws(LMDBError) { return try raw.seek(atOrAfter: key) } catch { throw spent(error) }
    }

    private func spent(_ error: LMDBError) -> LMDBError {
        unsafe state.pointee.isDamaged = true
        return error
    }
}

extension Snapshot {
    /// A cursor over `table`; opening it allocates about 400 bytes. The corresponding C function is `mdb_cursor_open`.
    @available(*, noasync)
    @_lifetime(borrow self)
    package borrowing func cursor(_ table: IntegerTable) throws(LMDBError) -> IntegerReadCursor {
        let raw = try openCursor(table.handle)
        return unsafe _overrideLifetime(IntegerReadCursor(raw, state), borrowing: self)
    }
}
