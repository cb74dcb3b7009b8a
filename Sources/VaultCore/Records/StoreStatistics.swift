internal import LMDB

/// How full a vault is, by the counters that are kept in the same transactions as what they count.
package struct StoreStatistics: Sendable {
    package struct Key: Sendable {
        package let purpose: KeyPurpose
        package let version: UInt32
        package let state: KeyState
        /// Unix seconds.
        package let created: UInt64
        /// Unix seconds, 0 before.
        package let retired: UInt64
        package let destroyed: UInt64
        /// Records (data keys) or index entries (index keys) under this version now.
        package let records: UInt64
        /// Encryptions ever done, for data keys.
        package let encryptions: UInt64
        /// Records or entries that rotations have moved out of it.
        package let moved: UInt64
    }

    package var keys: [Key] = []
    /// Live tokens of a format id.
    package var formatTokens: [UInt16: UInt64] = [:]
    /// Live honey tokens, of whatever format; they are among the others' numbers too.
    package var honeyTokens: UInt64 = 0
    package var tokens = 0
    package var indexEntries = 0
    package var subjects = 0
    package var rememberedRequests = 0
    package var mapBytesUsed = 0
    package var mapBytesLimit = 0
    package var readersUsed = 0
    package var readersLimit = 0
    /// Commits since the oldest open snapshot was taken.
    package var oldestSnapshotAge = 0
}

extension Store {
    /// Reads all counters in one short snapshot. Takes a reader slot for its time; any thread.
    package func statistics(keyring: Keyring, formats: [UInt16]) throws(StoreError) -> StoreStatistics {
        var statistics = StoreStatistics()
        let info = try lmdb { () throws(LMDBError) in try environment.info }
        statistics.mapBytesUsed = info.mapBytesUsed
        statistics.mapBytesLimit = info.mapBytesLimit
        statistics.readersUsed = info.readerSlotsUsed
        statistics.readersLimit = info.readerSlotsLimit
        statistics.oldestSnapshotAge = info.oldestSnapshotAge
        do throws(LMDBError) {
            try read(&statistics, keyring: keyring, formats: formats)
        } catch {
            throw .lmdb(error)
        }
        return statistics
    }

    private func read(
        _ statistics: inout StoreStatistics, keyring: Keyring, formats: [UInt16]
    ) throws(LMDBError) {
        var reader = try Reader(environment)
        let snapshot = try reader.snapshot()
        for version in keyring.versions {
            let number = version.number
            var records: UInt64 = 0
            var encryptions: UInt64 = 0
            var moved: UInt64 = 0
            switch version.purpose {
            case .data:
                records = try snapshot.counter(tables, MetaKey.dataRecords(number))
                encryptions = try snapshot.counter(tables, MetaKey.encryptions(number))
                moved = try snapshot.counter(tables, MetaKey.movedRecords(number))
            case .index:
                records = try snapshot.counter(tables, MetaKey.indexEntries(number))
                moved = try snapshot.counter(tables, MetaKey.movedEntries(number))
            case .audit: break
            }
            statistics.keys.append(
                StoreStatistics.Key(
                    purpose: version.purpose, version: number, state: version.state, created: version.created,
                    retired: version.retired, destroyed: version.destroyed, records: records,
                    encryptions: encryptions, moved: moved))
        }
        for format in formats {
            statistics.formatTokens[format] = try snapshot.counter(tables, MetaKey.formatTokens(format))
        }
        statistics.honeyTokens = try snapshot.counter(tables, MetaKey.honeyTokens)
        statistics.tokens = try snapshot.statistics(tables.tokens).entries
        statistics.indexEntries = try snapshot.statistics(tables.index).entries
        statistics.subjects = try snapshot.statistics(tables.subjects).entries
        statistics.rememberedRequests = try snapshot.statistics(tables.requests).entries
    }
}

extension Snapshot {
    /// An 8-byte counter; 0 where there is none or it does not read.
    borrowing func counter(_ tables: Tables, _ key: [UInt8]) throws(LMDBError) -> UInt64 {
        guard let value = try get(tables.meta, key.span), value.count == 8 else { return 0 }
        return UInt64(bigEndian: value, at: 0)
    }
}
