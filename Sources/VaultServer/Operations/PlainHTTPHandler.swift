internal import NIOCore
internal import NIOHTTP1
internal import SecretMemory

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

/// The body of a request to the control plane: mostly none, sometimes a share of the root key.
///
/// Owned by one thread at a time: the handler fills it, and hands it over when it is whole.
final class RequestBody: @unchecked Sendable {
    var bytes = WipedArray<UInt8>()

    /// Lends the bytes for the length of a call.
    func withBytes<R>(_ read: (borrowing Span<UInt8>) throws(KeyFailure) -> R) throws(KeyFailure) -> R {
        try bytes.lend(read)
    }
}

extension WipedArray<UInt8> {
    /// Lends the bytes: a class's stored buffer cannot hand out a span of its own.
    fileprivate borrowing func lend<R>(
        _ read: (borrowing Span<UInt8>) throws(KeyFailure) -> R
    ) throws(KeyFailure) -> R { try read(span) }
}

/// Lines that are secret: shares for custodians. Immutable.
final class SecretLines: Sendable {
    private let bytes: SecretBytes
    init(_ bytes: consuming SecretBytes) { self.bytes = bytes }

    var count: Int { bytes.count }

    func write(to buffer: inout ByteBuffer) { bytes.write(to: &buffer) }
}

extension SecretBytes {
    fileprivate borrowing func write(to buffer: inout ByteBuffer) {
        let span = span
        for index in span.indices { buffer.writeInteger(span[index]) }
    }
}

/// Serves small GET and POST requests, one at a time: `/metrics` and the control plane. No card data, but shares of the
/// root key: bodies go into wiped memory, and so do secret answers until they are handed to the socket.
///
/// `respond` runs on the event loop and may answer later, in pieces. Requests on one connection are answered in order.
final class PlainHTTPHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    /// Where an answer goes. Any thread; each `line` and the end arrive in order.
    struct Responder: Sendable {
        let answer: @Sendable (PlainAnswer) -> Void
        /// A 200 of secret lines.
        let secret: @Sendable (SecretLines) -> Void
        /// Streams JSON lines: the first call writes the head.
        let line: @Sendable (JSONText) -> Void
        /// Streams bytes of whole lines, and calls back when the socket has taken them or is gone.
        let bytes: @Sendable ([UInt8], @escaping @Sendable () -> Void) -> Void
        let end: @Sendable () -> Void
        let isGone: @Sendable () -> Bool
    }

    /// Bytes of a body, such as a witness's checkpoints; more closes the connection.
    private static let bodyBytesMax = 64 << 10

    private let respond: (HTTPRequestHead, RequestBody, Responder) -> Void
    private var head: HTTPRequestHead?
    private var body = RequestBody()
    private var isStreaming = false

    init(_ respond: @escaping (HTTPRequestHead, RequestBody, Responder) -> Void) { self.respond = respond }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body = RequestBody()
        case .body(let bytes):
            guard body.bytes.count + bytes.readableBytes <= Self.bodyBytesMax else {
                return context.close(promise: nil)
            }
            body.bytes.append(contentsOf: bytes.readableBytesUInt8Span)
        case .end:
            guard let head else { return }
            self.head = nil
            let whole = body
            body = RequestBody()
            respond(head, whole, responder(context, keepsAlive: head.isKeepAlive))
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
            secret: { lines in
                loop.execute { bound.value.handler.write(lines, bound.value.context, keepsAlive: keepsAlive) }
            },
            line: { line in
                loop.execute { bound.value.handler.writeLine(line, bound.value.context) }
            },
            bytes: { bytes, done in
                loop.execute { bound.value.handler.writeBytes(bytes, bound.value.context, done) }
            },
            end: {
                loop.execute {
                    bound.value.handler.end(bound.value.context, keepsAlive: keepsAlive)
                }
            }, isGone: { !channel.isActive })
    }

    private func write(_ answer: PlainAnswer, _ context: ChannelHandlerContext, keepsAlive: Bool) {
        var body = context.channel.allocator.buffer(capacity: answer.body.utf8.count)
        body.writeString(answer.body)
        write(answer.status, answer.type, body, context, keepsAlive: keepsAlive)
    }

    /// Freed buffers are overwritten by the allocator (`Hardening`), which is what wipes this one after its way out.
    private func write(_ lines: SecretLines, _ context: ChannelHandlerContext, keepsAlive: Bool) {
        var body = context.channel.allocator.buffer(capacity: lines.count)
        lines.write(to: &body)
        write(200, "text/plain; charset=us-ascii", body, context, keepsAlive: keepsAlive)
    }

    private func write(
        _ status: Int, _ type: String, _ body: ByteBuffer, _ context: ChannelHandlerContext, keepsAlive: Bool
    ) {
        var head = HTTPResponseHead(version: .http1_1, status: HTTPResponseStatus(statusCode: status))
        head.headers.add(name: "content-type", value: type)
        head.headers.add(name: "content-length", value: String(body.readableBytes))
        head.headers.add(name: "cache-control", value: "no-store")
        if !keepsAlive { head.headers.add(name: "connection", value: "close") }
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        end(context, keepsAlive: keepsAlive)
    }

    private func end(_ context: ChannelHandlerContext, keepsAlive: Bool) {
        let channel = context.channel
        let written = context.writeAndFlush(wrapOutboundOut(.end(nil)))
        if !keepsAlive { written.whenComplete { _ in channel.close(promise: nil) } }
    }

    private func writeBytes(
        _ bytes: [UInt8], _ context: ChannelHandlerContext, _ done: @escaping @Sendable () -> Void
    ) {
        beginStream(context)
        var body = context.channel.allocator.buffer(capacity: bytes.count)
        body.writeBytes(bytes)
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(body)))).whenComplete { _ in done() }
    }

    private func beginStream(_ context: ChannelHandlerContext) {
        guard !isStreaming else { return }
        isStreaming = true
        var head = HTTPResponseHead(version: .http1_1, status: .ok)
        head.headers.add(name: "content-type", value: "application/x-ndjson")
        head.headers.add(name: "transfer-encoding", value: "chunked")
        context.write(wrapOutboundOut(.head(head)), promise: nil)
    }

    private func writeLine(_ line: JSONText, _ context: ChannelHandlerContext) {
        beginStream(context)
        var body = context.channel.allocator.buffer(capacity: 128)
        body.writeString(line.text + "\n")
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
