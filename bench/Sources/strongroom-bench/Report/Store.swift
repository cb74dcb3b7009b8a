internal import Glibc

/// The store as it lies on disk.
struct Store {
    /// Bytes that the file takes on disk; nil where it cannot be looked at.
    let bytes: UInt64?

    init(dataDirectory: String) {
        var file = stat()
        bytes = unsafe stat("\(dataDirectory)/vault/data.mdb", &file) == 0 ? UInt64(file.st_blocks) * 512 : nil
    }
}
