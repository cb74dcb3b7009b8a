internal import OpenSSLCrypto
package import SecretMemory
package import VaultCore

/// A root key in shares: a random secret that is split, and the root key sealed under it for the keyring's header.
package struct ShareSplit: ~Copyable {
    private let shares: ShareSet
    /// What the keyring says of its root key from then on.
    package let description: RootDescription

    /// Splits; `since` is when the root key began to wrap the keyring.
    package init(
        _ root: borrowing RootKey, threshold: Int, count: Int, vaultID: VaultID, since: UInt64
    ) throws(SplitError) {
        var secret = SecretBytes(count: Shamir.secretBytes)
        do throws(CryptoError) {
            var span = secret.mutableSpan
            try SystemRandom.fill(&span)
        } catch {
            throw .random
        }
        let shares = try Shamir.split(secret.span, threshold: threshold, count: count)
        var description = RootDescription(kind: .shares, since: since)
        description.threshold = UInt8(threshold)
        description.count = UInt8(count)
        description.setID = shares.setID
        do throws(KeyringError) {
            description.wrapped = try ShareEnvelope.seal(
                root, secret: secret.span, description: description, vaultID: vaultID)
        } catch {
            throw .random
        }
        self.init(shares: shares, description: description)
    }

    init(
        _ root: borrowing RootKey, _ plan: SharePlan, vaultID: VaultID, since: UInt64
    ) throws(SplitError) {
        try self.init(root, threshold: plan.threshold, count: plan.count, vaultID: vaultID, since: since)
    }

    private init(shares: consuming ShareSet, description: RootDescription) {
        self.shares = shares
        self.description = description
    }

    /// The lines for the custodians, one a share after the first: `ceremony ID THRESHOLD COUNT SET`, then
    /// `INDEX<TAB>NAME<TAB>SHARE`.
    package borrowing func sheet(id: UInt32, _ names: [String]) -> SecretBytes {
        let heads = (1...shares.count).map { Array("\($0)\t\(names[$0 - 1])\t".utf8) }
        let title = Array(
            "ceremony \(id) \(shares.threshold) \(shares.count) \(Share.text(ofSet: shares.setID))\n".utf8)
        // The texts of a set differ in size by the digits of their index alone.
        let size = (1...shares.count).reduce(title.count) { sum, index in
            sum + heads[index - 1].count + ShareText.textBytesMax - 3 + String(index).utf8.count + 1
        }
        var sheet = SecretBytes(count: size)
        var output = sheet.mutableSpan
        var end = 0
        Self.put(title, &output, &end)
        for index in 1...shares.count {
            Self.put(heads[index - 1], &output, &end)
            guard let text = try? ShareText.encode(shares.share(index)) else { preconditionFailure("libcrypto failed") }
            for position in 0..<text.count {
                output[end] = text.span[position]
                end += 1
            }
            Self.put([0x0A], &output, &end)
        }
        precondition(end == size, "a sheet of shares has another size than its lines")
        return sheet
    }
}

extension ShareSplit {
    private static func put(_ bytes: [UInt8], _ output: inout MutableSpan<UInt8>, _ end: inout Int) {
        for byte in bytes {
            output[end] = byte
            end += 1
        }
    }
}

extension KeyringAnnex {
    /// Every holding of a share ends.
    mutating func endCustodians(at now: UInt64) {
        for index in custodians.indices where custodians[index].isCurrent { custodians[index].until = now }
    }
}
