internal import Glibc
internal import VaultCore

/// The files of Unix sockets: their directory, mode and group.
enum SocketFile {
    /// Makes the last directory of a socket's path where it is missing.
    static func makeDirectory(of path: String) throws(FileError) {
        let directory = AtomicFile.parent(of: path)
        guard unsafe mkdir(directory, 0o755) == 0 else {
            if errno == EEXIST { return }
            throw FileError(operation: "mkdir", path: directory, code: errno)
        }
        // The process's umask would keep clients of other users out.
        guard unsafe chmod(directory, 0o755) == 0 else {
            throw FileError(operation: "chmod", path: directory, code: errno)
        }
    }

    /// Sets who may connect. Where the group does not exist, only the owner may: the mode loses its group part.
    static func setAccess(_ path: String, mode: UInt32, group: String?) throws(FileError) {
        var mode = mode
        if let group {
            if let entry = unsafe getgrnam(group) {
                guard unsafe chown(path, uid_t.max, entry.pointee.gr_gid) == 0 else {
                    throw FileError(operation: "chown", path: path, code: errno)
                }
            } else {
                mode &= 0o700
            }
        }
        guard unsafe chmod(path, mode) == 0 else { throw FileError(operation: "chmod", path: path, code: errno) }
    }
}
