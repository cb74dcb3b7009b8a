package import NIOCore
import OpenSSLTLS

// How a connection ends: by our close, by the peer's, by a failure, or by the socket alone.

extension TLSHandler {
    package func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        switch (mode, phase) {
        case (.input, _), (_, .idle), (_, .closed):
            context.close(mode: mode, promise: promise)
        case (.output, .open):
            closeOutput(context, promise)
        case (_, .open):
            closeAll(context, promise)
        case (_, .handshaking):
            finish(context, failing: ChannelError.ioOnClosedChannel)
            context.close(promise: promise)
        case (_, .closing), (_, .refused):
            // Already on the way, as fast as the peer reads.
            if let promise { closePromises.append(promise) }
        }
    }

    /// close_notify, then the end of the TCP stream; we still receive.
    private func closeOutput(_ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>?) {
        sendCloseNotify(context) { _, context in context.close(mode: .output, promise: promise) }
    }

    /// close_notify, then the socket as soon as that left, or when the patience with a slow peer ends.
    private func closeAll(_ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>?) {
        phase = .closing
        if let promise { closePromises.append(promise) }
        setTimer(settings.closeDeadline, context) { handler, context in handler.closeSocket(context) }
        sendCloseNotify(context) { handler, context in handler.closeSocket(context) }
    }

    private func sendCloseNotify(
        _ context: ChannelHandlerContext, then next: @escaping (TLSHandler, ChannelHandlerContext) -> Void
    ) {
        pending.fail(ChannelError.ioOnClosedChannel)
        outputClosed = true
        session.close()
        let left = context.eventLoop.makePromise(of: Void.self)
        left.futureResult.assumeIsolated().whenComplete { _ in next(self, context) }
        context.writeAndFlush(wrapOutboundOut(drained(context)), promise: left)
    }

    private func closeSocket(_ context: ChannelHandlerContext) {
        guard phase != .closed else { return }
        finish(context, failing: ChannelError.ioOnClosedChannel)
        let promise = context.eventLoop.makePromise(of: Void.self)
        for waiting in closePromises { promise.futureResult.cascade(to: waiting) }
        closePromises = []
        context.close(promise: promise)
    }

    /// The peer sends no more.
    func receivedClose(_ context: ChannelHandlerContext) {
        inputClosed = true
        if settings.allowsHalfClosure && !outputClosed {
            context.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        } else {
            closeAll(context, nil)
        }
    }

    /// The connection cannot go on: the alert leaves, then the pipeline learns why, then the socket closes.
    func fail(_ error: TLSError, _ context: ChannelHandlerContext) {
        guard phase == .handshaking || phase == .open || phase == .idle else { return }
        let answer = lastWords(error, context)
        phase = .refused
        pending.fail(error)
        if answer.readableBytes > 0 {
            setTimer(settings.refusalLinger, context) { handler, context in handler.closeSocket(context) }
            let left = context.eventLoop.makePromise(of: Void.self)
            left.futureResult.assumeIsolated().whenComplete { _ in
                if self.phase == .refused { context.close(mode: .output, promise: nil) }
            }
            context.writeAndFlush(wrapOutboundOut(answer), promise: left)
            context.fireErrorCaught(error)
            if phase == .refused { context.read() }
        } else {
            context.fireErrorCaught(error)
            closeSocket(context)
        }
    }

    /// The alert that libssl left, or for a lost HTTP client something it understands.
    private func lastWords(_ error: TLSError, _ context: ChannelHandlerContext) -> ByteBuffer {
        let alert = drained(context)
        guard error == .plaintextHTTP && role == .server && phase == .handshaking else { return alert }
        return context.channel.allocator.buffer(bytes: PlaintextAnswer.bytes)
    }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .some(.inputClosed) = event as? ChannelEvent else {
            context.fireUserInboundEventTriggered(event)
            return
        }
        // The TCP stream ended; the channel stays open for our direction.
        switch phase {
        case .handshaking: fail(.closedInHandshake, context)
        case .open: if !inputClosed { fail(.truncated, context) }
        case .refused: closeSocket(context)
        case .idle, .closing, .closed: break
        }
    }

    package func channelInactive(context: ChannelHandlerContext) {
        let error: TLSError? =
            switch phase {
            case .handshaking: .closedInHandshake
            case .open: inputClosed || outputClosed ? nil : .truncated
            case .idle, .closing, .refused, .closed: nil
            }
        finish(context, failing: error ?? ChannelError.ioOnClosedChannel)
        if let error { context.fireErrorCaught(error) }
        context.fireChannelInactive()
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        finish(context, failing: ChannelError.ioOnClosedChannel)
        for waiting in closePromises { waiting.succeed(()) }
        closePromises = []
    }

    /// Nothing is pending any more and no timer runs.
    private func finish(_ context: ChannelHandlerContext, failing error: any Error) {
        phase = .closed
        stopTimer()
        pending.fail(error)
    }
}

// MARK: - The timer

extension TLSHandler {
    func setTimer(
        _ delay: TimeAmount, _ context: ChannelHandlerContext,
        _ body: @escaping (TLSHandler, ChannelHandlerContext) -> Void
    ) {
        stopTimer()
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: delay) { body(self, context) }
    }

    func stopTimer() {
        timer?.cancel()
        timer = nil
    }
}
