internal import OpenSSLCrypto
internal import SecretMemory

/// What a key is for. The raw value is stored in the keyring.
package enum KeyPurpose: UInt8, Sendable, CaseIterable {
    /// AES-256-GCM of records.
    case data = 1
    /// HMAC-SHA-256 of the blind index and of fingerprints.
    case index = 2
    /// The audit chain and its checkpoints.
    case audit = 3
    /// The secrets of operators' one-time codes. Made at the first enrolment; never rotated, since the secrets are in
    /// people's telephones.
    case operators = 4

    package var name: StaticString {
        switch self {
        case .data: "data"
        case .index: "index"
        case .audit: "audit"
        case .operators: "operators"
        }
    }
}

/// Where a key version stands in its life. The raw value is stored in the keyring.
package enum KeyState: UInt8, Sendable {
    /// Protects new records; exactly one version of each purpose.
    case active = 1
    /// Reads only, while its records are moved to the active version.
    case retiring = 2
    /// Key bytes are gone; the entry stays as its receipt.
    case destroyed = 3

    package var name: StaticString {
        switch self {
        case .active: "active"
        case .retiring: "retiring"
        case .destroyed: "destroyed"
        }
    }
}

/// One version of one key. Immutable: a change of state is a new keyring generation.
package final class KeyVersion: Sendable {
    /// Size of every key in the ring, in bytes.
    package static let byteCount = 32

    package let purpose: KeyPurpose
    /// 1, 2, 3... per purpose; never used twice.
    package let number: UInt32
    package let state: KeyState
    /// Unix seconds.
    package let created: UInt64
    /// Unix seconds when it stopped protecting new records; 0 while active.
    package let retired: UInt64
    /// Unix seconds when its bytes were destroyed; 0 before.
    package let destroyed: UInt64
    /// Empty once destroyed.
    private let key: SecretBytes

    init(
        purpose: KeyPurpose, number: UInt32, state: KeyState, created: UInt64, retired: UInt64 = 0,
        destroyed: UInt64 = 0, key: consuming SecretBytes
    ) {
        self.purpose = purpose
        self.number = number
        self.state = state
        self.created = created
        self.retired = retired
        self.destroyed = destroyed
        self.key = key
    }

    /// Lends the key bytes for the length of a call.
    func withKey<R: ~Copyable>(_ body: (borrowing Span<UInt8>) throws(CryptoError) -> R) throws(CryptoError) -> R {
        try key.withSpan(body)
    }

    /// The same version in another state. A destroyed one has no key bytes.
    func changed(to state: KeyState, retired: UInt64, destroyed: UInt64 = 0) -> KeyVersion {
        KeyVersion(
            purpose: purpose, number: number, state: state, created: created, retired: retired, destroyed: destroyed,
            key: state == .destroyed ? SecretBytes(count: 0) : key.copied())
    }

    /// A new active version with random key bytes.
    static func drawn(_ purpose: KeyPurpose, _ number: UInt32, now: UInt64) throws(CryptoError) -> KeyVersion {
        var key = SecretBytes(count: byteCount)
        var span = key.mutableSpan
        try SystemRandom.fill(&span)
        return KeyVersion(purpose: purpose, number: number, state: .active, created: now, key: key)
    }

    /// Whether the other key opens what this one sealed: the proof that both are the same key, and that it works.
    func opensCanary(of other: KeyVersion) throws(CryptoError) -> Bool {
        let plaintext = [UInt8]("canary of a key.")
        var nonce = [UInt8](repeating: 0, count: AESGCM256.nonceBytes)
        var ciphertext = [UInt8](repeating: 0, count: 16)
        var tag = [UInt8](repeating: 0, count: AESGCM256.tagBytes)
        var opened = [UInt8](repeating: 0, count: 16)
        var nonceSpan = nonce.mutableSpan
        try SystemRandom.fill(&nonceSpan, from: .shown)
        var sealing = try withKey { (key) throws(CryptoError) in try AESGCM256(key: key) }
        var opening = try other.withKey { (key) throws(CryptoError) in try AESGCM256(key: key) }
        let aad = [purpose.rawValue]
        var ciphertextSpan = ciphertext.mutableSpan
        var tagSpan = tag.mutableSpan
        try sealing.seal(
            nonce: nonce.span, aad: aad.span, plaintext: plaintext.span, into: &ciphertextSpan, tag: &tagSpan)
        do throws(CryptoError) {
            var output = opened.mutableSpan
            try opening.open(
                nonce: nonce.span, aad: aad.span, ciphertext: ciphertext.span, tag: tag.span, into: &output)
        } catch {
            if error == .authenticationFailed { return false }
            throw error
        }
        return opened == plaintext
    }

    /// A key for one use of this version.
    func derived(_ label: StaticString) throws(CryptoError) -> SecretBytes {
        try withKey { (key) throws(CryptoError) in try deriveKey(from: key, label: label) }
    }
}

extension SecretBytes {
    /// Another secret with the same bytes.
    fileprivate borrowing func copied() -> SecretBytes { SecretBytes(copying: span) }

    /// Lends the bytes for the length of a call: a class's stored secret cannot hand out a span of its own.
    fileprivate borrowing func withSpan<R: ~Copyable>(
        _ body: (borrowing Span<UInt8>) throws(CryptoError) -> R
    ) throws(CryptoError) -> R {
        try body(span)
    }
}
