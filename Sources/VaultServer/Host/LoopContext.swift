internal import Logging
internal import NIOCore
internal import OpenSSLTLS
internal import SecretMemory
internal import Synchronization
internal import VaultCore
internal import VaultWire

/// The policy in force, readable on any thread. Loops keep their own reference and are told of a new one.
package final class PolicyBox: Sendable {
    private let policy: Mutex<Policy>
    init(_ policy: Policy) { self.policy = Mutex(policy) }
    package var current: Policy { policy.withLock { $0 } }
    func replace(_ new: Policy) { policy.withLock { $0 = new } }
}

/// What one event loop owns: its reader of the vault, the policy it goes by, its connections, and buffers that requests
/// reuse. Confined to its loop, so that nothing on a request's path takes a lock.
final class LoopContext {
    /// Tokens looked up in one snapshot and answered in one piece.
    static let sliceMax = 1024

    let loop: any EventLoop
    let host: VaultHost
    let writer: WriterThread
    let audit: AuditTrail
    let guards: GuardBook
    private(set) var settings: Settings
    let metrics: Metrics
    let honey: HoneyTrap
    let clientCertificates: ClientCertificates
    let logger: Logger
    /// Replaced by a reload.
    var policy: Policy
    /// What judges clients now. Replaced by a reload; connections that were made before may still be in their handshake
    /// with the one before.
    private(set) var tls: TLSContext
    /// Gone for the moment in which the store is reopened, and after a reader could not be made.
    var reader: VaultReader?

    // Decoders keep their capacity from request to request.
    var tokenizeRequest = TokenizeRequest()
    var detokenizeRequest = DetokenizeRequest()
    var tokensRequest = TokensRequest()
    var tokens: [UInt64] = []
    var reveals = WipedArray<Reveal>(capacity: sliceMax)

    /// Nanoseconds of the monotonic clock when this loop last turned.
    let lastTurn = Turn()
    private var connections: [ObjectIdentifier: HTTPConnection] = [:]
    private(set) var isDraining = false

    init(
        loop: any EventLoop, host: VaultHost, writer: WriterThread, audit: AuditTrail, guards: GuardBook,
        policy: Policy,
        tls: TLSContext, settings: Settings, metrics: Metrics, honey: HoneyTrap,
        clientCertificates: ClientCertificates, logger: Logger
    ) {
        self.honey = honey
        self.clientCertificates = clientCertificates
        self.tls = tls
        self.loop = loop
        self.host = host
        self.writer = writer
        self.audit = audit
        self.guards = guards
        self.policy = policy
        self.settings = settings
        self.metrics = metrics
        self.logger = logger
        tokens.reserveCapacity(Self.sliceMax)
        for _ in 0..<Self.sliceMax { reveals.append(Reveal(.missing)) }
    }

    var openConnections: Int { connections.count }

    func add(_ connection: HTTPConnection) {
        connections[ObjectIdentifier(connection)] = connection
    }

    func remove(_ connection: HTTPConnection) {
        connections[ObjectIdentifier(connection)] = nil
    }

    /// Takes up a new configuration. Connections whose certificate would not be let in today are closed; the others ask
    /// the new policy from their next request on.
    func adopt(_ policy: Policy, _ settings: Settings, tls: TLSContext) {
        self.policy = policy
        self.settings = settings
        if let store = host.currentStore { openReader(store) }
        reconsiderConnections(tls)
    }

    /// Closes the connections of certificates that are revoked, expired, or of no configured client.
    func reconsiderConnections(_ tls: TLSContext) {
        self.tls = tls
        for connection in connections.values { connection.reconsider(tls) }
    }

    /// Why there is no reader.
    var unavailable: ProblemCode { host.state == .sealed ? .sealed : .busy }

    /// Makes the reader for a newly opened store, a new policy or new keys.
    func openReader(_ store: Store) {
        reader = nil
        guard let keyring = host.keyring else { return }
        do throws(StoreError) {
            reader = try VaultReader(store: store, keyring: keyring, formats: policy.formats)
        } catch {
            logger.error("reader_failed", metadata: ["reason": "\(error.message)"])
        }
    }

    /// Ends what has waited too long. Run every second: a pass over ten thousand idle connections takes well under a
    /// millisecond, and requests then set no timers.
    func enforceDeadlines() {
        lastTurn.mark()
        recordFailedHandshakes()
        let now = NIODeadline.now()
        let seconds = Int64(WallClock.seconds)
        let areListsOver = tls.revocationEnd.map { seconds > $0 } ?? false
        for connection in connections.values {
            if areListsOver || connection.isCertificateOver(seconds) {
                connection.abort()
            } else {
                connection.enforceDeadline(now)
            }
        }
    }

    private var failedHandshakes: (count: UInt64, peer: String) = (0, "")

    /// A connection ended before it was known who called.
    func handshakeFailed(from peer: String) {
        metrics.handshakeFailures.add(1)
        failedHandshakes.count += 1
        failedHandshakes.peer = peer
    }

    /// One record a second: whoever can open connections must not be able to fill the log.
    private func recordFailedHandshakes() {
        guard failedHandshakes.count > 0 else { return }
        var entry = AuditEntry(.handshakeFailed)
        entry.add("peer", failedHandshakes.peer)
        entry.add("outcome", "denied")
        entry.add("count", failedHandshakes.count)
        audit.note(entry)
        failedHandshakes = (0, "")
    }

    /// Closes idle connections now and busy ones after their answer.
    func drain() {
        isDraining = true
        for connection in connections.values { connection.drain() }
    }

    /// Closes every connection, answered or not.
    func closeAll() {
        for connection in connections.values { connection.abort() }
    }
}

/// When a loop last turned, readable on any thread.
final class Turn: Sendable {
    private let nanoseconds = Atomic<UInt64>(MonotonicClock.now)
    func mark() { nanoseconds.store(MonotonicClock.now, ordering: .relaxed) }
    /// Seconds since.
    var age: Double { Double(MonotonicClock.now &- nanoseconds.load(ordering: .relaxed)) / 1e9 }
}

/// Limits and times of a configuration in the units that handlers use.
struct Settings: Sendable {
    let connectionsMax: Int
    let headerBytesMax: Int
    let handshake: TimeAmount
    let bodyBytesMax: Int
    let cardsMax: Int
    let tokensMax: Int
    let header: TimeAmount
    let body: TimeAmount
    let bodyRate: Int
    let idle: TimeAmount
    let writeStall: TimeAmount
    let connectionAge: TimeAmount?
    /// How long an answer waits for its audit record.
    let auditTimeout: TimeAmount

    init(_ configuration: Configuration, openFilesMax: Int) {
        connectionsMax = configuration.limits.connections(openFilesMax: openFilesMax)
        headerBytesMax = configuration.limits.headerBytes
        handshake = TimeAmount(configuration.timeouts.handshake)
        bodyBytesMax = configuration.limits.jsonBodyBytes
        cardsMax = configuration.limits.batchTokenize
        tokensMax = configuration.limits.batchDetokenize
        header = TimeAmount(configuration.timeouts.header)
        body = TimeAmount(configuration.timeouts.body)
        bodyRate = configuration.timeouts.bodyRate
        idle = TimeAmount(configuration.timeouts.idle)
        writeStall = TimeAmount(configuration.timeouts.writeStall)
        auditTimeout = TimeAmount(configuration.audit.timeout)
        connectionAge = configuration.limits.connectionAge.map { TimeAmount($0) }
    }
}

/// A loop's context as another thread may hold it: to be opened on its loop only.
///
/// Sendable because the only way in asks the loop first.
final class LoopContextReference: @unchecked Sendable {
    private let context: LoopContext
    let loop: any EventLoop
    let lastTurn: Turn

    init(_ context: LoopContext) {
        self.context = context
        loop = context.loop
        lastTurn = context.lastTurn
    }

    /// The context, on its loop.
    var onLoop: LoopContext {
        loop.preconditionInEventLoop()
        return context
    }

    func execute(_ body: @escaping @Sendable (LoopContext) -> Void) {
        loop.execute { body(self.onLoop) }
    }
}

/// Closes and opens the readers of all loops around a reopening of the store. Called by the writer thread, which may wait.
package final class ReaderGate: Sendable {
    private let contexts = Mutex<[LoopContextReference]>([])

    func add(_ context: LoopContextReference) { contexts.withLock { $0.append(context) } }

    var all: [LoopContextReference] { contexts.withLock { $0 } }

    /// Returns when every loop has turned: what one had begun to answer is handed over by then.
    func pass() {
        for context in all { try? context.loop.submit {}.wait() }
    }

    /// Returns when no loop holds a reader.
    func close() {
        for context in all {
            try? context.loop.submit { context.onLoop.reader = nil }.wait()
        }
    }

    /// Returns when every loop reads the store with the keys in force.
    func open(_ store: Store) {
        for context in all {
            try? context.loop.submit { context.onLoop.openReader(store) }.wait()
        }
    }

    /// Returns when every loop goes by the policy, and reads the store.
    func open(_ store: Store, _ policy: Policy) {
        for context in all {
            try? context.loop.submit {
                context.onLoop.policy = policy
                context.onLoop.openReader(store)
            }.wait()
        }
    }
}
