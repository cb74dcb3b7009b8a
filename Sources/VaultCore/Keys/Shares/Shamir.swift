internal import OpenSSLCrypto
package import SecretMemory

/// Splits a secret into shares of which any `threshold` give it back, while fewer tell nothing about it.
///
/// Shamir, "How to Share a Secret" (1979), over GF(2^8) as in ISO/IEC 19592-2: for each byte of the secret one
/// polynomial of degree `threshold - 1`, its constant term the byte and its other coefficients random, the last one too
/// and zero allowed. Share x holds the values at x, 1 to 255; the secret is the value at 0. Indices are public, bytes
/// are not: time depends on sizes and indices alone. Any thread.
package enum Shamir {
    /// Size of the secrets that are shared, in bytes, and so of every share.
    package static let secretBytes = RootKey.byteCount
    /// The fewest shares that may give a secret: with one, every share would be the secret.
    package static let thresholdMin = 2
    /// The most shares of a set: the field has so many elements that are not 0.
    package static let countMax = 255

    /// Splits a secret of 32 bytes into `count` shares under a new, random set identifier.
    ///
    /// Before it returns, it combines every share with others of the set and stops the process unless each gives the
    /// secret back: shares that do not would be found out when nothing else is left. The secret stays where it is:
    /// wiping it is up to the caller.
    package static func split(
        _ secret: borrowing Span<UInt8>, threshold: Int, count: Int
    ) throws(SplitError) -> ShareSet {
        try check(threshold: threshold, count: count)
        guard secret.count == secretBytes else { throw .secretSize(secret.count) }
        var coefficients = SecretBytes(count: (threshold - 1) * secretBytes)
        let setID: UInt32
        do throws(CryptoError) {
            var random = coefficients.mutableSpan
            try SystemRandom.fill(&random)
            setID = try randomSetID()
        } catch {
            throw .random
        }
        let set = try split(
            secret, threshold: threshold, count: count, setID: setID, coefficients: coefficients.span)
        set.requireSecret(secret)
        return set
    }

    /// Splits a secret of any size with coefficients that the caller chose, for published vectors.
    ///
    /// `coefficients` holds those of x for all bytes of the secret, then those of x^2, and so on.
    static func split(
        _ secret: borrowing Span<UInt8>, threshold: Int, count: Int, setID: UInt32,
        coefficients: borrowing Span<UInt8>
    ) throws(SplitError) -> ShareSet {
        try check(threshold: threshold, count: count)
        let size = secret.count
        precondition(coefficients.count == (threshold - 1) * size, "shamir: not one coefficient a power and byte")
        var shares = SecretBytes(count: count * size)
        var bytes = shares.mutableSpan
        for share in 0..<count {
            let x = UInt8(share + 1)
            for position in 0..<size {
                // Horner's rule, from the highest power down.
                var value: UInt8 = 0
                for power in stride(from: threshold - 2, through: 0, by: -1) {
                    value = GF256.multiply(GF256.add(value, coefficients[power * size + position]), x)
                }
                bytes[share * size + position] = GF256.add(value, secret[position])
            }
        }
        return ShareSet(setID: setID, threshold: threshold, count: count, bytes: shares)
    }

    /// The secret that shares with these indices give: the value at 0 of the polynomials through all of them.
    ///
    /// `shares` holds the bytes of the shares one after another, in the order of `indices`. Fewer than the threshold,
    /// or one wrong share among them, give bytes that have nothing to do with the secret: whoever knows a check value
    /// of it must look. Indices are 1 to 255 and differ; anything else is a broken caller and stops the process.
    package static func combine(indices: [UInt8], shares: borrowing Span<UInt8>) -> SecretBytes {
        precondition(!indices.isEmpty && shares.count % indices.count == 0, "shamir: shares of different sizes")
        precondition(!indices.contains(0) && Set(indices).count == indices.count, "shamir: unusable indices")
        let size = shares.count / indices.count
        var secret = SecretBytes(count: size)
        var bytes = secret.mutableSpan
        for (share, x) in indices.enumerated() {
            let weight = weightAtZero(of: x, among: indices)
            for position in 0..<size {
                bytes[position] = GF256.add(bytes[position], GF256.multiply(weight, shares[share * size + position]))
            }
        }
        return secret
    }

    /// What the value at `x` counts for in the value at 0: Lagrange's product of z / (z - x) over the other indices z.
    private static func weightAtZero(of x: UInt8, among indices: [UInt8]) -> UInt8 {
        var above: UInt8 = 1
        var below: UInt8 = 1
        for z in indices where z != x {
            above = GF256.multiply(above, z)
            below = GF256.multiply(below, GF256.add(z, x))
        }
        return GF256.multiply(above, GF256.inverse(below))
    }

    /// Throws unless 2 <= `threshold` <= `count` <= 255.
    package static func check(threshold: Int, count: Int) throws(SplitError) {
        guard count <= countMax else { throw .countAboveMax(count) }
        guard threshold >= thresholdMin else { throw .thresholdBelowMin(threshold) }
        guard threshold <= count else { throw .thresholdAboveCount(threshold: threshold, count: count) }
    }

    private static func randomSetID() throws(CryptoError) -> UInt32 {
        var bytes = [UInt8](repeating: 0, count: 4)
        var random = bytes.mutableSpan
        // It is printed on every share.
        try SystemRandom.fill(&random, from: .shown)
        return UInt32(bigEndian: bytes.span, at: 0)
    }
}

/// Why a secret cannot be split, or shares cannot be collected, this way. Carries sizes, never bytes.
package enum SplitError: Error, Equatable, Sendable {
    case thresholdBelowMin(Int)
    case thresholdAboveCount(threshold: Int, count: Int)
    case countAboveMax(Int)
    case secretSize(Int)
    case random

    /// What is wrong, for an operator.
    package var message: String {
        switch self {
        case .thresholdBelowMin(let threshold):
            "shares: a threshold of \(threshold) is too small; at least \(Shamir.thresholdMin) shares must be needed"
        case .thresholdAboveCount(let threshold, let count):
            "shares: a threshold of \(threshold) with \(count) shares could never be reached"
        case .countAboveMax(let count): "shares: \(count) shares are too many; a set has at most \(Shamir.countMax)"
        case .secretSize(let bytes): "shares: a secret of \(bytes) bytes; only \(Shamir.secretBytes) can be shared"
        case .random: "shares: the system's random generator failed"
        }
    }
}
