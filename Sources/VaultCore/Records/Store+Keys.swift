internal import LMDB

// What the database remembers of its keyring, and what a rotation asks of it.
extension Store {
    /// The head of the audit log that went with the last write; `nil` where none ever did.
    package func auditHead() throws(StoreError) -> AuditHead? {
        var transaction = try environment.begin()
        guard let bytes = try transaction.meta(tables, MetaKey.auditHead) else { return nil }
        guard let head = AuditHead(bytes) else { throw .damaged("the head of the audit log") }
        return head
    }

    /// Remembers how far the audit log is.
    package func putAuditHead(_ head: AuditHead) throws(StoreError) {
        var transaction = try environment.begin()
        try transaction.putMeta(tables, MetaKey.auditHead, head.encoded)
        try transaction.end()
    }

    /// Encryptions ever done under a data key version.
    package func encryptions(of version: UInt32) throws(StoreError) -> UInt64 {
        do throws(LMDBError) {
            return try read { (snapshot) throws(LMDBError) in
                try snapshot.counter(tables, MetaKey.encryptions(version))
            }
        } catch {
            throw .lmdb(error)
        }
    }

    /// What is left under a key version and what a rotation has moved out of it, by the counters.
    package func usage(_ purpose: KeyPurpose, _ version: UInt32) throws(StoreError) -> (left: UInt64, moved: UInt64) {
        let (left, moved) =
            purpose == .index
            ? (MetaKey.indexEntries(version), MetaKey.movedEntries(version))
            : (MetaKey.dataRecords(version), MetaKey.movedRecords(version))
        do throws(LMDBError) {
            return try read { (snapshot) throws(LMDBError) in
                (try snapshot.counter(tables, left), try snapshot.counter(tables, moved))
            }
        } catch {
            throw .lmdb(error)
        }
    }

    /// Whether a request is remembered that was made before a moment, and so under an older index key.
    package func remembersRequests(before time: UInt32, now: UInt32) throws(StoreError) -> Bool {
        do throws(LMDBError) {
            return try read { (snapshot) throws(LMDBError) in
                var cursor = try snapshot.cursor(tables.requests)
                var isInside = try cursor.first()
                while isInside {
                    if cursor.value.count == 12 {
                        let made = UInt32(bigEndian: cursor.value, at: 8)
                        if made < time, now < made &+ VaultWriter.requestMemory { return true }
                    }
                    isInside = try cursor.next()
                }
                return false
            }
        } catch {
            throw .lmdb(error)
        }
    }

    /// Looks at every record and subject, or every index entry, for one under a version: what the counters say is proved
    /// before a key is destroyed. Reads in slices; new entries are never under a retiring version, so none is missed.
    ///
    /// Entries of a form that no version of Strongroom writes count as if they were under it. Any thread; takes a reader
    /// slot. `isCancelled` is asked between slices; `nil` where it ended the scan.
    package func scan(
        _ purpose: KeyPurpose, for version: UInt32, isCancelled: () -> Bool
    ) throws(StoreError) -> UInt64? {
        do throws(LMDBError) {
            var reader = try Reader(environment)
            var found: UInt64 = 0
            if purpose == .index {
                var next: [UInt8]? = []
                while let start = next {
                    if isCancelled() { return nil }
                    next = try Self.scanEntries(&reader, tables, from: start, version, &found)
                }
                return found
            }
            for (table, isRecord) in [(tables.tokens, true), (tables.subjects, false)] {
                var next: UInt64? = 0
                while let start = next {
                    if isCancelled() { return nil }
                    next = try Self.scanSealed(&reader, table, isRecord: isRecord, from: start, version, &found)
                }
            }
            return found
        } catch {
            throw .lmdb(error)
        }
    }

    private static let scanSlice = 20_000

    private static func scanSealed(
        _ reader: inout Reader, _ table: IntegerTable, isRecord: Bool, from start: UInt64, _ version: UInt32,
        _ found: inout UInt64
    ) throws(LMDBError) -> UInt64? {
        let snapshot = try reader.snapshot()
        var cursor = try snapshot.cursor(table)
        var isInside = try cursor.seek(atOrAfter: start)
        var count = 0
        while isInside {
            if count == scanSlice { return cursor.key }
            count += 1
            let sealed = sealedUnder(cursor.value, isRecord: isRecord)
            if sealed == nil || sealed == version { found += 1 }
            isInside = try cursor.next()
        }
        return nil
    }

    /// The data key version of a record or subject; `nil` for what is neither.
    private static func sealedUnder(_ value: borrowing Span<UInt8>, isRecord: Bool) -> UInt32? {
        if isRecord { return RecordHeader(value)?.keyVersion }
        return value.count >= 32 ? UInt32(bigEndian: value, at: 0) : nil
    }

    private static func scanEntries(
        _ reader: inout Reader, _ tables: Tables, from start: [UInt8], _ version: UInt32, _ found: inout UInt64
    ) throws(LMDBError) -> [UInt8]? {
        let snapshot = try reader.snapshot()
        var cursor = try snapshot.cursor(tables.index)
        var isInside = start.isEmpty ? try cursor.first() : try cursor.seek(atOrAfter: start.span)
        var count = 0
        while isInside {
            if count == scanSlice { return cursor.key.copied }
            count += 1
            if cursor.value.count != 4 || UInt32(bigEndian: cursor.value, at: 0) == version { found += 1 }
            isInside = try cursor.next()
        }
        return nil
    }

    private func read<R>(_ body: (borrowing Snapshot) throws(LMDBError) -> R) throws(LMDBError) -> R {
        var reader = try Reader(environment)
        return try reader.withSnapshot(body)
    }
}
