internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import OpenSSLTLS

extension StrongroomError {
    /// Any failure of a channel, in our terms.
    init(_ error: any Error, mayHaveBeenSent: Bool = true) {
        switch error {
        case let error as StrongroomError: self = error
        case let error as TLSError: self.init(tls: error)
        case let error as NIOConnectionError: self = .unreachable(error)
        case let error as IOError:
            self.init(.connectionLost, isRetryable: true, error.text, mayHaveBeenSent: mayHaveBeenSent)
        case ChannelError.connectTimeout:
            self = .unreachable("no connection in time")
        default: self = .connectionLost(mayHaveBeenSent: mayHaveBeenSent)
        }
    }

    private init(tls error: TLSError) {
        switch error {
        case .alert(let alert) where Self.certificateAlerts.contains(alert):
            self.init(.certificateRefused, "\(error)", mayHaveBeenSent: false)
        case .handshakeDeadline:
            self.init(.unreachable, isRetryable: true, "\(error)", mayHaveBeenSent: false)
        case .closedInHandshake:
            self.init(.unreachable, isRetryable: true, "\(error)", mayHaveBeenSent: false)
        case .truncated:
            self = .connectionLost(mayHaveBeenSent: true)
        case .writeAfterClose:
            self = .connectionLost(mayHaveBeenSent: false)
        default:
            self.init(.tlsFailed, "\(error)")
        }
    }

    /// bad_certificate to certificate_unknown, unknown_ca, access_denied and certificate_required (RFC 8446 6.2).
    private static let certificateAlerts: Set<UInt8> = [42, 43, 44, 45, 46, 48, 49, 116]

    private static func unreachable(_ error: NIOConnectionError) -> StrongroomError {
        guard let first = error.connectionErrors.first?.error else {
            return .unreachable("\(error.host): the name cannot be resolved")
        }
        return .unreachable("\(error.host):\(error.port): " + ((first as? IOError)?.text ?? "no connection in time"))
    }

    static func unreachable(_ reason: String) -> StrongroomError {
        StrongroomError(.unreachable, isRetryable: true, reason, mayHaveBeenSent: false)
    }

    static func connectionLost(mayHaveBeenSent: Bool) -> StrongroomError {
        StrongroomError(
            .connectionLost, isRetryable: true, "The connection ended before the answer did.",
            mayHaveBeenSent: mayHaveBeenSent)
    }

    static let badAnswer = StrongroomError(.badAnswer, "What came back is not an answer of a vault.")
    static let deadline = StrongroomError(.deadline, isRetryable: true, "The answer did not come in time.")
    static let cancelled = StrongroomError(.cancelled, "The task was cancelled.")
    static let shutDown = StrongroomError(.shutDown, "The client was shut down.", mayHaveBeenSent: false)
}

extension IOError {
    /// What the system says, without the library's own words.
    var text: String { unsafe String(cString: strerror(errnoCode)) }
}
