import COpenSSL
import Glibc

/// One X.509 certificate, owned.
///
/// `@safe`: the pointer is owned from `init` to `deinit`. `@unchecked Sendable`: never changed after `init`, and
/// libcrypto locks the caches it fills in by itself.
@safe
final class Certificate: @unchecked Sendable {
    let x509: OpaquePointer

    /// Takes over one reference.
    init(adopting x509: OpaquePointer) { unsafe self.x509 = x509 }

    /// The corresponding C function is `d2i_X509`.
    init?(der: [UInt8]) {
        let parsed = unsafe der.withUnsafeBufferPointer { bytes in
            var cursor = bytes.baseAddress
            return unsafe d2i_X509(nil, &cursor, bytes.count)
        }
        guard let parsed = unsafe parsed else {
            ERR_clear_error()
            return nil
        }
        unsafe x509 = parsed
    }

    deinit { unsafe X509_free(x509) }

    /// Seconds since 1970.
    var notBefore: Int64 { unsafe epochSeconds(X509_get0_notBefore(x509)) }

    /// Seconds since 1970.
    var notAfter: Int64 { unsafe epochSeconds(X509_get0_notAfter(x509)) }

    var subject: String { unsafe nameText(X509_get_subject_name(x509)) }

    var subjectName: OpaquePointer? { unsafe X509_get_subject_name(x509) }
    var issuerName: OpaquePointer? { unsafe X509_get_issuer_name(x509) }

    /// Whether the certificate may sign others. The corresponding C function is `X509_check_ca`.
    var isAuthority: Bool { unsafe X509_check_ca(x509) != 0 }

    /// Whether it carries any subject alternative name.
    var hasSubjectAltNames: Bool { unsafe X509_get_ext_by_NID(x509, NID_subject_alt_name, -1) >= 0 }

    /// The serial number in upper-case hexadecimal. The corresponding C function is `BN_bn2hex`.
    var serial: String {
        guard let number = unsafe ASN1_INTEGER_to_BN(X509_get0_serialNumber(x509), nil) else { return "" }
        defer { unsafe BN_free(number) }
        guard let text = unsafe BN_bn2hex(number) else { return "" }
        defer { unsafe CRYPTO_free(text, nil, 0) }
        return unsafe String(cString: text)
    }

    /// SHA-256 over the DER of the public key with its algorithm, 32 bytes.
    /// The corresponding C functions are `X509_get_X509_PUBKEY` and `EVP_Digest`.
    var publicKeySHA256: [UInt8] {
        var der: UnsafeMutablePointer<UInt8>?
        let length = unsafe i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &der)
        guard length > 0, let der = unsafe der else { fatalError("out of memory") }
        defer { unsafe CRYPTO_free(der, nil, 0) }
        var digest = [UInt8](repeating: 0, count: 32)
        let done = unsafe digest.withUnsafeMutableBufferPointer { out in
            unsafe EVP_Digest(der, Int(length), out.baseAddress, nil, EVP_sha256(), nil)
        }
        precondition(done == 1, "SHA-256 is not available")
        return digest
    }

    /// The certificate itself. The corresponding C function is `i2d_X509`.
    var der: [UInt8] {
        var der: UnsafeMutablePointer<UInt8>?
        let length = unsafe i2d_X509(x509, &der)
        guard length > 0, let der = unsafe der else { fatalError("out of memory") }
        defer { unsafe CRYPTO_free(der, nil, 0) }
        return unsafe [UInt8](UnsafeBufferPointer(start: der, count: Int(length)))
    }

    /// Subject alternative names of one kind (`GEN_DNS`, `GEN_URI`) that are plain printable ASCII; DNS names in lower
    /// case. Others are left out, so that an embedded NUL or a look-alike never equals a configured name.
    func names(kind: Int32) -> [String] {
        guard let list = unsafe strongroom_X509_get_subject_alt_names(x509) else { return [] }
        defer { unsafe GENERAL_NAMES_free(list) }
        var found: [String] = []
        let count = unsafe strongroom_sk_GENERAL_NAME_num(list)
        for index in 0..<count {
            var text: UnsafePointer<UInt8>?
            var length: Int32 = 0
            guard unsafe strongroom_general_name_text(list, index, &text, &length) == kind, length > 0 else { continue }
            let bytes = unsafe UnsafeBufferPointer(start: text, count: Int(length))
            guard unsafe bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { continue }
            let name = unsafe String(decoding: bytes, as: UTF8.self)
            found.append(kind == GEN_DNS ? name.lowercased() : name)
        }
        return found
    }
}

/// Seconds since 1970 of an ASN.1 time; an absent or odd one is long past. The corresponding C function is
/// `ASN1_TIME_to_tm`.
func epochSeconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64 {
    var parts = unsafe tm()
    guard let time = unsafe time, unsafe ASN1_TIME_to_tm(time, &parts) == 1 else { return .min }
    return unsafe Int64(timegm(&parts))
}

/// A distinguished name on one line, as in `/CN=Payments CA`. The corresponding C function is `X509_NAME_oneline`.
func nameText(_ name: OpaquePointer?) -> String {
    var text = [CChar](repeating: 0, count: 256)
    let bytes = unsafe text.withUnsafeMutableBufferPointer { out -> [UInt8] in
        unsafe X509_NAME_oneline(name, out.baseAddress, Int32(out.count))
        return unsafe out.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    }
    return String(decoding: bytes, as: UTF8.self)
}
