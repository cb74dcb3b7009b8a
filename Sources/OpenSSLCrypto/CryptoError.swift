/// Why a cryptographic operation was refused or failed. Never carries a byte of its input.
package enum CryptoError: Error, Equatable, Sendable {
    /// A key of the wrong size for the algorithm.
    case badKeyLength
    /// A nonce that is not 96 bits long.
    case badNonceLength
    /// An authentication tag of the wrong size.
    case badTagLength
    /// A signature of the wrong size.
    case badSignatureLength
    /// An output that does not have the size the operation asks for.
    case badOutputLength
    /// An input longer than one operation can take.
    case inputTooLong
    /// The tag or signature is not that of the message: it was altered, or key, nonce or associated data differ.
    case authenticationFailed
    /// The library refused for a reason of its own: no memory, an algorithm that is not provided, no randomness.
    case libraryFailed(CryptoOperation, code: UInt)
}

/// What the library was doing when it failed; the code beside it is that of OpenSSL's `ERR_peek_last_error`.
package enum CryptoOperation: String, Sendable {
    case aesGCM = "AES-256-GCM"
    case hmac = "HMAC-SHA-256"
    case hmacSHA1 = "HMAC-SHA-1"
    case hkdf = "HKDF-SHA-256"
    case digest = "SHA-256"
    case ed25519 = "Ed25519"
    case random = "random"
}
