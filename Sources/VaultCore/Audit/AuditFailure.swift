/// Why the audit log took no record.
package enum AuditFailure: Error, Equatable, Sendable {
    /// A file could not be written or flushed. Nothing of the group counts as written.
    case file(FileError)
    /// What is on disk is not what the vault wrote, or less than it: nobody may add to it before a person has looked.
    case broken(String)
    case crypto
    /// There are no audit keys: the vault is sealed.
    case closed
    /// The disk did not answer in time.
    case late

    package var message: String {
        switch self {
        case .file(let cause): cause.message
        case .broken(let reason): "the audit log does not fit: \(reason)"
        case .crypto: "libcrypto failed"
        case .closed: "the vault is sealed"
        case .late: "the disk of the audit log does not answer"
        }
    }
}

/// How far a log is: its last record and that record's link.
package struct AuditHead: Equatable, Sendable {
    /// Sequence number of the last record, which is the size of the tree too; 0 before the first.
    package var sequence: UInt64
    /// 32 bytes; zeros before the first record.
    package var link: [UInt8]

    package init(sequence: UInt64, link: [UInt8]) {
        self.sequence = sequence
        self.link = link
    }

    package static let empty = AuditHead(sequence: 0, link: [UInt8](repeating: 0, count: 32))

    /// Bytes in the database.
    static let byteCount = 40

    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(bigEndian: sequence)
        return bytes + link
    }

    init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        sequence = UInt64(bigEndian: bytes.span, at: 0)
        link = Array(bytes[8...])
    }
}
