internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import OpenSSLTLS
internal import SecretMemory
internal import VaultCore
internal import VaultTransport
internal import VaultWire

/// One client connection: takes decoded requests in order, judges them, works them off, and writes raw answers.
///
/// ```
///            head refused, may go on          body complete
///   idle ──────────────────────────> discarding ────────> answer ─> idle
///    │ head: JSON      body complete
///    ├────────────> body ──────────> work on the loop ──> answer ─> idle
///    │                      └──────> waiting for the writer ──────^
///    │ head: lines
///    ├────────────> stream: answers flow while the upload runs ──> trailers ─> idle
///    └ head refused, framing in doubt ─────────────────> answer ─> lingering ─> closed
/// ```
/// Confined to its event loop. While a request is under way the next ones stay in the decoder or in `backlog`, and reading
/// stops: a client that pipelines is answered in order and cannot fill memory.
final class HTTPConnection: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = ByteBuffer

    enum State {
        /// Between requests.
        case idle
        /// Collecting a JSON body.
        case body(RequestHead)
        /// Reading past the body of a refused request.
        case discarding(ProblemCode, keepsAlive: Bool, bytes: Int)
        /// The writer has the request.
        case waiting
        /// A bulk request.
        case stream(BulkStream)
        /// Answered and half closed: what still comes is thrown away, so that the answer is not lost to a reset.
        case lingering
    }

    let loop: LoopContext
    var state = State.idle
    var context: ChannelHandlerContext?
    /// The JSON body of the request under way: PANs live here, and it is wiped.
    var body = WipedArray<UInt8>()
    /// Decoded parts that wait for the request under way.
    private var backlog = CircularBuffer<HTTPServerRequestPart>()
    private var isTakingBacklog = false
    /// The client of the certificate under `policy`, asked again when the policy changes.
    var client: Policy.Client?
    var identity: PeerIdentity?
    var clientPolicy: Policy?
    /// What judged the certificate.
    private let tls: TLSContext
    /// Written by `StartOfRequest` in front of the decoder.
    var clock: ConnectionClock
    var startedAt: UInt64 = 0
    /// Who calls, as members of audit records, and the policy that says so.
    var caller: [UInt8] = []
    var callerPolicy: Policy?
    /// Counts waits for audit records: a record that comes after its wait was given up finds another number.
    var auditTicket: UInt64 = 0
    /// What a request asked for whose head is refused, as far as its target says: for the record of that.
    var asked = Call.unknown
    /// The request that waits for its record.
    var awaitedCall: (call: Call, keepsAlive: Bool) = (.unknown, false)
    /// What a `throttled` answer says of the time to wait, in seconds.
    var retryAfter: UInt32 = 1
    /// Where the caller is; known when it is first asked for.
    var knownCaller: CallerAddress?
    private let born = NIODeadline.now()
    private var isReading = true
    /// The answer to a HEAD request has no body (RFC 9110 9.3.2); all it can get here is a problem.
    private var isHeadRequest = false

    init(loop: LoopContext, tls: TLSContext, clock: ConnectionClock) {
        self.loop = loop
        self.tls = tls
        self.clock = clock
    }

    // MARK: Life

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        loop.add(self)
        clock.wait(for: loop.settings.idle, reason: .idle)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        loop.remove(self)
        self.context = nil
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case let event as TLSHandshakeCompleted:
            identity = event.peer
            // A reload came between hello and end of the handshake.
            if tls !== loop.tls { reconsider(loop.tls) }
        case let event as ChannelEvent where event == .inputClosed:
            // The client will send nothing more. What it sent whole is still answered.
            isInputClosed = true
            settle()
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    /// The client has closed its direction; the connection ends when all that it asked is answered.
    private var isInputClosed = false
    private var closesAfterAnswer = false

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is HTTPParserError {
            switch state {
            case .idle, .body, .discarding: refuse(.malformed, call: .unknown, keepsAlive: false)
            case .waiting: closesAfterAnswer = true
            case .stream, .lingering: context.close(promise: nil)
            }
            return
        }
        if let error = error as? TLSError {
            if identity == nil { loop.handshakeFailed(from: peer) }
            loop.logger.debug("tls_failed", metadata: ["reason": "\(error.label)"])
        }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        if case .stream(let stream) = state { stream.abandoned() }
        context.fireChannelInactive()
    }

    // MARK: Requests

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        if !backlog.isEmpty || isBusy || isTakingBacklog {
            backlog.append(part)
            pauseReading()
        } else {
            take(part)
        }
    }

    /// Whether the next part has to wait: for the writer, for a stream, or for the client to read the answers it has.
    private var isBusy: Bool {
        switch state {
        case .waiting: true
        // What follows the end is the next request's.
        case .stream(let stream): stream.isPaused || stream.hasEnded
        case .idle: !isWritable
        case .body, .discarding, .lingering: false
        }
    }

    /// Works off what waited while a request was under way. Taking a part may end a request and come back here: the outer
    /// call then goes on with the rest.
    func takeBacklog() {
        guard !isTakingBacklog else { return }
        isTakingBacklog = true
        while !isBusy, let part = backlog.popFirst() { take(part) }
        isTakingBacklog = false
        settle()
    }

    /// With nothing left to take: reads on, or, where the client will send no more, ends what cannot be completed.
    private func settle() {
        guard backlog.isEmpty, !isTakingBacklog else { return }
        guard isInputClosed else {
            if !isBusy { resumeReading() }
            return
        }
        switch state {
        case .waiting, .lingering: break
        case .stream(let stream): if !stream.hasEnded { abort() }
        case .idle, .body, .discarding: context?.close(promise: nil)
        }
    }

    private func take(_ part: HTTPServerRequestPart) {
        switch (part, state) {
        case (.head(let head), .idle): begin(head)
        case (.body(let bytes), .body(let head)): collect(bytes, head)
        case (.end(let trailers), .body(let head)):
            if hasControlBytes(trailers) { return refuse(.malformed, call: head.call, keepsAlive: false) }
            perform(head)
        case (.body(let bytes), .discarding(let problem, let keepsAlive, let count)):
            let total = count + bytes.readableBytes
            if total > loop.settings.bodyBytesMax { return refuse(problem, call: .unknown, keepsAlive: false) }
            state = .discarding(problem, keepsAlive: keepsAlive, bytes: total)
        case (.end, .discarding(let problem, let keepsAlive, _)):
            refuse(problem, call: .unknown, keepsAlive: keepsAlive)
        case (.body(let bytes), .stream(let stream)):
            clock.progress(bytes.readableBytes)
            stream.received(bytes, on: self)
        case (.end, .stream(let stream)): stream.ended(self)
        default: break
        }
    }

    private func hasControlBytes(_ trailers: HTTPHeaders?) -> Bool {
        guard let trailers else { return false }
        return trailers.contains { _, value in RequestHead.hasControlBytes(value) }
    }

    private func begin(_ head: HTTPRequestHead) {
        startedAt = MonotonicClock.now
        isHeadRequest = head.method == .HEAD
        clock.wait(for: loop.settings.body, reason: .body)
        guard let client = currentClient else {
            return startDiscarding(.unknownClient, of: head)
        }
        guard loop.host.state != .sealed else { return startDiscarding(.sealed, of: head) }
        if let refusal = refusal(of: client) { return startDiscarding(refusal, of: head) }
        do throws(RequestHead.Refusal) {
            let request = try RequestHead(
                head, operations: client.operations, bodyBytesMax: loop.settings.bodyBytesMax)
            switch request.form {
            case .json:
                body.reserveCapacity(min(request.contentLength ?? 512, loop.settings.bodyBytesMax))
                state = .body(request)
            case .lines:
                try beginStream(request, client)
            }
            if request.expectsContinue { writeContinue() }
        } catch {
            if error.closes {
                asked = RequestHead.call(of: head.uri) ?? .unknown
                return refuse(error.problem, call: .unknown, keepsAlive: false)
            }
            startDiscarding(error.problem, of: head)
        }
    }

    private func beginStream(_ request: RequestHead, _ client: Policy.Client) throws(RequestHead.Refusal) {
        clock.measureRate(atLeast: loop.settings.bodyRate, grace: loop.settings.body)
        let stream: BulkStream
        if request.call == .bulkDetokenize {
            stream = try BulkStream.detokenize(request, client: client, connection: self)
        } else {
            stream = try BulkStream.tokenize(request, client: client, connection: self)
        }
        state = .stream(stream)
    }

    /// Reads past a small body so that the connection can be kept; a client that waits to be asked for it is answered at once.
    private func startDiscarding(_ problem: ProblemCode, of head: HTTPRequestHead) {
        asked = RequestHead.call(of: head.uri) ?? .unknown
        let waitsForContinue = !head.headers["expect"].isEmpty
        let length = head.headers.first(name: "content-length").flatMap { Int($0) } ?? 0
        if waitsForContinue || length > loop.settings.bodyBytesMax {
            return refuse(problem, call: .unknown, keepsAlive: false)
        }
        state = .discarding(problem, keepsAlive: head.isKeepAlive, bytes: 0)
    }

    private func collect(_ bytes: ByteBuffer, _ head: RequestHead) {
        guard body.count + bytes.readableBytes <= loop.settings.bodyBytesMax else {
            return refuse(.tooLarge, call: head.call, keepsAlive: false)
        }
        clock.progress(bytes.readableBytes)
        body.append(contentsOf: bytes.readableBytesUInt8Span)
    }

    /// The client of this connection under the policy in force now.
    var currentClient: Policy.Client? {
        if clientPolicy !== loop.policy {
            clientPolicy = loop.policy
            client = identity.flatMap { loop.policy.client(for: $0) }
            if let client, let identity { loop.clientCertificates.note(client.name, identity) }
            if client == nil, let identity {
                loop.logger.notice(
                    "client_unknown",
                    metadata: [
                        "serial": "\(identity.serial)", "dns": "\(identity.dnsNames)", "uri": "\(identity.uris)",
                    ])
            }
        }
        return client
    }

    // MARK: Answers

    /// Ends the request with a problem. Nothing of the request is in it.
    func answer(_ problem: ProblemCode, call: Call, keepsAlive: Bool) {
        var answer = context?.channel.allocator.buffer(capacity: 512) ?? ByteBuffer()
        AnswerHead.problem(
            problem, retryAfter: retryAfter, keepsAlive: keepsAlive && !mustClose, hasBody: !isHeadRequest, to: &answer)
        finish(answer, call: call, problem: problem, keepsAlive: keepsAlive)
    }

    /// Writes a whole answer and makes ready for the next request, or closes.
    func finish(_ answer: consuming ByteBuffer, call: Call, problem: ProblemCode?, keepsAlive: Bool) {
        guard let context else { return }
        body.removeAll()
        loop.metrics.finished(call, problem: problem?.rawValue, nanoseconds: MonotonicClock.now - startedAt)
        // Written and flushed apart: `writeAndFlush` would hold the buffer while TLS encrypts it, and then it is not wiped.
        context.write(wrapOutboundOut(answer), promise: nil)
        context.flush()
        if keepsAlive && !mustClose {
            becomeIdle()
        } else {
            linger()
        }
    }

    /// Whether the connection ends after the answer being written.
    var mustClose: Bool {
        if closesAfterAnswer || loop.isDraining { return true }
        guard let age = loop.settings.connectionAge else { return false }
        return NIODeadline.now() > born + age
    }

    func becomeIdle() {
        state = .idle
        clock.wait(for: loop.settings.idle, reason: .idle)
        takeBacklog()
    }

    /// Says that no more will be written, and waits a little for the client to read and close.
    func linger() {
        guard let context else { return }
        state = .lingering
        backlog.removeAll()
        clock.wait(for: .seconds(2), reason: .linger)
        resumeReading()
        context.close(mode: .output, promise: nil)
    }

    private func writeContinue() {
        guard let context else { return }
        var buffer = context.channel.allocator.buffer(capacity: 32)
        buffer.writeStaticString("HTTP/1.1 100 Continue\r\n\r\n")
        context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
    }

    func write(_ first: consuming ByteBuffer, _ second: consuming ByteBuffer) {
        context?.write(wrapOutboundOut(first), promise: nil)
        context?.write(wrapOutboundOut(second), promise: nil)
        context?.flush()
    }

    // MARK: Flow and time

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            clock.unstall()
        } else {
            clock.stall(for: loop.settings.writeStall)
        }
        switch state {
        case .stream(let stream): stream.writabilityChanged(self)
        case .idle where context.channel.isWritable: takeBacklog()
        default: break
        }
        context.fireChannelWritabilityChanged()
    }

    var isWritable: Bool { context?.channel.isWritable ?? false }

    func pauseReading() {
        guard isReading, let context else { return }
        isReading = false
        _ = context.channel.syncOptions.map { try? $0.setOption(.autoRead, value: false) }
        clock.pause()
    }

    func resumeReading() {
        guard !isReading, let context else { return }
        isReading = true
        clock.resume()
        _ = context.channel.syncOptions.map { try? $0.setOption(.autoRead, value: true) }
    }

    func enforceDeadline(_ now: NIODeadline) {
        guard let reason = clock.expired(now) else { return }
        switch (reason, state) {
        case (.record, .waiting): giveUpRecord()
        case (.record, .stream(let stream)): stream.giveUpRecords(self)
        case (.header, .idle), (.body, .body), (.body, .discarding), (.rate, .body):
            refuse(.requestTimeout, call: .unknown, keepsAlive: false)
        default: abort()
        }
    }

    /// SIGTERM: no further request.
    func drain() {
        switch state {
        case .idle where !clock.isRequestStarted: context?.close(promise: nil)
        default: break
        }
    }

    /// After a reload: closes the connection of a certificate that would not be let in today.
    func reconsider(_ tls: TLSContext) {
        guard let identity else { return }
        do throws(TLSError) {
            try tls.judge(identity)
            if currentClient != nil { return }
        } catch {}
        abort()
    }

    /// Whether the certificate of this connection, or one that vouches for it, has ended since the handshake.
    func isCertificateOver(_ now: Int64) -> Bool { identity.map { now > $0.chainNotAfter } ?? false }

    func abort() {
        if case .stream(let stream) = state { stream.abandoned() }
        context?.close(promise: nil)
    }
}
