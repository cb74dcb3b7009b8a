internal import LMDB

extension BlindIndex {
    /// The first token under the card, format and subject of `key` (its first 24 bytes); `nil` for none.
    static func firstToken(
        under key: borrowing Span<UInt8>, in snapshot: borrowing Snapshot, _ tables: Tables
    ) throws(LMDBError) -> UInt64? {
        var cursor = try snapshot.cursor(tables.index)
        guard try cursor.seek(atOrAfter: key), matches(cursor.key, key, count: selectorEnd) else { return nil }
        return UInt64(bigEndian: cursor.key, at: selectorEnd)
    }

    /// The same within a write transaction, which sees its own changes.
    static func firstToken(
        under key: borrowing Span<UInt8>, in transaction: inout WriteTransaction, _ tables: Tables
    ) throws(LMDBError) -> UInt64? {
        var cursor = try transaction.cursor(tables.index)
        guard try cursor.seek(atOrAfter: key), matches(cursor.key, key, count: selectorEnd) else { return nil }
        return UInt64(bigEndian: cursor.key, at: selectorEnd)
    }

    /// Whether any record holds the card of `presence`, in whatever format and for whatever subject.
    static func holds(
        presence: borrowing Span<UInt8>, in transaction: inout WriteTransaction, _ tables: Tables
    ) throws(LMDBError) -> Bool {
        var cursor = try transaction.cursor(tables.index)
        return try cursor.seek(atOrAfter: presence) && matches(cursor.key, presence, count: presenceBytes)
    }

    private static func matches(
        _ key: borrowing Span<UInt8>, _ wanted: borrowing Span<UInt8>, count: Int
    ) -> Bool {
        guard key.count == keyBytes else { return false }
        for index in 0..<count where key[index] != wanted[index] { return false }
        return true
    }
}
