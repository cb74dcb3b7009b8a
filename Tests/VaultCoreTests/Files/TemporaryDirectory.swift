import Glibc

@testable import VaultCore

/// A directory of its own for one test, removed with everything in it.
final class TemporaryDirectory: Sendable {
    let path: String

    /// In memory where the system offers that: hundreds of flushes to a disk would only make the tests slow.
    init() {
        let base = unsafe access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
        let made = unsafe strdup(base + "/strongroom-core-XXXXXX")
        guard let made = unsafe made, unsafe mkdtemp(made) != nil else { preconditionFailure("no temporary directory") }
        path = unsafe String(cString: made)
        unsafe free(made)
    }

    deinit { removeTree(path) }

    var names: [String] { entries(of: path).sorted() }
}

func entries(of path: String) -> [String] {
    guard let directory = unsafe opendir(path) else { return [] }
    defer { unsafe closedir(directory) }
    var names: [String] = []
    while let entry = unsafe readdir(directory) {
        let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { start in
            unsafe start.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
        }
        if name != "." && name != ".." { names.append(name) }
    }
    return names
}

private func removeTree(_ path: String) {
    for name in entries(of: path) {
        if unsafe unlink(path + "/" + name) != 0 { removeTree(path + "/" + name) }
    }
    _ = unsafe rmdir(path)
}

/// Permission bits of a file.
func mode(of path: String) -> mode_t {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else { return 0 }
    return status.st_mode & 0o7777
}

/// The inode of a file: another one after a replacement by rename.
func inode(of path: String) -> ino_t {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else { return 0 }
    return status.st_ino
}

/// Writes a file as it is, without any of the care of `AtomicFile`.
func write(_ bytes: [UInt8], to path: String, mode: mode_t = 0o600) {
    let file = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC, mode)
    precondition(file >= 0, "cannot write a test file")
    let written = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(file, $0.baseAddress, $0.count) }
    precondition(written == bytes.count, "cannot write a test file")
    close(file)
    _ = unsafe chmod(path, mode)
}
