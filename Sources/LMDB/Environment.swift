internal import CLMDB
internal import Glibc
internal import Synchronization

/// One open LMDB store: a directory with `data.mdb` and `lock.mdb`.
///
/// Fixed choices: `MDB_NOTLS`, and no flag that weakens a flush, maps the file writable or leaves pages uninitialised,
/// so a commit that returned is on disk and a full disk is an error instead of a signal. Local file systems only, one
/// environment per directory and process, no `fork` while it is open. It closes when the last reader, transaction and
/// reference are gone.
///
/// Any thread may call it; each ``Reader`` and ``WriteTransaction`` belongs to one thread at a time.
@safe
package final class Environment: Sendable {
    /// Valid from `init` to `deinit`: every user of it holds a strong reference to this object. LMDB's environment
    /// calls are thread-safe, except remapping, which `gate` keeps alone.
    nonisolated(unsafe) let pointer: OpaquePointer
    /// Distinguishes the tables of this environment from those of others in the process.
    let identity: UInt32
    let gate = TransactionGate()
    /// Set by the first commit whose outcome is unknown; never cleared.
    let writesStopped = Atomic<Bool>(false)
    /// Set by the first change that was jumped out of; never cleared.
    let abandoned = Atomic<Bool>(false)
    /// The thread in a write transaction, or 0: a second one on the same thread would wait for itself for ever.
    let writer = Atomic<UInt>(0)
    private let directory: FileIdentity

    /// The longest key of a ``BytesTable``, in bytes: LMDB's compiled-in limit.
    package static let keyBytesMax = 511

    /// Opens the store, creating its files in an existing directory.
    ///
    /// Before the data is trusted, it and its directory are flushed: pages an earlier failure left in the cache only
    /// are found here and not later. A failed flush refuses to open.
    ///
    /// - Parameters:
    ///   - path: an existing directory on a local file system.
    ///   - mapBytes: the largest size of the data, in whole pages. It costs address space only: set it far above need.
    ///   - maxReaders: the number of ``Reader``s that can exist at once.
    ///   - maxTables: the number of tables that can be opened.
    ///   - mode: permissions of new files.
    ///
    /// Throws `networkFileSystem`, `unsupportedFileSystem`, `alreadyOpen`, `io`, `corrupted`, `versionMismatch`,
    /// `diskFull`, or `other` with an `errno`. The corresponding C function is `mdb_env_open`.
    package init(
        path: String, mapBytes: Int, maxReaders: Int = 126, maxTables: Int = 16, mode: UInt32 = 0o600
    ) throws(LMDBError) {
        try FileSystemKind.check(path: path)
        let directory = try FileIdentity.claim(path: path)
        do throws(LMDBError) {
            try flush(path + "/data.mdb", O_RDONLY, mayBeMissing: true)
            try MetaPages.check(file: path + "/data.mdb")
            unsafe pointer = try Self.open(path, mapBytes, maxReaders, maxTables, mode)
        } catch {
            directory.release()
            throw error
        }
        self.directory = directory
        identity = Self.identities.add(1, ordering: .relaxed).newValue
        // A new file: its first pages, and then its name.
        try flush(path + "/data.mdb", O_RDONLY, mayBeMissing: false)
        try flush(path, O_RDONLY | O_DIRECTORY, mayBeMissing: false)
    }

    deinit {
        unsafe mdb_env_close(pointer)
        directory.release()
    }

    /// True once a commit failed with an unknown outcome. Reads go on; writes are refused until the store is reopened,
    /// because LMDB would report success for the next commit although the flush before it failed.
    package var isWriteStopped: Bool { writesStopped.load(ordering: .acquiring) }

    /// True once a damaged page cut a change short. That transaction is left as it is, memory and all, and its thread
    /// still holds LMDB's write lock: the thread has to end, which gives the lock up, and then the store be reopened.
    /// Reads go on until then.
    package var isAbandoned: Bool { abandoned.load(ordering: .acquiring) }

    private static let identities = Atomic<UInt32>(0)

    private static func open(
        _ path: String, _ mapBytes: Int, _ maxReaders: Int, _ maxTables: Int, _ mode: UInt32
    ) throws(LMDBError) -> OpaquePointer {
        guard let readers = UInt32(exactly: maxReaders), let tables = UInt32(exactly: maxTables), mapBytes > 0 else {
            throw LMDBError(.invalid, .open)
        }
        var created: OpaquePointer?
        try check(unsafe mdb_env_create(&created), .open)
        guard let environment = unsafe created else { throw LMDBError(.other, .open) }
        do throws(LMDBError) {
            try check(unsafe mdb_env_set_mapsize(environment, wholePages(mapBytes)), .open)
            try check(unsafe mdb_env_set_maxreaders(environment, readers), .open)
            try check(unsafe mdb_env_set_maxdbs(environment, tables), .open)
            try check(unsafe strongroom_guard_assertions(environment, RawStore.guardKey), .open)
            try check(unsafe mdb_env_open(environment, path, UInt32(MDB_NOTLS), mode), .open)
        } catch {
            unsafe mdb_env_close(environment)
            throw error
        }
        return unsafe environment
    }

    /// `bytes` rounded up to what the map is made of.
    static func wholePages(_ bytes: Int) -> Int {
        let page = sysconf(Int32(_SC_PAGESIZE))
        return (bytes + page - 1) / page * page
    }
}

/// Makes what the kernel holds of a file or directory durable. Throws `io` and the like of `open` or `fsync`.
private func flush(_ path: String, _ flags: Int32, mayBeMissing: Bool) throws(LMDBError) {
    let descriptor = unsafe open(path, flags | O_CLOEXEC)
    if descriptor < 0 {
        if mayBeMissing && errno == ENOENT { return }
        throw LMDBError(code: errno, .fsync)
    }
    defer { close(descriptor) }
    if fsync(descriptor) != 0 { throw LMDBError(code: errno, .fsync) }
}

/// The device and inode of a directory: its name in the list of those this process has open.
///
/// LMDB's locks belong to the process, so closing a second environment on the same files would drop the locks of the
/// first.
private struct FileIdentity: Hashable, Sendable {
    let device: UInt
    let inode: UInt

    private static let open = Mutex<Set<FileIdentity>>([])

    static func claim(path: String) throws(LMDBError) -> FileIdentity {
        var status = stat()
        if unsafe stat(path, &status) != 0 { throw LMDBError(code: errno, .open) }
        let identity = FileIdentity(device: UInt(status.st_dev), inode: UInt(status.st_ino))
        guard open.withLock({ $0.insert(identity).inserted }) else { throw LMDBError(.alreadyOpen, .open) }
        return identity
    }

    func release() {
        Self.open.withLock { _ = $0.remove(self) }
    }
}
