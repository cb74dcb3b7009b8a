internal import Glibc
internal import OpenSSLCrypto
internal import SecretMemory

/// The `keyring` file: all key versions, each wrapped under the root key, what has to be as trustworthy as they are, and
/// a MAC over the whole.
///
/// ```
///  offset size
///       0    8  "SRKEYRNG"
///       8    4  format version, 2
///      12    4  number of entries
///      16    8  generation
///      24   16  vault id
///      40    8  check value of the root key
///      48    1  kind of root key  1 file, 2 credential, 3 shares, 4 pkcs11
///      49    1  shares needed, 0 for other kinds
///      50    1  shares made, 0 for other kinds
///      51    1  size of the wrapped root key, 0...60
///      52    4  set of shares, 0 for other kinds
///      56    8  since when this root key wraps it, Unix seconds
///      64   60  wrapped root key (shares, pkcs11), then zeros
///     124    4  size of the annex
///     128  104  one entry a version:
///                  0  1  purpose          1 data, 2 index, 3 audit, 4 operators
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
///            annex: `KeyringAnnex`
///    last   32  HMAC-SHA-256 over everything before it
/// ```
/// Integers are big-endian. The AAD of a wrapped key is the vault id and bytes 0..<32 of its entry, so that a key cannot
/// be given another purpose, version, state or date. It lies outside LMDB because LMDB keeps old pages readable.
///
/// Format 1 is read too: its header ends at 48 and it has no annex. The next change of the keyring writes format 2.
package enum KeyringFile {
    private static let magic: StaticString = "SRKEYRNG"
    private static let entryBytes = 104
    private static let macBytes = 32
    /// More versions than ninety-day periods in a century: a limit against nonsense, not against use.
    private static let entriesMax = 4096

    /// Reads and authenticates a keyring; nothing of it is trusted before its MAC was found right.
    package static func load(from path: String, root: borrowing RootKey) throws(KeyringError) -> Keyring {
        try decode(try read(path), root: root)
    }

    /// What the file says in clear, unauthenticated: enough to know which root key to ask for.
    package static func header(of path: String) throws(KeyringError) -> KeyringHeader {
        try KeyringHeader(try read(path))
    }

    private static func read(_ path: String) throws(KeyringError) -> [UInt8] {
        do throws(FileError) {
            return try AtomicFile.read(path)
        } catch {
            throw error.isMissing ? .missing(path: path) : .file(error)
        }
    }

    /// Writes a keyring in place of the old one, durably and all or nothing.
    ///
    /// In two phases: the new file is written, flushed, read back and decoded, and every key that came back opens
    /// what the key in memory sealed; only then does it take the old one's place. Where the directory cannot be flushed after that,
    /// `.switchUnknown` is thrown: which of the two a power cut leaves is not known, and the new keys must not be used.
    package static func store(_ keyring: Keyring, at path: String, root: borrowing RootKey) throws(KeyringError) {
        let bytes = try encode(keyring, root: root)
        do throws(FileError) {
            let written = try AtomicFile.prepare(path, with: bytes)
            do throws(KeyringError) {
                try prove(keyring, try decode(written, root: root))
            } catch {
                AtomicFile.discard(path)
                throw FileError(operation: "read back", path: path, code: EIO)
            }
            try AtomicFile.commit(path)
        } catch {
            // The directory is only touched after the switch: where it cannot be opened nothing was flushed either.
            if error.path == AtomicFile.parent(of: path) { throw .switchUnknown(error) }
            throw .file(error)
        }
    }

    /// Seals a canary under each usable key in memory, and opens it with the key that was read back.
    static func prove(_ keyring: Keyring, _ readBack: Keyring) throws(KeyringError) {
        guard readBack.generation == keyring.generation, readBack.versions.count == keyring.versions.count,
            readBack.annex == keyring.annex, readBack.root == keyring.root
        else { throw .damaged }
        for version in KeyPurpose.allCases.flatMap({ keyring.usable($0) }) {
            guard let other = readBack.version(version.purpose, version.number), other.state == version.state,
                try crypto({ () throws(CryptoError) in try version.opensCanary(of: other) })
            else { throw .damaged }
        }
    }

    package static func encode(_ keyring: Keyring, root: borrowing RootKey) throws(KeyringError) -> [UInt8] {
        let annex = keyring.annex.encoded
        guard annex.count <= KeyringAnnex.bytesMax, keyring.versions.count <= entriesMax else { throw .tooLarge }
        do throws(CryptoError) {
            var bytes = [UInt8](magic)
            bytes.append(bigEndian: KeyringHeader.formatVersion)
            bytes.append(bigEndian: UInt32(keyring.versions.count))
            bytes.append(bigEndian: keyring.generation)
            bytes.append(bigEndian: keyring.vaultID.high)
            bytes.append(bigEndian: keyring.vaultID.low)
            bytes.append(bigEndian: try root.checkValue())
            bytes += keyring.root.encoded
            bytes.append(bigEndian: UInt32(annex.count))
            let wrappingKey = try root.derive("strongroom keyring wrapping key v1")
            var cipher = try AESGCM256(key: wrappingKey.span)
            for version in keyring.versions {
                bytes += try wrap(version, vaultID: keyring.vaultID, cipher: &cipher)
            }
            bytes += annex
            return bytes + (try mac(of: bytes.span, root: root))
        } catch {
            throw .crypto
        }
    }

    package static func decode(_ bytes: [UInt8], root: borrowing RootKey) throws(KeyringError) -> Keyring {
        let header = try KeyringHeader(bytes)
        let start = header.byteCount
        let count = header.entries
        guard count <= entriesMax, header.annexBytes <= KeyringAnnex.bytesMax,
            bytes.count == start + count * entryBytes + header.annexBytes + macBytes
        else { throw .damaged }
        guard try crypto({ () throws(CryptoError) in try root.checkValue() }) == header.checkValue else {
            throw .wrongRootKey
        }
        let body = bytes.count - macBytes
        let expected = try crypto { () throws(CryptoError) in try mac(of: bytes.span.extracting(0..<body), root: root) }
        guard constantTimeEqual(expected.span, bytes.span.extracting(body..<bytes.count)) else { throw .damaged }
        let vaultID = header.vaultID
        let wrappingKey = try crypto { () throws(CryptoError) in try root.derive("strongroom keyring wrapping key v1") }
        var cipher = try crypto { () throws(CryptoError) in try AESGCM256(key: wrappingKey.span) }
        var versions: [KeyVersion] = []
        for index in 0..<count {
            let place = start + index * entryBytes
            let entry = bytes.span.extracting(place..<place + entryBytes)
            versions.append(try unwrap(entry, vaultID: vaultID, cipher: &cipher))
        }
        let annex = try KeyringAnnex(decoding: Array(bytes[(body - header.annexBytes)..<body]))
        var description = header.root
        if header.format == 1 { description.since = versions.first?.created ?? 0 }
        let keyring = Keyring(
            generation: header.generation, vaultID: vaultID, versions: versions, root: description, annex: annex)
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

    /// Exactly one active data and index key, and no number twice: a MAC proves origin, not sense. The keys that are made
    /// when they are first needed may not be there at all.
    private static func checkShape(_ keyring: Keyring) throws(KeyringError) {
        for purpose in KeyPurpose.allCases {
            let versions = keyring.versions.filter { $0.purpose == purpose }
            let active = versions.filter { $0.state == .active }.count
            guard active == 1 || ([.audit, .operators].contains(purpose) && versions.isEmpty) else { throw .damaged }
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
