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
    /// What wraps this generation, as far as that may be told.
    package let root: RootDescription
    /// What has to be as trustworthy as the keys: receipts, pending commands, custodians.
    package let annex: KeyringAnnex

    init(
        generation: UInt64, vaultID: VaultID, versions: [KeyVersion], root: RootDescription = RootDescription(),
        annex: KeyringAnnex = KeyringAnnex()
    ) {
        self.generation = generation
        self.vaultID = vaultID
        self.versions = versions
        self.root = root
        self.annex = annex
    }

    /// A first keyring: one active key for each purpose.
    package static func create(now: UInt64, root: RootDescription? = nil) throws(KeyringError) -> Keyring {
        do throws(CryptoError) {
            return Keyring(
                generation: 1, vaultID: try VaultID.random(),
                versions: [
                    try .drawn(.data, 1, now: now), try .drawn(.index, 1, now: now), try .drawn(.audit, 1, now: now),
                ],
                root: root ?? RootDescription(since: now))
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

    /// The version of a number; `nil` where there never was one.
    package func version(_ purpose: KeyPurpose, _ number: UInt32) -> KeyVersion? {
        versions.first { $0.purpose == purpose && $0.number == number }
    }

    /// Versions whose records are still to be moved.
    package func retiring(_ purpose: KeyPurpose) -> [KeyVersion] {
        versions.filter { $0.purpose == purpose && $0.state == .retiring }
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
