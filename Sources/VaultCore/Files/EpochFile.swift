internal import Glibc
internal import LMDB
internal import OpenSSLCrypto

/// The random number of the last start, in a file of its own: the database has it too, and a copy of one without the
/// other shows. Sixteen bytes: "SREPOCH1" and the epoch, big-endian. Not secret, and no defence against forgers: whoever
/// can write the data directory can write it.
package enum EpochFile {
    private static let magic: StaticString = "SREPOCH1"

    /// The epoch on file; `nil` where there is none, or the file is not one of these.
    package static func read(_ path: String) -> UInt64? {
        guard let bytes = try? AtomicFile.read(path), bytes.count == 16, bytes.starts(with: [UInt8](magic)) else {
            return nil
        }
        return UInt64(bigEndian: bytes.span, at: 8)
    }

    package static func write(_ epoch: UInt64, to path: String) throws(FileError) {
        var bytes = [UInt8](magic)
        bytes.append(bigEndian: epoch)
        try AtomicFile.replace(path, with: bytes)
    }

    /// A new epoch, never 0.
    package static func drawn() -> UInt64 {
        var random = RandomPool(.shown)
        return max(1, random.next())
    }
}

/// Where a database lies: a hash of the machine, the file system, and the file's number on it and time of making. A copy of the file, a
/// restored one and a cloned machine have another place.
package enum DatabasePlace {
    /// Sixteen bytes.
    package static func of(_ directory: String) throws(FileError) -> [UInt8] {
        let path = directory + "/data.mdb"
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { throw FileError(operation: "stat", path: path, code: errno) }
        var system = statvfs()
        guard unsafe statvfs(path, &system) == 0 else { throw FileError(operation: "statvfs", path: path, code: errno) }
        var message = (try? AtomicFile.read("/etc/machine-id")) ?? []
        message.append(bigEndian: UInt64(status.st_ino))
        message.append(bigEndian: UInt64(system.f_fsid))
        // File numbers are used again; the moment of a file's making is not.
        message.append(bigEndian: FileBirth.nanoseconds(of: path))
        var digest = [UInt8](repeating: 0, count: 32)
        var output = digest.mutableSpan
        do throws(CryptoError) {
            try sha256(message.span, into: &output)
        } catch {
            throw FileError(operation: "hash", path: path, code: EIO)
        }
        return Array(digest[0..<16])
    }
}
