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
