import COpenSSL
import Glibc

// Steps of `TLSContext.init`: each puts one thing into the C context, and says what is wrong with the file it came
// from.

/// Everything of `TLSPolicy`. These calls fail only for want of memory or if libssl lacks an algorithm.
func applyPolicy(to context: OpaquePointer, role: TLSContext.Role) {
    func must(_ done: Bool, _ what: StaticString) {
        precondition(done, "libssl refuses the policy: \(what)")
    }

    must(unsafe strongroom_SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1, "version")
    must(unsafe strongroom_SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1, "version")
    let suites = TLSPolicy.cipherSuites.joined(separator: ":")
    must(unsafe SSL_CTX_set_ciphersuites(context, suites) == 1, "cipher suites")
    let groups = TLSPolicy.groups.joined(separator: ":")
    must(unsafe strongroom_SSL_CTX_set1_groups_list(context, groups) == 1, "groups")
    unsafe SSL_CTX_set_security_level(context, TLSPolicy.securityLevel)
    unsafe strongroom_SSL_CTX_set_strict_options(context)

    // The read and write buffers of an idle connection, 33 KiB, are given back. Chains are sent as the file has them.
    unsafe strongroom_SSL_CTX_set_mode(context, Int(SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN))

    // No resumption in any form: a resumed session would outlive a revocation (it skips the certificate).
    unsafe strongroom_SSL_CTX_set_session_cache_mode(context, Int(SSL_SESS_CACHE_OFF))
    must(unsafe SSL_CTX_set_num_tickets(context, 0) == 1, "tickets")
    must(unsafe SSL_CTX_set_max_early_data(context, 0) == 1, "early data")

    unsafe SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
    unsafe SSL_CTX_set_verify_depth(context, TLSPolicy.chainDepthMax)
    unsafe strongroom_SSL_CTX_set_max_cert_list(context, TLSPolicy.peerChainBytesMax)
    let parameters = unsafe SSL_CTX_get0_param(context)
    unsafe X509_VERIFY_PARAM_set_auth_level(parameters, TLSPolicy.securityLevel)
    // An issuing CA in the file of authorities is an anchor without its root: what the file names is what is trusted.
    unsafe X509_VERIFY_PARAM_set_flags(parameters, UInt(X509_V_FLAG_PARTIAL_CHAIN))

    switch role {
    case .server: unsafe SSL_CTX_set_alpn_select_cb(context, selectApplicationProtocol, nil)
    case .client:
        let offer = [UInt8(TLSPolicy.applicationProtocol.utf8.count)] + Array(TLSPolicy.applicationProtocol.utf8)
        must(unsafe SSL_CTX_set_alpn_protos(context, offer, UInt32(offer.count)) == 0, "application protocol")
    }
}

/// Our certificate, chain and key, checked against each other and the clock.
func installPair(
    _ pair: (certificate: String, key: String), in context: OpaquePointer, role: TLSContext.Role, now: Int64
) throws(TLSConfigurationError) -> [CertificateSummary] {
    func failure(_ problem: TLSConfigurationError.Problem) -> TLSConfigurationError {
        TLSConfigurationError(file: pair.certificate, problem: problem)
    }

    let chain = try PEMFiles.certificates(pair.certificate)
    let key = try PEMFiles.privateKey(pair.key)
    let own = chain[0]
    guard own.notBefore <= now else { throw failure(.notYetValid) }
    guard now <= own.notAfter else { throw failure(.expired) }
    let purpose = role == .server ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT
    guard unsafe X509_check_purpose(own.x509, purpose, 0) == 1 else {
        throw failure(.wrongPurpose(role: role == .server ? "server" : "client"))
    }
    guard role == .client || own.hasSubjectAltNames else { throw failure(.noNames) }
    guard key.belongs(to: own) else {
        throw TLSConfigurationError(file: pair.key, problem: .keyMismatch(certificate: pair.certificate))
    }

    ERR_clear_error()
    guard unsafe SSL_CTX_use_certificate(context, own.x509) == 1 else {
        throw failure(.refused(reason: OpenSSLFailure.takeFirst().text))
    }
    for intermediate in chain.dropFirst() {
        guard unsafe strongroom_SSL_CTX_add1_chain_cert(context, intermediate.x509) == 1 else {
            throw failure(.refused(reason: OpenSSLFailure.takeFirst().text))
        }
    }
    guard unsafe SSL_CTX_use_PrivateKey(context, key.pkey) == 1 else {
        throw TLSConfigurationError(file: pair.key, problem: .refused(reason: OpenSSLFailure.takeFirst().text))
    }
    return chain.map { CertificateSummary(file: pair.certificate, $0) }
}

/// The authorities that may vouch for a peer, as anchors; a server also tells clients their names.
func installAuthorities(
    _ file: String, in context: OpaquePointer, role: TLSContext.Role, now: Int64
) throws(TLSConfigurationError) -> [Certificate] {
    let anchors = try PEMFiles.certificates(file)
    let store = unsafe SSL_CTX_get_cert_store(context)
    for anchor in anchors {
        guard anchor.isAuthority else {
            throw TLSConfigurationError(file: file, problem: .notAnAuthority(subject: anchor.subject))
        }
        ERR_clear_error()
        guard unsafe X509_STORE_add_cert(store, anchor.x509) == 1,
            unsafe role == .client || SSL_CTX_add_client_CA(context, anchor.x509) == 1
        else {
            throw TLSConfigurationError(file: file, problem: .refused(reason: OpenSSLFailure.takeFirst().text))
        }
    }
    guard anchors.contains(where: { $0.notBefore <= now && now <= $0.notAfter }) else {
        throw TLSConfigurationError(file: file, problem: .noValidAuthority)
    }
    return anchors
}

/// The revocation lists, checked so that a mistake is an error now rather than every client refused later.
///
/// Each anchor, and whoever issued it, must have exactly one list: OpenSSL looks up a list for every certificate of a
/// chain, the anchor too, and with two of equal date may keep to the older.
func installRevocations(
    _ file: String, in context: OpaquePointer, anchors: [Certificate], now: Int64
) throws(TLSConfigurationError) -> [RevocationListSummary] {
    func failure(_ problem: TLSConfigurationError.Problem) -> TLSConfigurationError {
        TLSConfigurationError(file: file, problem: problem)
    }

    let lists = try PEMFiles.revocationLists(file)

    func checkOneList(of name: OpaquePointer?) throws(TLSConfigurationError) {
        let count = lists.count { unsafe $0.isIssued(by: name) }
        if count == 0 { throw unsafe failure(.revocationListMissing(authority: nameText(name))) }
        if count > 1 { throw unsafe failure(.revocationListDuplicate(authority: nameText(name))) }
    }

    for anchor in anchors {
        try unsafe checkOneList(of: anchor.subjectName)
        try unsafe checkOneList(of: anchor.issuerName)
    }
    let store = unsafe SSL_CTX_get_cert_store(context)
    for list in lists {
        guard list.thisUpdate <= now else { throw failure(.revocationListNotYetValid(authority: list.issuer)) }
        guard now <= list.nextUpdate else { throw failure(.revocationListOutdated(authority: list.issuer)) }
        let issuers = anchors.filter { unsafe list.isIssued(by: $0.subjectName) }
        guard issuers.isEmpty || issuers.contains(where: { list.isSigned(by: $0) }) else {
            throw failure(.revocationListForged(authority: list.issuer))
        }
        ERR_clear_error()
        guard unsafe X509_STORE_add_crl(store, list.crl) == 1 else {
            throw failure(.refused(reason: OpenSSLFailure.takeFirst().text))
        }
    }
    let flags = UInt(X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL)
    unsafe X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), flags)
    return lists.map { $0.summary(file: file) }
}

/// Picks our application protocol from a client's list, or refuses the handshake (RFC 7301 section 3.2): a client that
/// offers others only meant to reach somebody else. `out` points into `offered`, which libssl copies from before it
/// returns.
private func selectApplicationProtocol(
    _ ssl: OpaquePointer?, _ out: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
    _ outLength: UnsafeMutablePointer<UInt8>?,
    _ offered: UnsafePointer<UInt8>?, _ offeredLength: UInt32, _ argument: UnsafeMutableRawPointer?
) -> Int32 {
    let list = unsafe UnsafeBufferPointer(start: offered, count: Int(offeredLength))
    var cursor = 0
    while cursor < list.count {
        let length = Int(unsafe list[cursor])
        guard length > 0, cursor + 1 + length <= list.count else { break }
        let name = unsafe UnsafeBufferPointer(rebasing: list[(cursor + 1)..<(cursor + 1 + length)])
        if unsafe name.elementsEqual(TLSPolicy.applicationProtocol.utf8) {
            unsafe out?.pointee = name.baseAddress
            unsafe outLength?.pointee = UInt8(length)
            return SSL_TLSEXT_ERR_OK
        }
        cursor += 1 + length
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL
}
