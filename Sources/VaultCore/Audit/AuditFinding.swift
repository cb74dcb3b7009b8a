package import OpenSSLCrypto

/// The first thing in a log that is not as it was written, and where it is. Carries nothing of a record but its number.
package struct AuditFinding: Error, Equatable, Sendable {
    /// The raw values are what machines read.
    package enum Kind: String, Sendable, CaseIterable {
        /// There is no log.
        case empty
        /// A line is no record in the one form that records have.
        case malformed
        /// A line has no end: the log was cut inside it, or copied while it grew.
        case torn
        /// Records are missing.
        case gap
        /// A record is there again, or not in its order.
        case order
        /// A record does not carry the MAC of the one before.
        case link
        /// A record is not what its MAC was made of.
        case mac
        /// A record claims another audit key version than the one in force.
        case version
        /// A segment's name, or its first record, does not fit what is before it.
        case segment
        /// The hashes in a segment's first record are not those of the records before.
        case tree
        /// A verifier key is malformed, or not the one that the log announced.
        case key
        /// A checkpoint is no checkpoint, of another log, or not in its order.
        case checkpoint
        /// A signature is not that of the checkpoint.
        case forged
        /// A checkpoint is signed by none of the keys that are trusted.
        case unsigned
        /// The records are not those that were signed.
        case root
        /// The log ends before a record that is known to have been in it.
        case truncated
        /// The last record that the database knows of is another in the log.
        case head
        /// The log is not the one that the witness saw.
        case witness
    }

    package let kind: Kind
    /// Below the audit directory, or the name of what was given.
    package let file: String
    /// From 1; 0 where it is about the whole file.
    package let line: UInt64
    /// The sequence number that the finding is about; 0 for none.
    package let seq: UInt64
    /// A sentence.
    package let detail: String

    init(_ kind: Kind, _ file: String, line: UInt64 = 0, seq: UInt64 = 0, _ detail: String) {
        self.kind = kind
        self.file = file
        self.line = line
        self.seq = seq
        self.detail = detail
    }
}

/// Why a log could not be read to its end.
package enum AuditReadError: Error, Equatable, Sendable {
    case file(FileError)
    case crypto(CryptoError)
    /// What is wrong with the log itself.
    case finding(AuditFinding)
    /// Who asked went away.
    case cancelled

    package var message: String {
        switch self {
        case .file(let error): error.message
        case .crypto: "libcrypto failed"
        case .finding(let finding): "\(finding.file):\(finding.line): \(finding.detail)"
        case .cancelled: "ended before its end"
        }
    }
}

/// Runs calls of the system, and says of an error that the log could not be read.
@inline(__always)
func reading<R: ~Copyable>(_ body: () throws(FileError) -> R) throws(AuditReadError) -> R {
    do throws(FileError) {
        return try body()
    } catch {
        throw .file(error)
    }
}

/// The same for calls of libcrypto.
@inline(__always)
func hashing<R: ~Copyable>(_ body: () throws(CryptoError) -> R) throws(AuditReadError) -> R {
    do throws(CryptoError) {
        return try body()
    } catch {
        throw .crypto(error)
    }
}

/// What a check of a log came to.
package struct AuditReport: Equatable, Sendable {
    /// Sequence numbers of the first and the last record that were read; 0 for none.
    package var first: UInt64 = 0
    package var last: UInt64 = 0
    package var segments: UInt64 = 0
    /// Records whose MAC was checked.
    package var authenticated: UInt64 = 0
    /// Checkpoints whose signature and root were checked.
    package var checkpoints: UInt64 = 0
    /// The last record under a signed root; what is behind it hangs on links alone, unless it was authenticated.
    package var signedThrough: UInt64 = 0
    /// Records by which an operator went on behind a log that did not fit: what was between is lost, or was replaced.
    package var breaks: [UInt64] = []
    /// Checkpoints of the witness that were compared.
    package var witnesses: UInt64 = 0
    /// The root over all records to the last, 32 bytes.
    package var root: [UInt8] = []
    /// The first thing that is wrong.
    package var finding: AuditFinding?
    /// False where the check ended early because nobody listens any more.
    package var isComplete = false

    package var records: UInt64 { last == 0 ? 0 : last - first + 1 }
    package var isSound: Bool { isComplete && finding == nil }

    package init() {}
}
