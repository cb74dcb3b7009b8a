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
        try rotating(purpose, now: 1_700_000_001, by: .automatic, reason: .operatorCommand)
    }

    /// The keyring with the bytes of every retiring version of a purpose gone.
    func destroyingRetired(_ purpose: KeyPurpose) throws -> Keyring {
        var keyring = self
        for version in retiring(purpose) {
            keyring = try keyring.destroying(
                purpose, version.number, now: 1_700_000_002, recordsMoved: 3, by: .automatic)
        }
        return keyring
    }

    /// The keyring of a vault from before it had a key of this kind.
    func without(_ purpose: KeyPurpose) -> Keyring {
        Keyring(
            generation: generation, vaultID: vaultID, versions: versions.filter { $0.purpose != purpose }, root: root,
            annex: annex)
    }

    /// A keyring with every state and something of everything in its annex: data 1 destroyed, 2 retiring, 3 active;
    /// index 1; audit 1.
    static func rich() throws -> Keyring {
        let made = try Keyring.create(now: 1_700_000_000).rotated(.data).destroyingRetired(.data).rotated(.data)
        let audited = Keyring(
            generation: made.generation, vaultID: made.vaultID,
            versions: made.without(.audit).versions + [try .made(.audit, 1)], root: made.root, annex: made.annex)
        return audited.annotated { annex in
            annex.pending.append(
                PendingCommand(
                    id: 1, command: "destroy", argument: "data 2", description: "destroy data key version 2",
                    requestedBy: 1_000, requesterName: "anna (1000)", created: 5, expires: 6))
            annex.nextPendingID = 2
            annex.custodians.append(Custodian(name: "bob", setID: 9, index: 1, since: 7))
        }
    }

    /// The same keyring under another description of its root key.
    func described(_ change: (inout RootDescription) -> Void) -> Keyring {
        var root = root
        change(&root)
        return Keyring(generation: generation, vaultID: vaultID, versions: versions, root: root, annex: annex)
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

/// A file of format 1 with the keys of a keyring, from its documented layout: 48 bytes of header, entries, MAC.
func formatOne(_ keyring: Keyring, root: UInt8 = 7) throws -> [UInt8] {
    var bytes = Array("SRKEYRNG".utf8)
    bytes.append(bigEndian: UInt32(1))
    bytes.append(bigEndian: UInt32(keyring.versions.count))
    bytes.append(bigEndian: keyring.generation)
    var vault: [UInt8] = []
    vault.append(bigEndian: keyring.vaultID.high)
    vault.append(bigEndian: keyring.vaultID.low)
    bytes += vault
    bytes.append(bigEndian: try RootKey.test(root).checkValue())
    let wrapping = try RootKey.test(root).derive("strongroom keyring wrapping key v1")
    var cipher = try AESGCM256(key: wrapping.span)
    for (index, version) in keyring.versions.enumerated() {
        var entry: [UInt8] = [version.purpose.rawValue, version.state.rawValue, 0, 0]
        entry.append(bigEndian: version.number)
        for date in [version.created, version.retired, version.destroyed] { entry.append(bigEndian: date) }
        if version.state == .destroyed {
            bytes += entry + [UInt8](repeating: 0, count: 72)
            continue
        }
        let nonce = [UInt8](repeating: UInt8(index + 1), count: 12)
        let associated = vault + entry
        let key = version.keyBytes
        var ciphertext = [UInt8](repeating: 0, count: 32)
        var tag = [UInt8](repeating: 0, count: 16)
        var ciphertextSpan = ciphertext.mutableSpan
        var tagSpan = tag.mutableSpan
        try cipher.seal(
            nonce: nonce.span, aad: associated.span, plaintext: key.span, into: &ciphertextSpan, tag: &tagSpan)
        bytes += entry + nonce + ciphertext + tag + [UInt8](repeating: 0, count: 12)
    }
    return try bytes + keyringMAC(bytes, root: root)
}

/// A file with other bytes in some places, and a right MAC over them.
func resealed(_ file: [UInt8], _ change: (inout [UInt8]) -> Void) throws -> [UInt8] {
    var body = Array(file.dropLast(32))
    change(&body)
    return try body + keyringMAC(body)
}

/// Puts another annex into a file, with its size and a right MAC.
func replacingAnnex(of file: [UInt8], with annex: [UInt8]) throws -> [UInt8] {
    let size = Int(UInt32(bigEndian: file.span, at: 124))
    return try resealed(file) { body in
        body.removeLast(size)
        body += annex
        for index in 0..<4 { body[124 + index] = UInt8(truncatingIfNeeded: annex.count >> (24 - 8 * index)) }
    }
}
