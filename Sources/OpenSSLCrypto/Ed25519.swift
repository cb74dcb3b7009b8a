internal import COpenSSL

/// An Ed25519 signing key (RFC 8032), and with it the public key.
///
/// Signing is deterministic and allocates: not for the hot path. The key is in the library's heap, which is wiped when
/// the value goes, but neither locked nor left out of dumps. Any thread; shared use is fine. The corresponding C
/// functions are `EVP_PKEY_new_raw_private_key` and `EVP_DigestSign`.
///
/// `@safe`, `@unchecked Sendable`: the pointer is to a key object that only this noncopyable value owns until `deinit`
/// and that nothing changes; each signature has a context of its own.
@safe
package struct Ed25519SigningKey: ~Copyable, @unchecked Sendable {
    /// Size of the secret seed in bytes.
    package static let seedBytes = 32
    /// Size of a public key in bytes.
    package static let publicKeyBytes = 32
    /// Size of a signature in bytes.
    package static let signatureBytes = 64

    private let key: OpaquePointer

    /// Prepares the key that belongs to a secret seed of 32 random bytes, which is not referred to afterwards.
    ///
    /// Throws `.badKeyLength` or `.libraryFailed`.
    package init(seed: Span<UInt8>) throws(CryptoError) {
        guard seed.count == Self.seedBytes else { throw .badKeyLength }
        // Safe: the library copies seed.count bytes.
        let key = unsafe seed.withUnsafeBufferPointer { seed in
            unsafe EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, seed.baseAddress, seed.count)
        }
        guard let key = unsafe key else { throw Library.failure(.ed25519) }
        unsafe self.key = unsafe key
    }

    /// Writes the public key, 32 bytes. Throws `.badOutputLength` or `.libraryFailed`.
    package func publicKey(into output: inout MutableSpan<UInt8>) throws(CryptoError) {
        guard output.count == Self.publicKeyBytes else { throw .badOutputLength }
        var written = output.count
        let key = unsafe key
        // Safe: `written` tells the library how much room there is.
        let done = unsafe output.withUnsafeMutableBufferPointer { output in
            unsafe EVP_PKEY_get_raw_public_key(key, output.baseAddress, &written)
        }
        guard done == 1, written == Self.publicKeyBytes else { throw Library.failure(.ed25519) }
    }

    /// Signs a message and writes the signature, 64 bytes. Throws `.badOutputLength` or `.libraryFailed`.
    package func sign(_ message: Span<UInt8>, into signature: inout MutableSpan<UInt8>) throws(CryptoError) {
        guard signature.count == Self.signatureBytes else { throw .badOutputLength }
        guard let context = unsafe EVP_MD_CTX_new() else { throw Library.failure(.ed25519) }
        defer { unsafe EVP_MD_CTX_free(context) }
        guard unsafe EVP_DigestSignInit(context, nil, nil, nil, key) == 1 else { throw Library.failure(.ed25519) }
        var written = signature.count
        // Safe: the library reads message.count bytes; `written` tells it how much room there is.
        let done = unsafe message.withUnsafeBufferPointer { message in
            unsafe signature.withUnsafeMutableBufferPointer { signature in
                unsafe EVP_DigestSign(context, signature.baseAddress, &written, message.baseAddress, message.count)
            }
        }
        guard done == 1, written == Self.signatureBytes else { throw Library.failure(.ed25519) }
    }

    deinit {
        unsafe EVP_PKEY_free(key)
    }
}

/// Checks an Ed25519 signature of 64 bytes under a public key of 32 bytes (RFC 8032).
///
/// Throws `.authenticationFailed` when the signature is not that of the message; `.badKeyLength`,
/// `.badSignatureLength`, `.libraryFailed`. Any thread. It allocates: not for the hot path. The corresponding C
/// function is `EVP_DigestVerify`.
package func ed25519Verify(
    _ signature: Span<UInt8>, of message: Span<UInt8>, publicKey: Span<UInt8>
) throws(CryptoError) {
    guard publicKey.count == Ed25519SigningKey.publicKeyBytes else { throw .badKeyLength }
    guard signature.count == Ed25519SigningKey.signatureBytes else { throw .badSignatureLength }
    // Safe: the library copies publicKey.count bytes.
    let key = unsafe publicKey.withUnsafeBufferPointer { publicKey in
        unsafe EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, publicKey.baseAddress, publicKey.count)
    }
    guard let key = unsafe key else { throw Library.failure(.ed25519) }
    defer { unsafe EVP_PKEY_free(key) }
    guard let context = unsafe EVP_MD_CTX_new() else { throw Library.failure(.ed25519) }
    defer { unsafe EVP_MD_CTX_free(context) }
    guard unsafe EVP_DigestVerifyInit(context, nil, nil, nil, key) == 1 else { throw Library.failure(.ed25519) }
    // Safe: the library reads each buffer to its own size.
    let verified = unsafe signature.withUnsafeBufferPointer { signature in
        unsafe message.withUnsafeBufferPointer { message in
            unsafe EVP_DigestVerify(
                context, signature.baseAddress, signature.count, message.baseAddress, message.count)
        }
    }
    guard verified == 1 else {
        ERR_clear_error()
        throw .authenticationFailed
    }
}
