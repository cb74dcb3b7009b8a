package import OpenSSLCrypto

/// The public key of a signer of notes, as C2SP signed-note writes it: `name+hash+base64(type || public key)`.
///
/// Two types are known: Ed25519, which a log signs its checkpoints with, and Ed25519 cosignatures, which witnesses add.
package struct VerifierKey: Equatable, Sendable {
    /// What a signature of the key signs. The raw value stands before the public key.
    package enum Kind: UInt8, Sendable {
        /// The note's text.
        case ed25519 = 1
        /// `cosignature/v1`: the time, then the note's text (C2SP tlog-cosignature).
        case cosignature = 4
    }

    package let name: String
    package let kind: Kind
    /// 32 bytes.
    package let publicKey: [UInt8]
    /// Four bytes that stand before each signature of the key. A hint that finds the key, not a proof.
    package let keyHash: [UInt8]

    /// `nil` for a name that is none, or a public key that is not 32 bytes long.
    package init?(name: String, kind: Kind = .ed25519, publicKey: [UInt8]) throws(CryptoError) {
        guard Self.isName(name), publicKey.count == Ed25519SigningKey.publicKeyBytes else { return nil }
        self.name = name
        self.kind = kind
        self.publicKey = publicKey
        keyHash = try Self.hash(name: name, kind: kind, publicKey: publicKey)
    }

    /// The public half of a signing key.
    package init?(name: String, of key: borrowing Ed25519SigningKey) throws(CryptoError) {
        var publicKey = [UInt8](repeating: 0, count: Ed25519SigningKey.publicKeyBytes)
        var output = publicKey.mutableSpan
        try key.publicKey(into: &output)
        try self.init(name: name, publicKey: publicKey)
    }

    /// Reads the text of a key; `nil` where it is none, of another type, or its hash is not that of name and key.
    package init?(_ text: String) throws(CryptoError) {
        // Base 64 may have a plus itself, so only the first two divide.
        let parts = text.split(separator: "+", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let hash = Hexadecimal.decode(parts[1].utf8), hash.count == 4,
            let key = Base64.decode(parts[2].utf8), let type = key.first, let kind = Kind(rawValue: type)
        else { return nil }
        try self.init(name: String(parts[0]), kind: kind, publicKey: Array(key.dropFirst()))
        guard keyHash == hash else { return nil }
    }

    package var text: String {
        "\(name)+\(Hexadecimal.encode(keyHash))+\(Base64.encode([kind.rawValue] + publicKey))"
    }

    /// Not empty, without white space, control characters and plus signs.
    static func isName(_ name: some StringProtocol) -> Bool {
        !name.isEmpty
            && name.unicodeScalars.allSatisfy { scalar in
                scalar != "+" && !scalar.properties.isWhitespace && scalar.properties.generalCategory != .control
            }
    }

    private static func hash(name: String, kind: Kind, publicKey: [UInt8]) throws(CryptoError) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        var output = digest.mutableSpan
        try sha256((Array(name.utf8) + [0x0A, kind.rawValue] + publicKey).span, into: &output)
        return Array(digest.prefix(4))
    }
}
