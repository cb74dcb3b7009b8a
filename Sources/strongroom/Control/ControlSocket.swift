import Glibc
import StrongroomClient

/// HTTP on the operators' Unix socket, with blocking calls: one request, its answer, done. No card data passes here, but
/// shares of the root key do.
struct ControlSocket: ~Copyable {
    private let descriptor: Int32

    /// Seconds without a byte of an answer after which the daemon counts as dead.
    private static let patience = 60
    private static let chunkBytes = 16 << 10

    init(path: String) throws(Failure) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard bytes.count < room else { throw Failure(.usage, "\(path): a socket path has at most \(room - 1) bytes") }
        // The path fits, and the rest of the field stays zero.
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Failure(.osError, "no socket: \(systemText(errno))") }
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
            throw Self.failure(path, code)
        }
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    private static func failure(_ path: String, _ code: Int32) -> Failure {
        switch code {
        case EACCES, EPERM:
            Failure(
                .denied, "\(path): this user may not operate the vault; the socket's group may (usually strongroom-ops)"
            )
        case ENOENT, ECONNREFUSED:
            Failure(
                .unavailable, "\(path): no vault is running there (--config or --control says where)", isAbsence: true)
        default: Failure(.unavailable, "\(path): \(systemText(code))")
        }
    }

    /// Sends a request and hands over the body of the answer as it arrives, each piece with the status. Gives back the
    /// status.
    ///
    /// - Parameter code: a one-time code, or nothing.
    func request(
        _ method: StaticString, _ target: ControlTarget, sending sent: Span<UInt8> = Span(),
        code: Span<UInt8> = Span(), body: (Int, Span<UInt8>) throws(Failure) -> Void
    ) throws(Failure) -> Int {
        var head = "\(method) \(target.text) HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(sent.count)\r\n"
        if !sent.isEmpty { head += "Content-Type: text/plain\r\n" }
        head += "Connection: close\r\n"
        try send(Array(head.utf8).span)
        if !code.isEmpty {
            try send(Array("Strongroom-Code: ".utf8).span)
            try send(code)
            try send(Array("\r\n".utf8).span)
        }
        try send(Array("\r\n".utf8).span)
        try send(sent)
        var parser = AnswerParser()
        // What arrives may be a share.
        var buffer = SecureBuffer()
        while true {
            // `recv` writes at most the room it is given.
            let count = unsafe buffer.fill(Self.chunkBytes) { memory in
                while true {
                    let count = unsafe recv(descriptor, memory.baseAddress, memory.count, 0)
                    if count >= 0 || errno != EINTR { return count }
                }
            }
            guard count > 0 else {
                throw Failure(.unavailable, "the vault hung up in the middle of its answer", isAbsence: true)
            }
            let bytes = buffer.span
            var position = 0
            while let event = try Self.next(&parser, bytes, &position) {
                switch event {
                case .head: break
                case .body(let range): try body(parser.head.status, bytes.extracting(range))
                case .end: return parser.head.status
                }
            }
        }
    }

    /// Sends a request and takes the whole answer.
    func exchange(
        _ method: StaticString, _ target: ControlTarget, sending sent: Span<UInt8> = Span(), code: Span<UInt8> = Span()
    ) throws(Failure) -> ControlAnswer {
        var taken = SecureBuffer()
        let status = try request(method, target, sending: sent, code: code) { (_, piece) throws(Failure) in
            guard taken.count + piece.count <= ControlAnswer.bytesMax else {
                throw Failure(.unavailable, "the answer of the vault is too long")
            }
            taken.append(contentsOf: piece)
        }
        return ControlAnswer(status: status, body: taken)
    }

    private static func next(
        _ parser: inout AnswerParser, _ bytes: Span<UInt8>, _ position: inout Int
    ) throws(Failure) -> AnswerParser.Event? {
        do throws(AnswerParser.Fault) {
            return try parser.next(in: bytes, at: &position)
        } catch {
            throw Failure(.unavailable, "what answers at the control socket is no vault")
        }
    }

    private func send(_ bytes: Span<UInt8>) throws(Failure) {
        var done = 0
        while done < bytes.count {
            let rest = bytes.extracting(done..<bytes.count)
            // The memory is lent for the call alone.
            let count = unsafe rest.withUnsafeBytes { memory in
                unsafe Glibc.send(descriptor, memory.baseAddress, memory.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else {
                throw Failure(.unavailable, "the vault does not listen: \(systemText(errno))", isAbsence: true)
            }
            done += count
        }
    }
}
