internal import OpenSSLCrypto
internal import SecretMemory

/// Every key version of a vault at one generation. Immutable and shared by all threads; a rotation makes a new one.
package final class Keyring: Sendable {
    /// Grows by one with each change, so that an older copy can be told.
    package let generation: UInt64
    /// Ties the keyring to its database.
    package let vaultID: VaultID
    /// All versions, destroyed ones included, in the order they were made.
    package let versions: [KeyVersion]

    init(generation: UInt64, vaultID: VaultID, versions: [KeyVersion]) {
        self.generation = generation
        self.vaultID = vaultID
        self.versions = versions
    }

    /// A first keyring: one active data key and one active index key.
    package static func create(now: UInt64) throws(KeyringError) -> Keyring {
        do throws(CryptoError) {
            return Keyring(
                generation: 1, vaultID: try VaultID.random(),
                versions: [
                    KeyVersion(purpose: .data, number: 1, state: .active, created: now, key: try randomKey()),
                    KeyVersion(purpose: .index, number: 1, state: .active, created: now, key: try randomKey()),
                ])
        } catch {
            throw .crypto
        }
    }

    /// The version that protects new records; a keyring that lacks one is refused when it is read.
    package func active(_ purpose: KeyPurpose) -> KeyVersion? {
        versions.first { $0.purpose == purpose && $0.state == .active }
    }

    /// Versions whose bytes are still here: the active one first.
    package func usable(_ purpose: KeyPurpose) -> [KeyVersion] {
        versions.filter { $0.purpose == purpose && $0.state == .active }
            + versions.filter { $0.purpose == purpose && $0.state == .retiring }
    }

    private static func randomKey() throws(CryptoError) -> SecretBytes {
        var key = SecretBytes(count: KeyVersion.byteCount)
        var span = key.mutableSpan
        try SystemRandom.fill(&span)
        return key
    }
}

/// Sixteen random bytes that name a vault. Not secret.
package struct VaultID: Hashable, Sendable {
    package let high: UInt64
    package let low: UInt64

    static func random() throws(CryptoError) -> VaultID {
        var bytes = [UInt8](repeating: 0, count: 16)
        var span = bytes.mutableSpan
        try SystemRandom.fill(&span)
        return VaultID(bytes.span, at: 0)
    }

    init(_ bytes: borrowing Span<UInt8>, at offset: Int) {
        high = UInt64(bigEndian: bytes, at: offset)
        low = UInt64(bigEndian: bytes, at: offset + 8)
    }

    /// 32 hexadecimal digits.
    package var text: String { hex(high) + hex(low) }

    private func hex(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
