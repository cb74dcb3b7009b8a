package import OpenSSLCrypto
package import SecretMemory

/// That an operator's one-time codes are in force. The secret of the codes is stored nowhere: it is derived from a key of
/// the keyring and the number here, so it is as well kept as the keys are, and another number makes another secret.
package struct OperatorEnrolment: Equatable, Sendable {
    /// Size of the random number in bytes.
    static let nonceBytes = 16

    /// The operator by the configuration's name.
    package let name: String
    let nonce: [UInt8]
    /// Unix seconds.
    package let since: UInt64

    init(name: String, nonce: [UInt8], since: UInt64) {
        self.name = name
        self.nonce = nonce
        self.since = since
    }

    /// One with a new secret.
    package init(name: String, since: UInt64) throws(CryptoError) {
        var nonce = [UInt8](repeating: 0, count: Self.nonceBytes)
        var span = nonce.mutableSpan
        try SystemRandom.fill(&span)
        self.init(name: name, nonce: nonce, since: since)
    }

    init(_ reader: inout AnnexReader) throws(KeyringError) {
        name = try reader.text()
        nonce = try reader.bytes()
        since = try reader.integer()
        guard nonce.count == Self.nonceBytes else { throw .damaged }
    }

    func write(to writer: inout AnnexWriter) {
        writer.append(name)
        writer.append(nonce)
        writer.append(since)
    }

    /// The secret that the operator's generator has. `nil` where the keyring has no key for such secrets.
    package func secret(_ keyring: Keyring) throws(CryptoError) -> SecretBytes? {
        guard let version = keyring.active(.operators) else { return nil }
        let key = try version.derived("strongroom operator code v1")
        let name = Array(name.utf8)
        var secret = SecretBytes(count: TOTP.secretBytes)
        var output = secret.mutableSpan
        try hkdfSHA256(key: key.span, salt: nonce.span, info: name.span, into: &output)
        return secret
    }
}

extension Keyring {
    /// With a key for the secrets of one-time codes; itself where it has one.
    package func withOperatorsKey(now: UInt64) throws(KeyChangeError) -> Keyring {
        guard active(.operators) == nil else { return self }
        return try adding(.operators, now: now)
    }
}
