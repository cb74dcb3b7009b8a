import COpenSSL
import Glibc

/// Reading the PEM files a context is made from. Each function says exactly what is wrong with the file.
enum PEMFiles {
    /// Every certificate of a file, in order, at least one. The corresponding C function is `PEM_read_bio_X509`.
    static func certificates(_ path: String) throws(TLSConfigurationError) -> [Certificate] {
        let bytes = try FileBytes.read(path: path)
        return try unsafe bytes.withBIO { bio throws(TLSConfigurationError) in
            var found: [Certificate] = []
            while true {
                ERR_clear_error()
                guard let x509 = unsafe PEM_read_bio_X509(bio, nil, nil, nil) else { break }
                found.append(unsafe Certificate(adopting: x509))
            }
            try endOfFile(path, expected: "certificate", found: found.count)
            return found
        }
    }

    /// The private key of a file that not everybody may read.
    /// The corresponding C function is `PEM_read_bio_PrivateKey`.
    static func privateKey(_ path: String) throws(TLSConfigurationError) -> PrivateKey {
        let bytes = try FileBytes.read(path: path, privately: true)
        return try unsafe bytes.withBIO { bio throws(TLSConfigurationError) in
            var passphraseWanted: CInt = 0
            ERR_clear_error()
            let key = unsafe withUnsafeMutablePointer(to: &passphraseWanted) { flag in
                unsafe PEM_read_bio_PrivateKey(bio, nil, refusePassphrase, flag)
            }
            if let key = unsafe key { return unsafe PrivateKey(adopting: key) }
            guard passphraseWanted == 0 else {
                ERR_clear_error()
                throw TLSConfigurationError(file: path, problem: .encryptedKey)
            }
            try endOfFile(path, expected: "private key", found: 0)
            throw TLSConfigurationError(file: path, problem: .notPEM(expected: "private key"))
        }
    }

    /// Every revocation list of a file, at least one. The corresponding C function is `PEM_read_bio_X509_CRL`.
    static func revocationLists(_ path: String) throws(TLSConfigurationError) -> [RevocationList] {
        let bytes = try FileBytes.read(path: path)
        return try unsafe bytes.withBIO { bio throws(TLSConfigurationError) in
            var found: [RevocationList] = []
            while true {
                ERR_clear_error()
                guard let crl = unsafe PEM_read_bio_X509_CRL(bio, nil, nil, nil) else { break }
                found.append(unsafe RevocationList(adopting: crl))
            }
            try endOfFile(path, expected: "revocation list", found: found.count)
            return found
        }
    }

    /// Reading ended: fine if that was for want of another block and there was one, else the reason.
    private static func endOfFile(_ path: String, expected: String, found: Int) throws(TLSConfigurationError) {
        let failure = OpenSSLFailure.takeFirst()
        let noMoreBlocks = failure.library == ERR_LIB_PEM && failure.reason == PEM_R_NO_START_LINE
        if noMoreBlocks && found > 0 { return }
        let unsupported = failure.code == 0 || noMoreBlocks || failure.text == "unsupported"
        throw TLSConfigurationError(
            file: path, problem: unsupported ? .notPEM(expected: expected) : .malformed(reason: failure.text))
    }
}

/// Stands where OpenSSL would prompt on the terminal: notes that a passphrase was wanted and gives none.
private func refusePassphrase(
    _ buffer: UnsafeMutablePointer<CChar>?, _ size: CInt, _ writing: CInt, _ wanted: UnsafeMutableRawPointer?
) -> CInt {
    unsafe wanted?.storeBytes(of: 1, as: CInt.self)
    return -1
}

/// A private key, owned. libcrypto wipes it when it is freed.
///
/// `@safe`: the pointer is owned from `init` to `deinit` and stays in this module.
@safe
struct PrivateKey: ~Copyable {
    let pkey: OpaquePointer

    init(adopting pkey: OpaquePointer) { unsafe self.pkey = pkey }

    deinit { unsafe EVP_PKEY_free(pkey) }

    /// The corresponding C function is `X509_check_private_key`.
    func belongs(to certificate: Certificate) -> Bool {
        defer { ERR_clear_error() }
        return unsafe X509_check_private_key(certificate.x509, pkey) == 1
    }
}

/// A certificate revocation list, owned.
///
/// `@safe`: the pointer is owned from `init` to `deinit` and stays in this module.
@safe
final class RevocationList {
    let crl: OpaquePointer

    init(adopting crl: OpaquePointer) { unsafe self.crl = crl }

    deinit { unsafe X509_CRL_free(crl) }

    var issuer: String { unsafe nameText(X509_CRL_get_issuer(crl)) }
    var thisUpdate: Int64 { unsafe epochSeconds(X509_CRL_get0_lastUpdate(crl)) }
    var nextUpdate: Int64 { unsafe epochSeconds(X509_CRL_get0_nextUpdate(crl)) }

    /// The corresponding C function is `X509_NAME_cmp`.
    func isIssued(by name: OpaquePointer?) -> Bool { unsafe X509_NAME_cmp(X509_CRL_get_issuer(crl), name) == 0 }

    /// The corresponding C function is `X509_CRL_verify`.
    func isSigned(by authority: Certificate) -> Bool {
        defer { ERR_clear_error() }
        guard let key = unsafe X509_get0_pubkey(authority.x509) else { return false }
        return unsafe X509_CRL_verify(crl, key) == 1
    }

    func summary(file: String) -> RevocationListSummary {
        RevocationListSummary(
            file: file, issuer: issuer, revoked: max(0, Int(unsafe strongroom_X509_CRL_revoked_count(crl))),
            thisUpdate: thisUpdate, nextUpdate: nextUpdate)
    }
}
