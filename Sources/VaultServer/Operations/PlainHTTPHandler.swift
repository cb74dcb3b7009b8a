internal import NIOCore
internal import NIOHTTP1

/// An answer of the operations or control plane.
package struct PlainAnswer: Sendable {
    package var status: Int
    package var type: String
    package var body: String

    package init(_ status: Int, _ body: String, type: String = "text/plain; charset=utf-8") {
        self.status = status
        self.body = body
        self.type = type
    }

    static func json(_ value: JSONText, status: Int = 200) -> PlainAnswer {
        PlainAnswer(status, value.text + "\n", type: "application/json")
    }
}

/// Serves small GET and POST requests without a body, one at a time: `/metrics` and the control plane. No card data.
///
/// `respond` runs on the event loop and may answer later, in pieces. Requests on one connection are answered in order.
final class PlainHTTPHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    /// Where an answer goes. Any thread; each `line` and the end arrive in order.
    struct Responder: Sendable {
        let answer: @Sendable (PlainAnswer) -> Void
        /// Streams JSON lines: the first call writes the head.
        let line: @Sendable (JSONText) -> Void
        let end: @Sendable () -> Void
        let isGone: @Sendable () -> Bool
    }

    /// Bytes of a body that are read and thrown away; more closes the connection.
    private static let bodyBytesMax = 4096

    private let respond: (HTTPRequestHead, Responder) -> Void
    private var head: HTTPRequestHead?
    private var bodyBytes = 0
    private var isStreaming = false

    init(_ respond: @escaping (HTTPRequestHead, Responder) -> Void) { self.respond = respond }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            bodyBytes = 0
        case .body(let bytes):
            bodyBytes += bytes.readableBytes
            if bodyBytes > Self.bodyBytesMax { context.close(promise: nil) }
        case .end:
            guard let head else { return }
            self.head = nil
            respond(head, responder(context, keepsAlive: head.isKeepAlive))
        }
    }

    private func responder(_ context: ChannelHandlerContext, keepsAlive: Bool) -> Responder {
        isStreaming = false
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        let loop = context.eventLoop
        let channel = context.channel
        return Responder(
            answer: { answer in
                loop.execute { bound.value.handler.write(answer, bound.value.context, keepsAlive: keepsAlive) }
            },
            line: { line in
                loop.execute { bound.value.handler.writeLine(line, bound.value.context) }
            },
            end: {
                loop.execute {
                    let (handler, context) = bound.value
                    context.writeAndFlush(handler.wrapOutboundOut(.end(nil)), promise: nil)
                }
            }, isGone: { !channel.isActive })
    }

    private func write(_ answer: PlainAnswer, _ context: ChannelHandlerContext, keepsAlive: Bool) {
        var body = context.channel.allocator.buffer(capacity: answer.body.utf8.count)
        body.writeString(answer.body)
        var head = HTTPResponseHead(version: .http1_1, status: HTTPResponseStatus(statusCode: answer.status))
        head.headers.add(name: "content-type", value: answer.type)
        head.headers.add(name: "content-length", value: String(body.readableBytes))
        head.headers.add(name: "cache-control", value: "no-store")
        if !keepsAlive { head.headers.add(name: "connection", value: "close") }
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    private func writeLine(_ line: JSONText, _ context: ChannelHandlerContext) {
        if !isStreaming {
            isStreaming = true
            var head = HTTPResponseHead(version: .http1_1, status: .ok)
            head.headers.add(name: "content-type", value: "application/x-ndjson")
            head.headers.add(name: "transfer-encoding", value: "chunked")
            context.write(wrapOutboundOut(.head(head)), promise: nil)
        }
        var body = context.channel.allocator.buffer(capacity: 128)
        body.writeString(line.text + "\n")
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
