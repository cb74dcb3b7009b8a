internal import COpenSSL

/// Writes the SHA-256 of `bytes` to `digest`, which has 32 bytes.
///
/// Throws `.badOutputLength` or `.libraryFailed`. Any thread. The corresponding C function is `EVP_Digest`.
package func sha256(_ bytes: Span<UInt8>, into digest: inout MutableSpan<UInt8>) throws(CryptoError) {
    guard digest.count == 32 else { throw .badOutputLength }
    // Safe: the library reads bytes.count bytes and writes 32.
    let done = unsafe bytes.withUnsafeBufferPointer { bytes in
        unsafe digest.withUnsafeMutableBufferPointer { digest in
            unsafe EVP_Digest(bytes.baseAddress, bytes.count, digest.baseAddress, nil, Library.shared.sha256, nil)
        }
    }
    guard done == 1 else { throw Library.failure(.digest) }
}

/// Writes the SHA-256 of one byte and then `bytes`: a hash with a domain of its own, without a copy of what it hashes.
///
/// Throws `.badOutputLength` or `.libraryFailed`. Any thread. It allocates a context. The corresponding C functions are
/// `EVP_DigestInit_ex2`, `EVP_DigestUpdate` and `EVP_DigestFinal_ex`.
package func sha256(
    prefix: UInt8, _ bytes: Span<UInt8>, into digest: inout MutableSpan<UInt8>
) throws(CryptoError) {
    guard digest.count == 32 else { throw .badOutputLength }
    guard let context = unsafe EVP_MD_CTX_new() else { throw Library.failure(.digest) }
    defer { unsafe EVP_MD_CTX_free(context) }
    // Safe: the library reads one byte and bytes.count bytes, and writes 32.
    let done = unsafe bytes.withUnsafeBufferPointer { bytes in
        unsafe digest.withUnsafeMutableBufferPointer { digest in
            unsafe withUnsafePointer(to: prefix) { prefix in
                unsafe EVP_DigestInit_ex2(context, Library.shared.sha256, nil) == 1
                    && EVP_DigestUpdate(context, prefix, 1) == 1
                    && EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1
                    && EVP_DigestFinal_ex(context, digest.baseAddress, nil) == 1
            }
        }
    }
    guard done else { throw Library.failure(.digest) }
}
