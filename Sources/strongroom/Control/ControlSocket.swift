import Glibc
import StrongroomClient

/// HTTP on the operators' Unix socket, with blocking calls: one request, its answer, done. No card data passes here.
struct ControlSocket: ~Copyable {
    private let descriptor: Int32

    /// Seconds without a byte of an answer after which the daemon counts as dead.
    private static let patience = 60

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
            Failure(.unavailable, "\(path): no vault is running there (--config or --control says where)")
        default: Failure(.unavailable, "\(path): \(systemText(code))")
        }
    }

    /// Sends a request and hands over the body of the answer as it arrives. Gives back the status.
    func request(_ method: String, _ path: String, body: (Span<UInt8>) throws(Failure) -> Void) throws(Failure) -> Int {
        try send("\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        var parser = AnswerParser()
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw Failure(.unavailable, "the vault hung up in the middle of its answer") }
            let bytes = buffer.span.extracting(0..<count)
            var position = 0
            while let event = try Self.next(&parser, bytes, &position) {
                switch event {
                case .head: break
                case .body(let range): try body(bytes.extracting(range))
                case .end: return parser.head.status
                }
            }
        }
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

    private func send(_ text: String) throws(Failure) {
        let bytes = Array(text.utf8)
        // The array has `bytes.count` bytes, which fit any socket's buffer.
        let count = unsafe Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        guard count == bytes.count else {
            throw Failure(.unavailable, "the vault does not listen: \(systemText(errno))")
        }
    }
}

extension ControlSocket {
    /// Bytes of an answer that is taken whole.
    private static let answerBytesMax = 16 << 20

    /// A whole answer; throws what the vault refuses.
    func call(_ method: String, _ path: String) throws(Failure) -> (text: String, value: JSONValue) {
        var bytes: [UInt8] = []
        let status = try request(method, path) { (piece) throws(Failure) in
            guard bytes.count + piece.count <= Self.answerBytesMax else {
                throw Failure(.unavailable, "the answer of the vault is too long")
            }
            for index in piece.indices { bytes.append(piece[index]) }
        }
        guard let value = JSONValue(bytes) else {
            throw Failure(.unavailable, "what answers at the control socket is no vault")
        }
        try Self.check(status, value)
        var text = String(decoding: bytes, as: UTF8.self)
        while text.hasSuffix("\n") { text.removeLast() }
        return (text, value)
    }

    /// Throws what a status other than 200 stands for.
    static func check(_ status: Int, _ value: JSONValue?) throws(Failure) {
        guard status != 200 else { return }
        let reason = value?["title"]?.text ?? value?["code"]?.text ?? "the vault answered \(status)"
        switch status {
        case 401, 403: throw Failure(.denied, reason)
        case 404: throw Failure(.unavailable, "this vault does not know the command; is it of the same version?")
        case 409: throw Failure(.tryAgain, reason)
        case 422: throw Failure(.configuration, reason)
        default: throw Failure(.unavailable, reason)
        }
    }
}
