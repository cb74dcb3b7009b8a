internal import CLMDB

/// A walk through an ``IntegerTable`` in numeric order that may change the record it stands on.
///
/// The transaction can do nothing else while the cursor exists: take notes, drop the cursor, then write elsewhere. It
/// starts without a position; reading ``key`` or ``value`` is allowed only after a move returned true.
@safe
package struct IntegerWriteCursor: ~Copyable, ~Escapable {
    private var raw: RawCursor

    /// The caller ties the result to the transaction of `raw`.
    @_lifetime(immortal)
    init(_ raw: consuming RawCursor) { self.raw = raw }

    /// The key at the position.
    package var key: UInt64 { raw.integerKey }

    /// The value at the position, until the cursor moves or changes it.
    package var value: Span<UInt8> {
        @_lifetime(borrow self)
        borrowing get { raw.value }
    }

    /// Goes to the smallest key; false if the table is empty. The corresponding C operation is `MDB_FIRST`.
    @available(*, noasync)
    @_lifetime(self: copy self)
    package mutating func first() throws(LMDBError) -> Bool {
        try raw.move(MDB_FIRST, integerKeys: true)
    }

    /// Goes to the next key, or to the first without a position; false at the end. The corresponding C operation is
    /// `MDB_NEXT`.
    @available(*, noasync)
    @_lifetime(self: copy self)
    package mutating func next() throws(LMDBError) -> Bool {
        try raw.move(MDB_NEXT, integerKeys: true)
    }

    /// Goes to `key` or the next one above; false if there is none. The corresponding C operation is `MDB_SET_RANGE`.
    @available(*, noasync)
    @_lifetime(self: copy self)
    package mutating func seek(atOrAfter key: UInt64) throws(LMDBError) -> Bool {
        try raw.seek(atOrAfter: key)
    }

    /// Replaces the value at the position and stays there. Throws `mapFull`, `invalid` without a position. The
    /// corresponding C function is `mdb_cursor_put` with `MDB_CURRENT`.
    @available(*, noasync)
    @_lifetime(self: copy self)
    package mutating func replace(_ value: Span<UInt8>) throws(LMDBError) {
        try raw.replace(value, integerKeys: true)
    }

    /// Removes the record at the position; ``next()`` then goes to the one after it. The corresponding C function is
    /// `mdb_cursor_del`.
    @available(*, noasync)
    @_lifetime(self: copy self)
    package mutating func delete() throws(LMDBError) {
        try raw.delete()
    }
}

extension WriteTransaction {
    /// A cursor over `table`. The corresponding C function is `mdb_cursor_open`.
    @available(*, noasync)
    @_lifetime(&self)
    package mutating func cursor(_ table: IntegerTable) throws(LMDBError) -> IntegerWriteCursor {
        try owns(table.handle, .openCursor)
        return unsafe _overrideLifetime(IntegerWriteCursor(try RawCursor(pointer, table.handle)), mutating: &self)
    }
}
