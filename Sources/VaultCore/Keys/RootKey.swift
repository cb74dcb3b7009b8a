internal import Glibc
internal import OpenSSLCrypto
package import SecretMemory

/// The 256-bit key that wraps the keyring, and nothing else. Kept apart from what it wraps (PCI DSS 3.6.1.2).
///
/// It is never used directly: a wrapping key, a MAC key and a public check value are derived from it by HKDF-SHA-256
/// (RFC 5869), each under its own label.
package struct RootKey: ~Copyable, Sendable {
    /// Size of the key, in bytes.
    package static let byteCount = 32

    private let bytes: SecretBytes

    /// Takes ownership of key bytes; `nil` where they are not `byteCount` long.
    package init?(_ bytes: consuming SecretBytes) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    /// A new root key from the system's generator.
    package static func drawn() throws(RootKeyError) -> RootKey {
        var key = SecretBytes(count: byteCount)
        do throws(CryptoError) {
            var span = key.mutableSpan
            try SystemRandom.fill(&span)
        } catch {
            throw .random
        }
        return RootKey(bytes: key)
    }

    /// Draws a new root key from the system's generator and writes it to a new file of mode 0600.
    ///
    /// Throws `EEXIST` rather than replace a root key: losing one loses every card.
    package static func create(at path: String) throws(RootKeyError) {
        let key = try drawn()
        do throws(FileError) {
            try AtomicFile.create(path, with: key.bytes.span)
        } catch {
            throw .file(error)
        }
    }

    /// Reads a root key from a file: exactly 32 bytes, owned by this process's user or root, and readable by its owner
    /// only. A credential, whose directory is the service's own, may be readable by its group: systemd grants by ACL, and
    /// that shows as the group's right.
    package static func load(from path: String, isCredential: Bool = false) throws(RootKeyError) -> RootKey {
        var key = SecretBytes(count: byteCount)
        var span = key.mutableSpan
        let found: (mode: mode_t, owner: uid_t, size: Int, read: Int)
        do throws(FileError) {
            found = try read(path, into: &span)
        } catch {
            throw .file(error)
        }
        guard found.mode & (isCredential ? 0o037 : 0o077) == 0 else { throw .exposed(path: path) }
        guard found.owner == geteuid() || found.owner == 0 else { throw .foreign(path: path) }
        guard found.size == byteCount, found.read == byteCount else { throw .size(path: path, bytes: found.size) }
        return RootKey(bytes: key)
    }

    private static func read(
        _ path: String, into bytes: inout MutableSpan<UInt8>
    ) throws(FileError) -> (mode: mode_t, owner: uid_t, size: Int, read: Int) {
        let file = try Descriptor.open(path, O_RDONLY | O_CLOEXEC)
        let status = try file.status()
        return (status.st_mode, status.st_uid, Int(status.st_size), try file.readAll(into: &bytes))
    }

    private init(bytes: consuming SecretBytes) { self.bytes = bytes }

    /// Lends the key for the length of a call: to wrap it, never to store it.
    package borrowing func withBytes<R: ~Copyable, Failure: Error>(
        _ body: (borrowing Span<UInt8>) throws(Failure) -> R
    ) throws(Failure) -> R {
        try body(bytes.span)
    }

    /// Whether both are the same key, in constant time.
    package borrowing func isSame(as other: borrowing RootKey) -> Bool {
        constantTimeEqual(bytes.span, other.bytes.span)
    }

    /// A key for one purpose: HKDF-SHA-256 with the label as `info`.
    func derive(_ label: StaticString) throws(CryptoError) -> SecretBytes {
        try deriveKey(from: bytes.span, label: label)
    }

    /// Eight bytes that identify the root key without telling anything about it: stored in clear beside what it wraps,
    /// so that a wrong root key can be told from a damaged keyring.
    func checkValue() throws(CryptoError) -> UInt64 {
        let bytes = try derive("strongroom root key check value v1")
        return UInt64(bigEndian: bytes.span, at: 0)
    }
}

/// Why a root key could not be used. Carries paths and sizes, never key bytes.
package enum RootKeyError: Error, Equatable, Sendable {
    case file(FileError)
    /// Group or others may read the file.
    case exposed(path: String)
    /// It belongs to another user, who knows it.
    case foreign(path: String)
    case size(path: String, bytes: Int)
    case random

    package var message: String {
        switch self {
        case .file(let error): "root key: \(error.message)"
        case .exposed(let path): "root key: \(path): readable by group or others; make it 0600"
        case .foreign(let path): "root key: \(path): belongs to another user; make it this user's or root's"
        case .size(let path, let bytes): "root key: \(path): \(bytes) bytes, a root key has \(RootKey.byteCount)"
        case .random: "root key: the system's random generator failed"
        }
    }
}

/// 32 bytes for one purpose out of a parent key: HKDF-SHA-256 (RFC 5869) with an empty salt and the label as `info`.
func deriveKey(from parent: borrowing Span<UInt8>, label: StaticString) throws(CryptoError) -> SecretBytes {
    var derived = SecretBytes(count: 32)
    var output = derived.mutableSpan
    let info = [UInt8](label)
    let salt: [UInt8] = []
    try hkdfSHA256(key: parent, salt: salt.span, info: info.span, into: &output)
    return derived
}

extension [UInt8] {
    /// The UTF-8 bytes of a literal.
    init(_ literal: StaticString) {
        self = literal.withUTF8Buffer { buffer in unsafe [UInt8](buffer) }
    }
}
