internal import Glibc

/// A system call that failed on a named file. Carries `errno`, never file contents.
package struct FileError: Error, Equatable, Sendable {
    /// The C function that failed, or the check that did ("mode", "size").
    package let operation: StaticString
    package let path: String
    package let code: Int32

    package init(operation: StaticString, path: String, code: Int32) {
        self.operation = operation
        self.path = path
        self.code = code
    }

    package static func == (a: FileError, b: FileError) -> Bool {
        a.code == b.code && a.path == b.path && "\(a.operation)" == "\(b.operation)"
    }

    package var message: String {
        "\(path): \(operation): \(unsafe String(cString: strerror(code)))"
    }

    package var isMissing: Bool { code == ENOENT }
}

/// Small files that are replaced whole or not at all: the keyring, the root key, the boot epoch.
///
/// Order of a replacement: write a temporary file beside the target, `fsync` it, read it back, `rename` it over the
/// target, `fsync` the directory. A crash at any point leaves the old file or the new one.
package enum AtomicFile {
    /// Longest file these functions read, in bytes: far above any keyring, far below a memory problem.
    package static let bytesMax = 4 << 20

    /// Replaces `path` with `bytes`, readable by its owner only, durable when this returns.
    ///
    /// The new file is read back and compared before it takes the old one's place, so that a write that the disk did not
    /// keep is found now and not at the next start. Blocks on the disk; not for event loops.
    package static func replace(_ path: String, with bytes: [UInt8]) throws(FileError) {
        guard try prepare(path, with: bytes) == bytes else {
            discard(path)
            throw FileError(operation: "read back", path: path, code: EIO)
        }
        try commit(path)
    }

    /// The first half of a replacement: the new file beside the old one, flushed, and what reading it back gives.
    package static func prepare(_ path: String, with bytes: [UInt8]) throws(FileError) -> [UInt8] {
        let temporary = path + ".new"
        unlinkQuietly(temporary)
        let file = try Descriptor.open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode: 0o600)
        do throws(FileError) {
            try file.writeAll(bytes)
            try file.sync()
            return try read(temporary)
        } catch {
            unlinkQuietly(temporary)
            throw error
        }
    }

    /// The second half: the switch. Where the flush of the directory fails, which of the two files a power cut leaves is
    /// not known.
    package static func commit(_ path: String) throws(FileError) {
        let temporary = path + ".new"
        guard unsafe rename(temporary, path) == 0 else {
            let error = FileError(operation: "rename", path: path, code: errno)
            unlinkQuietly(temporary)
            throw error
        }
        try syncDirectory(of: path)
    }

    /// Gives up a prepared replacement.
    package static func discard(_ path: String) { unlinkQuietly(path + ".new") }

    /// Makes `path` with `bytes`, mode 0600, whole or not at all; refuses (`EEXIST`) to touch a file that is already there.
    ///
    /// Written and flushed under another name, then linked: `link` never replaces.
    package static func create(_ path: String, with bytes: borrowing Span<UInt8>) throws(FileError) {
        let temporary = path + ".new"
        unlinkQuietly(temporary)
        let file = try Descriptor.open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode: 0o600)
        do throws(FileError) {
            try file.writeAll(bytes)
            try file.sync()
            guard unsafe link(temporary, path) == 0 else {
                throw FileError(operation: "link", path: path, code: errno)
            }
        } catch {
            unlinkQuietly(temporary)
            throw error
        }
        unlinkQuietly(temporary)
        try syncDirectory(of: path)
    }

    /// The whole file. Not for secrets: the array is not wiped.
    package static func read(_ path: String) throws(FileError) -> [UInt8] {
        let file = try Descriptor.open(path, O_RDONLY | O_CLOEXEC)
        let size = try file.status().st_size
        guard size >= 0, size <= bytesMax else { throw FileError(operation: "size", path: path, code: EFBIG) }
        var failure: FileError?
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: Int(size)) { buffer, count in
            do throws(FileError) {
                count = try unsafe file.readAll(into: UnsafeMutableRawBufferPointer(buffer))
            } catch {
                failure = error
                count = 0
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// The size of a file in bytes.
    package static func size(of path: String) throws(FileError) -> Int {
        Int(try Descriptor.open(path, O_RDONLY | O_CLOEXEC).status().st_size)
    }

    /// Makes the directory entry of `path` durable. The corresponding C function is `fsync` on the directory.
    package static func syncDirectory(of path: String) throws(FileError) {
        let directory = try Descriptor.open(parent(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        try directory.sync()
    }

    /// Removes a leftover; whether it was there does not matter.
    private static func unlinkQuietly(_ path: String) {
        _ = unsafe unlink(path)
    }

    /// The directory part of a path; "." where there is none.
    package static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}

/// Files with secrets that are not keys: a PIN.
package enum SecretFile {
    /// Reads at most as many bytes as there is room for; the rest of the room stays as it is.
    ///
    /// Throws `EACCES` for a file that group or others may read.
    package static func read(_ path: String, into bytes: inout MutableSpan<UInt8>) throws(FileError) {
        let file = try Descriptor.open(path, O_RDONLY | O_CLOEXEC)
        guard try file.status().st_mode & 0o077 == 0 else {
            throw FileError(operation: "mode", path: path, code: EACCES)
        }
        _ = try file.readAll(into: &bytes)
    }
}

/// An open file, closed when it goes out of scope.
struct Descriptor: ~Copyable {
    private let number: Int32
    private let path: String

    private init(number: Int32, path: String) {
        self.number = number
        self.path = path
    }

    deinit { close(number) }

    static func open(_ path: String, _ flags: Int32, mode: mode_t = 0) throws(FileError) -> Descriptor {
        while true {
            let number = unsafe Glibc.open(path, flags, mode)
            if number >= 0 { return Descriptor(number: number, path: path) }
            if errno != EINTR { throw FileError(operation: "open", path: path, code: errno) }
        }
    }

    func status() throws(FileError) -> stat {
        var status = stat()
        guard unsafe fstat(number, &status) == 0 else { throw failure("fstat") }
        return status
    }

    /// Goes on reading at a place.
    func seek(to offset: Int) throws(FileError) {
        guard lseek(number, off_t(offset), SEEK_SET) >= 0 else { throw failure("lseek") }
    }

    func sync() throws(FileError) {
        guard fsync(number) == 0 else { throw failure("fsync") }
    }

    /// The contents, and of the file's own facts what is needed to read them back. The corresponding C function is
    /// `fdatasync`.
    func syncData() throws(FileError) {
        guard fdatasync(number) == 0 else { throw failure("fdatasync") }
    }

    /// Writes over what is at `offset`. The corresponding C function is `pwrite`.
    func writeAll(_ bytes: [UInt8], at offset: Int) throws(FileError) {
        var error: Int32 = 0
        unsafe bytes.withUnsafeBytes { buffer in
            var done = 0
            while done < buffer.count {
                let written = unsafe pwrite(number, buffer.baseAddress! + done, buffer.count - done, offset + done)
                if written < 0 && errno == EINTR { continue }
                if written <= 0 {
                    error = written == 0 ? EIO : errno
                    return
                }
                done += written
            }
        }
        if error != 0 { throw FileError(operation: "pwrite", path: path, code: error) }
    }

    func writeAll(_ bytes: [UInt8]) throws(FileError) { try writeAll(bytes.span) }

    func writeAll(_ bytes: borrowing Span<UInt8>) throws(FileError) {
        var error: Int32 = 0
        unsafe bytes.withUnsafeBytes { buffer in
            var done = 0
            while done < buffer.count {
                let written = unsafe Glibc.write(number, buffer.baseAddress! + done, buffer.count - done)
                if written < 0 && errno == EINTR { continue }
                if written <= 0 {
                    error = written == 0 ? EIO : errno
                    return
                }
                done += written
            }
        }
        if error != 0 { throw FileError(operation: "write", path: path, code: error) }
    }

    /// Reads until the span is full or the file ends; the number of bytes read.
    func readAll(into bytes: inout MutableSpan<UInt8>) throws(FileError) -> Int {
        var count = 0
        var failure: FileError?
        unsafe bytes.withUnsafeMutableBytes { buffer in
            do throws(FileError) {
                count = try unsafe readAll(into: buffer)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return count
    }

    /// Reads until the buffer is full or the file ends; the number of bytes read.
    func readAll(into buffer: UnsafeMutableRawBufferPointer) throws(FileError) -> Int {
        var count = 0
        while count < buffer.count {
            let got = unsafe Glibc.read(number, buffer.baseAddress! + count, buffer.count - count)
            if got < 0 && errno == EINTR { continue }
            if got < 0 { throw failure("read") }
            if got == 0 { break }
            count += got
        }
        return count
    }

    private func failure(_ operation: StaticString) -> FileError {
        FileError(operation: operation, path: path, code: errno)
    }
}
