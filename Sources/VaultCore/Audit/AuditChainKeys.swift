package import OpenSSLCrypto
internal import SecretMemory

/// The keys that records are chained with, one for each version that is still here. One thread.
package final class AuditChainKeys {
    /// What the chain key of an audit key version is derived by, as `AuditKey` does.
    package static let chainLabel: StaticString = "strongroom audit chain v1"
    /// What the seed of its signing key is derived by.
    package static let checkpointLabel: StaticString = "strongroom audit checkpoint v1"

    /// One key in a box, since a dictionary holds nothing that cannot be copied.
    private final class Chain {
        var mac: HMACSHA256
        init(_ mac: consuming HMACSHA256) { self.mac = mac }
    }

    private var chains: [UInt32: Chain] = [:]

    package init() {}

    /// The keys of a keyring.
    package init(_ keyring: Keyring) throws(CryptoError) {
        for version in keyring.usable(.audit) {
            let key = try version.derived(Self.chainLabel)
            try add(version.number, key: key.span)
        }
    }

    package func add(_ version: UInt32, key: Span<UInt8>) throws(CryptoError) {
        chains[version] = Chain(try HMACSHA256(key: key))
    }

    /// The MAC of a record's bytes; `nil` where the version's key is not here.
    func mac(of bytes: Span<UInt8>, version: UInt32) throws(CryptoError) -> [UInt8]? {
        guard let chain = chains[version] else { return nil }
        var mac = [UInt8](repeating: 0, count: HMACSHA256.macBytes)
        var output = mac.mutableSpan
        try chain.mac.authenticate(bytes, into: &output)
        return mac
    }
}

extension Keyring {
    /// The name of this vault's log and of the keys that sign for it.
    package var auditOrigin: String { AuditLog.origin(vaultID.text) }

    /// The public keys that checkpoints of this vault are signed with, as far as their secrets are still here; oldest
    /// first.
    package func auditVerifierKeys() throws(CryptoError) -> [VerifierKey] {
        var keys: [VerifierKey] = []
        for version in usable(.audit).sorted(by: { $0.number < $1.number }) {
            let seed = try version.derived(AuditChainKeys.checkpointLabel)
            let signing = try Ed25519SigningKey(seed: seed.span)
            if let key = try VerifierKey(name: auditOrigin, of: signing) { keys.append(key) }
        }
        return keys
    }
}
