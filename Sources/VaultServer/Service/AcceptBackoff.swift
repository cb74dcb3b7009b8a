internal import Logging
internal import NIOCore

/// Out of descriptors or memory, accepting again at once would only spin: stops listening to the socket for a second, and
/// says so once a minute. Clients wait in the kernel's queue meanwhile.
///
/// Turning `autoRead` off is what takes the socket off epoll; holding back `read` would not.
final class AcceptBackoff: ChannelInboundHandler {
    typealias InboundIn = any Channel

    private let logger: Logger
    private var logAgain = NIODeadline.uptimeNanoseconds(0)
    private var isWaiting = false

    init(logger: Logger) { self.logger = logger }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? IOError else { return context.fireErrorCaught(error) }
        let now = NIODeadline.now()
        if now >= logAgain {
            logAgain = now + .minutes(1)
            logger.error("accept_failed", metadata: ["errno": "\(error.errnoCode)"])
        }
        guard !isWaiting else { return }
        isWaiting = true
        try? context.channel.syncOptions?.setOption(.autoRead, value: false)
        context.eventLoop.assumeIsolated().scheduleTask(in: .seconds(1)) {
            self.isWaiting = false
            try? context.channel.syncOptions?.setOption(.autoRead, value: true)
        }
    }
}
