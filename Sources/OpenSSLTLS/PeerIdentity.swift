import COpenSSL

/// Who is at the other end: what its verified certificate says. Compared with the configuration, never parsed for
/// rights.
package struct PeerIdentity: Sendable, Equatable {
    /// SHA-256 of the public key with its algorithm (SubjectPublicKeyInfo), 32 bytes.
    package let publicKeySHA256: [UInt8]

    /// DNS subject alternative names, in lower case, as they stand: a wildcard is never expanded.
    package let dnsNames: [String]

    /// URI subject alternative names, as they stand.
    package let uris: [String]

    /// The serial number in upper-case hexadecimal, as `openssl x509 -serial` prints it.
    package let serial: String

    /// Validity, in seconds since 1970.
    package let notBefore: Int64
    package let notAfter: Int64

    /// The first end of validity in the verified chain, its own included: from then on it would not be let in.
    package let chainNotAfter: Int64

    /// The verified chain in DER, the peer's own first: kept so that a new context can judge a live connection.
    let chain: [[UInt8]]
}

extension PeerIdentity {
    /// - Parameter chain: verified, not empty, the peer's own certificate first.
    init(chain: [Certificate]) {
        let own = chain[0]
        self.init(
            publicKeySHA256: own.publicKeySHA256, dnsNames: own.names(kind: GEN_DNS),
            uris: own.names(kind: GEN_URI), serial: own.serial, notBefore: own.notBefore,
            notAfter: own.notAfter, chainNotAfter: chain.map(\.notAfter).min() ?? own.notAfter, chain: chain.map(\.der))
    }
}

/// A certificate of ours, for the inventory that `status` shows and for expiry alarms.
package struct CertificateSummary: Sendable, Equatable {
    /// The file it came from.
    package let file: String
    package let subject: String
    package let dnsNames: [String]
    package let serial: String
    /// SHA-256 of SubjectPublicKeyInfo, 32 bytes.
    package let publicKeySHA256: [UInt8]
    /// Validity, in seconds since 1970.
    package let notBefore: Int64
    package let notAfter: Int64

    init(file: String, _ certificate: Certificate) {
        self.file = file
        subject = certificate.subject
        dnsNames = certificate.names(kind: GEN_DNS)
        serial = certificate.serial
        publicKeySHA256 = certificate.publicKeySHA256
        notBefore = certificate.notBefore
        notAfter = certificate.notAfter
    }
}

/// A revocation list in force, for the same.
package struct RevocationListSummary: Sendable, Equatable {
    package let file: String
    package let issuer: String
    /// How many certificates it revokes.
    package let revoked: Int
    /// In seconds since 1970. After `nextUpdate` every new connection is refused.
    package let thisUpdate: Int64
    package let nextUpdate: Int64
}
