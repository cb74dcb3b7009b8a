internal import COpenSSL

/// Random bytes from the library's generators, which the kernel seeds and reseeds (NIST SP 800-90A CTR-DRBG).
package enum SystemRandom {
    /// Which of the library's two generators to use, so that bytes the world sees tell nothing about those it does not.
    package enum Source: Sendable {
        /// For what is shown or stored in clear: nonces, request identifiers. `RAND_bytes`.
        case shown
        /// For what stays secret or must not be guessed: keys, tokens. `RAND_priv_bytes`.
        case hidden
    }

    /// Fills `bytes` for use as a key or another secret. Throws `.libraryFailed`; then the bytes are wiped. Any thread.
    package static func fill(_ bytes: inout MutableSpan<UInt8>) throws(CryptoError) {
        try fill(&bytes, from: .hidden)
    }

    /// Fills `bytes` from one of the two generators. Throws `.libraryFailed`; then the bytes are wiped. Any thread.
    package static func fill(_ bytes: inout MutableSpan<UInt8>, from source: Source) throws(CryptoError) {
        guard bytes.count > 0 else { return }
        guard let count = CInt(exactly: bytes.count) else { throw .inputTooLong }
        // Safe: the library writes bytes.count bytes.
        let filled = unsafe bytes.withUnsafeMutableBufferPointer { bytes in
            switch source {
            case .shown: unsafe RAND_bytes(bytes.baseAddress, count)
            case .hidden: unsafe RAND_priv_bytes(bytes.baseAddress, count)
            }
        }
        guard filled == 1 else {
            bytes.wipeAll()
            throw Library.failure(.random)
        }
    }
}
