internal import CLMDB
internal import Glibc

/// The calls that read and write transactions share, on bare pointers; the types above add ownership and lifetimes.
///
/// All return LMDB's code. `transaction` must be live.
enum RawStore {
    /// Where each thread keeps the way back out of a damaged page, for the guarded calls of the shim header. Its first
    /// use installs the process's handlers for SIGSEGV and SIGBUS, which pass on every fault outside those calls.
    static let guardKey: pthread_key_t = {
        var key: pthread_key_t = 0
        let code = unsafe strongroom_guard_faults(&key)
        precondition(code == 0, "no thread-specific key or signal handler is to be had")
        return key
    }()

    @inline(__always)
    static func get(_ transaction: OpaquePointer, _ table: TableHandle, _ key: UInt64, _ value: inout MDB_val) -> CInt {
        var key = key
        return unsafe withUnsafeMutablePointer(to: &key) { pointer in
            var name = unsafe MDB_val(mv_size: 8, mv_data: UnsafeMutableRawPointer(pointer))
            return unsafe strongroom_get(guardKey, transaction, table.index, &name, &value)
        }
    }

    @inline(__always)
    static func get(
        _ transaction: OpaquePointer, _ table: TableHandle, _ key: Span<UInt8>, _ value: inout MDB_val
    ) -> CInt {
        unsafe key.withUnsafeBufferPointer { bytes in
            var name = unsafe MDB_val(bytes)
            return unsafe strongroom_get(guardKey, transaction, table.index, &name, &value)
        }
    }

    @inline(__always)
    static func put(
        _ transaction: OpaquePointer, _ table: TableHandle, _ key: UInt64, _ value: Span<UInt8>, _ flags: UInt32
    ) -> CInt {
        var key = key
        return unsafe withUnsafeMutablePointer(to: &key) { pointer in
            unsafe value.withUnsafeBufferPointer { bytes in
                var name = unsafe MDB_val(mv_size: 8, mv_data: UnsafeMutableRawPointer(pointer))
                var data = unsafe MDB_val(bytes)
                return unsafe strongroom_put(guardKey, transaction, table.index, &name, &data, flags)
            }
        }
    }

    @inline(__always)
    static func put(
        _ transaction: OpaquePointer, _ table: TableHandle, _ key: Span<UInt8>, _ value: Span<UInt8>, _ flags: UInt32
    ) -> CInt {
        unsafe key.withUnsafeBufferPointer { keyBytes in
            unsafe value.withUnsafeBufferPointer { bytes in
                var name = unsafe MDB_val(keyBytes)
                var data = unsafe MDB_val(bytes)
                return unsafe strongroom_put(guardKey, transaction, table.index, &name, &data, flags)
            }
        }
    }

    @inline(__always)
    static func delete(_ transaction: OpaquePointer, _ table: TableHandle, _ key: UInt64) -> CInt {
        var key = key
        return unsafe withUnsafeMutablePointer(to: &key) { pointer in
            var name = unsafe MDB_val(mv_size: 8, mv_data: UnsafeMutableRawPointer(pointer))
            return unsafe strongroom_delete(guardKey, transaction, table.index, &name)
        }
    }

    @inline(__always)
    static func delete(_ transaction: OpaquePointer, _ table: TableHandle, _ key: Span<UInt8>) -> CInt {
        unsafe key.withUnsafeBufferPointer { bytes in
            var name = unsafe MDB_val(bytes)
            return unsafe strongroom_delete(guardKey, transaction, table.index, &name)
        }
    }

    static func statistics(_ transaction: OpaquePointer, _ table: TableHandle) throws(LMDBError) -> TableStatistics {
        var stat = MDB_stat()
        try check(unsafe mdb_stat(transaction, table.index, &stat), .statistics)
        return TableStatistics(
            entries: stat.ms_entries, depth: Int(stat.ms_depth), branchPages: stat.ms_branch_pages,
            leafPages: stat.ms_leaf_pages, overflowPages: stat.ms_overflow_pages)
    }
}

extension MDB_val {
    /// A view of caller's bytes; LMDB reads them only during the call, although its type says mutable.
    @inline(__always)
    init(_ bytes: UnsafeBufferPointer<UInt8>) {
        unsafe self.init(mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
    }

    /// The bytes LMDB points at. The caller ties the result to the transaction or cursor that keeps them in place.
    @inline(__always)
    var bytes: Span<UInt8> {
        @_lifetime(immortal)
        get {
            guard let start = unsafe mv_data else { return Span() }
            let span = unsafe Span(_unsafeStart: start.assumingMemoryBound(to: UInt8.self), count: mv_size)
            return unsafe _overrideLifetime(span, copying: ())
        }
    }
}
