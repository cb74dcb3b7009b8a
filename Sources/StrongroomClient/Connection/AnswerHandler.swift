internal import NIOCore
internal import SecretMemory
internal import VaultTransport

/// The end of a connection's pipeline: matches answers with the requests they belong to, in order, and hands them over.
///
/// Confined to its event loop. What it collects of a body is its own, and wiped after each answer.
final class AnswerHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Bytes of an answer that is collected whole: 10,000 inspected tokens with 32 purposes each fit.
    private static let bodyBytesMax = 64 << 20

    private var parser = AnswerParser()
    private var exchanges = CircularBuffer<Exchange>()
    private var collected = WipedArray<UInt8>()
    private var ready: EventLoopPromise<Void>?
    /// Why no more requests can be sent.
    private var failure: StrongroomError? {
        didSet { if oldValue == nil, failure != nil { ending.end() } }
    }
    private var idleTimer: Scheduled<Void>?
    private var context: ChannelHandlerContext?
    private let ending: Ending
    private let idleLife: TimeAmount

    /// - Parameters:
    ///   - ready: succeeds when TLS stands.
    ///   - ending: is told when no more requests can be sent.
    init(ready: EventLoopPromise<Void>, ending: Ending, idleLife: TimeAmount) {
        self.ready = ready
        self.ending = ending
        self.idleLife = idleLife
    }

    /// Sends a request and expects its answer; a connection that has ended fails it at once, as never sent.
    func send(_ request: Parcel, _ exchange: Exchange) {
        idleTimer?.cancel()
        guard let context, failure == nil, context.channel.isActive else {
            return exchange.fail(.connectionLost(mayHaveBeenSent: false))
        }
        exchanges.append(exchange)
        if let deadline = exchange.deadline {
            exchange.timer = context.eventLoop.assumeIsolated().scheduleTask(in: deadline) { self.end(with: .deadline) }
        }
        write(request, context, promise: nil)
    }

    /// Whether a request can be sent; if so the connection does not end for being idle.
    func claim() -> Bool {
        guard failure == nil, context?.channel.isActive == true else { return false }
        idleTimer?.cancel()
        return true
    }

    /// Sends a part of the body of the request sent last.
    func sendMore(_ bytes: Parcel, _ promise: EventLoopPromise<Void>) {
        guard let context, failure == nil else {
            return promise.fail(StrongroomError.connectionLost(mayHaveBeenSent: true))
        }
        write(bytes, context, promise: promise)
    }

    /// Two calls: during `writeAndFlush` the pipeline holds on to the bytes, and TLS could not wipe them.
    private func write(_ bytes: Parcel, _ context: ChannelHandlerContext, promise: EventLoopPromise<Void>?) {
        context.write(wrapOutboundOut(bytes.take()), promise: promise)
        context.flush()
    }

    /// Reads on, or not: what a slow consumer of a bulk answer asks for.
    func setReading(_ isReading: Bool) {
        try? context?.channel.syncOptions?.setOption(.autoRead, value: isReading)
    }

    /// Ends the connection and fails what is under way.
    func end(with error: StrongroomError) {
        if failure == nil { failure = error }
        idleTimer?.cancel()
        failAll()
        context?.close(promise: nil)
    }

    // MARK: Channel

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        if failure == nil { failure = .connectionLost(mayHaveBeenSent: true) }
        failAll()
        self.context = nil
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is TLSHandshakeCompleted {
            ready?.succeed(())
            ready = nil
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        let bytes = buffer.readableBytesUInt8Span
        var position = 0
        do throws(AnswerParser.Fault) {
            while failure == nil, let event = try parser.next(in: bytes, at: &position) {
                switch event {
                case .head: guard !exchanges.isEmpty else { throw AnswerParser.Fault() }
                case .body(let range): try received(bytes.extracting(range))
                case .end: finished(context)
                }
            }
        } catch {
            end(with: .badAnswer)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { end(with: StrongroomError(error)) }

    func channelInactive(context: ChannelHandlerContext) {
        end(with: .connectionLost(mayHaveBeenSent: true))
        context.fireChannelInactive()
    }

    // MARK: Answers

    private func received(_ bytes: Span<UInt8>) throws(AnswerParser.Fault) {
        guard let exchange = exchanges.first else { throw AnswerParser.Fault() }
        if let stream = exchange.stream, parser.head.status == 200 {
            if !stream.received(bytes) { setReading(false) }
            return
        }
        guard collected.count + bytes.count <= Self.bodyBytesMax else { throw AnswerParser.Fault() }
        collected.append(contentsOf: bytes)
    }

    private func finished(_ context: ChannelHandlerContext) {
        guard let exchange = exchanges.popFirst() else { return }
        let closes = parser.head.closes || !exchange.isRequestComplete
        // Known before the answer is: whoever waits for it may want to use the connection again.
        if closes { failure = .connectionLost(mayHaveBeenSent: false) }
        exchange.timer?.cancel()
        var body = collected.mutableSpan
        exchange.complete(parser.head, &body)
        collected.removeAll()
        if closes {
            failAll()
            context.close(promise: nil)
        } else if exchanges.isEmpty {
            idleTimer = context.eventLoop.assumeIsolated().scheduleTask(in: idleLife) {
                self.end(with: .connectionLost(mayHaveBeenSent: false))
            }
        }
    }

    private func failAll() {
        let error = failure ?? .connectionLost(mayHaveBeenSent: true)
        ready?.fail(error)
        ready = nil
        while let exchange = exchanges.popFirst() {
            exchange.timer?.cancel()
            exchange.fail(error)
        }
        collected.removeAll()
    }
}
