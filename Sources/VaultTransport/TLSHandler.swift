package import NIOCore
package import OpenSSLTLS

/// TLS for a channel, for both ends: ciphertext on the socket's side, plaintext on the pipeline's.
///
/// - Inbound: the plaintext of one read arrives as one `ByteBuffer`, which is lent: the handler wipes its memory when
///   `channelRead` returns, unless somebody still holds the buffer or a slice of it. Who keeps it owns the wiping.
/// - Outbound: the writes of one flush become records of 16 KiB and one smaller last one, in one write to the socket.
///   Written buffers that nobody else holds are wiped after encryption.
/// - The handler queues no ciphertext and holds back no flushed plaintext: the channel's `isWritable` tells the whole
///   truth.
/// - `TLSHandshakeCompleted` is fired before any data. Failures are fired as `TLSError`, after the alert was written.
///
/// Set TCP_NODELAY on the channel. One handler per channel, on its event loop.
package final class TLSHandler: ChannelDuplexHandler {
    package typealias InboundIn = ByteBuffer
    package typealias InboundOut = ByteBuffer
    package typealias OutboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    enum Phase {
        /// The channel is not active yet.
        case idle
        case handshaking
        case open
        /// Our close_notify is on its way, and the socket closes behind it.
        case closing
        /// The handshake or a record failed: an alert is on its way, and what arrives is dropped.
        case refused
        case closed
    }

    // What the extensions of this type share. Only the event loop touches any of it.
    let role: TLSContext.Role
    let settings: TLSSettings
    var phase = Phase.idle
    var session: TLSSession
    var pending = PendingWrites()
    /// The handshake's deadline, later the close's or the refusal's: never two at a time.
    var timer: Scheduled<Void>?
    /// Promises of closes that wait for the last bytes to leave.
    var closePromises: [EventLoopPromise<Void>] = []
    /// The peer sent close_notify.
    var inputClosed = false
    /// We sent close_notify.
    var outputClosed = false

    /// Ciphertext was written since the last flush, while reading.
    private var owesFlush = false
    /// Bytes of replies written since the channel stopped being writable.
    private var unreadReplies = 0

    /// - Parameters:
    ///   - tls: settles which end this is.
    ///   - serverName: what a client calls: the name or address that the server's certificate must carry.
    package init(_ tls: TLSContext, serverName: String? = nil, settings: TLSSettings = TLSSettings()) throws(TLSError) {
        role = tls.role
        self.settings = settings
        session = try TLSSession(tls, serverName: serverName, recordsPerKey: settings.recordsPerKey)
    }

    /// Who is at the other end, once the handshake ended.
    package var peer: PeerIdentity? { session.peer }
}

// MARK: - Inbound

extension TLSHandler {
    package func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { begin(context) }
    }

    package func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    private func begin(_ context: ChannelHandlerContext) {
        guard phase == .idle else { return }
        phase = .handshaking
        setTimer(settings.handshakeDeadline, context) { handler, context in handler.fail(.handshakeDeadline, context) }
        guard role == .client else { return }
        var nothing = ByteBuffer()
        shakeHands(&nothing, context)
        flushIfOwed(context)
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var ciphertext = unwrapInboundIn(data)
        if phase == .handshaking { shakeHands(&ciphertext, context) }
        if phase == .open && !inputClosed { receive(&ciphertext, context) }
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        flushIfOwed(context)
        context.fireChannelReadComplete()
        // What a refused peer still sends is read away, whether or not the pipeline asks for it.
        if phase == .refused { context.read() }
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { unreadReplies = 0 }
        context.fireChannelWritabilityChanged()
    }

    private func shakeHands(_ ciphertext: inout ByteBuffer, _ context: ChannelHandlerContext) {
        var consumed = 0
        var done = false
        do throws(TLSError) {
            done = try session.handshake(ciphertext.readableBytesUInt8Span, consumed: &consumed)
        } catch {
            return fail(error, context)
        }
        ciphertext.moveReaderIndex(forwardBy: consumed)
        sendReplies(context)
        guard done, phase == .handshaking else { return }
        guard let peer = session.peer else { return fail(.noCertificate, context) }

        phase = .open
        stopTimer()
        context.fireUserInboundEventTriggered(TLSHandshakeCompleted(peer: peer, cipherSuite: session.cipherSuite))
        if phase == .open && pending.flushed > 0 {
            encrypt(first: pending.flushed, context)
            context.flush()
        }
    }

    private func receive(_ ciphertext: inout ByteBuffer, _ context: ChannelHandlerContext) {
        var outcome = TLSSession.ReadOutcome.needsRoom
        while outcome == .needsRoom && phase == .open {
            // A byte more than can come, so that one round does it.
            let room = session.plaintextRoom(forCiphertext: ciphertext.readableBytes) + 1
            var plaintext = context.channel.allocator.buffer(capacity: room)
            var consumed = 0
            do throws(TLSError) {
                try plaintext.writeWithOutputRawSpan(minimumWritableBytes: room) { out throws(TLSError) in
                    outcome = try session.decrypt(ciphertext.readableBytesUInt8Span, consumed: &consumed, into: &out)
                }
            } catch {
                return fail(error, context)
            }
            ciphertext.moveReaderIndex(forwardBy: consumed)
            sendReplies(context)
            if plaintext.readableBytes > 0 && phase == .open { context.fireChannelRead(wrapInboundOut(plaintext)) }
            wipe(&plaintext)
        }
        if outcome == .peerClosed && phase == .open { receivedClose(context) }
    }

    /// Sends what libssl has to say by itself: handshake messages and answers to key updates.
    private func sendReplies(_ context: ChannelHandlerContext) {
        let count = session.pendingBytes
        guard count > 0 else { return }
        context.write(wrapOutboundOut(drained(context)), promise: nil)
        owesFlush = true
        guard !context.channel.isWritable else { return }
        unreadReplies += count
        if unreadReplies > settings.unreadRepliesMax { fail(.controlFlood, context) }
    }

    private func flushIfOwed(_ context: ChannelHandlerContext) {
        guard owesFlush else { return }
        owesFlush = false
        context.flush()
    }

    /// The ciphertext that waits in the session.
    func drained(_ context: ChannelHandlerContext) -> ByteBuffer {
        let count = session.pendingBytes
        var ciphertext = context.channel.allocator.buffer(capacity: count)
        ciphertext.writeWithOutputRawSpan(minimumWritableBytes: count) { out in session.drain(into: &out) }
        return ciphertext
    }
}

// MARK: - Outbound

extension TLSHandler {
    package func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !outputClosed, phase == .open || phase == .handshaking || phase == .idle else {
            promise?.fail(TLSError.writeAfterClose)
            return
        }
        pending.append(unwrapOutboundIn(data), promise)
        if phase == .open {
            if pending.bytes >= settings.unflushedBytesMax { encrypt(first: pending.count, context) }
        } else if pending.bytes > settings.earlyBytesMax {
            fail(.tooMuchBeforeHandshake, context)
        }
    }

    package func flush(context: ChannelHandlerContext) {
        switch phase {
        case .idle, .handshaking: pending.markFlushed()
        case .open:
            encrypt(first: pending.count, context)
            owesFlush = false
        case .closing, .refused, .closed: break
        }
        context.flush()
    }

    /// Turns the first `count` pending writes into one write of filled records.
    private func encrypt(first count: Int, _ context: ChannelHandlerContext) {
        guard count > 0 else { return }
        let allocator = context.channel.allocator
        let bytes = pending.bytes(ofFirst: count)
        var ciphertext = allocator.buffer(capacity: TLSSession.ciphertextRoom(forPlaintext: bytes))
        var staging = count > 1 ? allocator.buffer(capacity: min(bytes, TLSPolicy.recordPlaintextBytes)) : ByteBuffer()
        var promise: EventLoopPromise<Void>?
        var failure: TLSError?

        for remaining in (0..<count).reversed() {
            guard var next = pending.popFirst() else { break }
            promise = joined(promise, next.promise)
            do throws(TLSError) {
                if failure == nil { try seal(&next.data, isLast: remaining == 0, &staging, into: &ciphertext) }
            } catch {
                failure = error
            }
            wipe(&next.data)
        }
        // All of the staging memory was used, or as much as there were bytes.
        if count > 1 { staging.moveWriterIndex(to: min(bytes, TLSPolicy.recordPlaintextBytes)) }
        wipe(&staging)
        if let failure {
            promise?.fail(failure)
            fail(failure, context)
        } else {
            context.write(wrapOutboundOut(ciphertext), promise: promise)
        }
    }

    /// Encrypts `data`: whole records straight from it, the rest by way of `staging`, where it is joined by what
    /// follows.
    private func seal(
        _ data: inout ByteBuffer, isLast: Bool, _ staging: inout ByteBuffer, into ciphertext: inout ByteBuffer
    ) throws(TLSError) {
        let full = TLSPolicy.recordPlaintextBytes
        while data.readableBytes > 0 {
            if staging.readableBytes == 0 && (isLast || data.readableBytes >= full) {
                let length = isLast ? data.readableBytes : data.readableBytes / full * full
                try seal(data.readableBytesUInt8Span.extracting(first: length), into: &ciphertext)
                data.moveReaderIndex(forwardBy: length)
                continue
            }
            let length = min(full - staging.readableBytes, data.readableBytes)
            _ = data.readSlice(length: length).map { staging.writeImmutableBuffer($0) }
            if staging.readableBytes == full { try seal(&staging, into: &ciphertext) }
        }
        if isLast && staging.readableBytes > 0 { try seal(&staging, into: &ciphertext) }
    }

    private func seal(_ staging: inout ByteBuffer, into ciphertext: inout ByteBuffer) throws(TLSError) {
        try seal(staging.readableBytesUInt8Span, into: &ciphertext)
        // Not wiped yet: the memory is used again, or wiped, before `encrypt(first:)` returns.
        staging.moveReaderIndex(to: 0)
        staging.moveWriterIndex(to: 0)
    }

    private func seal(_ plaintext: Span<UInt8>, into ciphertext: inout ByteBuffer) throws(TLSError) {
        let room = TLSSession.ciphertextRoom(forPlaintext: plaintext.count)
        try ciphertext.writeWithOutputRawSpan(minimumWritableBytes: room) { out throws(TLSError) in
            try session.encrypt(plaintext, into: &out)
        }
    }

    /// One promise that stands for both.
    private func joined(_ first: EventLoopPromise<Void>?, _ second: EventLoopPromise<Void>?) -> EventLoopPromise<Void>?
    {
        guard let first else { return second }
        if let second { first.futureResult.cascade(to: second) }
        return first
    }
}
