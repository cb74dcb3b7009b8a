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
    var uncountedEncryptions: UInt64 = 0
    /// Where the sweep of request ids goes on.
    var requestSweepKey: [UInt8] = []
    /// Tokens looked at to find free ones, ever: against the tokens made, a measure of how full the buckets are.
    package internal(set) var draws: UInt64 = 0
    /// Searches that found no free token, ever.
    package internal(set) var fullBuckets: UInt64 = 0

    package init(store: Store, keyring: Keyring, formats: FormatTable) throws(StoreError) {
        let cipher = try crypto { () throws(CryptoError) in try RecordCipher(keyring) }
        self.init(store: store, formats: formats, cipher: cipher, indexes: try BlindIndexContext.all(of: keyring))
    }

    private init(
        store: Store, formats: FormatTable, cipher: consuming RecordCipher, indexes: [BlindIndexContext]
    ) {
        self.store = store
        self.formats = formats
        self.cipher = cipher
        self.indexes = indexes
    }

    /// Does every item of every batch in one transaction; when this returns, all of it is on disk.
    ///
    /// Outcomes are in the items. On failure none of the items may be answered with success.
    package mutating func apply(_ batches: [WriteBatch], now: UInt32) throws(WriteFailure) {
        var changes = Changes()
        let purposeSetsBefore = purposeSets
        var transaction: WriteTransaction
        do throws(LMDBError) {
            transaction = try store.environment.beginWrite()
        } catch {
            throw .rejected(.lmdb(error))
        }
        do throws(StoreError) {
            for batch in batches {
                for position in 0..<batch.items.count {
                    try apply(batch, at: position, now: now, &transaction, &changes)
                }
            }
            try record(changes, &transaction)
        } catch {
            purposeSets = purposeSetsBefore
            uncountedEncryptions += changes.encryptions
            throw error.isFull ? .full : .rejected(error)
        }
        do throws(LMDBError) {
            try transaction.commit()
            uncountedEncryptions = 0
        } catch {
            purposeSets = purposeSetsBefore
            uncountedEncryptions += changes.encryptions
            if error.isOutcomeUnknown { throw .unknown(.lmdb(error)) }
            throw error.isFull ? .full : .rejected(.lmdb(error))
        }
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
        }
        batch.items[position] = item
    }

    /// Writes the counters that changed, in the same transaction as what they count.
    private mutating func record(_ changes: Changes, _ transaction: inout WriteTransaction) throws(StoreError) {
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
        let encryptions = changes.encryptions + uncountedEncryptions
        if encryptions > 0 {
            let key = MetaKey.encryptions(cipher.activeVersion)
            let count = try transaction.counter(tables, key)
            try transaction.putCounter(tables, key, count + encryptions)
        }
    }
}

/// What a group changes in the counters.
struct Changes {
    var dataRecords: [UInt32: Int64] = [:]
    var indexEntries: [UInt32: Int64] = [:]
    var formatTokens: [UInt16: Int64] = [:]
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
