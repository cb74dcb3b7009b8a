package import OpenSSLCrypto

/// A one-time code as a person types it: six decimal digits. It is not printed, logged or stored.
package struct OneTimeCode: Sendable {
    /// Digits of a code.
    package static let digits = 6

    let value: UInt32

    /// Exactly six ASCII digits; `nil` for anything else.
    package init?(_ text: some StringProtocol) {
        let bytes = text.utf8
        guard bytes.count == Self.digits, bytes.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        value = bytes.reduce(0) { $0 * 10 + UInt32($1 - 0x30) }
    }
}

/// Time-based one-time codes (RFC 6238) of the kind that every generator has: HMAC-SHA-1, six digits, a new one every
/// 30 seconds.
package enum TOTP {
    /// Size of a secret in bytes, as RFC 4226 recommends.
    package static let secretBytes = 20
    /// Seconds that a code is shown.
    package static let period: UInt64 = 30
    /// How many steps a generator's clock may be ahead or behind.
    package static let window: UInt64 = 1

    /// The number of the step at a time in Unix seconds.
    package static func step(at seconds: UInt64) -> UInt64 { seconds / period }

    /// The step whose code this is: one of the steps around `seconds` that come after `lastUsed`. `nil` where the code is
    /// wrong, or was used before.
    ///
    /// Every step is computed and compared, whichever matches.
    package static func match(
        _ code: OneTimeCode, secret: borrowing Span<UInt8>, at seconds: UInt64, after lastUsed: UInt64
    ) throws(CryptoError) -> UInt64? {
        let now = step(at: seconds)
        var matched: UInt64?
        for step in (now < window ? 0 : now - window)...(now + window) {
            let isEqual = try value(secret: secret, step: step) % 1_000_000 == code.value
            if isEqual && step > lastUsed { matched = step }
        }
        return matched
    }

    /// The 31 bits that the decimal digits of a code are the last ones of (RFC 4226, section 5.3).
    static func value(secret: borrowing Span<UInt8>, step: UInt64) throws(CryptoError) -> UInt32 {
        var message: [UInt8] = []
        message.append(bigEndian: step)
        var mac = [UInt8](repeating: 0, count: 20)
        var output = mac.mutableSpan
        try hmacSHA1(key: secret, message: message.span, into: &output)
        return UInt32(bigEndian: mac.span, at: Int(mac[19] & 0x0F)) & 0x7FFF_FFFF
    }
}
