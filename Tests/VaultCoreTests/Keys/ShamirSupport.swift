import SecretMemory

@testable import VaultCore

/// The bytes of hexadecimal text, which may have blanks.
func bytes(hex: String) -> [UInt8] {
    let digits = hex.utf8.filter { $0 != UInt8(ascii: " ") }.map {
        UInt8(Character(UnicodeScalar($0)).hexDigitValue ?? 0)
    }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

/// 32 bytes that look like a key.
let sampleSecret = (0..<32).map { UInt8(truncatingIfNeeded: $0 &* 73 &+ 19) }

extension Shamir {
    /// The shares of a secret with chosen coefficients, in the order of their indices.
    static func shares(
        of secret: [UInt8], threshold: Int, count: Int, coefficients: [UInt8]
    ) throws(SplitError) -> [[UInt8]] {
        let set = try split(
            secret.span, threshold: threshold, count: count, setID: 1, coefficients: coefficients.span)
        return set.copied
    }

    /// The shares of a secret of 32 bytes with random coefficients.
    static func shares(of secret: [UInt8], threshold: Int, count: Int) throws(SplitError) -> [[UInt8]] {
        let set = try split(secret.span, threshold: threshold, count: count)
        return set.copied
    }

    /// What these of the shares give; `indices` begin at 1.
    static func combined(_ indices: [UInt8], of shares: [[UInt8]]) -> [UInt8] {
        let chosen = indices.flatMap { shares[Int($0) - 1] }
        let secret = combine(indices: indices, shares: chosen.span)
        return secret.span.copied
    }
}

extension ShareSet {
    var copied: [[UInt8]] { (1...count).map { bytes(of: $0).copied } }
}
