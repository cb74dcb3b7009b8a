internal import Glibc

/// The page size that the two first pages of a data file state, looked at before LMDB maps the file by it.
///
/// LMDB divides by that number and places its second page by it without a look: one flipped bit there is a SIGFPE or
/// SIGBUS while opening, or makes an old state look current. Every page size is a power of two, so no flip of one bit
/// goes unseen.
///
/// ```
///  offset in each page, 64-bit systems
///      16   4  magic number
///      20   4  format version
///      40   4  page size
/// ```
enum MetaPages {
    private static let pageSizeOffset = 40
    private static let headBytes = 44

    /// Throws `corrupted` where the file states no page size that LMDB writes; leaves what is empty, short or missing
    /// to LMDB.
    static func check(file path: String) throws(LMDBError) {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            if errno == ENOENT { return }
            throw LMDBError(code: errno, .open)
        }
        defer { close(file) }
        guard let first = try pageSize(file, at: 0) else { return }
        guard isPageSize(first) else { throw LMDBError(.corrupted, .open) }
        guard let second = try pageSize(file, at: off_t(first)) else { return }
        guard second == first else { throw LMDBError(.corrupted, .open) }
    }

    static func isPageSize(_ bytes: UInt32) -> Bool { 512...65_536 ~= bytes && bytes & (bytes - 1) == 0 }

    private static func pageSize(_ file: Int32, at offset: off_t) throws(LMDBError) -> UInt32? {
        var head = [UInt8](repeating: 0, count: headBytes)
        let count = unsafe head.withUnsafeMutableBytes { unsafe pread(file, $0.baseAddress, $0.count, offset) }
        if count < 0 { throw LMDBError(code: errno, .open) }
        guard count == headBytes else { return nil }
        var bytes: UInt32 = 0
        // In native order, as LMDB writes it.
        unsafe withUnsafeMutableBytes(of: &bytes) { target in
            for index in 0..<4 { unsafe target[index] = head[pageSizeOffset + index] }
        }
        return bytes
    }
}
