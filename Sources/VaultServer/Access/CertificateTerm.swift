internal import OpenSSLTLS

/// When a certificate or a revocation list ends: ours, or the last one of a client.
struct CertificateTerm: Sendable, Equatable {
    enum Kind: String, Sendable {
        case server
        case clientCA = "client_ca"
        case crl
        case client
    }

    enum Level: Sendable {
        case fine
        /// So near that somebody has to renew it.
        case near
        case over
    }

    let kind: Kind
    /// Subject, issuer of a list, or the client's name in the configuration.
    let name: String
    /// Empty for a list.
    let serial: String
    /// Nil for a client's.
    let file: String?
    /// Seconds since 1970; 0 for a time that cannot be read.
    let end: Int64
    /// Seconds before the end from which on it is near.
    let warning: Int64

    func level(at now: Int64) -> Level { now > end ? .over : now >= end - warning ? .near : .fine }

    /// Every one there is: the server's chain, the authorities, the lists, then the clients by name.
    static func all(
        _ tls: TLSContext, _ clients: ClientCertificates, _ settings: Configuration.TLS
    ) -> [CertificateTerm] {
        let warning = settings.warn.components.seconds
        let ours =
            tls.certificates.map { (Kind.server, $0) } + tls.authorities.map { (Kind.clientCA, $0) }
        return ours.map { kind, certificate in
            CertificateTerm(
                kind: kind, name: certificate.subject, serial: certificate.serial, file: certificate.file,
                end: max(0, certificate.notAfter), warning: warning)
        }
            + tls.revocationLists.map { list in
                CertificateTerm(
                    kind: .crl, name: list.issuer, serial: "", file: list.file, end: max(0, list.nextUpdate),
                    warning: settings.crlWarn.components.seconds)
            }
            + clients.all.sorted { $0.key < $1.key }.map { name, seen in
                CertificateTerm(
                    kind: .client, name: name, serial: seen.serial, file: nil, end: max(0, seen.notAfter),
                    warning: warning)
            }
    }
}

extension VaultService {
    /// Everything that has an end, as of now.
    var certificateTerms: [CertificateTerm] { CertificateTerm.all(tls.current, clientCertificates, configuration.tls) }
}
