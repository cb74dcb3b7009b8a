internal import OpenSSLCrypto
internal import SecretMemory

/// What has to outlive a restart about one-time codes: which were used, and how many were wrong.
///
/// ```
///  offset size
///       0    8  "SROPCODE"
///       8    2  number of entries
///      10    -  one entry an operator:
///                  2 + n  name, with its size before it
///                      8  step of the last code that was taken
///                      4  wrong codes since then
///                      8  locked until, Unix seconds; 0 where not
///    last   32  HMAC-SHA-256 over everything before it
/// ```
/// The authentication key is derived from the keyring's key for one-time codes.
package struct CodeLedger: Equatable, Sendable {
    /// Wrong codes after which an operator is locked out (PCI DSS 8.3.4).
    package static let wrongMax: UInt32 = 10
    /// Seconds that a lock lasts (PCI DSS 8.3.4).
    package static let lockSeconds: UInt64 = 30 * 60

    package struct Entry: Equatable, Sendable {
        /// The step of the last code that was taken; that one and earlier ones are used up.
        package var lastStep: UInt64
        package var wrong: UInt32 = 0
        /// Unix seconds; 0 where the operator is not locked.
        package var lockedUntil: UInt64 = 0

        package init(lastStep: UInt64) { self.lastStep = lastStep }

        /// Seconds that a lock still lasts. A clock that went back makes it no longer than it ever was.
        package func lockLeft(now: UInt64) -> UInt64 {
            lockedUntil > now ? min(lockedUntil - now, CodeLedger.lockSeconds) : 0
        }

        /// Counts a wrong code; true where that locks the operator out.
        package mutating func countWrong(now: UInt64) -> Bool {
            wrong += 1
            guard wrong >= CodeLedger.wrongMax else { return false }
            wrong = 0
            lockedUntil = now + CodeLedger.lockSeconds
            return true
        }

        /// Takes a code of this step: it and earlier ones are used up from then on.
        package mutating func take(_ step: UInt64) {
            lastStep = max(lastStep, step)
            wrong = 0
            lockedUntil = 0
        }
    }

    package var entries: [String: Entry] = [:]

    package init() {}

    private static let magic: StaticString = "SROPCODE"
    private static let macBytes = 32

    /// What is on file; `nil` where there is nothing, or nothing that this vault wrote.
    package static func read(_ path: String, _ keyring: Keyring) -> CodeLedger? {
        guard let bytes = try? AtomicFile.read(path) else { return nil }
        return try? CodeLedger(bytes, keyring)
    }

    /// Replaces the file; durable when this returns.
    package func write(to path: String, _ keyring: Keyring) throws(KeyringError) {
        let bytes = try encoded(keyring)
        do throws(FileError) {
            try AtomicFile.replace(path, with: bytes)
        } catch {
            throw .file(error)
        }
    }

    func encoded(_ keyring: Keyring) throws(KeyringError) -> [UInt8] {
        var writer = AnnexWriter()
        writer.append(UInt16(clamping: entries.count))
        for (name, entry) in entries.sorted(by: { $0.key < $1.key }) {
            writer.append(name)
            writer.append(entry.lastStep)
            writer.append(entry.wrong)
            writer.append(entry.lockedUntil)
        }
        let bytes = [UInt8](Self.magic) + writer.bytes
        return bytes + (try Self.mac(of: bytes.span, keyring))
    }

    init(_ bytes: [UInt8], _ keyring: Keyring) throws(KeyringError) {
        let body = bytes.count - Self.macBytes
        guard body >= 10, bytes.starts(with: [UInt8](Self.magic)) else { throw .damaged }
        let expected = try Self.mac(of: bytes.span.extracting(0..<body), keyring)
        guard constantTimeEqual(expected.span, bytes.span.extracting(body..<bytes.count)) else { throw .damaged }
        var reader = AnnexReader(Array(bytes[8..<body]))
        for _ in 0..<(try reader.integer() as UInt16) {
            let name = try reader.text()
            var entry = Entry(lastStep: try reader.integer())
            entry.wrong = try reader.integer()
            entry.lockedUntil = try reader.integer()
            guard entries.updateValue(entry, forKey: name) == nil else { throw .damaged }
        }
        guard reader.isAtEnd else { throw .damaged }
    }

    private static func mac(of bytes: borrowing Span<UInt8>, _ keyring: Keyring) throws(KeyringError) -> [UInt8] {
        guard let version = keyring.active(.operators) else { throw .damaged }
        var result = [UInt8](repeating: 0, count: macBytes)
        do throws(CryptoError) {
            let key = try version.derived("strongroom operator ledger v1")
            var hmac = try HMACSHA256(key: key.span)
            var output = result.mutableSpan
            try hmac.authenticate(bytes, into: &output)
        } catch {
            throw .crypto
        }
        return result
    }
}
