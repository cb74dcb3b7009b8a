internal import COpenSSL

/// Largest output of ``hkdfSHA256(key:salt:info:into:)`` in bytes (RFC 5869: 255 blocks).
package let hkdfSHA256BytesMax = 255 * 32

/// Derives `output.count` bytes from a key by HKDF-SHA-256, extract then expand (RFC 5869).
///
/// An empty salt means 32 zero bytes. Throws `.badKeyLength` for an empty key, `.badOutputLength` for an empty output
/// or one above 8,160 bytes, `.libraryFailed`; then `output` is wiped. Any thread. The corresponding C function is
/// `EVP_KDF_derive`. It allocates: not for the hot path.
package func hkdfSHA256(
    key: Span<UInt8>, salt: Span<UInt8>, info: Span<UInt8>, into output: inout MutableSpan<UInt8>
) throws(CryptoError) {
    guard !key.isEmpty else { throw .badKeyLength }
    guard output.count > 0, output.count <= hkdfSHA256BytesMax else { throw .badOutputLength }
    // Safe: the library reads and writes each buffer to its own size.
    let derived = unsafe key.withUnsafeBufferPointer { key in
        unsafe salt.withUnsafeBufferPointer { salt in
            unsafe info.withUnsafeBufferPointer { info in
                unsafe output.withUnsafeMutableBufferPointer { output in
                    unsafe strongroom_hkdf_sha256(
                        Library.shared.hkdf, key.baseAddress, key.count, salt.baseAddress, salt.count,
                        info.baseAddress, info.count, output.baseAddress, output.count)
                }
            }
        }
    }
    guard derived == 1 else {
        output.wipeAll()
        throw Library.failure(.hkdf)
    }
}
