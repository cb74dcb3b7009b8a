internal import OpenSSLCrypto
internal import SecretMemory

/// Where a root key comes from. The raw value is stored in the keyring.
package enum RootKind: UInt8, Sendable, CaseIterable {
    case file = 1
    case credential = 2
    case shares = 3
    case pkcs11 = 4

    package var name: StaticString {
        switch self {
        case .file: "file"
        case .credential: "credential"
        case .shares: "shares"
        case .pkcs11: "pkcs11"
        }
    }
}

/// What a keyring tells in clear about the root key that wraps it, so that a sealed vault knows what to ask for.
///
/// For `shares` and `pkcs11` the root key itself is in `wrapped`: under a secret that the custodians put together, and
/// under a key that never leaves its token. New shares of the same root key are a new secret around it, which is what
/// makes the old ones useless.
package struct RootDescription: Equatable, Sendable {
    /// Longest `wrapped`, in bytes.
    package static let wrappedBytesMax = 60

    package var kind = RootKind.file
    /// Shares needed and made; 0 for other kinds.
    package var threshold: UInt8 = 0
    package var count: UInt8 = 0
    /// Which set of shares; 0 for other kinds.
    package var setID: UInt32 = 0
    /// Unix seconds since when it wraps the keyring.
    package var since: UInt64 = 0
    package var wrapped: [UInt8] = []

    package init(kind: RootKind = .file, since: UInt64 = 0) {
        self.kind = kind
        self.since = since
    }

    /// For people, such as `shares (3 of 5)`.
    package var text: String { kind == .shares ? "shares (\(threshold) of \(count))" : "\(kind.name)" }
}

/// The root key inside the secret that is shared: `nonce (12) | ciphertext (32) | tag (16)`, AES-256-GCM under
/// HKDF(secret), with vault, threshold, count and set in the AAD.
package enum ShareEnvelope {
    private static let label: StaticString = "strongroom share envelope key v1"

    package static func seal(
        _ root: borrowing RootKey, secret: borrowing Span<UInt8>, description: RootDescription, vaultID: VaultID
    ) throws(KeyringError) -> [UInt8] {
        do throws(CryptoError) {
            return try sealing(root, secret: secret, description, vaultID)
        } catch {
            throw .crypto
        }
    }

    private static func sealing(
        _ root: borrowing RootKey, secret: borrowing Span<UInt8>, _ description: RootDescription, _ vaultID: VaultID
    ) throws(CryptoError) -> [UInt8] {
        let key = try deriveKey(from: secret, label: label)
        var cipher = try AESGCM256(key: key.span)
        var nonce = [UInt8](repeating: 0, count: 12)
        var ciphertext = [UInt8](repeating: 0, count: RootKey.byteCount)
        var tag = [UInt8](repeating: 0, count: 16)
        var nonceSpan = nonce.mutableSpan
        try SystemRandom.fill(&nonceSpan, from: .shown)
        var ciphertextSpan = ciphertext.mutableSpan
        var tagSpan = tag.mutableSpan
        let associated = associatedData(description, vaultID)
        try root.withBytes { (bytes) throws(CryptoError) in
            try cipher.seal(
                nonce: nonce.span, aad: associated.span, plaintext: bytes, into: &ciphertextSpan, tag: &tagSpan)
        }
        return nonce + ciphertext + tag
    }

    /// Throws `.wrongRootKey` where the secret is not the one: a share was wrong.
    package static func open(
        secret: borrowing Span<UInt8>, description: RootDescription, vaultID: VaultID
    ) throws(KeyringError) -> RootKey {
        do throws(CryptoError) {
            return try opening(secret: secret, description, vaultID)
        } catch {
            throw error == .authenticationFailed ? .wrongRootKey : .crypto
        }
    }

    private static func opening(
        secret: borrowing Span<UInt8>, _ description: RootDescription, _ vaultID: VaultID
    ) throws(CryptoError) -> RootKey {
        guard description.wrapped.count == 60 else { throw .authenticationFailed }
        let key = try deriveKey(from: secret, label: label)
        var cipher = try AESGCM256(key: key.span)
        let wrapped = description.wrapped.span
        let associated = associatedData(description, vaultID)
        var root = SecretBytes(count: RootKey.byteCount)
        var span = root.mutableSpan
        try cipher.open(
            nonce: wrapped.extracting(0..<12), aad: associated.span, ciphertext: wrapped.extracting(12..<44),
            tag: wrapped.extracting(44..<60), into: &span)
        guard let opened = RootKey(root) else { throw .authenticationFailed }
        return opened
    }

    private static func associatedData(_ description: RootDescription, _ vaultID: VaultID) -> [UInt8] {
        var bytes = [UInt8]("share envelope v1")
        bytes.append(bigEndian: vaultID.high)
        bytes.append(bigEndian: vaultID.low)
        bytes += [description.threshold, description.count]
        bytes.append(bigEndian: description.setID)
        return bytes
    }
}
