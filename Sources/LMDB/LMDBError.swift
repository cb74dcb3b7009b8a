internal import CLMDB
internal import Glibc

/// What a call of this module can fail with: the kind to act on, the code LMDB or the system gave, and the call that
/// gave it.
///
/// It holds no key, value or path, so it may be logged as it is.
package struct LMDBError: Error, Equatable, Sendable {
    /// The failures a caller can tell apart and act on.
    package enum Kind: Equatable, Sendable {
        /// The map limit is reached (`MDB_MAP_FULL`). The transaction is lost, the environment goes on.
        case mapFull
        /// The file system is full (`ENOSPC`, `EDQUOT`). The transaction is lost and not on disk, the environment goes
        /// on.
        case diskFull
        /// The device failed (`EIO` and its relatives). From a commit: the outcome is unknown.
        case io
        /// The environment met a fatal error and must be reopened (`MDB_PANIC`).
        case panic
        /// A commit failed earlier, so this environment accepts no more writes until it is reopened.
        case writeStopped
        /// The data is damaged, or is no LMDB file (`MDB_CORRUPTED`, `MDB_PAGE_NOTFOUND`, `MDB_INVALID`,
        /// `MDB_CURSOR_FULL`).
        case corrupted
        /// An earlier error ended this transaction (`MDB_BAD_TXN`).
        case badTransaction
        /// One transaction touched too many pages (`MDB_TXN_FULL`).
        case transactionFull
        /// All reader slots are in use (`MDB_READERS_FULL`).
        case readersFull
        /// All table handles are in use (`MDB_DBS_FULL`).
        case tablesFull
        /// The file was written by another format version of LMDB (`MDB_VERSION_MISMATCH`).
        case versionMismatch
        /// The table does not exist, or exists with the other kind of key (`MDB_INCOMPATIBLE`).
        case incompatibleTable
        /// A key is empty or longer than ``Environment/keyBytesMax`` (`MDB_BAD_VALSIZE`).
        case badKeySize
        /// The call does not fit the state of its object (`EINVAL`, `MDB_BAD_DBI`), such as a table of another
        /// environment.
        case invalid
        /// Transactions were open for the whole waiting time of ``Environment/resize(mapBytes:waiting:)``.
        case busy
        /// This process has the same directory open already: LMDB allows one environment per process and file.
        case alreadyOpen
        /// Another process, or another lock in this one, holds the directory; its process id if the lock file tells.
        case alreadyLocked(pid: Int32?)
        /// The directory lies on a network or cluster file system, where LMDB's shared map and locks do not hold.
        case networkFileSystem(FileSystemKind)
        /// The directory lies on a file system whose guarantees cannot be known (FUSE).
        case unsupportedFileSystem(FileSystemKind)
        /// Any other code of LMDB or `errno` value: see ``LMDBError/code``.
        case other
    }

    /// The call that failed, named after the C function where there is one.
    package enum Operation: String, Sendable {
        case open, close, lock, statfs, fsync, info, resize, copy
        case beginRead, renewRead, beginWrite, commit
        case openTable, statistics
        case get, put, insert, delete
        case openCursor, moveCursor, replaceAtCursor, deleteAtCursor
        case readerCheck, readerList
    }

    /// What to act on.
    package let kind: Kind
    /// LMDB's negative code, a positive `errno`, or 0 for a refusal of our own.
    package let code: Int32
    /// The call that failed.
    package let operation: Operation

    /// A refusal of our own, with no code from below.
    package init(_ kind: Kind, _ operation: Operation, code: Int32 = 0) {
        self.kind = kind
        self.code = code
        self.operation = operation
    }

    /// The error for a non-zero return code of LMDB or a value of `errno`.
    init(code: CInt, _ operation: Operation) {
        self.init(Self.kind(of: code, operation), operation, code: code)
    }

    /// True if data of a failed commit may be on disk all the same: answer "unknown", reopen, and look before writing
    /// again.
    package var isOutcomeUnknown: Bool {
        guard operation == .commit else { return false }
        return switch kind {
        case .mapFull, .diskFull, .transactionFull, .badTransaction: false
        default: true
        }
    }

    private static func kind(of code: CInt, _ operation: Operation) -> Kind {
        switch code {
        case MDB_MAP_FULL: .mapFull
        case ENOSPC, EDQUOT: .diskFull
        case EIO, EROFS, ENXIO, ENODEV, EREMOTEIO: .io
        case MDB_PANIC: .panic
        case MDB_CORRUPTED, MDB_PAGE_NOTFOUND, MDB_INVALID, MDB_CURSOR_FULL, MDB_PAGE_FULL: .corrupted
        case MDB_BAD_TXN: .badTransaction
        case MDB_TXN_FULL: .transactionFull
        case MDB_READERS_FULL: .readersFull
        case MDB_DBS_FULL: .tablesFull
        case MDB_VERSION_MISMATCH: .versionMismatch
        case MDB_INCOMPATIBLE: .incompatibleTable
        case MDB_NOTFOUND where operation == .openTable: .incompatibleTable
        case MDB_BAD_VALSIZE: .badKeySize
        case EINVAL, MDB_BAD_DBI: .invalid
        default: .other
        }
    }
}

extension LMDBError: CustomStringConvertible {
    /// One line for a log: the call, the kind and LMDB's own words for the code.
    package var description: String {
        guard code != 0, let text = unsafe mdb_strerror(code) else { return "lmdb \(operation.rawValue): \(kind)" }
        return unsafe "lmdb \(operation.rawValue): \(kind) (\(code): \(String(cString: text)))"
    }
}

/// Throws unless `code` is `MDB_SUCCESS`.
@inline(__always)
func check(_ code: CInt, _ operation: LMDBError.Operation) throws(LMDBError) {
    if code != MDB_SUCCESS { throw LMDBError(code: code, operation) }
}
