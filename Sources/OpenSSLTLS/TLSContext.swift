import COpenSSL
import Glibc

/// Certificates, keys and policy that many connections share. Made once, then never changed: to reload, make a new one
/// and give it to new connections; the old one lives as long as a session uses it. The corresponding C type is
/// `SSL_CTX`.
///
/// TLS 1.3 only, and both ends prove a certificate. Only the file of authorities is trusted, never the system's store.
/// No tickets, no session cache, no early data, no renegotiation, so every connection is a full handshake.
///
/// `@safe`: the pointer is owned from `init` to `deinit`. `@unchecked Sendable`: the context is not changed after
/// `init`, and libssl counts references and looks certificates up under its own locks.
@safe
package final class TLSContext: @unchecked Sendable {
    /// Which end of a connection this is.
    package enum Role: Sendable {
        case server, client
    }

    package let role: Role

    /// Our own chain, the leaf first; empty for a client without a certificate.
    package let certificates: [CertificateSummary]

    /// The authorities that may vouch for a peer.
    package let authorities: [CertificateSummary]

    /// The revocation lists in force. Past the first `nextUpdate` every new connection is refused.
    package let revocationLists: [RevocationListSummary]

    /// The first end of a revocation list; `nil` where revocation is not checked. From then on nobody would be let in.
    package var revocationEnd: Int64? { revocationLists.map(\.nextUpdate).min() }

    let context: OpaquePointer

    /// A server's context. Every file is PEM, and is read once, here.
    ///
    /// - Parameters:
    ///   - certificate: the server's certificate, then intermediates.
    ///   - key: its private key, not encrypted and not readable by everybody.
    ///   - clientAuthorities: the CAs whose clients may connect, and nobody else's.
    ///   - revocations: a current list of every CA that can stand in a chain, if revocation is to be checked. Then a
    ///     chain whose list is missing, outdated or forged is refused.
    ///   - now: seconds since 1970 for the checks made here; connections use the clock.
    package convenience init(
        serverCertificate certificate: String, key: String, clientAuthorities: String, revocations: String? = nil,
        now: Int64 = TLSContext.clock()
    ) throws(TLSConfigurationError) {
        try self.init(
            role: .server, pair: (certificate, key), authorities: clientAuthorities, revocations: revocations, now: now)
    }

    /// A client's context. The parameters mirror the server's; without `pair` the client has no certificate to show.
    package convenience init(
        clientPair pair: (certificate: String, key: String)?, serverAuthorities: String, revocations: String? = nil,
        now: Int64 = TLSContext.clock()
    ) throws(TLSConfigurationError) {
        try self.init(role: .client, pair: pair, authorities: serverAuthorities, revocations: revocations, now: now)
    }

    private init(
        role: Role, pair: (certificate: String, key: String)?, authorities authoritiesFile: String,
        revocations: String?, now: Int64
    ) throws(TLSConfigurationError) {
        let method = unsafe role == .server ? TLS_server_method() : TLS_client_method()
        guard let context = unsafe SSL_CTX_new(method) else { fatalError("out of memory") }
        do throws(TLSConfigurationError) {
            unsafe applyPolicy(to: context, role: role)
            if let pair {
                certificates = try unsafe installPair(pair, in: context, role: role, now: now)
            } else {
                certificates = []
            }
            let anchors = try unsafe installAuthorities(authoritiesFile, in: context, role: role, now: now)
            authorities = anchors.map { CertificateSummary(file: authoritiesFile, $0) }
            if let revocations {
                revocationLists = try unsafe installRevocations(revocations, in: context, anchors: anchors, now: now)
            } else {
                revocationLists = []
            }
        } catch {
            unsafe SSL_CTX_free(context)
            throw error
        }
        self.role = role
        unsafe self.context = context
    }

    deinit { unsafe SSL_CTX_free(context) }

    /// Seconds since 1970.
    package static func clock() -> Int64 { Int64(time(nil)) }

    /// Whether this context would let the peer of a live connection in today: after a reload, the connections of peers
    /// that are now revoked, expired or of an authority no longer trusted must be closed. Throws `certificateRejected`
    /// if not. Any thread. The corresponding C function is `X509_verify_cert`.
    package func judge(_ peer: PeerIdentity) throws(TLSError) {
        let chain = peer.chain.compactMap { Certificate(der: $0) }
        guard let verification = unsafe X509_STORE_CTX_new(), let untrusted = unsafe strongroom_sk_X509_new_null(),
            chain.count == peer.chain.count, !chain.isEmpty
        else { fatalError("out of memory") }
        defer {
            unsafe X509_STORE_CTX_free(verification)
            unsafe strongroom_sk_X509_free(untrusted)
            ERR_clear_error()
        }
        for certificate in chain.dropFirst() { unsafe strongroom_sk_X509_push(untrusted, certificate.x509) }

        ERR_clear_error()
        let store = unsafe SSL_CTX_get_cert_store(context)
        guard unsafe X509_STORE_CTX_init(verification, store, chain[0].x509, untrusted) == 1,
            unsafe X509_STORE_CTX_set_default(verification, role == .server ? "ssl_client" : "ssl_server") == 1,
            unsafe X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(verification), SSL_CTX_get0_param(context)) == 1
        else { fatalError("out of memory") }
        let accepted = unsafe X509_verify_cert(verification) == 1
        // The certificates in `chain` must outlive the verification that points at them.
        withExtendedLifetime(chain) {}
        guard accepted else {
            throw .certificateRejected(verifyResult: Int(unsafe X509_STORE_CTX_get_error(verification)))
        }
    }
}
