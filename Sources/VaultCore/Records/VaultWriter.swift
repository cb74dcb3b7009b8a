internal import LMDB
internal import OpenSSLCrypto
internal import SecretMemory

/// Why a group of writes was not done.
package enum WriteFailure: Error, Equatable, Sendable {
    /// No room in the map or on the volume. Nothing was written; reads go on.
    case full
    /// The commit failed: what it wrote may or may not be on disk. The store must be reopened before the next write.
    case unknown(StoreError)
    /// Failed before the commit: nothing was written.
    case rejected(StoreError)
    /// The audit log did not take the records of the group: nothing was written.
    case unaudited(AuditFailure)
}

/// Writes a vault on one thread, in groups that share a transaction and a flush. Never shared.
///
/// Single-writer is what keeps the rules that need a look before a write: one token per card under `reuse: always`, a
/// token for one card only, no token equal to a card.
package struct VaultWriter: ~Copyable {
    /// How long a request id is remembered, in seconds.
    package static let requestMemory: UInt32 = 24 * 3600

    let store: Store
    let formats: FormatTable
    var cipher: RecordCipher
    let indexes: [BlindIndexContext]
    var random = RandomPool()
    /// Purpose sets known to the database, by mask.
    var purposeSets: [UInt64: UInt16] = [:]
    /// Encryptions done by transactions that did not commit: still spent, so counted with the next one.
    package internal(set) var uncountedEncryptions: UInt64
    /// Encryptions ever done under the active version, as counted in the database.
    package private(set) var encryptions: UInt64
    /// Where the sweep of request ids goes on.
    var requestSweepKey: [UInt8] = []
    /// Tokens looked at to find free ones, ever: against the tokens made, a measure of how full the buckets are.
    package internal(set) var draws: UInt64 = 0
    /// Searches that found no free token, ever.
    package internal(set) var fullBuckets: UInt64 = 0

    /// The data key version that new records go under.
    package var activeVersion: UInt32 { cipher.activeVersion }

    /// `uncountedEncryptions` is what the writer before this one had left uncounted; under another key it counts too much,
    /// never too little.
    package init(
        store: Store, keyring: Keyring, formats: FormatTable, uncountedEncryptions: UInt64 = 0
    ) throws(StoreError) {
        let cipher = try crypto { () throws(CryptoError) in try RecordCipher(keyring) }
        let encryptions = try store.encryptions(of: cipher.activeVersion)
        self.init(
            store: store, formats: formats, cipher: cipher, indexes: try BlindIndexContext.all(of: keyring),
            encryptions: encryptions, uncountedEncryptions: uncountedEncryptions)
    }

    private init(
        store: Store, formats: FormatTable, cipher: consuming RecordCipher, indexes: [BlindIndexContext],
        encryptions: UInt64, uncountedEncryptions: UInt64
    ) {
        self.encryptions = encryptions
        self.uncountedEncryptions = uncountedEncryptions
        self.store = store
        self.formats = formats
        self.cipher = cipher
        self.indexes = indexes
    }

    /// Does every item of every batch in one transaction; when this returns, all of it is on disk.
    ///
    /// Outcomes are in the items. On failure none of the items may be answered with success.
    ///
    /// `audit` is called when all is done but the commit: it puts the group on record, and gives the head of the log, which
    /// is written in the same transaction. Where it throws, nothing of the group is written.
    package mutating func apply(
        _ batches: [WriteBatch], now: UInt32, audit: () throws(AuditFailure) -> AuditHead? = { nil }
    ) throws(WriteFailure) {
        let purposeSetsBefore = purposeSets
        do throws(WriteFailure) {
            try countUncounted()
            try write(audit: audit) { (writer, transaction, changes) throws(StoreError) in
                for batch in batches {
                    for position in 0..<batch.items.count {
                        try writer.apply(batch, at: position, now: now, &transaction, &changes)
                    }
                }
            }
        } catch {
            purposeSets = purposeSetsBefore
            throw error
        }
    }

    /// Runs `body` in one transaction with the counters it changes, and commits.
    mutating func write(
        audit: () throws(AuditFailure) -> AuditHead? = { nil },
        _ body: (inout VaultWriter, inout WriteTransaction, inout Changes) throws(StoreError) -> Void
    ) throws(WriteFailure) {
        var changes = Changes()
        var transaction: WriteTransaction
        do throws(LMDBError) {
            transaction = try store.environment.beginWrite()
        } catch {
            throw .rejected(.lmdb(error))
        }
        var counted: UInt64 = 0
        do throws(StoreError) {
            try body(&self, &transaction, &changes)
            counted = try record(changes, &transaction)
        } catch {
            uncountedEncryptions += changes.encryptions
            throw error.isFull ? .full : .rejected(error)
        }
        do throws(WriteFailure) {
            try Self.putOnRecord(&transaction, store.tables, audit)
        } catch {
            uncountedEncryptions += changes.encryptions
            throw error
        }
        do throws(LMDBError) {
            try transaction.commit()
            uncountedEncryptions = 0
            if counted > 0 { encryptions = counted }
        } catch {
            uncountedEncryptions += changes.encryptions
            if error.isOutcomeUnknown { throw .unknown(.lmdb(error)) }
            throw error.isFull ? .full : .rejected(.lmdb(error))
        }
    }

    /// Puts a group on the audit log, and the head of that into the transaction.
    private static func putOnRecord(
        _ transaction: inout WriteTransaction, _ tables: Tables, _ audit: () throws(AuditFailure) -> AuditHead?
    ) throws(WriteFailure) {
        let head: AuditHead?
        do throws(AuditFailure) {
            head = try audit()
        } catch {
            throw .unaudited(error)
        }
        guard let head else { return }
        do throws(StoreError) {
            try transaction.putMeta(tables, MetaKey.auditHead, head.encoded)
        } catch {
            throw error.isFull ? .full : .rejected(error)
        }
    }

    /// Many groups that failed one after the other may have spent more encryptions than the reserve of a start covers:
    /// they are counted before any more are spent.
    mutating func countUncounted() throws(WriteFailure) {
        guard uncountedEncryptions > Store.encryptionsReserve / 4 else { return }
        try write { (_, _, _) throws(StoreError) in }
    }

    private mutating func apply(
        _ batch: WriteBatch, at position: Int, now: UInt32, _ transaction: inout WriteTransaction,
        _ changes: inout Changes
    ) throws(StoreError) {
        var item = batch.items[position]
        switch item.kind {
        case .tokenize:
            try tokenize(&item, subject: batch.subject(of: item), now: now, &transaction, &changes)
        case .forget:
            try forget(&item, access: batch.access, now: now, &transaction, &changes)
        case .honey:
            try makeHoney(&item, now: now, &transaction, &changes)
        }
        batch.items[position] = item
    }

    /// Writes the counters that changed, in the same transaction as what they count. The encryptions counted now, or 0
    /// where there were none.
    private mutating func record(_ changes: Changes, _ transaction: inout WriteTransaction) throws(StoreError) -> UInt64
    {
        let tables = store.tables
        for (version, delta) in changes.dataRecords {
            try transaction.adjust(tables, MetaKey.dataRecords(version), by: delta)
        }
        for (version, delta) in changes.indexEntries {
            try transaction.adjust(tables, MetaKey.indexEntries(version), by: delta)
        }
        for (format, delta) in changes.formatTokens {
            try transaction.adjust(tables, MetaKey.formatTokens(format), by: delta)
        }
        for (version, count) in changes.movedRecords {
            try transaction.adjust(tables, MetaKey.movedRecords(version), by: count)
        }
        for (version, count) in changes.movedEntries {
            try transaction.adjust(tables, MetaKey.movedEntries(version), by: count)
        }
        try transaction.adjust(tables, MetaKey.honeyTokens, by: changes.honeyTokens)
        let spent = changes.encryptions + uncountedEncryptions
        guard spent > 0 else { return 0 }
        let key = MetaKey.encryptions(cipher.activeVersion)
        let count = try transaction.counter(tables, key) + spent
        try transaction.putCounter(tables, key, count)
        return count
    }
}

/// What a group changes in the counters.
struct Changes {
    var dataRecords: [UInt32: Int64] = [:]
    var indexEntries: [UInt32: Int64] = [:]
    var formatTokens: [UInt16: Int64] = [:]
    var honeyTokens: Int64 = 0
    /// Moved out of a version by a rotation.
    var movedRecords: [UInt32: Int64] = [:]
    var movedEntries: [UInt32: Int64] = [:]
    var encryptions: UInt64 = 0
}

extension WriteTransaction {
    /// Adds to a counter; one that would fall below zero is damage, not arithmetic.
    mutating func adjust(_ tables: Tables, _ key: [UInt8], by delta: Int64) throws(StoreError) {
        if delta == 0 { return }
        let count = try counter(tables, key)
        let (sum, overflow) = Int64(bitPattern: count).addingReportingOverflow(delta)
        guard !overflow, sum >= 0 else { throw .damaged("a counter of records") }
        try putCounter(tables, key, UInt64(sum))
    }
}

extension WriteBatch {
    /// The subject's bytes, copied out so that the item can be changed meanwhile.
    func subject(of item: WriteItem) -> [UInt8] {
        guard item.subjectCount > 0 else { return [] }
        let start = Int(item.subjectOffset)
        return (start..<start + Int(item.subjectCount)).map { text[$0] }
    }
}
