internal import OpenSSLCrypto
internal import SecretMemory

/// The `keyring` file: all key versions, each wrapped under the root key, and a MAC over the whole.
///
/// ```
///  offset size
///       0    8  "SRKEYRNG"
///       8    4  format version, 1
///      12    4  number of entries
///      16    8  generation
///      24   16  vault id
///      40    8  check value of the root key
///      48  104  one entry a version:
///                  0  1  purpose          1 data, 2 index, 3 audit
///                  1  1  state            1 active, 2 retiring, 3 destroyed
///                  2  2  zero
///                  4  4  version number
///                  8  8  created          Unix seconds
///                 16  8  retired          Unix seconds or 0
///                 24  8  destroyed        Unix seconds or 0
///                 32 12  nonce
///                 44 32  key, AES-256-GCM (zeros once destroyed)
///                 76 16  tag              (zeros once destroyed)
///                 92 12  zero
///    last   32  HMAC-SHA-256 over everything before it
/// ```
/// Integers are big-endian. The AAD of a wrapped key is the vault id and bytes 0..<32 of its entry, so that a key cannot
/// be given another purpose, version, state or date. It lies outside LMDB because LMDB keeps old pages readable.
package enum KeyringFile {
    private static let magic: StaticString = "SRKEYRNG"
    private static let formatVersion: UInt32 = 1
    private static let headerBytes = 48
    private static let entryBytes = 104
    private static let macBytes = 32
    /// More versions than ninety-day periods in a century: a limit against nonsense, not against use.
    private static let entriesMax = 4096

    /// Reads and authenticates a keyring; nothing of it is trusted before its MAC was found right.
    package static func load(from path: String, root: borrowing RootKey) throws(KeyringError) -> Keyring {
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try AtomicFile.read(path)
        } catch {
            throw error.isMissing ? .missing(path: path) : .file(error)
        }
        return try decode(bytes, root: root)
    }

    /// Writes a keyring in place of the old one, durably and all or nothing, and proves that it can be read back.
    package static func store(_ keyring: Keyring, at path: String, root: borrowing RootKey) throws(KeyringError) {
        let bytes = try encode(keyring, root: root)
        _ = try decode(bytes, root: root)
        do throws(FileError) {
            try AtomicFile.replace(path, with: bytes)
        } catch {
            throw .file(error)
        }
    }

    package static func encode(_ keyring: Keyring, root: borrowing RootKey) throws(KeyringError) -> [UInt8] {
        do throws(CryptoError) {
            var bytes = [UInt8](magic)
            bytes.append(bigEndian: formatVersion)
            bytes.append(bigEndian: UInt32(keyring.versions.count))
            bytes.append(bigEndian: keyring.generation)
            bytes.append(bigEndian: keyring.vaultID.high)
            bytes.append(bigEndian: keyring.vaultID.low)
            bytes.append(bigEndian: try root.checkValue())
            let wrappingKey = try root.derive("strongroom keyring wrapping key v1")
            var cipher = try AESGCM256(key: wrappingKey.span)
            for version in keyring.versions {
                bytes += try wrap(version, vaultID: keyring.vaultID, cipher: &cipher)
            }
            return bytes + (try mac(of: bytes.span, root: root))
        } catch {
            throw .crypto
        }
    }

    package static func decode(_ bytes: [UInt8], root: borrowing RootKey) throws(KeyringError) -> Keyring {
        guard bytes.count >= headerBytes, bytes.starts(with: [UInt8](magic)) else { throw .notAKeyring }
        let format = UInt32(bigEndian: bytes.span, at: 8)
        guard format == formatVersion else { throw .unsupportedFormat(format) }
        let count = Int(UInt32(bigEndian: bytes.span, at: 12))
        guard count <= entriesMax, bytes.count == headerBytes + count * entryBytes + macBytes else { throw .damaged }
        guard try crypto({ () throws(CryptoError) in try root.checkValue() }) == UInt64(bigEndian: bytes.span, at: 40)
        else {
            throw .wrongRootKey
        }
        let body = bytes.count - macBytes
        let expected = try crypto { () throws(CryptoError) in try mac(of: bytes.span.extracting(0..<body), root: root) }
        guard constantTimeEqual(expected.span, bytes.span.extracting(body..<bytes.count)) else { throw .damaged }
        let vaultID = VaultID(bytes.span, at: 24)
        let wrappingKey = try crypto { () throws(CryptoError) in try root.derive("strongroom keyring wrapping key v1") }
        var cipher = try crypto { () throws(CryptoError) in try AESGCM256(key: wrappingKey.span) }
        var versions: [KeyVersion] = []
        for index in 0..<count {
            let start = headerBytes + index * entryBytes
            let entry = bytes.span.extracting(start..<start + entryBytes)
            versions.append(try unwrap(entry, vaultID: vaultID, cipher: &cipher))
        }
        let keyring = Keyring(generation: UInt64(bigEndian: bytes.span, at: 16), vaultID: vaultID, versions: versions)
        try checkShape(keyring)
        return keyring
    }

    private static func crypto<R: ~Copyable>(_ body: () throws(CryptoError) -> R) throws(KeyringError) -> R {
        do throws(CryptoError) {
            return try body()
        } catch {
            throw .crypto
        }
    }

    /// Exactly one active data and index key, and no number twice: a MAC proves origin, not sense.
    private static func checkShape(_ keyring: Keyring) throws(KeyringError) {
        for purpose in KeyPurpose.allCases {
            let versions = keyring.versions.filter { $0.purpose == purpose }
            let active = versions.filter { $0.state == .active }.count
            guard active == 1 || (purpose == .audit && versions.isEmpty) else { throw .damaged }
            guard Set(versions.map(\.number)).count == versions.count else { throw .damaged }
        }
    }

    private static func wrap(
        _ version: KeyVersion, vaultID: VaultID, cipher: inout AESGCM256
    ) throws(CryptoError) -> [UInt8] {
        var entry: [UInt8] = [version.purpose.rawValue, version.state.rawValue, 0, 0]
        entry.append(bigEndian: version.number)
        entry.append(bigEndian: version.created)
        entry.append(bigEndian: version.retired)
        entry.append(bigEndian: version.destroyed)
        if version.state == .destroyed { return entry + [UInt8](repeating: 0, count: entryBytes - entry.count) }
        let associated = associatedData(entry.span, vaultID: vaultID)
        var nonce = [UInt8](repeating: 0, count: 12)
        var ciphertext = [UInt8](repeating: 0, count: 32)
        var tag = [UInt8](repeating: 0, count: 16)
        var nonceSpan = nonce.mutableSpan
        try SystemRandom.fill(&nonceSpan)
        var ciphertextSpan = ciphertext.mutableSpan
        var tagSpan = tag.mutableSpan
        try version.withKey { (key) throws(CryptoError) in
            try cipher.seal(
                nonce: nonce.span, aad: associated.span, plaintext: key, into: &ciphertextSpan, tag: &tagSpan)
        }
        return entry + nonce + ciphertext + tag + [UInt8](repeating: 0, count: 12)
    }

    private static func unwrap(
        _ entry: borrowing Span<UInt8>, vaultID: VaultID, cipher: inout AESGCM256
    ) throws(KeyringError) -> KeyVersion {
        guard let purpose = KeyPurpose(rawValue: entry[0]), let state = KeyState(rawValue: entry[1]) else {
            throw .damaged
        }
        // What is documented as zero is: above all the place of a destroyed key.
        guard isZero(entry.extracting(2..<4)), isZero(entry.extracting(92..<entryBytes)),
            state != .destroyed || isZero(entry.extracting(32..<92))
        else { throw .damaged }
        var key = SecretBytes(count: state == .destroyed ? 0 : KeyVersion.byteCount)
        if state != .destroyed {
            let associated = associatedData(entry.extracting(0..<32), vaultID: vaultID)
            var span = key.mutableSpan
            do throws(CryptoError) {
                try cipher.open(
                    nonce: entry.extracting(32..<44), aad: associated.span, ciphertext: entry.extracting(44..<76),
                    tag: entry.extracting(76..<92), into: &span)
            } catch {
                throw .damaged
            }
        }
        return KeyVersion(
            purpose: purpose, number: UInt32(bigEndian: entry, at: 4), state: state,
            created: UInt64(bigEndian: entry, at: 8), retired: UInt64(bigEndian: entry, at: 16),
            destroyed: UInt64(bigEndian: entry, at: 24), key: key)
    }

    private static func isZero(_ bytes: borrowing Span<UInt8>) -> Bool {
        var all: UInt8 = 0
        for index in 0..<bytes.count { all |= bytes[index] }
        return all == 0
    }

    private static func associatedData(_ entry: borrowing Span<UInt8>, vaultID: VaultID) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(bigEndian: vaultID.high)
        bytes.append(bigEndian: vaultID.low)
        for index in 0..<32 { bytes.append(entry[index]) }
        return bytes
    }

    private static func mac(of bytes: borrowing Span<UInt8>, root: borrowing RootKey) throws(CryptoError) -> [UInt8] {
        let key = try root.derive("strongroom keyring mac key v1")
        var hmac = try HMACSHA256(key: key.span)
        var result = [UInt8](repeating: 0, count: macBytes)
        var output = result.mutableSpan
        try hmac.begin()
        try hmac.update(bytes)
        try hmac.finish(into: &output)
        return result
    }
}

/// Why a keyring could not be used. The daemon then refuses to start (sysexits 78 or 74) and touches nothing.
package enum KeyringError: Error, Equatable, Sendable {
    case missing(path: String)
    case file(FileError)
    case notAKeyring
    case unsupportedFormat(UInt32)
    case wrongRootKey
    case damaged
    case crypto

    package var message: String {
        switch self {
        case .missing(let path): "keyring: \(path) is missing; 'strongroom init' makes the first one"
        case .file(let error): "keyring: \(error.message)"
        case .notAKeyring: "keyring: the file is not a keyring"
        case .unsupportedFormat(let version):
            "keyring: format \(version) was written by another version of strongroom; this one reads format 1"
        case .wrongRootKey: "keyring: the root key is not the one this keyring was wrapped under"
        case .damaged: "keyring: damaged or altered (its authentication code does not match)"
        case .crypto: "keyring: libcrypto failed"
        }
    }
}
