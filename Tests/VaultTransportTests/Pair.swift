import NIOCore
import NIOEmbedded
import OpenSSLTLS
import TLSTestSupport
import VaultTransport

/// Sits above a TLS handler and writes down what comes up.
final class Recorder: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    var received: [UInt8] = []
    var reads = 0
    var completed: TLSHandshakeCompleted?
    var errors: [TLSError] = []
    var inputClosed = false
    var inactive = false
    /// What a pipeline usually does when something fails.
    var closesOnError = true
    /// Buffers kept past `channelRead`.
    var kept: [ByteBuffer] = []
    var keeps = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        if keeps { kept.append(buffer) }
        received += buffer.readableBytesView
        reads += 1
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? TLSHandshakeCompleted { completed = event }
        if case .some(.inputClosed) = event as? ChannelEvent { inputClosed = true }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let error = error as? TLSError { errors.append(error) }
        if closesOnError { context.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) { inactive = true }
}

/// One channel with a TLS handler and a recorder.
final class Side {
    let channel: EmbeddedChannel
    let tls: TLSHandler
    let recorder = Recorder()

    init(_ context: TLSContext, serverName: String? = nil, settings: TLSSettings = TLSSettings()) throws {
        tls = try TLSHandler(context, serverName: serverName, settings: settings)
        channel = EmbeddedChannel()
        try channel.pipeline.syncOperations.addHandlers([tls, recorder])
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    /// Everything written to the socket, as the buffers it was written in.
    func sent() throws -> [ByteBuffer] {
        var buffers: [ByteBuffer] = []
        while let buffer = try channel.readOutbound(as: ByteBuffer.self) {
            if buffer.readableBytes > 0 { buffers.append(buffer) }
        }
        return buffers
    }

    func receives(_ bytes: some Sequence<UInt8>) { _ = try? channel.writeInbound(ByteBuffer(bytes: bytes)) }

    func write(_ text: String) { channel.write(ByteBuffer(string: text), promise: nil) }

    func writeAndFlush(_ bytes: [UInt8]) { channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil) }
}

/// Two sides whose sockets are joined.
final class Pair {
    let client: Side
    let server: Side

    init(
        client: TLSContext, server: TLSContext, clientSettings: TLSSettings = TLSSettings(),
        serverSettings: TLSSettings = TLSSettings()
    ) throws {
        self.server = try Side(server, settings: serverSettings)
        self.client = try Side(client, serverName: "localhost", settings: clientSettings)
    }

    /// Carries bytes until nothing moves, in pieces of at most `piece` bytes.
    func run(piece: Int = .max) throws {
        while true {
            let up = try client.sent()
            deliver(up, to: server, piece)
            let down = try server.sent()
            deliver(down, to: client, piece)
            if up.isEmpty && down.isEmpty { return }
        }
    }

    private func deliver(_ buffers: [ByteBuffer], to side: Side, _ piece: Int) {
        for var buffer in buffers {
            while buffer.readableBytes > 0 {
                guard let part = buffer.readSlice(length: min(piece, buffer.readableBytes)) else { return }
                _ = try? side.channel.writeInbound(part)
            }
        }
    }
}

enum Shared {
    static let certificates = TestCertificates(options: ["--expired", "lapsed"])

    static func server() throws -> TLSContext {
        try TLSContext(
            serverCertificate: certificates.server, key: certificates.serverKey,
            clientAuthorities: certificates.authority)
    }

    static func client(_ name: String? = "checkout") throws -> TLSContext {
        try TLSContext(clientPair: name.map { certificates.pair($0) }, serverAuthorities: certificates.authority)
    }

    static func pair(_ clientSettings: TLSSettings = TLSSettings(), _ serverSettings: TLSSettings = TLSSettings())
        throws -> Pair
    {
        let pair = try Pair(
            client: client(), server: server(), clientSettings: clientSettings, serverSettings: serverSettings)
        try pair.run()
        return pair
    }
}
