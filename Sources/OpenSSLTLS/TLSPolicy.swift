/// What Strongroom allows on a TLS connection. The same for both ends, and not configurable: there is nothing to
/// weaken.
package enum TLSPolicy {
    /// The only protocol version.
    package static let version = "TLSv1.3"

    /// Cipher suites in order of preference (RFC 8446 names).
    package static let cipherSuites = [
        "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256",
    ]

    /// Key exchange groups in order of preference (OpenSSL names).
    package static let groups = ["X25519", "P-256", "P-384"]

    /// The application protocol offered and accepted (RFC 7301). A peer may leave it out, but not offer only others.
    package static let applicationProtocol = "http/1.1"

    /// OpenSSL's security level: at least 112 bits everywhere, so RSA from 2048 bits and no SHA-1 signatures.
    static let securityLevel: Int32 = 2

    /// Certificates between a peer's and an anchor, at most.
    static let chainDepthMax: Int32 = 5

    /// Bytes a peer's certificate chain may have.
    static let peerChainBytesMax = 32 * 1024

    /// Bytes any configured PEM file may have. Revocation lists are the ones that grow.
    static let fileBytesMax = 64 * 1024 * 1024

    /// Records on one pair of keys before a key update. RFC 8446 section 5.5 allows about 2^24.5 full ones with
    /// AES-GCM.
    package static let recordsPerKey: UInt64 = 1 << 23

    /// Plaintext bytes of a full record (RFC 8446 section 5.1).
    package static let recordPlaintextBytes = 16_384

    /// Ciphertext bytes of the largest record a peer may send, header included.
    static let recordBytesMax = 5 + 16_384 + 256

    /// What a record adds to its plaintext: header 5, content type 1, authentication tag 16.
    package static let recordOverheadBytes = 22
}
