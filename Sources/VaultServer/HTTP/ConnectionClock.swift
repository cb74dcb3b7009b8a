internal import NIOCore

/// What a connection is waiting for, and until when. Looked at once a second by its loop, so that a request sets no timer.
///
/// Uses the monotonic clock: a jump of the wall clock ends nothing.
final class ConnectionClock {
    enum Reason {
        case idle, header, body, rate, writeStall, linger, record
    }

    private var deadline = NIODeadline.distantFuture
    private var reason = Reason.idle
    private var stalledUntil = NIODeadline.distantFuture
    private var recordUntil = NIODeadline.distantFuture
    private let headerTime: TimeAmount
    private var pausedAt: NIODeadline?

    // Bulk uploads have no deadline but a least rate, counted while the vault is willing to read.
    private var rateMin = 0
    private var rateBytes = 0
    private var rateGrace = TimeAmount.seconds(0)

    init(headerTime: TimeAmount) { self.headerTime = headerTime }

    /// Whether bytes of a request have arrived that is not yet under way.
    private(set) var isRequestStarted = false

    func wait(for time: TimeAmount, reason: Reason) {
        self.reason = reason
        deadline = .now() + time
        rateMin = 0
        isRequestStarted = false
    }

    /// Bytes came in; the first ones of a request start the time for its header.
    func received() {
        guard reason == .idle, !isRequestStarted else { return }
        isRequestStarted = true
        reason = .header
        deadline = .now() + headerTime
    }

    /// From now on at least so many bytes a second, judged over `grace`.
    func measureRate(atLeast bytesPerSecond: Int, grace: TimeAmount) {
        reason = .rate
        rateMin = bytesPerSecond
        rateGrace = grace
        rateBytes = 0
        deadline = .now() + grace
    }

    func progress(_ bytes: Int) { rateBytes += bytes }

    /// The vault is not reading: the client cannot be too slow. Only a stalled answer still counts.
    func pause() {
        if pausedAt == nil { pausedAt = .now() }
    }

    /// The vault reads on: what was left of the time is left again.
    func resume() {
        guard let start = pausedAt else { return }
        pausedAt = nil
        if deadline != .distantFuture { deadline = deadline + (NIODeadline.now() - start) }
    }

    func stall(for time: TimeAmount) { stalledUntil = .now() + time }

    /// An answer waits for its audit record.
    func awaitRecord(for time: TimeAmount) { recordUntil = .now() + time }

    /// It waits no longer.
    func answered() { recordUntil = .distantFuture }

    func unstall() { stalledUntil = .distantFuture }

    /// What ran out, if anything did.
    func expired(_ now: NIODeadline) -> Reason? {
        if now >= stalledUntil { return .writeStall }
        if now >= recordUntil { return .record }
        guard pausedAt == nil, now >= deadline else { return nil }
        if reason == .rate, rateBytes >= rateMin * Int(rateGrace.nanoseconds / 1_000_000_000) {
            rateBytes = 0
            deadline = now + rateGrace
            return nil
        }
        return reason
    }
}

/// Sits between TLS and the HTTP decoder and tells the clock when bytes arrive, which the decoder would hide until a head is
/// whole.
final class StartOfRequest: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let clock: ConnectionClock

    init(clock: ConnectionClock) { self.clock = clock }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        clock.received()
        context.fireChannelRead(data)
    }
}
