internal import OpenSSLCrypto
internal import SecretMemory

/// What one version of the audit key makes: the keyed links of the chain, and signatures of checkpoints. One thread.
package final class AuditKey {
    package let version: UInt32
    private var hmac: HMACSHA256
    private let signing: Ed25519SigningKey

    package convenience init(_ key: KeyVersion) throws(AuditFailure) {
        do throws(CryptoError) {
            let chain = try key.derived(AuditChainKeys.chainLabel)
            let seed = try key.derived(AuditChainKeys.checkpointLabel)
            let hmac = try HMACSHA256(key: chain.span)
            let signing = try Ed25519SigningKey(seed: seed.span)
            self.init(version: key.number, hmac: hmac, signing: signing)
        } catch {
            throw .crypto
        }
    }

    private init(version: UInt32, hmac: consuming HMACSHA256, signing: consuming Ed25519SigningKey) {
        self.version = version
        self.hmac = hmac
        self.signing = signing
    }

    /// The usable versions of a keyring, the active one first.
    package static func all(of keyring: Keyring) throws(AuditFailure) -> [AuditKey] {
        var keys: [AuditKey] = []
        for version in keyring.usable(.audit) { keys.append(try AuditKey(version)) }
        return keys
    }

    /// The link of a record: the MAC of its line up to it, 32 bytes.
    package func link(_ line: borrowing Span<UInt8>, into mac: inout [UInt8]) throws(AuditFailure) {
        var output = mac.mutableSpan
        do throws(CryptoError) {
            try hmac.authenticate(copy line, into: &output)
        } catch {
            throw .crypto
        }
    }

    /// The checkpoint as a note that this key and then the others sign.
    package func sign(_ checkpoint: Checkpoint, with others: [AuditKey] = []) throws(AuditFailure) -> String {
        do throws(CryptoError) {
            var note = try signed(checkpoint)
            for other in others { note.signatures += try other.signed(checkpoint).signatures }
            return note.description
        } catch {
            throw .crypto
        }
    }

    private func signed(_ checkpoint: Checkpoint) throws(CryptoError) -> SignedNote {
        guard let key = try VerifierKey(name: checkpoint.origin, of: signing) else {
            preconditionFailure("an origin is the name of a key")
        }
        return try SignedNote(text: checkpoint.text, signedBy: signing, as: key)
    }

    /// What verifies its signatures.
    package func verifierKey(origin: String) throws(AuditFailure) -> VerifierKey {
        do throws(CryptoError) {
            guard let key = try VerifierKey(name: origin, of: signing) else {
                preconditionFailure("an origin is the name of a key")
            }
            return key
        } catch {
            throw .crypto
        }
    }

    /// Whether a note bears its signature.
    func hasSigned(_ note: SignedNote, origin: String) throws(AuditFailure) -> Bool {
        let key = try verifierKey(origin: origin)
        do throws(CryptoError) {
            return try note.verdict(of: key) == .signed(time: nil)
        } catch {
            throw .crypto
        }
    }
}
