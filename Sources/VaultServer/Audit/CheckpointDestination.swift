internal import Glibc
internal import VaultCore

/// Where signed checkpoints go besides the log's own directory.
enum CheckpointDestination {
    /// A file, best on another mount: notes one after the other, an empty line behind each.
    case file(String)
    /// journald's own socket: one entry with the note as its message.
    case journald
    /// A syslog socket (RFC 3164 framing): one line, the note's newlines written as `\n`.
    case syslog(String)

    static func all(of settings: Configuration.Checkpoints) -> [CheckpointDestination] {
        var all: [CheckpointDestination] = []
        if let file = settings.file { all.append(.file(file.absolute)) }
        if settings.journald { all.append(.journald) }
        if let socket = settings.syslog { all.append(.syslog(socket.absolute)) }
        return all
    }

    var name: String {
        switch self {
        case .file: "file"
        case .journald: "journald"
        case .syslog: "syslog"
        }
    }

    private static let journalSocket = "/run/systemd/journal/socket"

    func send(_ note: String) throws(FileError) {
        switch self {
        case .file(let path): try Self.append(note + "\n", to: path)
        case .journald:
            var datagram = Array(
                "PRIORITY=5\nSYSLOG_IDENTIFIER=strongroom\nSTRONGROOM_EVENT=audit_checkpoint\nMESSAGE\n".utf8)
            // A field with newlines has its size before it, little-endian.
            let bytes = Array(note.utf8)
            for shift in stride(from: 0, to: 64, by: 8) {
                datagram.append(UInt8(truncatingIfNeeded: UInt64(bytes.count) >> UInt64(shift)))
            }
            datagram += bytes + [0x0A]
            try Self.send(datagram, to: Self.journalSocket)
        case .syslog(let path):
            let line = note.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\\n")
            // Facility 13, log audit; severity 5, notice.
            try Self.send(Array("<109>strongroom: audit_checkpoint \(line)".utf8), to: path)
        }
    }

    private static func append(_ text: String, to path: String) throws(FileError) {
        let descriptor = unsafe open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw FileError(operation: "open", path: path, code: errno) }
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        guard unsafe write(descriptor, bytes, bytes.count) == bytes.count else {
            throw FileError(operation: "write", path: path, code: errno)
        }
        guard fdatasync(descriptor) == 0 else { throw FileError(operation: "fdatasync", path: path, code: errno) }
    }

    /// Sends one datagram without waiting: a log daemon that does not read must not hold the vault up.
    private static func send(_ bytes: [UInt8], to path: String) throws(FileError) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let name = Array(path.utf8)
        guard name.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw FileError(operation: "sendto", path: path, code: ENAMETOOLONG)
        }
        // The path fits, and the rest of the field stays zero.
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: name) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw FileError(operation: "socket", path: path, code: errno) }
        defer { close(descriptor) }
        let sent = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe sendto(
                    descriptor, bytes, bytes.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL),
                    address, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard sent == bytes.count else { throw FileError(operation: "sendto", path: path, code: errno) }
    }
}
