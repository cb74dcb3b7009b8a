internal import Glibc

/// An exclusive claim on a data directory: while one is held, a second daemon on the same directory is refused.
///
/// It is an open lock file under `flock`, so the kernel releases it when the process ends in whatever way. The file
/// holds the owner's process id for the message only and stays behind, because removing it would let two processes each
/// lock a different file of the same name.
package struct DirectoryLock: ~Copyable, Sendable {
    private let descriptor: Int32

    /// Takes the lock, without waiting.
    ///
    /// Throws `alreadyLocked` with the other process's id if its file tells, or the `errno` of `open` or `flock`. The
    /// file is made with mode 0600 and is never followed through a symbolic link. The corresponding C function is
    /// `flock`.
    package init(directory: String, name: String = "strongroom.lock") throws(LMDBError) {
        let flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW
        let descriptor = unsafe open(directory + "/" + name, flags, 0o600)
        if descriptor < 0 { throw LMDBError(code: errno, .lock) }
        if flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            let code = errno
            let owner = Self.readOwner(descriptor)
            Glibc.close(descriptor)
            if code == EWOULDBLOCK { throw LMDBError(.alreadyLocked(pid: owner), .lock, code: code) }
            throw LMDBError(code: code, .lock)
        }
        self.descriptor = descriptor
        // A failure here costs only the number in another process's message.
        _ = ftruncate(descriptor, 0)
        let text = "\(getpid())\n"
        _ = unsafe pwrite(descriptor, text, text.utf8.count, 0)
    }

    deinit {
        _ = ftruncate(descriptor, 0)
        Glibc.close(descriptor)
    }

    private static func readOwner(_ descriptor: Int32) -> Int32? {
        var digits: [16 of UInt8] = [16 of UInt8](repeating: 0)
        var bytes = digits.mutableSpan
        let count = unsafe bytes.withUnsafeMutableBufferPointer { buffer in
            unsafe pread(descriptor, buffer.baseAddress, buffer.count, 0)
        }
        var value: Int32 = 0
        for index in 0..<max(0, count) {
            let digit = bytes[index]
            guard (0x30...0x39).contains(digit) else { break }
            let (product, tooLarge) = value.multipliedReportingOverflow(by: 10)
            if tooLarge { return nil }
            value = product &+ Int32(digit &- 0x30)
        }
        return value > 0 ? value : nil
    }
}
