import COpenSSL
import Glibc

/// A whole file in memory that is wiped when it goes: it may be a private key. Read without stdio, which would keep a
/// copy.
///
/// `@safe`: the pointer is allocated in `init`, freed in `deinit` and leaves only for the duration of a closure.
@safe
struct FileBytes: ~Copyable {
    private let start: UnsafeMutableRawPointer
    private let capacity: Int
    private let count: Int

    /// - Parameter privately: also refuse a file that everybody may read.
    static func read(path: String, privately: Bool = false) throws(TLSConfigurationError) -> FileBytes {
        func failure(_ problem: TLSConfigurationError.Problem) -> TLSConfigurationError {
            TLSConfigurationError(file: path, problem: problem)
        }

        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(errno == ENOENT ? .missing : .unreadable(errno: errno)) }
        defer { close(descriptor) }

        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw failure(.unreadable(errno: errno)) }
        guard status.st_mode & S_IFMT != S_IFDIR else { throw failure(.unreadable(errno: EISDIR)) }
        guard !privately || status.st_mode & S_IROTH == 0 else { throw failure(.readableByEverybody) }
        guard status.st_size <= TLSPolicy.fileBytesMax else { throw failure(.tooLarge) }

        // One byte more than the file has, so that a file that grew meanwhile shows itself.
        let capacity = Int(status.st_size) + 1
        let start = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 1)
        let filled = unsafe Self.readAll(descriptor, into: start, capacity: capacity)
        let unreadable = errno
        let file = unsafe FileBytes(start: start, capacity: capacity, count: max(0, filled))
        guard filled >= 0 else { throw failure(.unreadable(errno: unreadable)) }
        guard filled < capacity else { throw failure(.malformed(reason: "it changed while it was read")) }
        return file
    }

    private init(start: UnsafeMutableRawPointer, capacity: Int, count: Int) {
        unsafe self.start = unsafe start
        self.capacity = capacity
        self.count = count
    }

    /// How many bytes there were, or -1. The corresponding C function is `read`.
    private static func readAll(_ descriptor: Int32, into start: UnsafeMutableRawPointer, capacity: Int) -> Int {
        var filled = 0
        while filled < capacity {
            let got = unsafe Glibc.read(descriptor, start + filled, capacity - filled)
            if got == 0 { break }
            if got < 0 {
                if errno == EINTR { continue }
                return -1
            }
            filled += got
        }
        return filled
    }

    deinit {
        unsafe OPENSSL_cleanse(start, capacity)
        unsafe start.deallocate()
    }

    /// Calls `body` with a read-only memory BIO over the bytes. The corresponding C function is `BIO_new_mem_buf`.
    func withBIO<R: ~Copyable>(_ body: (OpaquePointer) throws(TLSConfigurationError) -> R) throws(TLSConfigurationError)
        -> R
    {
        guard let bio = unsafe BIO_new_mem_buf(start, Int32(count)) else { fatalError("out of memory") }
        defer { unsafe BIO_free(bio) }
        return try unsafe body(bio)
    }
}
