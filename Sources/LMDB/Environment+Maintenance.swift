internal import CLMDB
internal import Glibc

extension Environment {
    /// The version of the LMDB library this process runs with, such as "0.9.24". The corresponding C function is
    /// `mdb_version`.
    package static var version: String {
        var (major, minor, patch): (Int32, Int32, Int32) = (0, 0, 0)
        _ = unsafe mdb_version(&major, &minor, &patch)
        return "\(major).\(minor).\(patch)"
    }

    /// Sizes and reader figures of this moment. Takes microseconds and no transaction; any thread. The corresponding C
    /// functions are `mdb_env_info`, `mdb_env_stat` and `mdb_reader_list`.
    package var info: EnvironmentInfo {
        get throws(LMDBError) {
            gate.enter()
            defer { gate.leave() }
            var info = unsafe MDB_envinfo()
            try check(unsafe mdb_env_info(pointer, &info), .info)
            var stat = MDB_stat()
            try check(unsafe mdb_env_stat(pointer, &stat), .info)
            var readers = ReaderListing()
            let listed = unsafe mdb_reader_list(pointer, noteReader, &readers)
            if listed < 0 { throw LMDBError(code: listed, .readerList) }
            let last = unsafe info.me_last_txnid
            return unsafe EnvironmentInfo(
                mapBytesUsed: (info.me_last_pgno + 1) * Int(stat.ms_psize), mapBytesLimit: info.me_mapsize,
                pageBytes: Int(stat.ms_psize), lastTransaction: last, readerSlotsUsed: readers.slots,
                readerSlotsLimit: Int(info.me_maxreaders), snapshotsOpen: readers.active,
                oldestSnapshotAge: readers.oldest.map { max(0, last - $0) } ?? 0)
        }
    }

    /// Frees the slots of readers whose process has died; returns how many. Any thread. The corresponding C function is
    /// `mdb_reader_check`.
    package func clearStaleReaders() throws(LMDBError) -> Int {
        var dead: Int32 = 0
        try check(unsafe mdb_reader_check(pointer, &dead), .readerCheck)
        return Int(dead)
    }

    /// Changes the map limit, rounded up to whole pages and never below the data.
    ///
    /// Waits until no transaction is open, holding new ones back meanwhile; after `waiting` it gives up with `busy` and
    /// nothing has changed. Never call it with a snapshot or write transaction open on the same thread: that one would
    /// be waited for. The corresponding C function is `mdb_env_set_mapsize`.
    package func resize(mapBytes: Int, waiting: Duration = .seconds(1)) throws(LMDBError) {
        guard mapBytes > 0 else { throw LMDBError(.invalid, .resize) }
        let size = Self.wholePages(mapBytes)
        guard let code = gate.alone(waiting: waiting, { unsafe mdb_env_set_mapsize(pointer, size) }) else {
            throw LMDBError(.busy, .resize)
        }
        try check(code, .resize)
    }

    /// Writes a consistent copy without free pages, and so without deleted data, to `descriptor` from its current
    /// position.
    ///
    /// It is one long snapshot: pages freed meanwhile stay in use, so the store may grow. The caller flushes the file.
    /// Blocks for the whole copy; throws `diskFull`, `io`, `corrupted`, `incompatibleTable` (pages are missing from or
    /// leaked in the store). The corresponding C function is `mdb_env_copyfd2` with `MDB_CP_COMPACT`.
    @available(*, noasync)
    package func copyCompacted(toFileDescriptor descriptor: Int32) throws(LMDBError) {
        gate.enter()
        defer { gate.leave() }
        try check(unsafe mdb_env_copyfd2(pointer, descriptor, UInt32(MDB_CP_COMPACT)), .copy)
    }
}

/// What ``Environment/info`` reports.
package struct EnvironmentInfo: Equatable, Sendable {
    /// Bytes of the map in use, free pages inside it included: the size the data file needs. Never shrinks.
    package let mapBytesUsed: Int
    /// The limit given at opening or by ``Environment/resize(mapBytes:waiting:)``.
    package let mapBytesLimit: Int
    /// The size of a page, usually 4096.
    package let pageBytes: Int
    /// The number of the last commit.
    package let lastTransaction: Int
    /// Reader slots taken, one per live ``Reader``, and the most there can be.
    package let readerSlotsUsed, readerSlotsLimit: Int
    /// Slots with a snapshot open now.
    package let snapshotsOpen: Int
    /// Commits since the oldest open snapshot was taken; 0 without one. Pages freed by these commits cannot be reused.
    package let oldestSnapshotAge: Int
}

/// What `mdb_reader_list` said so far.
private struct ReaderListing {
    var slots = 0
    var active = 0
    var oldest: Int?
}

/// Reads one line of `mdb_reader_list`, "pid thread transaction", where a slot between snapshots has "-" for the
/// transaction. It runs on the caller's thread, and `context` is the listing that `Environment.info` keeps on its stack
/// during the call.
private func noteReader(_ line: UnsafePointer<CChar>?, _ context: UnsafeMutableRawPointer?) -> CInt {
    guard let line = unsafe line, let context = unsafe context else { return 0 }
    let listing = unsafe context.assumingMemoryBound(to: ReaderListing.self)
    let fields = unsafe String(cString: line).split(whereSeparator: \.isWhitespace)
    guard fields.count == 3, Int(fields[0]) != nil else { return 0 }
    unsafe listing.pointee.slots += 1
    guard let transaction = Int(fields[2]) else { return 0 }
    unsafe listing.pointee.active += 1
    unsafe listing.pointee.oldest = min(listing.pointee.oldest ?? transaction, transaction)
    return 0
}
