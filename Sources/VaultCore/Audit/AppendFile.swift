internal import CLinux
internal import Glibc

/// A file that only grows: opened with `O_APPEND`, mode 0600. One thread.
///
/// Its size on disk may be ahead of what was flushed; `truncate` takes it back to that.
final class AppendFile {
    let path: String
    private let descriptor: Int32
    /// Bytes written so far.
    private(set) var size: Int
    /// Bytes up to which the disk has promised room; 0 where the file system makes no such promise.
    private var allocated = 0

    /// Opens a file, or makes one where `isNew`, which then must not be there.
    init(_ path: String, isNew: Bool) throws(FileError) {
        self.path = path
        let flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | (isNew ? O_CREAT | O_EXCL : O_CREAT)
        let descriptor = unsafe open(path, flags, 0o600)
        guard descriptor >= 0 else { throw FileError(operation: "open", path: path, code: errno) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else {
            let code = errno
            close(descriptor)
            throw FileError(operation: "fstat", path: path, code: code)
        }
        self.descriptor = descriptor
        size = Int(status.st_size)
    }

    deinit { close(descriptor) }

    /// Makes sure that there is room for `bytes` more, without changing the size. File systems that cannot promise room are
    /// taken at their word when the write comes.
    func reserve(_ bytes: Int) throws(FileError) {
        guard size + bytes > allocated else { return }
        // A step ahead, so that not every record asks the file system.
        let wanted = (size + bytes + Self.allocationStep - 1) / Self.allocationStep * Self.allocationStep
        if strongroom_allocate(descriptor, off_t(wanted)) == 0 {
            allocated = wanted
            return
        }
        // Not to the next step, but far enough.
        if errno == ENOSPC || errno == EDQUOT,
            strongroom_allocate(descriptor, off_t(size + bytes)) == 0
        {
            allocated = size + bytes
            return
        }
        if errno == EOPNOTSUPP || errno == ENOSYS { return }
        throw failure("fallocate")
    }

    private static let allocationStep = 1 << 20

    /// Writes at the end; on failure part of it may be there.
    func append(_ bytes: borrowing Span<UInt8>) throws(FileError) {
        var code: Int32 = 0
        unsafe bytes.withUnsafeBytes { buffer in
            guard buffer.count > 0 else { return }
            var written: Int
            repeat {
                written = unsafe write(descriptor, buffer.baseAddress, buffer.count)
            } while written < 0 && errno == EINTR
            // Less than all means that the disk filled on the way: no use in going on.
            if written != buffer.count { code = written < 0 ? errno : ENOSPC }
            size += max(0, written)
        }
        if code != 0 { throw FileError(operation: "write", path: path, code: code) }
    }

    /// Makes what was written durable, with the size.
    func sync() throws(FileError) {
        guard fdatasync(descriptor) == 0 else { throw failure("fdatasync") }
    }

    /// Takes back what was written beyond a size.
    func truncate(to bytes: Int) throws(FileError) {
        guard ftruncate(descriptor, off_t(bytes)) == 0 else { throw failure("ftruncate") }
        size = bytes
        // The file system gives the room behind the end back.
        allocated = 0
    }

    private func failure(_ operation: StaticString) -> FileError {
        FileError(operation: operation, path: path, code: errno)
    }
}
