internal import COpenSSL

/// Writes the HMAC-SHA-1 (RFC 2104) of `message` to `mac`, which has 20 bytes. For one-time codes alone (RFC 6238), whose
/// generators know nothing else.
///
/// Throws `.badKeyLength` for a key below 16 bytes, `.badOutputLength`, or `.libraryFailed`; then `mac` is wiped. Any
/// thread. It allocates: not for the hot path. The corresponding C function is `EVP_MAC_final`.
package func hmacSHA1(
    key: Span<UInt8>, message: Span<UInt8>, into mac: inout MutableSpan<UInt8>
) throws(CryptoError) {
    guard key.count >= 16 else { throw .badKeyLength }
    guard mac.count == 20 else { throw .badOutputLength }
    // Safe: the library reads key and message to their own size, and writes 20 bytes.
    let done = unsafe key.withUnsafeBufferPointer { key in
        unsafe message.withUnsafeBufferPointer { message in
            unsafe mac.withUnsafeMutableBufferPointer { mac in
                unsafe strongroom_hmac_sha1(
                    Library.shared.hmac, key.baseAddress, key.count, message.baseAddress, message.count,
                    mac.baseAddress)
            }
        }
    }
    guard done == 1 else {
        mac.wipeAll()
        throw Library.failure(.hmacSHA1)
    }
}
