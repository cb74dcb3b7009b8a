internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import OpenSSLTLS
internal import Synchronization
internal import VaultTransport

/// The TLS context for new connections; replaced whole by a reload.
final class TLSBox: Sendable {
    private let context: Mutex<TLSContext>
    init(_ context: TLSContext) { self.context = Mutex(context) }
    var current: TLSContext { context.withLock { $0 } }
    func replace(_ new: TLSContext) { context.withLock { $0 = new } }
}

/// Accepts clients on TCP and on a Unix socket: the same protocol, TLS on both.
struct DataListener: Sendable {
    let tls: TLSBox
    let contexts: [LoopContextReference]
    let metrics: Metrics
    let logger: Logger

    func bootstrap(_ group: any EventLoopGroup) -> ServerBootstrap {
        ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AcceptBackoff(logger: logger))
                }
            }
            .childChannelOption(.maxMessagesPerRead, value: 4)
            .childChannelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 1024, initial: 4096, maximum: 65_536)
            )
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in initialize(channel) }
    }

    private func initialize(_ channel: any Channel) -> EventLoopFuture<Void> {
        guard let context = contexts.first(where: { $0.loop === channel.eventLoop })?.onLoop else {
            return channel.close()
        }
        let settings = context.settings
        guard metrics.connections.increment() <= Int64(settings.connectionsMax) else {
            metrics.connections.add(-1)
            metrics.connectionsRefused.add(1)
            return channel.close()
        }
        metrics.connectionsTotal.add(1)
        channel.closeFuture.whenComplete { _ in metrics.connections.add(-1) }
        return channel.eventLoop.makeCompletedFuture {
            if channel.localAddress?.protocol != .unix {
                try channel.syncOptions?.setOption(.tcpOption(.tcp_nodelay), value: 1)
            }
            var tlsSettings = TLSSettings()
            tlsSettings.handshakeDeadline = settings.handshake
            tlsSettings.allowsHalfClosure = true
            let clock = ConnectionClock(headerTime: settings.header)
            var limits = NIOHTTPDecoderLimitConfiguration()
            limits.maxHeaderFieldSize = settings.headerBytesMax
            limits.maxHeaderListSize = settings.headerBytesMax
            limits.maxHeaderFieldCount = 100
            let pipeline = channel.pipeline.syncOperations
            let judge = tls.current
            try pipeline.addHandler(TLSHandler(judge, settings: tlsSettings))
            try pipeline.addHandler(StartOfRequest(clock: clock))
            try pipeline.addHandler(
                ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: limits)))
            try pipeline.addHandler(HTTPConnection(loop: context, tls: judge, clock: clock))
        }
    }
}
