internal import CLMDB

/// One reusable read transaction: a thread that reads keeps one and takes a ``Snapshot`` of it per batch of work.
///
/// It occupies a reader slot for its whole life and pins no pages between snapshots. Taking a snapshot allocates
/// nothing. May move between threads; the compiler keeps it to one user at a time.
///
/// A damaged page makes LMDB refuse everything else of that read transaction. The reader notices any error but "not
/// found" and starts its next snapshot on a fresh transaction, so one bad record costs one error.
@safe
package struct Reader: ~Copyable, @unchecked Sendable {
    /// Owned by this value alone, freed in `deinit`; snapshots borrow it and cannot outlive the reader. LMDB allows a
    /// read transaction to change threads under `MDB_NOTLS`, which is why this type may be sent.
    private let state: UnsafeMutablePointer<ReaderState>

    /// Takes a reader slot.
    ///
    /// Throws `readersFull`, `panic`, `other`. The corresponding C functions are `mdb_txn_begin` and `mdb_txn_reset`.
    package init(_ environment: Environment) throws(LMDBError) {
        environment.gate.enter()
        defer { environment.gate.leave() }
        let transaction = try unsafe ReaderState.begin(environment)
        unsafe mdb_txn_reset(transaction)
        unsafe state = .allocate(capacity: 1)
        unsafe state.initialize(to: ReaderState(environment: environment, transaction: transaction))
    }

    deinit {
        if let transaction = unsafe state.pointee.transaction { unsafe mdb_txn_abort(transaction) }
        unsafe state.deinitialize(count: 1)
        unsafe state.deallocate()
    }

    /// A view of the last committed state, until it is dropped. Keep it short: it pins every page freed since.
    ///
    /// Throws `readersFull` (only after an earlier error), `panic`, `other`. The corresponding C function is
    /// `mdb_txn_renew`.
    @available(*, noasync)
    @_lifetime(&self)
    package mutating func snapshot() throws(LMDBError) -> Snapshot {
        let environment = unsafe state.pointee.environment
        environment.gate.enter()
        do throws(LMDBError) {
            try unsafe state.pointee.renew()
        } catch {
            environment.gate.leave()
            throw error
        }
        return unsafe _overrideLifetime(Snapshot(state), mutating: &self)
    }

    /// Runs `body` with a snapshot; what it returns cannot contain a span of the store.
    @available(*, noasync)
    package mutating func withSnapshot<R: ~Copyable>(
        _ body: (borrowing Snapshot) throws(LMDBError) -> R
    ) throws(LMDBError) -> R {
        let snapshot = try snapshot()
        return try body(snapshot)
    }
}

/// What a reader and its current snapshot share.
@safe
struct ReaderState {
    let environment: Environment
    /// The reset or running transaction; `nil` after a damaged one was given up.
    var transaction: OpaquePointer?
    /// Set by any error but "not found".
    var isDamaged = false

    static func begin(_ environment: Environment) throws(LMDBError) -> OpaquePointer {
        var begun: OpaquePointer?
        let code = unsafe mdb_txn_begin(environment.pointer, nil, UInt32(MDB_RDONLY), &begun)
        guard code == MDB_SUCCESS, let transaction = unsafe begun else { throw LMDBError(code: code, .beginRead) }
        return unsafe transaction
    }

    /// Makes `transaction` a running one that shows the last commit.
    mutating func renew() throws(LMDBError) {
        if let transaction = unsafe transaction {
            let code = unsafe mdb_txn_renew(transaction)
            if code == MDB_SUCCESS { return }
            unsafe mdb_txn_abort(transaction)
            unsafe self.transaction = nil
            if code == MDB_PANIC { throw LMDBError(code: code, .renewRead) }
        }
        unsafe transaction = try Self.begin(environment)
        isDamaged = false
    }

    /// Ends the running transaction, keeping it for reuse if it is sound.
    mutating func end() {
        guard let transaction = unsafe transaction else { return }
        if isDamaged {
            unsafe mdb_txn_abort(transaction)
            unsafe self.transaction = nil
        } else {
            unsafe mdb_txn_reset(transaction)
        }
    }
}
