internal import VaultWire

/// Why a call failed. Carries no byte of the request or of a card.
public struct StrongroomError: Error, Sendable, Hashable {
    /// What went wrong, as a stable text: the codes of the vault, and those of this library.
    public struct Code: RawRepresentable, Sendable, Hashable {
        public let rawValue: String
        public init(rawValue: String) { self.rawValue = rawValue }
    }

    /// What went wrong.
    public let code: Code
    /// The HTTP status of the answer; nil where there was none.
    public let status: Int?
    /// Whether the same call, made again later, may succeed without anyone changing anything.
    public let isRetryable: Bool
    /// Seconds the vault asks to wait before that.
    public let retryAfterSeconds: Int?
    /// A sentence for people.
    public let message: String
    /// False where the request is known never to have left this process.
    let mayHaveBeenSent: Bool

    init(
        _ code: Code, status: Int? = nil, isRetryable: Bool = false, retryAfterSeconds: Int? = nil, _ message: String,
        mayHaveBeenSent: Bool = true
    ) {
        self.code = code
        self.status = status
        self.isRetryable = isRetryable
        self.retryAfterSeconds = retryAfterSeconds
        self.message = message
        self.mayHaveBeenSent = mayHaveBeenSent
    }

    /// A failure that the vault named. A code of a newer vault is kept as it is; whether to try again follows its
    /// status.
    init(code: String, status: Int?, retryAfterSeconds: Int? = nil) {
        let known = ProblemCode.allCases.first { "\($0.code)" == code }
        self.init(
            Code(rawValue: code), status: status ?? known.map { Int($0.status) },
            isRetryable: known?.isRetryable ?? (status == 429 || status == 503), retryAfterSeconds: retryAfterSeconds,
            known.map { "\($0.title)" } ?? "The vault refused the request.")
    }
}

extension StrongroomError: CustomStringConvertible {
    /// `code: message`.
    public var description: String { "\(code.rawValue): \(message)" }
}

// MARK: - Codes of the vault

extension StrongroomError.Code {
    public static let malformed = Self(rawValue: "malformed")
    public static let unknownClient = Self(rawValue: "unknown_client")
    public static let denied = Self(rawValue: "denied")
    public static let purposeDenied = Self(rawValue: "purpose_denied")
    public static let notFound = Self(rawValue: "not_found")
    public static let tooLarge = Self(rawValue: "too_large")
    public static let invalidPAN = Self(rawValue: "invalid_pan")
    public static let invalidToken = Self(rawValue: "invalid_token")
    public static let invalidExpiry = Self(rawValue: "invalid_expiry")
    public static let throttled = Self(rawValue: "throttled")
    public static let damagedRecord = Self(rawValue: "damaged_record")
    public static let sealed = Self(rawValue: "sealed")
    public static let frozen = Self(rawValue: "frozen")
    public static let busy = Self(rawValue: "busy")
    /// Whether the change was stored is not known; a retry finds the first token.
    public static let outcomeUnknown = Self(rawValue: "outcome_unknown")
    public static let writeStopped = Self(rawValue: "write_stopped")
    public static let storageFull = Self(rawValue: "storage_full")
    public static let bucketFull = Self(rawValue: "bucket_full")
}

// MARK: - Codes of this library

extension StrongroomError.Code {
    /// Nothing answers at the endpoint.
    public static let unreachable = Self(rawValue: "client_unreachable")
    /// The TLS handshake failed: the vault is not who it should be, or it refused our certificate.
    public static let tlsFailed = Self(rawValue: "client_tls_failed")
    /// The vault refused our certificate.
    public static let certificateRefused = Self(rawValue: "client_certificate_refused")
    /// A certificate, key or setting of ours cannot be used.
    public static let badConfiguration = Self(rawValue: "client_bad_configuration")
    /// The connection ended before the answer did: whether the vault acted on the request is not known.
    public static let connectionLost = Self(rawValue: "client_connection_lost")
    /// No answer in time: whether the vault acted on the request is not known.
    public static let deadline = Self(rawValue: "client_deadline")
    /// All connections are in use, and too many calls wait for one.
    public static let poolExhausted = Self(rawValue: "client_pool_exhausted")
    /// What came back is not an answer of a vault.
    public static let badAnswer = Self(rawValue: "client_bad_answer")
    /// The task was cancelled.
    public static let cancelled = Self(rawValue: "client_cancelled")
    /// The client was shut down.
    public static let shutDown = Self(rawValue: "client_shut_down")
}
