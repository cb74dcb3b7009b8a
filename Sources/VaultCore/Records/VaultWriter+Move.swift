internal import LMDB
internal import OpenSSLCrypto
internal import SecretMemory

/// What one slice of a move came to.
package struct MoveSlice: Equatable, Sendable {
    /// Records or entries moved to the active version.
    package internal(set) var moved = 0
    /// The walk has reached the end of the table.
    package internal(set) var isAtEnd = false
    /// What this walk has passed over because it does not open, since its beginning.
    package internal(set) var passedOver: UInt32 = 0
}

// The background half of a rotation: small transactions that move what is under older key versions to the active one.
// Cursor, counters and records change together, so that a crash at any point neither loses nor counts anything twice.
extension VaultWriter {
    /// Entries looked at in one slice, for each that may be moved: a walk over what needs no moving ends too.
    private static let lookedAtPerMove = 16

    /// Moves up to `limit` records to the active data key version, each with its subject, going on where the last slice
    /// ended. Spends one encryption of the active version for each, and one for a subject.
    ///
    /// New records are made under the active version only, so a walk from the first token to the last leaves none behind
    /// but those that do not open.
    package mutating func moveRecords(limit: Int) throws(WriteFailure) -> MoveSlice {
        var slice = MoveSlice()
        try countUncounted()
        try write { (writer, transaction, changes) throws(StoreError) in
            slice = try writer.moveRecords(limit, &transaction, &changes)
        }
        return slice
    }

    private mutating func moveRecords(
        _ limit: Int, _ transaction: inout WriteTransaction, _ changes: inout Changes
    ) throws(StoreError) -> MoveSlice {
        let tables = store.tables
        var position = try transaction.moveCursor(
            tables, MetaKey.dataCursor, version: cipher.activeVersion, keyBytes: 8)
        let walk: RecordWalk
        do throws(LMDBError) {
            walk = try Self.walk(
                &transaction, tables, from: UInt64(bigEndian: position.key.span, at: 0), limit: limit, &cipher,
                &changes.encryptions)
        } catch {
            throw .lmdb(error)
        }
        var slice = MoveSlice(moved: 0, isAtEnd: walk.isAtEnd, passedOver: position.passedOver + walk.passedOver)
        var versions = walk.moved
        for token in walk.linked {
            if let version = try moveLinked(token, &transaction, &changes) {
                versions.append(version)
            } else {
                slice.passedOver += 1
            }
        }
        for version in versions {
            changes.dataRecords[version, default: 0] -= 1
            changes.dataRecords[cipher.activeVersion, default: 0] += 1
            changes.movedRecords[version, default: 0] += 1
        }
        slice.moved = versions.count
        position.passedOver = slice.passedOver
        position.key = []
        position.key.append(bigEndian: walk.isAtEnd ? 0 : walk.next)
        if walk.isAtEnd { position.passedOver = 0 }
        try transaction.putMoveCursor(tables, MetaKey.dataCursor, version: cipher.activeVersion, position)
        return slice
    }

    private struct RecordWalk {
        /// The versions of those that were moved.
        var moved: [UInt32] = []
        /// Tokens that have a subject: these are still to be moved.
        var linked: [UInt64] = []
        var next: UInt64 = 0
        var isAtEnd = false
        var passedOver: UInt32 = 0
    }

    /// Seals records anew where they lie, in the order of the table: their pages are met one after the other.
    private static func walk(
        _ transaction: inout WriteTransaction, _ tables: Tables, from start: UInt64, limit: Int,
        _ cipher: inout RecordCipher, _ encryptions: inout UInt64
    ) throws(LMDBError) -> RecordWalk {
        var walk = RecordWalk()
        var cursor = try transaction.cursor(tables.tokens)
        var isInside = try cursor.seek(atOrAfter: start)
        var looked = 0
        var record = [64 of UInt8](repeating: 0)
        while isInside {
            walk.next = cursor.key
            if walk.moved.count + walk.linked.count >= limit || looked >= limit * lookedAtPerMove { return walk }
            looked += 1
            let header = RecordHeader(cursor.value)
            if header?.keyVersion != cipher.activeVersion {
                var span = record.mutableSpan
                if let header, header.flags.contains(.subjectLinked) {
                    walk.linked.append(cursor.key)
                } else if let header, cipher.reseal(cursor.value, header: header, token: cursor.key, into: &span) {
                    // Before what may fail: it is spent whether it is kept or not.
                    encryptions += 1
                    try cursor.replace(record.span)
                    walk.moved.append(header.keyVersion)
                } else {
                    walk.passedOver += 1
                }
            }
            isInside = try cursor.next()
        }
        walk.isAtEnd = true
        return walk
    }

    /// Seals a record and its subject anew, and says under which version they were; neither where one of them does not
    /// open: a token's subject is under the same version as its record, and one count serves both.
    private mutating func moveLinked(
        _ token: UInt64, _ transaction: inout WriteTransaction, _ changes: inout Changes
    ) throws(StoreError) -> UInt32? {
        guard let (header, card) = try openRecord(token, &transaction),
            try moveSubject(of: token, header, &transaction, &changes)
        else { return nil }
        try putRecord(card, header: header, token: token, &transaction, &changes)
        return header.keyVersion
    }

    /// Seals a token's subject under the active version, if it has one; false where it should have one and does not, or
    /// it does not open.
    mutating func moveSubject(
        of token: UInt64, _ header: RecordHeader, _ transaction: inout WriteTransaction, _ changes: inout Changes
    ) throws(StoreError) -> Bool {
        guard header.flags.contains(.subjectLinked) else { return true }
        guard var text = try subject(of: token, header: header, &transaction) else { return false }
        try putSubject(text, token: token, &transaction, &changes)
        var span = text.mutableSpan
        wipe(&span)
        return true
    }

    /// Moves up to `limit` entries of the blind index to the active index key version, going on where the last slice
    /// ended. An entry and its successor change places in one transaction: no search misses a card.
    package mutating func moveEntries(limit: Int) throws(WriteFailure) -> MoveSlice {
        var slice = MoveSlice()
        try write { (writer, transaction, changes) throws(StoreError) in
            slice = try writer.moveEntries(limit, &transaction, &changes)
        }
        return slice
    }

    private mutating func moveEntries(
        _ limit: Int, _ transaction: inout WriteTransaction, _ changes: inout Changes
    ) throws(StoreError) -> MoveSlice {
        let tables = store.tables
        let active = indexes[0].value.version
        var position = try transaction.moveCursor(tables, MetaKey.indexCursor, version: active, keyBytes: 32)
        let walk: EntryWalk
        do throws(LMDBError) {
            walk = try Self.walk(&transaction, tables, from: position.key, limit: limit, active: active)
        } catch {
            throw .lmdb(error)
        }
        var slice = MoveSlice(moved: 0, isAtEnd: walk.isAtEnd, passedOver: position.passedOver)
        for entry in walk.found {
            if try moveEntry(entry.key, entry.version, &transaction, &changes) {
                slice.moved += 1
            } else {
                slice.passedOver += 1
            }
        }
        position.passedOver = walk.isAtEnd ? 0 : slice.passedOver
        position.key = walk.isAtEnd ? [UInt8](repeating: 0, count: 32) : walk.next
        try transaction.putMoveCursor(tables, MetaKey.indexCursor, version: active, position)
        return slice
    }

    private struct EntryWalk {
        var found: [(key: [UInt8], version: UInt32)] = []
        var next: [UInt8] = []
        var isAtEnd = false
    }

    private static func walk(
        _ transaction: inout WriteTransaction, _ tables: Tables, from start: [UInt8], limit: Int, active: UInt32
    ) throws(LMDBError) -> EntryWalk {
        var walk = EntryWalk()
        var cursor = try transaction.cursor(tables.index)
        var isInside = try cursor.seek(atOrAfter: start.span)
        var looked = 0
        while isInside {
            if cursor.key.count == BlindIndex.keyBytes {
                if walk.found.count >= limit || looked >= limit * lookedAtPerMove {
                    walk.next = cursor.key.copied
                    return walk
                }
                looked += 1
                // A value of another size is damage that `verify` reports; the key below decides.
                let version = cursor.value.count == 4 ? UInt32(bigEndian: cursor.value, at: 0) : 0
                if version != active { walk.found.append((cursor.key.copied, version)) }
            }
            isInside = try cursor.next()
        }
        walk.isAtEnd = true
        return walk
    }

    /// False where the entry's record does not open, or is of another card: nothing is changed then.
    private mutating func moveEntry(
        _ old: [UInt8], _ version: UInt32, _ transaction: inout WriteTransaction, _ changes: inout Changes
    ) throws(StoreError) -> Bool {
        let token = UInt64(bigEndian: old.span, at: BlindIndex.selectorEnd)
        guard let context = indexes.first(where: { $0.value.version == version }),
            let (header, card) = try openRecord(token, &transaction),
            var subject = try subject(of: token, header: header, &transaction)
        else { return false }
        defer {
            var span = subject.mutableSpan
            wipe(&span)
        }
        let expected = try entryKey(context, card.pan, header.format, subject, token)
        guard constantTimeEqual(expected.span, old.span) else { return false }
        let new = try entryKey(indexes[0], card.pan, header.format, subject, token)
        let active = indexes[0].value.version
        var value: [UInt8] = []
        value.append(bigEndian: active)
        let tables = store.tables
        return try lmdb { () throws(LMDBError) in
            guard try transaction.delete(tables.index, old.span) else { return false }
            try transaction.put(tables.index, new.span, value.span)
            changes.indexEntries[version, default: 0] -= 1
            changes.indexEntries[active, default: 0] += 1
            changes.movedEntries[version, default: 0] += 1
            return true
        }
    }

    /// The whole key of a token's entry in the blind index.
    func entryKey(
        _ index: BlindIndexContext, _ pan: PAN, _ format: UInt16, _ subject: [UInt8], _ token: UInt64
    ) throws(StoreError) -> [32 of UInt8] {
        try crypto { () throws(CryptoError) in
            var key = try index.value.key(pan: pan, format: format, subject: subject.span)
            var span = key.mutableSpan
            span.store(bigEndian: token, at: BlindIndex.selectorEnd)
            return key
        }
    }
}

/// Where a move goes on.
struct MoveCursor {
    /// What did not open since the walk began.
    var passedOver: UInt32 = 0
    var key: [UInt8]
}

extension WriteTransaction {
    /// The stored place; the beginning where there is none, or it is of a move to another version.
    mutating func moveCursor(
        _ tables: Tables, _ name: [UInt8], version: UInt32, keyBytes: Int
    ) throws(StoreError) -> MoveCursor {
        guard let stored = try meta(tables, name), stored.count == 8 + keyBytes,
            UInt32(bigEndian: stored.span, at: 0) == version
        else { return MoveCursor(key: [UInt8](repeating: 0, count: keyBytes)) }
        return MoveCursor(passedOver: UInt32(bigEndian: stored.span, at: 4), key: Array(stored[8...]))
    }

    mutating func putMoveCursor(
        _ tables: Tables, _ name: [UInt8], version: UInt32, _ cursor: MoveCursor
    ) throws(StoreError) {
        var value: [UInt8] = []
        value.append(bigEndian: version)
        value.append(bigEndian: cursor.passedOver)
        try putMeta(tables, name, value + cursor.key)
    }
}
