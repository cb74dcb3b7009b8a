internal import COpenSSL

/// HMAC-SHA-256 (RFC 2104, FIPS 198-1) under one key, for many small messages.
///
/// The keyed context is made once. A message is `begin`, any number of `update`, `finish`; a call out of that order
/// stops the process. The library itself allocates twice for each message, to copy the keyed state. One thread at a
/// time; the value may move between threads. The corresponding C functions are `EVP_MAC_init`, `EVP_MAC_update` and
/// `EVP_MAC_final`.
///
/// `@safe`, `@unchecked Sendable`: the pointer is to a context that only this noncopyable value owns until `deinit`,
/// and every use of it is mutating, hence exclusive.
@safe
package struct HMACSHA256: ~Copyable, @unchecked Sendable {
    /// Size of a whole MAC in bytes.
    package static let macBytes = 32
    /// Sizes in bytes that a MAC may be cut to. The first bytes are kept.
    package static let truncatedBytes = 16...32
    /// Smallest key in bytes.
    package static let keyBytesMin = 16

    private let context: OpaquePointer
    private var isMessageOpen = false

    /// Prepares for a key of at least 16 bytes, which is not referred to afterwards.
    ///
    /// Throws `.badKeyLength`, or `.libraryFailed` when there is no memory or no HMAC.
    package init(key: Span<UInt8>) throws(CryptoError) {
        guard key.count >= Self.keyBytesMin else { throw .badKeyLength }
        guard let context = unsafe EVP_MAC_CTX_new(Library.shared.hmac) else { throw Library.failure(.hmac) }
        // Safe: the library copies key.count bytes.
        let ready = unsafe key.withUnsafeBufferPointer { key in
            unsafe strongroom_hmac_set_key(context, key.baseAddress, key.count)
        }
        guard ready == 1 else {
            unsafe EVP_MAC_CTX_free(context)
            throw Library.failure(.hmac)
        }
        unsafe self.context = unsafe context
    }

    /// Starts a message; one that was not finished is dropped. Throws `.libraryFailed` when there is no memory.
    package mutating func begin() throws(CryptoError) {
        guard unsafe EVP_MAC_init(context, nil, 0, nil) == 1 else { throw Library.failure(.hmac) }
        isMessageOpen = true
    }

    /// Adds bytes to the message. Throws `.libraryFailed`.
    package mutating func update(_ bytes: Span<UInt8>) throws(CryptoError) {
        precondition(isMessageOpen, "HMAC: update without begin")
        let context = unsafe context
        // Safe: the library reads bytes.count bytes; with none it reads nothing.
        let added = unsafe bytes.withUnsafeBufferPointer { bytes in
            unsafe bytes.isEmpty ? 1 : EVP_MAC_update(context, bytes.baseAddress, bytes.count)
        }
        guard added == 1 else {
            isMessageOpen = false
            throw Library.failure(.hmac)
        }
    }

    /// Ends the message and writes the first `mac.count` bytes of its MAC, 16 to 32.
    ///
    /// Throws `.badOutputLength`, and the message stays open; or `.libraryFailed`.
    package mutating func finish(into mac: inout MutableSpan<UInt8>) throws(CryptoError) {
        precondition(isMessageOpen, "HMAC: finish without begin")
        guard Self.truncatedBytes.contains(mac.count) else { throw .badOutputLength }
        isMessageOpen = false
        let context = unsafe context
        // Safe: the library writes mac.count bytes, which is at most 32.
        let finished = unsafe mac.withUnsafeMutableBufferPointer { mac in
            unsafe strongroom_hmac_finish(context, mac.baseAddress, mac.count)
        }
        guard finished == 1 else { throw Library.failure(.hmac) }
    }

    /// Computes the MAC of one message that is in one piece: `begin`, `update` and `finish`.
    package mutating func authenticate(
        _ message: Span<UInt8>, into mac: inout MutableSpan<UInt8>
    ) throws(CryptoError) {
        try begin()
        try update(message)
        try finish(into: &mac)
    }

    deinit {
        unsafe EVP_MAC_CTX_free(context)
    }
}
