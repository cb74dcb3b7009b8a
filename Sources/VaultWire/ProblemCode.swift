/// Every way a request can fail, as the caller sees it: a stable code, its HTTP status, and whether trying again helps.
///
/// The codes are part of the contract: none is ever renamed or reused. None carries bytes of the request. Decoders
/// throw this type directly; it is one byte, so throwing it allocates nothing.
package enum ProblemCode: UInt8, Error, CaseIterable, Sendable {
    case malformed
    case unknownClient
    case denied
    case purposeDenied
    case notFound
    case methodNotAllowed
    case requestTimeout
    case dualControl
    case tooLarge
    case unsupportedMediaType
    case invalidPAN
    case invalidToken
    case invalidExpiry
    case sensitiveAuthenticationData
    case throttled
    case internalError
    /// The record of a token does not open: its bytes are not those that were stored. The other tokens are served.
    case damagedRecord
    case sealed
    case frozen
    case busy
    case auditUnavailable
    case outcomeUnknown
    case writeStopped
    case storageFull
    case bucketFull
    /// The data key has done all the encryptions it may do, or is past its age: reveals go on.
    case keyExhausted
}

extension ProblemCode {
    /// The HTTP status of an answer that fails as a whole.
    package var status: UInt16 { facts.status }

    /// The stable text of the code, as in `"code"` and after `!` on a bulk line. ASCII `a-z` and `_`.
    package var code: StaticString { facts.code }

    /// A short sentence for people. ASCII without quotes and backslashes, the same for every request.
    package var title: StaticString { facts.title }

    /// Whether the same request, sent again later, may succeed without anyone changing it.
    package var isRetryable: Bool { facts.retryable }

    /// The code with this text, as a client reads it from an answer; nil for a text that is none of ours.
    package init?(code text: Span<UInt8>) {
        for candidate in Self.allCases where text.equals(candidate.code) {
            self = candidate
            return
        }
        return nil
    }

    /// Bytes of the longest code text; a test compares it with the list.
    package static let codeBytesMax = 29
    /// Bytes of the longest title; a test compares it with the list.
    package static let titleBytesMax = 55

    private typealias Facts = (status: UInt16, code: StaticString, retryable: Bool, title: StaticString)

    /// The list.
    private var facts: Facts {
        switch self {
        case .malformed: (400, "malformed", false, "The request is not what this call takes.")
        case .unknownClient: (401, "unknown_client", false, "The client certificate belongs to no configured client.")
        case .denied: (403, "denied", false, "This client may not do this.")
        case .purposeDenied: (403, "purpose_denied", false, "This purpose is not allowed.")
        case .notFound: (404, "not_found", false, "There is no such thing for this client.")
        case .methodNotAllowed: (405, "method_not_allowed", false, "Calls are made with POST.")
        case .requestTimeout: (408, "request_timeout", true, "The request did not arrive in time.")
        case .dualControl: (409, "dual_control", false, "A second person has to approve this.")
        case .tooLarge: (413, "too_large", false, "The request is over a limit.")
        case .unsupportedMediaType:
            (415, "unsupported_media_type", false, "The content type or encoding is not supported.")
        case .invalidPAN: (422, "invalid_pan", false, "The card number is not valid.")
        case .invalidToken: (422, "invalid_token", false, "The token is not valid.")
        case .invalidExpiry: (422, "invalid_expiry", false, "The expiry date is not valid.")
        case .sensitiveAuthenticationData:
            (422, "sensitive_authentication_data", false, "Security codes, track data and PINs are refused unread.")
        case .throttled: (429, "throttled", true, "The client is over its rate.")
        case .internalError: (500, "internal_error", false, "The vault failed.")
        case .damagedRecord: (500, "damaged_record", false, "The stored record of this token is damaged.")
        case .sealed: (503, "sealed", true, "The vault is sealed.")
        case .frozen: (503, "frozen", false, "This is frozen until an operator unfreezes it.")
        case .busy: (503, "busy", true, "The vault is at its capacity.")
        case .auditUnavailable: (503, "audit_unavailable", true, "The audit record cannot be written.")
        case .outcomeUnknown: (503, "outcome_unknown", true, "Whether the change was stored is not known.")
        case .writeStopped: (503, "write_stopped", true, "The vault has stopped writing.")
        case .storageFull: (507, "storage_full", false, "The storage is full.")
        case .bucketFull: (507, "bucket_full", false, "The format has no free tokens for this card.")
        case .keyExhausted: (503, "key_exhausted", true, "The data key may encrypt no more; it has to be rotated.")
        }
    }
}
