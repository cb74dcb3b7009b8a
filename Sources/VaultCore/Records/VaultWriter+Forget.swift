internal import LMDB
internal import OpenSSLCrypto
internal import SecretMemory

extension VaultWriter {
    /// Deletes a token, its index entry and its subject. Missing, foreign and expired tokens are the same miss.
    mutating func forget(
        _ item: inout WriteItem, access: Access, now: UInt32, _ transaction: inout WriteTransaction,
        _ changes: inout Changes
    ) throws(StoreError) {
        guard item.token != 0 else {
            item.outcome = .missing
            return
        }
        guard try exists(item.token, &transaction) else {
            cipher.openNothing()
            item.outcome = .missing
            return
        }
        guard let (header, _) = try openRecord(item.token, &transaction) else {
            item.outcome = .damaged
            return
        }
        guard access.sees(header.format), !header.isExpired(now: now), !header.flags.contains(.hold) else {
            item.outcome = .missing
            return
        }
        let subject = try subject(of: item.token, header: header, &transaction)
        guard let subject else {
            item.outcome = .damaged
            return
        }
        try remove(item.token, subject: subject, &transaction, &changes)
        item.outcome = .done
    }

    /// Takes a token whose record opens out of every table.
    mutating func remove(
        _ token: UInt64, subject: [UInt8], _ transaction: inout WriteTransaction, _ changes: inout Changes
    ) throws(StoreError) {
        guard let (header, card) = try openRecord(token, &transaction) else { throw .damaged("a record") }
        let tables = store.tables
        for index in indexes {
            let key = try entryKey(index, card.pan, header.format, subject, token)
            if try lmdb({ () throws(LMDBError) in try transaction.delete(tables.index, key.span) }) {
                changes.indexEntries[index.value.version, default: 0] -= 1
            }
        }
        _ = try lmdb { () throws(LMDBError) in try transaction.delete(tables.tokens, token) }
        if header.flags.contains(.subjectLinked) {
            _ = try lmdb { () throws(LMDBError) in try transaction.delete(tables.subjects, token) }
        }
        changes.dataRecords[header.keyVersion, default: 0] -= 1
        changes.formatTokens[header.format, default: 0] -= 1
        if header.flags.contains(.honey) { changes.honeyTokens -= 1 }
    }

    func exists(_ token: UInt64, _ transaction: inout WriteTransaction) throws(StoreError) -> Bool {
        try lmdb { () throws(LMDBError) in try transaction.get(store.tables.tokens, token) != nil }
    }

    /// A token's header and card; `nil` where there is no record or it does not open.
    mutating func openRecord(
        _ token: UInt64, _ transaction: inout WriteTransaction
    ) throws(StoreError) -> (RecordHeader, Card)? {
        try lmdb { () throws(LMDBError) in
            guard let record = try transaction.get(store.tables.tokens, token), let header = RecordHeader(record) else {
                return nil
            }
            do throws(RecordError) {
                return (header, try cipher.open(record, header: header, token: token))
            } catch {
                return nil
            }
        }
    }

    /// A token's subject, empty for none; `nil` where it should be there and is not, or does not open.
    mutating func subject(
        of token: UInt64, header: RecordHeader, _ transaction: inout WriteTransaction
    ) throws(StoreError) -> [UInt8]? {
        guard header.flags.contains(.subjectLinked) else { return [] }
        return try lmdb { () throws(LMDBError) in
            guard let sealed = try transaction.get(store.tables.subjects, token) else { return nil }
            do throws(RecordError) {
                return try cipher.openText(sealed, token: token)
            } catch {
                return nil
            }
        }
    }
}

extension VaultWriter {
    /// Deletes remembered request ids past their day; looks at `limit` of them at most, going on where the last call ended.
    package mutating func sweepRequests(now: UInt32, limit: Int) throws(WriteFailure) {
        do throws(LMDBError) {
            var transaction = try store.environment.beginWrite()
            requestSweepKey = try Self.sweep(
                &transaction, store.tables, from: requestSweepKey, now: now, limit: limit)
            try transaction.commit()
        } catch {
            if error.isOutcomeUnknown { throw .unknown(.lmdb(error)) }
            throw error.isFull ? .full : .rejected(.lmdb(error))
        }
    }

    /// The key to go on from; empty after the end of the table.
    private static func sweep(
        _ transaction: inout WriteTransaction, _ tables: Tables, from start: [UInt8], now: UInt32, limit: Int
    ) throws(LMDBError) -> [UInt8] {
        var cursor = try transaction.cursor(tables.requests)
        var isInside = start.isEmpty ? try cursor.first() : try cursor.seek(atOrAfter: start.span)
        for _ in 0..<limit where isInside {
            let isOver = cursor.value.count != 12 || now >= UInt32(bigEndian: cursor.value, at: 8) &+ requestMemory
            if isOver { try cursor.delete() }
            isInside = try cursor.next()
        }
        return isInside ? cursor.key.copied : []
    }
}
