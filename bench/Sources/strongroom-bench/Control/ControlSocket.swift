internal import Glibc

/// The operators' Unix socket: HTTP/1.1, one request a connection, with calls that block for a moment. No card data
/// passes here.
struct ControlSocket: Sendable {
    let path: String

    /// Seconds without a byte of an answer after which the daemon counts as dead.
    private static let patience = 60

    /// The answer to a command, which must be 200.
    func call(_ method: String, _ target: String) throws(BenchError) -> JSON {
        let descriptor = try connected()
        defer { close(descriptor) }
        let head = "\(method) \(target) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        try send(Array(head.utf8), descriptor)
        return try parse(try receive(descriptor), target)
    }

    private func connected() throws(BenchError) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw .control("the path of the socket is too long")
        }
        // The path fits, and the rest of the field stays zero.
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw .control("no socket (errno \(errno))") }
        var patience = timeval(tv_sec: Self.patience, tv_usec: 0)
        _ = unsafe setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe connect(descriptor, address, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else {
            let code = errno
            close(descriptor)
            throw .control("nobody answers (errno \(code))")
        }
        return descriptor
    }

    private func send(_ bytes: [UInt8], _ descriptor: Int32) throws(BenchError) {
        // Shorter than any socket buffer: it goes out whole or not at all.
        let count = unsafe Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        guard count == bytes.count else { throw .control("the request was not taken (errno \(errno))") }
    }

    private func receive(_ descriptor: Int32) throws(BenchError) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = unsafe recv(descriptor, &chunk, chunk.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .control("the answer broke off (errno \(errno))") }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
        }
    }

    private func parse(_ answer: [UInt8], _ target: String) throws(BenchError) -> JSON {
        // `HTTP/1.1 200 OK`, fields, an empty line, the body up to the end of the connection.
        let end: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A]
        guard let start = answer.indices.first(where: { answer[$0...].starts(with: end) }),
            let status = String(decoding: answer.prefix(32), as: UTF8.self).split(separator: " ").dropFirst().first
        else { throw .control("\(target): no HTTP answer") }
        let body = JSON(Array(answer[(start + end.count)...]))
        guard status == "200", let body else {
            throw .control("\(target): status \(status) \(body?["code"]?.text ?? "")")
        }
        return body
    }
}
