import SecretMemory

@testable import OpenSSLCrypto
@testable import VaultCore

extension RootKey {
    /// A root key of 32 equal bytes.
    static func test(_ byte: UInt8 = 7) -> RootKey {
        let bytes = [UInt8](repeating: byte, count: 32)
        guard let key = RootKey(SecretBytes(copying: bytes.span)) else { preconditionFailure("32 bytes") }
        return key
    }

    /// Whether keys can be derived from it.
    var isUsable: Bool { (try? checkValue()) != nil }

    /// The check value of a root key of these bytes; `nil` where they are refused.
    static func checkValue(of bytes: consuming SecretBytes) throws -> UInt64? {
        guard let key = RootKey(bytes) else { return nil }
        return try key.checkValue()
    }
}

extension KeyVersion {
    /// The same version in another state; its bytes go where it is destroyed.
    func with(state: KeyState, retired: UInt64 = 0, destroyed: UInt64 = 0) throws -> KeyVersion {
        let key =
            state == .destroyed
            ? SecretBytes(count: 0) : try withKey { (key) throws(CryptoError) in SecretBytes(copying: key) }
        return KeyVersion(
            purpose: purpose, number: number, state: state, created: created, retired: retired, destroyed: destroyed,
            key: key)
    }

    var keyBytes: [UInt8] {
        (try? copied()) ?? []
    }

    private func copied() throws(CryptoError) -> [UInt8] {
        let copy = try withKey { (key) throws(CryptoError) in SecretBytes(copying: key) }
        return copy.span.copied
    }

    static func made(_ purpose: KeyPurpose, _ number: UInt32, _ state: KeyState = .active) throws -> KeyVersion {
        var key = SecretBytes(count: state == .destroyed ? 0 : 32)
        if state != .destroyed {
            var span = key.mutableSpan
            try SystemRandom.fill(&span)
        }
        return KeyVersion(purpose: purpose, number: number, state: state, created: 1_700_000_000, key: key)
    }
}

extension Keyring {
    /// The next generation: a new active version of a purpose, the old one retiring.
    func rotated(_ purpose: KeyPurpose) throws -> Keyring {
        var versions: [KeyVersion] = []
        for version in self.versions {
            let retires = version.purpose == purpose && version.state == .active
            versions.append(retires ? try version.with(state: .retiring, retired: 1_700_000_001) : version)
        }
        let number = (versions.filter { $0.purpose == purpose }.map(\.number).max() ?? 0) + 1
        versions.append(try KeyVersion.made(purpose, number))
        return Keyring(generation: generation + 1, vaultID: vaultID, versions: versions)
    }

    /// The next generation with the bytes of every retiring version of a purpose gone.
    func destroyingRetired(_ purpose: KeyPurpose) throws -> Keyring {
        var versions: [KeyVersion] = []
        for version in self.versions {
            let goes = version.purpose == purpose && version.state == .retiring
            versions.append(
                goes ? try version.with(state: .destroyed, retired: version.retired, destroyed: 1_700_000_002) : version
            )
        }
        return Keyring(generation: generation + 1, vaultID: vaultID, versions: versions)
    }
}

func hmac(_ key: consuming SecretBytes, _ body: [UInt8]) throws -> [UInt8] {
    var hmac = try HMACSHA256(key: key.span)
    var result = [UInt8](repeating: 0, count: 32)
    var output = result.mutableSpan
    try hmac.begin()
    try hmac.update(body.span)
    try hmac.finish(into: &output)
    return result
}

/// What decoding a file under a root key of 32 equal bytes is refused with; `nil` where it is taken.
func refusal(_ bytes: [UInt8], root: UInt8 = 7) -> KeyringError? {
    do throws(KeyringError) {
        _ = try KeyringFile.decode(bytes, root: RootKey.test(root))
        return nil
    } catch {
        return error
    }
}

func encoded(_ keyring: Keyring, root: UInt8 = 7) throws -> [UInt8] {
    try KeyringFile.encode(keyring, root: RootKey.test(root))
}

func decoded(_ bytes: [UInt8], root: UInt8 = 7) throws -> Keyring {
    try KeyringFile.decode(bytes, root: RootKey.test(root))
}

/// The code at the end of a keyring file.
func keyringMAC(_ body: [UInt8], root: UInt8 = 7) throws -> [UInt8] {
    try hmac(try RootKey.test(root).derive("strongroom keyring mac key v1"), body)
}
