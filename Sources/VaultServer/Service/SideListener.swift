internal import Glibc
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// The two planes without card data: operations (loopback TCP, for probes and Prometheus) and control (Unix socket, for
/// operators known by their Unix identity).
struct SideListener: Sendable {
    let service: VaultService

    func operations(_ group: any EventLoopGroup) -> ServerBootstrap {
        bootstrap(group) { _ in
            let plane = OperationsPlane(service: service)
            return { head, _, responder in responder.answer(plane.answer(head)) }
        }
    }

    func control(_ group: any EventLoopGroup) -> ServerBootstrap {
        bootstrap(group) { user in
            let plane = ControlPlane(service: service, operatorID: user)
            return { head, body, responder in plane.respond(head, body, responder) }
        }
    }

    private func bootstrap(
        _ group: any EventLoopGroup,
        _ makeResponder:
            @escaping @Sendable (UInt32?) -> (HTTPRequestHead, RequestBody, PlainHTTPHandler.Responder) -> Void
    ) -> ServerBootstrap {
        ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 64)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AcceptBackoff(logger: service.logger))
                }
            }
            .childChannelInitializer { channel in
                Self.peer(of: channel).flatMapThrowing { user in
                    var limits = NIOHTTPDecoderLimitConfiguration()
                    limits.maxHeaderFieldSize = 8192
                    limits.maxHeaderListSize = 8192
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(HTTPResponseEncoder())
                    try pipeline.addHandler(
                        ByteToMessageHandler(
                            HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: limits)))
                    try pipeline.addHandler(HTTPServerPipelineHandler())
                    try pipeline.addHandler(HTTPServerProtocolErrorHandler())
                    try pipeline.addHandler(IdleStateHandler(readTimeout: .minutes(5)))
                    try pipeline.addHandler(CloseWhenIdle())
                    try pipeline.addHandler(PlainHTTPHandler(makeResponder(user)))
                }
            }
    }

    /// The Unix user at the other end, from the kernel (`SO_PEERCRED`); `nil` on TCP.
    private static func peer(of channel: any Channel) -> EventLoopFuture<UInt32?> {
        guard channel.localAddress?.protocol == .unix, let provider = channel as? any SocketOptionProvider else {
            return channel.eventLoop.makeSucceededFuture(nil)
        }
        let credentials: EventLoopFuture<Credentials> = provider.unsafeGetSocketOption(
            level: .socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED))
        return credentials.map { $0.user }
    }

    /// `struct ucred` of sys/socket.h, which Glibc's module leaves out.
    private struct Credentials: Sendable {
        var process: Int32 = 0
        var user: UInt32 = 0
        var group: UInt32 = 0
    }
}

/// Closes a connection that asked nothing for a long time.
final class CloseWhenIdle: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent {
            context.close(promise: nil)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }
}
