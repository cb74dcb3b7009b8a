import COpenSSL

/// Why a TLS connection failed. Carries no byte that a peer sent.
package enum TLSError: Error, Equatable, Sendable {
    /// The peer speaks plain HTTP to the TLS port.
    case plaintextHTTP

    /// What the peer sent is not TLS.
    case notTLS

    /// The peer does not speak TLS 1.3.
    case unsupportedVersion

    /// The peer presented no certificate.
    case noCertificate

    /// The peer's certificate was not accepted: OpenSSL's `X509_V_ERR_…` code and its text.
    case certificateRejected(code: Int32, reason: String)

    /// The peer refused us with a fatal alert (RFC 8446 section 6).
    case alert(UInt8)

    /// The peer broke the protocol, or the connection was tampered with. The text is OpenSSL's own.
    case protocolViolation(String)

    /// The handshake did not end in time.
    case handshakeDeadline

    /// The connection ended during the handshake.
    case closedInHandshake

    /// The connection ended without close_notify: what was received last may be incomplete.
    case truncated

    /// The peer makes us answer protocol messages without reading the answers.
    case controlFlood

    /// More plaintext was written before the handshake ended than may wait for it.
    case tooMuchBeforeHandshake

    /// A write after our own close_notify.
    case writeAfterClose

    /// libssl failed for a reason of its own, such as memory.
    case library(String)
}

extension TLSError {
    /// A short stable name for metrics: one of a fixed set.
    package var label: String {
        switch self {
        case .plaintextHTTP: "plaintext_http"
        case .notTLS: "not_tls"
        case .unsupportedVersion: "unsupported_version"
        case .noCertificate: "no_certificate"
        case .certificateRejected: "certificate_rejected"
        case .alert: "alert"
        case .protocolViolation: "protocol_violation"
        case .handshakeDeadline: "handshake_deadline"
        case .closedInHandshake: "closed_in_handshake"
        case .truncated: "truncated"
        case .controlFlood: "control_flood"
        case .tooMuchBeforeHandshake: "too_much_before_handshake"
        case .writeAfterClose: "write_after_close"
        case .library: "library"
        }
    }
}

extension TLSError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .plaintextHTTP: "the peer speaks plain HTTP; this port speaks TLS 1.3"
        case .notTLS: "the peer does not speak TLS"
        case .unsupportedVersion: "the peer does not speak TLS 1.3"
        case .noCertificate: "the peer presented no certificate"
        case .certificateRejected(_, let reason): "the peer's certificate was not accepted: \(reason)"
        case .alert(let code): "the peer refused the connection: \(Self.alertName(code))"
        case .protocolViolation(let reason): "the peer broke the TLS protocol: \(reason)"
        case .handshakeDeadline: "the TLS handshake did not end in time"
        case .closedInHandshake: "the connection ended during the TLS handshake"
        case .truncated: "the connection ended without a TLS close"
        case .controlFlood: "the peer sends TLS messages without reading their answers"
        case .tooMuchBeforeHandshake: "too much was written before the TLS handshake ended"
        case .writeAfterClose: "the TLS connection was closed for writing"
        case .library(let reason): "libssl failed: \(reason)"
        }
    }

    /// The corresponding C function is `SSL_alert_desc_string_long`.
    private static func alertName(_ code: UInt8) -> String {
        unsafe String(cString: SSL_alert_desc_string_long(Int32(code)))
    }
}

extension TLSError {
    /// Takes the first error of this thread's OpenSSL queue, which is the cause, and empties the queue.
    /// `verifyResult` is what `SSL_get_verify_result` says of the connection.
    static func takingQueue(verifyResult: Int) -> TLSError {
        let first = OpenSSLFailure.takeFirst()
        guard first.library == ERR_LIB_SSL else { return first.code == 0 ? .truncated : .library(first.text) }
        switch first.reason {
        case SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST:
            return .plaintextHTTP
        case SSL_R_WRONG_VERSION_NUMBER:
            return .notTLS
        case SSL_R_UNSUPPORTED_PROTOCOL:
            return .unsupportedVersion
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
            return .noCertificate
        case SSL_R_CERTIFICATE_VERIFY_FAILED:
            return .certificateRejected(verifyResult: verifyResult)
        case SSL_AD_REASON_OFFSET...(SSL_AD_REASON_OFFSET + 255):
            return .alert(UInt8(first.reason - SSL_AD_REASON_OFFSET))
        default:
            return .protocolViolation(first.text)
        }
    }

    /// The corresponding C function is `X509_verify_cert_error_string`.
    static func certificateRejected(verifyResult: Int) -> TLSError {
        let reason = unsafe String(cString: X509_verify_cert_error_string(verifyResult))
        return .certificateRejected(code: Int32(truncatingIfNeeded: verifyResult), reason: reason)
    }
}

/// One entry of OpenSSL's error queue, taken apart.
struct OpenSSLFailure {
    let code: UInt
    let library: Int32
    let reason: Int32
    let text: String

    /// The first entry of this thread's queue; the queue is empty afterwards. The text is a constant of the library and
    /// holds nothing of the data that failed. The corresponding C function is `ERR_get_error`.
    static func takeFirst() -> OpenSSLFailure {
        let code = ERR_get_error()
        ERR_clear_error()
        let text = unsafe ERR_reason_error_string(code).map { unsafe String(cString: $0) }
        return OpenSSLFailure(
            code: code, library: strongroom_ERR_GET_LIB(code), reason: strongroom_ERR_GET_REASON(code),
            text: text ?? "unknown reason")
    }
}
