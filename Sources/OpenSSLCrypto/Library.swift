internal import COpenSSL

/// Algorithms fetched from the library's providers once, since a fetch costs more than most operations.
///
/// `@safe`, `@unchecked Sendable`: the pointers are to reference-counted, immutable library objects that any thread may
/// use, and that are never freed.
@safe
struct Library: @unchecked Sendable {
    let aes256GCM: OpaquePointer?
    let hmac: OpaquePointer?
    let hkdf: OpaquePointer?
    let sha256: OpaquePointer?

    /// The fetched algorithms. One that the providers do not have is nil, and its users throw.
    static let shared = Library()

    private init() {
        unsafe aes256GCM = unsafe EVP_CIPHER_fetch(nil, "AES-256-GCM", nil)
        unsafe hmac = unsafe EVP_MAC_fetch(nil, "HMAC", nil)
        unsafe hkdf = unsafe EVP_KDF_fetch(nil, "HKDF", nil)
        unsafe sha256 = unsafe EVP_MD_fetch(nil, "SHA256", nil)
    }

    /// The error for a failed call, with the reason that OpenSSL left on this thread.
    ///
    /// The thread's error queue is emptied: a TLS session on the same thread reads its own failures from it.
    static func failure(_ operation: CryptoOperation) -> CryptoError {
        let code = ERR_peek_last_error()
        ERR_clear_error()
        return .libraryFailed(operation, code: UInt(code))
    }
}
