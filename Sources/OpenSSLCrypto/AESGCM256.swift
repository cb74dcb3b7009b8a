internal import COpenSSL

/// AES-256-GCM under one key, with 96-bit nonces and 128-bit tags (NIST SP 800-38D), for many small messages.
///
/// The key schedule is made once and kept in two library contexts, one for each direction; a call allocates nothing.
/// The schedules are in the library's heap, which is wiped when the value goes, but neither locked nor left out of
/// dumps. One thread at a time; the value may move between threads. Choosing nonces, and counting how many messages a
/// key has sealed, is up to the caller. The corresponding C functions are `EVP_EncryptInit_ex2`, `EVP_DecryptInit_ex2`
/// and their `Update` and `Final`.
///
/// `@safe`, `@unchecked Sendable`: the pointers are to contexts that only this noncopyable value owns until `deinit`,
/// and every use of them is mutating, hence exclusive.
@safe
package struct AESGCM256: ~Copyable, @unchecked Sendable {
    /// Key size in bytes.
    package static let keyBytes = 32
    /// Nonce size in bytes.
    package static let nonceBytes = 12
    /// Tag size in bytes.
    package static let tagBytes = 16

    private let sealing: OpaquePointer
    private let opening: OpaquePointer

    /// Prepares both directions for a key of 32 bytes, which is not referred to afterwards.
    ///
    /// Throws `.badKeyLength`, or `.libraryFailed` when there is no memory or no AES.
    package init(key: Span<UInt8>) throws(CryptoError) {
        guard key.count == Self.keyBytes else { throw .badKeyLength }
        guard let sealing = unsafe EVP_CIPHER_CTX_new() else { throw Library.failure(.aesGCM) }
        guard let opening = unsafe EVP_CIPHER_CTX_new() else {
            unsafe EVP_CIPHER_CTX_free(sealing)
            throw Library.failure(.aesGCM)
        }
        // Safe: the key has the 32 bytes that the cipher reads.
        let ready = unsafe key.withUnsafeBufferPointer { key in
            unsafe EVP_EncryptInit_ex2(sealing, Library.shared.aes256GCM, key.baseAddress, nil, nil) == 1
                && EVP_DecryptInit_ex2(opening, Library.shared.aes256GCM, key.baseAddress, nil, nil) == 1
        }
        // A cipher that is missing is nil above, which OpenSSL refuses for a context that has none yet.
        guard ready else {
            unsafe EVP_CIPHER_CTX_free(sealing)
            unsafe EVP_CIPHER_CTX_free(opening)
            throw Library.failure(.aesGCM)
        }
        unsafe self.sealing = unsafe sealing
        unsafe self.opening = unsafe opening
    }

    /// Encrypts `plaintext` into `ciphertext`, which has the same size, and writes the 16-byte tag.
    ///
    /// A nonce must never be used twice under one key. Throws `.badNonceLength`, `.badTagLength`, `.badOutputLength`,
    /// `.inputTooLong` (2 GiB) and `.libraryFailed`; after the last both outputs are wiped.
    package mutating func seal(
        nonce: Span<UInt8>, aad: Span<UInt8>, plaintext: Span<UInt8>,
        into ciphertext: inout MutableSpan<UInt8>, tag: inout MutableSpan<UInt8>
    ) throws(CryptoError) {
        guard nonce.count == Self.nonceBytes else { throw .badNonceLength }
        guard tag.count == Self.tagBytes else { throw .badTagLength }
        guard ciphertext.count == plaintext.count else { throw .badOutputLength }
        guard let aadCount = CInt(exactly: aad.count), let count = CInt(exactly: plaintext.count) else {
            throw .inputTooLong
        }
        let context = unsafe sealing
        // Safe: all sizes are checked above, and exclusive access keeps the outputs apart from all else.
        let sealed = unsafe nonce.withUnsafeBufferPointer { nonce in
            unsafe aad.withUnsafeBufferPointer { aad in
                unsafe plaintext.withUnsafeBufferPointer { plaintext in
                    unsafe ciphertext.withUnsafeMutableBufferPointer { ciphertext in
                        unsafe tag.withUnsafeMutableBufferPointer { tag in
                            unsafe strongroom_gcm_seal(
                                context, nonce.baseAddress, aad.baseAddress, aadCount, plaintext.baseAddress, count,
                                ciphertext.baseAddress, tag.baseAddress)
                        }
                    }
                }
            }
        }
        guard sealed == 1 else {
            ciphertext.wipeAll()
            tag.wipeAll()
            throw Library.failure(.aesGCM)
        }
    }

    /// Checks and decrypts `ciphertext` into `plaintext`, which has the same size.
    ///
    /// Throws `.authenticationFailed` when the tag does not fit, and then `plaintext` is wiped; `.badNonceLength`,
    /// `.badTagLength`, `.badOutputLength` and `.inputTooLong` (2 GiB) before anything is written; `.libraryFailed`.
    package mutating func open(
        nonce: Span<UInt8>, aad: Span<UInt8>, ciphertext: Span<UInt8>, tag: Span<UInt8>,
        into plaintext: inout MutableSpan<UInt8>
    ) throws(CryptoError) {
        guard nonce.count == Self.nonceBytes else { throw .badNonceLength }
        guard tag.count == Self.tagBytes else { throw .badTagLength }
        guard plaintext.count == ciphertext.count else { throw .badOutputLength }
        guard let aadCount = CInt(exactly: aad.count), let count = CInt(exactly: ciphertext.count) else {
            throw .inputTooLong
        }
        let context = unsafe opening
        // Safe: as in `seal`; the library only reads the tag.
        let opened = unsafe nonce.withUnsafeBufferPointer { nonce in
            unsafe aad.withUnsafeBufferPointer { aad in
                unsafe ciphertext.withUnsafeBufferPointer { ciphertext in
                    unsafe tag.withUnsafeBufferPointer { tag in
                        unsafe plaintext.withUnsafeMutableBufferPointer { plaintext in
                            unsafe strongroom_gcm_open(
                                context, nonce.baseAddress, aad.baseAddress, aadCount, ciphertext.baseAddress, count,
                                tag.baseAddress, plaintext.baseAddress)
                        }
                    }
                }
            }
        }
        guard opened == 1 else {
            plaintext.wipeAll()
            let failure = Library.failure(.aesGCM)
            throw opened == 0 ? .authenticationFailed : failure
        }
    }

    deinit {
        unsafe EVP_CIPHER_CTX_free(sealing)
        unsafe EVP_CIPHER_CTX_free(opening)
    }
}
