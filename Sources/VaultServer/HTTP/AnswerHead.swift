internal import NIOCore
internal import VaultWire

/// Heads of answers, written as bytes. Every answer says `Cache-Control: no-store`.
enum AnswerHead {
    /// A whole problem answer. `retryAfter` is in seconds, for `throttled`.
    static func problem(
        _ problem: ProblemCode, retryAfter: UInt32 = 1, keepsAlive: Bool, hasBody: Bool, to buffer: inout ByteBuffer
    ) {
        var body = ByteBuffer()
        body.writeWithOutputRawSpan(minimumWritableBytes: ProblemAnswer.maxBytes) { span in
            ProblemAnswer.append(problem, to: &span)
        }
        start(problem.status, type: ProblemAnswer.mediaType, keepsAlive: keepsAlive, to: &buffer)
        if problem == .throttled || problem == .busy {
            buffer.writeStaticString("Retry-After: ")
            buffer.writeString(String(problem == .throttled ? retryAfter : 1))
            buffer.writeStaticString("\r\n")
        }
        if problem == .methodNotAllowed { buffer.writeStaticString("Allow: POST\r\n") }
        length(body.readableBytes, to: &buffer)
        if hasBody { buffer.writeBuffer(&body) }
    }

    /// The head of a 200 with a JSON body of known length.
    static func json(bytes: Int, keepsAlive: Bool, fingerprintKey: UInt32?, to buffer: inout ByteBuffer) {
        start(200, type: "application/json", keepsAlive: keepsAlive, to: &buffer)
        if let fingerprintKey {
            // Fingerprints of two versions cannot be compared: who keeps them has to know which is which.
            buffer.writeStaticString("Strongroom-Fingerprint-Key: ")
            buffer.writeString(String(fingerprintKey))
            buffer.writeStaticString("\r\n")
        }
        length(bytes, to: &buffer)
    }

    /// The head of a bulk answer: chunked, with trailers that count lines.
    static func lines(keepsAlive: Bool, to buffer: inout ByteBuffer) {
        start(200, type: "text/plain; charset=us-ascii", keepsAlive: keepsAlive, to: &buffer)
        buffer.writeStaticString(
            "Transfer-Encoding: chunked\r\nTrailer: Strongroom-Succeeded, Strongroom-Failed\r\n\r\n")
    }

    private static func start(_ status: UInt16, type: StaticString, keepsAlive: Bool, to buffer: inout ByteBuffer) {
        buffer.writeStaticString("HTTP/1.1 ")
        buffer.writeString(String(status))
        buffer.writeStaticString(" ")
        buffer.writeStaticString(reason(status))
        buffer.writeStaticString("\r\nContent-Type: ")
        buffer.writeStaticString(type)
        buffer.writeStaticString("\r\nCache-Control: no-store\r\n")
        if !keepsAlive { buffer.writeStaticString("Connection: close\r\n") }
    }

    private static func length(_ bytes: Int, to buffer: inout ByteBuffer) {
        buffer.writeStaticString("Content-Length: ")
        buffer.writeString(String(bytes))
        buffer.writeStaticString("\r\n\r\n")
    }

    private static func reason(_ status: UInt16) -> StaticString {
        switch status {
        case 200: "OK"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 413: "Content Too Large"
        case 415: "Unsupported Media Type"
        case 422: "Unprocessable Content"
        case 429: "Too Many Requests"
        case 500: "Internal Server Error"
        case 503: "Service Unavailable"
        case 507: "Insufficient Storage"
        default: "Error"
        }
    }
}
