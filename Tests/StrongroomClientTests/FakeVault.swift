import NIOCore
import NIOHTTP1
import NIOPosix
import OpenSSLTLS
import StrongroomClient
import Synchronization
import TLSTestSupport
import VaultTransport

/// What a fake vault answers with.
struct Canned: Sendable {
    var status = 200
    var body = ""
    var headers: [(String, String)] = []
    /// Never answers.
    var isSilent = false
    /// Closes the connection in place of an answer.
    var hangsUp = false
}

/// A vault's end of the wire with canned answers: real TLS, real sockets, the NIO codec, and nothing of our own server.
///
/// Bulk requests are answered line by line while they arrive: each line reversed, a line beginning with `x` as
/// `!not_found`.
final class FakeVault: Sendable {
    typealias Responder = @Sendable (_ path: String, _ body: String) -> Canned

    static let certificates = TestCertificates(clients: ["stranger"], options: ["--expired", "lapsed"])

    let channel: any Channel
    let connections: Counter
    let requests: Counter

    /// Counts, and remembers the most there ever were.
    final class Counter: Sendable {
        private let state = Mutex((now: 0, total: 0, most: 0))
        func add(_ count: Int) {
            state.withLock { state in
                state.now += count
                state.total += max(0, count)
                state.most = max(state.most, state.now)
            }
        }
        var now: Int { state.withLock { $0.now } }
        var total: Int { state.withLock { $0.total } }
        var most: Int { state.withLock { $0.most } }
    }

    private init(_ channel: any Channel, _ connections: Counter, _ requests: Counter) {
        self.channel = channel
        self.connections = connections
        self.requests = requests
    }

    static func start(
        unix: String? = nil, bulkStatus: Int = 200, respond: @escaping Responder = { _, _ in Canned() }
    ) async throws -> FakeVault {
        let files = certificates
        let tls = try TLSContext(
            serverCertificate: files.server, key: files.serverKey, clientAuthorities: files.authority)
        let connections = Counter()
        let requests = Counter()
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                connections.add(1)
                channel.closeFuture.whenComplete { _ in connections.add(-1) }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(TLSHandler(tls))
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(
                        withPipeliningAssistance: false, withErrorHandling: false)
                    try channel.pipeline.syncOperations.addHandler(
                        FakeHandler(requests: requests, bulkStatus: bulkStatus, respond: respond))
                }
            }
        let channel: any Channel
        if let unix {
            channel = try await bootstrap.bind(unixDomainSocketPath: unix).get()
        } else {
            channel = try await bootstrap.bind(host: "127.0.0.1", port: 0).get()
        }
        return FakeVault(channel, connections, requests)
    }

    /// How `client` reaches it.
    func configuration(_ client: String = "checkout") -> StrongroomClient.Configuration {
        let pair = Self.certificates.pair(client)
        let endpoint: StrongroomClient.Endpoint
        if let port = channel.localAddress?.port {
            endpoint = .tcp(host: "127.0.0.1", port: port)
        } else {
            endpoint = .unix(path: channel.localAddress?.pathname ?? "")
        }
        return StrongroomClient.Configuration(
            endpoint: endpoint, certificate: pair.certificate, key: pair.key, authorities: Self.certificates.authority)
    }

    func client(_ change: (inout StrongroomClient.Configuration) -> Void = { _ in }) throws -> StrongroomClient {
        var configuration = configuration()
        change(&configuration)
        return try StrongroomClient(configuration: configuration)
    }

    func stop() async { try? await channel.close() }
}

private final class FakeHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let requests: FakeVault.Counter
    private let bulkStatus: Int
    private let respond: FakeVault.Responder
    private var head: HTTPRequestHead?
    private var body = ""
    private var line: [UInt8] = []
    private var counts = (succeeded: 0, failed: 0)

    init(requests: FakeVault.Counter, bulkStatus: Int, respond: @escaping FakeVault.Responder) {
        self.requests = requests
        self.bulkStatus = bulkStatus
        self.respond = respond
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            requests.add(1)
            self.head = head
            body = ""
            counts = (0, 0)
            if isBulk { beginBulk(context) }
        case .body(let bytes):
            if isBulk { answerLines(bytes, context) } else { body += String(buffer: bytes) }
        case .end:
            if isBulk { endBulk(context) } else { answer(context) }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    /// As a real vault does: nobody reads the answers, so no more questions are read.
    func channelWritabilityChanged(context: ChannelHandlerContext) {
        try? context.channel.syncOptions?.setOption(.autoRead, value: context.channel.isWritable)
    }

    private var isBulk: Bool { head?.headers.first(name: "content-type") == "text/plain" }

    private func answer(_ context: ChannelHandlerContext) {
        let canned = respond(head?.uri ?? "", body)
        if canned.isSilent { return }
        if canned.hangsUp { return context.close(promise: nil) }
        write(canned, context)
    }

    private func write(_ canned: Canned, _ context: ChannelHandlerContext) {
        var headers = HTTPHeaders(canned.headers)
        headers.add(name: "Content-Length", value: String(canned.body.utf8.count))
        let status = HTTPResponseStatus(statusCode: canned.status)
        context.write(wrapOutboundOut(.head(.init(version: .http1_1, status: status, headers: headers))), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: canned.body)))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    private func beginBulk(_ context: ChannelHandlerContext) {
        if bulkStatus == 0 { return }
        if bulkStatus != 200 {
            let body = #"{"type":"x","title":"no","status":\#(bulkStatus),"code":"denied"}"#
            return write(Canned(status: bulkStatus, body: body, headers: [("Connection", "close")]), context)
        }
        let headers: HTTPHeaders = [
            "Transfer-Encoding": "chunked", "Trailer": "Strongroom-Succeeded, Strongroom-Failed",
        ]
        context.write(wrapOutboundOut(.head(.init(version: .http1_1, status: .ok, headers: headers))), promise: nil)
    }

    private func answerLines(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        guard bulkStatus == 200 else { return }
        var answers: [UInt8] = []
        for byte in bytes.readableBytesView {
            guard byte == 0x0A else {
                line.append(byte)
                continue
            }
            if line.first == UInt8(ascii: "x") {
                answers += Array("!not_found".utf8)
                counts.failed += 1
            } else {
                answers += line.reversed()
                counts.succeeded += 1
            }
            answers.append(0x0A)
            line.removeAll(keepingCapacity: true)
        }
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: answers)))), promise: nil)
    }

    private func endBulk(_ context: ChannelHandlerContext) {
        guard bulkStatus == 200 else { return }
        let trailers: HTTPHeaders = [
            "Strongroom-Succeeded": String(counts.succeeded), "Strongroom-Failed": String(counts.failed),
        ]
        context.writeAndFlush(wrapOutboundOut(.end(trailers)), promise: nil)
    }
}

/// A card number that networks publish for tests.
func testCard() -> CardNumber {
    let bytes = Array("4111111111111111".utf8)
    return CardNumber(bytes.span)!
}

/// The digits, for comparing in tests.
func text(_ number: CardNumber) -> String {
    number.withBytes { bytes in
        var text = ""
        for index in bytes.indices { text.unicodeScalars.append(Unicode.Scalar(bytes[index])) }
        return text
    }
}

/// The error that `body` throws; nil for none.
func failure(_ body: () async throws -> Void) async -> StrongroomError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? StrongroomError
    }
}
