internal import NIOCore
internal import NIOPosix
internal import OpenSSLTLS
internal import Synchronization
internal import VaultTransport

/// One TLS connection to a vault, from any thread.
final class Connection: Sendable {
    let loop: any EventLoop
    private let channel: any Channel
    private let handler: NIOLoopBound<AnswerHandler>
    private let ending: Ending

    private init(channel: any Channel, handler: NIOLoopBound<AnswerHandler>, ending: Ending) {
        self.channel = channel
        self.handler = handler
        self.ending = ending
        loop = channel.eventLoop
    }

    /// Connects once and finishes the handshake.
    static func connect(
        _ configuration: StrongroomClient.Configuration, _ tls: TLSContext, on loop: any EventLoop
    ) async throws(StrongroomError) -> Connection {
        let ready = loop.makePromise(of: Void.self)
        let serverName = configuration.effectiveServerName
        let idleLife = TimeAmount(configuration.idleLife)
        let deadline = TimeAmount(configuration.connectDeadline)
        let ending = Ending()
        let bootstrap = ClientBootstrap(group: loop).connectTimeout(deadline)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    // Absent on a Unix socket, which has no such delay.
                    try? channel.syncOptions?.setOption(.tcpOption(.tcp_nodelay), value: 1)
                    var settings = TLSSettings()
                    settings.handshakeDeadline = deadline
                    try channel.pipeline.syncOperations.addHandlers([
                        TLSHandler(tls, serverName: serverName, settings: settings),
                        AnswerHandler(ready: ready, ending: ending, idleLife: idleLife),
                    ])
                }
            }
        let channel: any Channel
        do {
            switch configuration.endpoint.kind {
            case .tcp(let host, let port): channel = try await bootstrap.connect(host: host, port: port).get()
            case .unix(let path): channel = try await bootstrap.connect(unixDomainSocketPath: path).get()
            }
        } catch {
            ready.fail(error)
            throw .connectFailure(error, configuration.endpoint)
        }
        do {
            try await ready.futureResult.get()
            let handler = try await channel.eventLoop.submit {
                NIOLoopBound(try channel.pipeline.syncOperations.handler(type: AnswerHandler.self), eventLoop: loop)
            }.get()
            return Connection(channel: channel, handler: handler, ending: ending)
        } catch {
            channel.close(promise: nil)
            throw .connectFailure(error, configuration.endpoint)
        }
    }

    /// Runs `body` when no more requests can be sent, for whatever reason; the socket may still be closing.
    func onEnd(_ body: @escaping @Sendable () -> Void) { ending.whenEnded(body) }

    /// Makes sure that the connection is alive and stays so until the next request.
    func claim() async -> Bool {
        let promise = loop.makePromise(of: Bool.self)
        loop.execute { promise.succeed(self.handler.value.claim()) }
        return (try? await promise.futureResult.get()) ?? false
    }

    /// Sends a request; `exchange` is made on the event loop.
    func send(_ request: Parcel, _ exchange: @escaping @Sendable () -> Exchange) {
        loop.execute { self.handler.value.send(request, exchange()) }
    }

    /// Sends a part of a bulk body; `completion` runs when it went to the kernel or failed.
    func sendMore(_ bytes: Parcel, _ completion: @escaping @Sendable ((any Error)?) -> Void) {
        let promise = loop.makePromise(of: Void.self)
        promise.futureResult.whenComplete { result in
            if case .failure(let error) = result { completion(error) } else { completion(nil) }
        }
        loop.execute { self.handler.value.sendMore(bytes, promise) }
    }

    func setReading(_ isReading: Bool) { loop.execute { self.handler.value.setReading(isReading) } }

    /// Ends the connection; what is under way fails with `error`.
    func close(with error: StrongroomError) { loop.execute { self.handler.value.end(with: error) } }

    /// Whether another request can be sent, as far as is known now. Any thread.
    var isUsable: Bool { !ending.hasEnded }

    /// Closes in order and waits for the end.
    func close() async {
        close(with: .shutDown)
        _ = try? await channel.closeFuture.get()
    }
}

/// Whether a connection has ended, and who wants to know. Any thread.
final class Ending: Sendable {
    private let state = Mutex<(hasEnded: Bool, action: (@Sendable () -> Void)?)>((false, nil))

    var hasEnded: Bool { state.withLock { $0.hasEnded } }

    func end() {
        let action = state.withLock { state in
            state.hasEnded = true
            return state.action.take()
        }
        action?()
    }

    func whenEnded(_ action: @escaping @Sendable () -> Void) {
        let hasEnded = state.withLock { state in
            if !state.hasEnded { state.action = action }
            return state.hasEnded
        }
        if hasEnded { action() }
    }
}

extension StrongroomError {
    /// What any failure before the first request means: nothing was sent.
    fileprivate static func connectFailure(
        _ error: any Error, _ endpoint: StrongroomClient.Endpoint
    ) -> StrongroomError {
        let known = StrongroomError(error, mayHaveBeenSent: false)
        return known.code == .connectionLost ? .unreachable("\(endpoint): \(known.message)") : known
    }
}
