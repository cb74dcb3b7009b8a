internal import CLMDB
internal import Glibc
internal import Synchronization

/// The one write transaction of an environment: all of it becomes durable in ``commit()``, or none of it happens.
///
/// It belongs to the thread that began it until it ends. Dropping it aborts. Spans it returns point into the store and
/// live until the next change or the end, which the compiler enforces. After any error but a plain answer, abort and
/// begin again: later calls fail with `badTransaction`.
///
/// Damaged pages: reads, table opening and the look that precedes every change answer `corrupted`. A change that meets
/// one all the same answers so too, and abandons the transaction: see ``Environment/isAbandoned``.
@safe
package struct WriteTransaction: ~Copyable {
    /// Keeps the map in place while the transaction lives.
    let environment: Environment
    /// Live until `isFinished`; only `commit` and `deinit` end it, and nothing can run after either.
    let pointer: OpaquePointer
    private var isFinished = false
    /// A change was jumped out of: LMDB's lists may point into a stack frame that is gone.
    private var isAbandoned = false

    @available(*, noasync)
    init(_ environment: Environment) throws(LMDBError) {
        guard !environment.isWriteStopped else { throw LMDBError(.writeStopped, .beginWrite) }
        let thread = pthread_self()
        precondition(
            environment.writer.load(ordering: .relaxed) != thread,
            "a write transaction was begun inside another on the same thread")
        environment.gate.enter()
        var begun: OpaquePointer?
        let code = unsafe mdb_txn_begin(environment.pointer, nil, 0, &begun)
        guard code == MDB_SUCCESS, let transaction = unsafe begun else {
            environment.gate.leave()
            throw LMDBError(code: code, .beginWrite)
        }
        environment.writer.store(thread, ordering: .relaxed)
        self.environment = environment
        unsafe pointer = transaction
    }

    deinit {
        if !isFinished {
            prepareToEnd()
            if !isAbandoned { unsafe mdb_txn_abort(pointer) }
            environment.gate.leave()
        }
    }

    /// Makes every change durable; when it returns, the data and the page that names it are on disk.
    ///
    /// Throws `mapFull`, `diskFull`, `badTransaction` (nothing was written), or `io`, `panic` and others with
    /// ``LMDBError/isOutcomeUnknown``, after which the environment takes no more writes. The corresponding C function
    /// is `mdb_txn_commit`.
    @available(*, noasync)
    package consuming func commit() throws(LMDBError) {
        guard !isAbandoned else { throw LMDBError(.badTransaction, .commit) }
        isFinished = true
        prepareToEnd()
        let code = unsafe mdb_txn_commit(pointer)
        environment.gate.leave()
        if code == MDB_SUCCESS { return }
        var error = LMDBError(code: code, .commit)
        if environment.isPanicked {
            // The last page of all failed, the one that says which data is current.
            error = LMDBError(.panic, .commit, code: code)
        } else if error.kind == .io && environment.isFileSystemFull {
            // LMDB reports a write cut short by a full disk as EIO; that one is clean.
            error = LMDBError(.diskFull, .commit, code: code)
        }
        if error.isOutcomeUnknown { environment.writesStopped.store(true, ordering: .releasing) }
        throw error
    }

    /// Drops every change. Falling out of scope does the same. The corresponding C function is `mdb_txn_abort`.
    @available(*, noasync)
    package consuming func abort() {}

    /// Never touches this transaction again, and says so to the environment.
    mutating func abandon() {
        isAbandoned = true
        environment.abandoned.store(true, ordering: .releasing)
        environment.writesStopped.store(true, ordering: .releasing)
    }

    private func prepareToEnd() {
        precondition(
            environment.writer.exchange(0, ordering: .relaxed) == pthread_self(),
            "a write transaction ended on another thread than the one that began it")
    }

    /// Opens a table with number keys, creating it unless told not to. The handle is void if this transaction aborts.
    ///
    /// Throws `incompatibleTable` if it exists with other keys, or is missing and `create` is false; `tablesFull`. The
    /// corresponding C function is `mdb_dbi_open`.
    @available(*, noasync)
    package mutating func integerTable(_ name: String, create: Bool = true) throws(LMDBError) -> IntegerTable {
        IntegerTable(handle: try openTable(name, UInt32(MDB_INTEGERKEY), create))
    }

    /// Opens a table with byte-string keys; the rest is as for ``integerTable(_:create:)``.
    @available(*, noasync)
    package mutating func bytesTable(_ name: String, create: Bool = true) throws(LMDBError) -> BytesTable {
        BytesTable(handle: try openTable(name, 0, create))
    }

    private func openTable(_ name: String, _ flags: UInt32, _ create: Bool) throws(LMDBError) -> TableHandle {
        var index: MDB_dbi = 0
        var code = unsafe strongroom_open_table(RawStore.guardKey, pointer, name, flags, &index)
        if code == MDB_NOTFOUND && create {
            code = unsafe mdb_dbi_open(pointer, name, flags | UInt32(MDB_CREATE), &index)
        }
        try check(code, .openTable)
        // LMDB takes the flags of an existing table from its file and ignores ours.
        var stored: UInt32 = 0
        try check(unsafe mdb_dbi_flags(pointer, index, &stored), .openTable)
        guard stored == flags else { throw LMDBError(code: MDB_INCOMPATIBLE, .openTable) }
        return TableHandle(index: index, environment: environment.identity)
    }

    @inline(__always)
    func owns(_ table: TableHandle, _ operation: LMDBError.Operation) throws(LMDBError) {
        if table.environment != environment.identity { throw LMDBError(.invalid, operation) }
    }
}

extension Environment {
    /// Begins the write transaction; waits while another thread has one.
    ///
    /// Throws `writeStopped`, `panic`, `other`. Beginning a second one on the same thread is a programming error and
    /// traps. The corresponding C function is `mdb_txn_begin`.
    @available(*, noasync)
    package func beginWrite() throws(LMDBError) -> WriteTransaction {
        try WriteTransaction(self)
    }

    /// True if LMDB refuses every transaction until the store is reopened.
    package var isPanicked: Bool {
        gate.enter()
        defer { gate.leave() }
        var begun: OpaquePointer?
        let code = unsafe mdb_txn_begin(pointer, nil, UInt32(MDB_RDONLY), &begun)
        if let transaction = unsafe begun, code == MDB_SUCCESS { unsafe mdb_txn_abort(transaction) }
        return code == MDB_PANIC
    }

    /// True if the file system, or the quota, has no room for another piece of the data file.
    var isFileSystemFull: Bool {
        var descriptor: Int32 = -1
        guard unsafe mdb_env_get_fd(pointer, &descriptor) == MDB_SUCCESS else { return false }
        return strongroom_is_full(descriptor, Self.roomProbeBytes) != 0
    }

    private static let roomProbeBytes = 1 << 20
}
