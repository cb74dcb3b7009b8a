/// What a client gets that speaks plain HTTP to the TLS port: an answer it can show, instead of a broken connection.
enum PlaintextAnswer {
    static let bytes: [UInt8] = {
        let body = #"{"code":"malformed","status":400,"title":"This port speaks TLS 1.3 with client certificates"}"#
        let head = [
            "HTTP/1.1 400 Bad Request", "Content-Type: application/problem+json", "Content-Length: \(body.utf8.count)",
            "Connection: close",
        ]
        return Array((head.joined(separator: "\r\n") + "\r\n\r\n" + body).utf8)
    }()
}
