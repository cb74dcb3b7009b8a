package import Logging
internal import NIOCore
internal import NIOPosix
internal import OpenSSLTLS
internal import SecretMemory
internal import Synchronization
internal import VaultCore

/// The daemon: everything between a checked configuration and the last answer. A library type, so that tests run it
/// in-process; `strongroomd` adds flags, signals and the exit code.
package final class VaultService: Sendable {
    let host: VaultHost
    /// The keys and what changes them.
    let keys: KeyManager
    /// Shares that custodians are entering.
    let intake = ShareIntake()
    let metrics = Metrics()
    let honey = HoneyTrap()
    let clientCertificates = ClientCertificates()
    let certificateWatch = CertificateWatch()
    /// What happens, on record.
    let audit: AuditTrail
    let writer: WriterThread
    let tls: TLSBox
    let policyBox: PolicyBox
    let gate = ReaderGate()
    /// What is frozen, and what clients have asked for.
    let guards: GuardBook
    let logger: Logger
    let logLevel: LogLevelBox
    let notifier = SystemdNotifier()
    let startedAt = WallClock.seconds
    let jobs = JobRegister()
    let configurationBox: Mutex<Configuration>
    /// Who may give commands.
    let operators: OperatorBox
    /// Their one-time codes.
    let secondFactor: SecondFactor
    /// What they read lately, for the audit trail.
    let reads = RecentReads()
    private let group: MultiThreadedEventLoopGroup
    /// For what waits: commands of operators, a verify, the proof at the end of a rotation. More threads than there are
    /// long jobs, so that a status never waits for one.
    let background = NIOThreadPool(numberOfThreads: 6)
    /// The operations and control planes have a loop of their own: they answer while the others are busy.
    let sideGroup = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let channels = Mutex<[any Channel]>([])
    let openFilesMax: Int

    package var configuration: Configuration { configurationBox.withLock { $0 } }

    /// Opens the vault and its listeners. Nothing is served before everything is in order.
    package init(
        _ configuration: Configuration, logger: Logger, logLevel: LogLevelBox, openFilesMax: Int
    ) async throws(StartupError) {
        self.logger = logger
        self.logLevel = logLevel
        self.openFilesMax = openFilesMax
        let loops = configuration.threads.eventLoops ?? System.coreCount
        host = try VaultHost(configuration, eventLoops: loops)
        tls = TLSBox(try Self.makeTLS(configuration))
        guards = GuardBook(path: host.files.guardFile, logger: logger)
        // Until the vault is open there are no numbers for names; requests are answered `sealed`.
        let names = Self.provisionalNames(configuration)
        policyBox = PolicyBox(try Self.makePolicy(configuration, names, guards))
        guards.adopt(configuration, names)
        configurationBox = Mutex(configuration)
        operators = OperatorBox(OperatorBook(configuration))
        secondFactor = SecondFactor(path: host.files.codes, logger: logger)
        background.start()
        audit = AuditTrail(directory: host.files.audit, settings: configuration.audit, logger: logger)
        keys = KeyManager(
            host: host, gate: gate, guards: guards, background: background, audit: audit, configuration: configuration,
            logger: logger)
        writer = WriterThread(
            host: host, keys: keys, audit: audit, policy: policyBox, readers: gate, configuration: configuration.store,
            metrics: metrics, logger: logger)
        group = MultiThreadedEventLoopGroup(numberOfThreads: loops)
        let writer = writer
        keys.onWriterThread = { writer.perform($0) }
        let host = host
        audit.onCheckpoint = { head in
            // What the database knows of the log is not older than the last checkpoint.
            _ = writer.perform { if host.state == .writing { try? host.currentStore?.putAuditHead(head) } }
        }
        keys.onRootChanged = { [weak self] root in
            guard let self else { return }
            configurationBox.withLock { $0.rootKey = root }
            keys.adopt(configuration)
        }
        keys.onFactorReset = { [secondFactor] in secondFactor.forget($0) }
        let settings = Settings(configuration, openFilesMax: openFilesMax)
        for loop in group.makeIterator() { await addContext(loop, policyBox.current, settings) }
        audit.start()
        watchGuards()
        writer.start()
        do throws(StartupError) {
            try await openAtStart(configuration)
            try await listen(configuration)
        } catch {
            await stopThreads()
            throw error
        }
    }

    static func makeTLS(_ configuration: Configuration) throws(StartupError) -> TLSContext {
        do throws(TLSConfigurationError) {
            return try TLSContext(configuration.tls)
        } catch {
            throw .tls("tls: \(error.description)")
        }
    }

    private func addContext(_ loop: any EventLoop, _ policy: Policy, _ settings: Settings) async {
        let (host, writer, audit, guards, metrics, honey, logger) =
            (host, writer, audit, guards, metrics, honey, logger)
        let (tls, certificates) = (tls.current, clientCertificates)
        let made = loop.submit { () -> LoopContextReference in
            let context = LoopContext(
                loop: loop, host: host, writer: writer, audit: audit, guards: guards, policy: policy, tls: tls,
                settings: settings, metrics: metrics, honey: honey, clientCertificates: certificates, logger: logger)
            let reference = LoopContextReference(context)
            loop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { _ in
                reference.onLoop.enforceDeadlines()
            }
            return reference
        }
        if let reference = try? await made.get() { gate.add(reference) }
    }

    // MARK: Listeners

    private func listen(_ configuration: Configuration) async throws(StartupError) {
        let data = DataListener(tls: tls, contexts: gate.all, metrics: metrics, logger: logger)
        let side = SideListener(service: self)
        if let address = configuration.listen.tcp {
            try await open("listen.tcp: \(address)") {
                try await data.bootstrap(self.group).bind(host: address.host, port: address.port).get()
            }
        }
        if let path = configuration.listen.unix?.absolute {
            try await open("listen.unix: \(path)") {
                try await self.bind(data.bootstrap(self.group), path, mode: 0o666, group: nil)
            }
        }
        let control = configuration.listen.control.absolute
        try await open("listen.control: \(control)") {
            try await self.bind(
                side.control(self.sideGroup), control, mode: configuration.control.mode,
                group: configuration.control.group)
        }
        // Last, so that who is told to be ready finds every other listener open.
        if let address = configuration.listen.operations {
            try await open("listen.operations: \(address)") {
                try await side.operations(self.sideGroup).bind(host: address.host, port: address.port).get()
            }
        }
    }

    /// Opens one listener; what goes wrong is told with its key and address.
    private func open(
        _ name: String, _ bind: @Sendable () async throws -> any Channel
    ) async throws(StartupError) {
        do {
            let channel = try await bind()
            channels.withLock { $0.append(channel) }
        } catch let error as IOError {
            throw .listen("\(name): \(errorText(error.errnoCode))")
        } catch let error as FileError {
            throw .listen("\(name): \(error.message)")
        } catch {
            throw .listen("\(name): \(error)")
        }
    }

    private func bind(
        _ bootstrap: ServerBootstrap, _ path: String, mode: UInt32, group: String?
    ) async throws -> any Channel {
        try SocketFile.makeDirectory(of: path)
        let channel = try await bootstrap.bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
        try SocketFile.setAccess(path, mode: mode, group: group)
        return channel
    }

    // MARK: Life

    /// One line for `systemctl status`.
    var statusLine: String {
        switch host.state {
        case .sealed: sealedLine
        case .writing: movingLine ?? "serving"
        case .stopped: "serving reads only: write-stopped"
        }
    }

    private var sealedLine: String {
        guard let root = keyringHeader?.root, root.kind == .shares else { return "sealed" }
        let expiry = UInt64(configuration.control.unsealExpiry.components.seconds)
        return "sealed: \(intake.entered(expirySeconds: expiry)) of \(root.threshold) shares"
    }

    /// How far a rotation is, such as `rotating data v3->v4 41 %`.
    private var movingLine: String? {
        guard let job = keys.board.current.jobs.first else { return nil }
        let percent = job.total > 0 ? job.done * 100 / job.total : 0
        let from = job.from.map { "v\($0)" }.joined(separator: ",")
        return "serving; rotating \(job.purpose.name) \(from)->v\(job.to) \(percent) %"
    }

    /// Says that the vault serves, and keeps the watchdog fed while loops and writer move.
    package func announce() {
        notifier.ready(statusLine)
        if !SecretArena.isFullyLocked {
            logger.warning(
                "memory_not_locked", metadata: ["what": "keys may reach swap: raise LimitMEMLOCK, or turn swap off"])
        }
        logger.notice(
            "started", metadata: ["version": "\(Strongroom.version)", "deployment": "\(configuration.deployment)"])
        let interval = notifier.watchdogMicroseconds.map { TimeAmount.microseconds(Int64($0 / 3)) } ?? .seconds(10)
        let beats = Heartbeats(service: self)
        sideGroup.next().scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in beats.check() }
        sideGroup.next().scheduleRepeatedTask(initialDelay: .zero, delay: .minutes(1)) { [weak self] _ in
            self?.watchCertificates()
        }
    }

    /// Says what ends soon. Any thread.
    func watchCertificates() { certificateWatch.speak(certificateTerms, logger) }

    /// Whether every loop turned within the last seconds.
    var areLoopsTurning: Bool { gate.all.allSatisfy { $0.lastTurn.age < 10 } }

    /// Stops accepting, lets requests under way finish, writes what is queued, and closes. Returns after at most the
    /// configured time for draining.
    package func drain() async {
        notifier.stopping()
        logger.notice("stopping")
        jobs.cancelAll()
        keys.isStopping.store(true, ordering: .relaxed)
        let listeners = channels.withLock { channels in
            defer { channels = [] }
            return channels
        }
        for channel in listeners { try? await channel.close() }
        for reference in gate.all { reference.execute { $0.drain() } }
        let deadline = NIODeadline.now() + TimeAmount(configuration.timeouts.drain)
        while metrics.connections.current > 0, NIODeadline.now() < deadline, !isHurried.load(ordering: .relaxed) {
            try? await Task.sleep(for: .milliseconds(20))
        }
        for reference in gate.all { reference.execute { $0.closeAll() } }
        await stopThreads()
        logger.notice("stopped")
    }

    private let isHurried = Atomic<Bool>(false)

    /// A second SIGTERM: waits for no one.
    package func hurry() { isHurried.store(true, ordering: .relaxed) }

    private func stopThreads() async {
        gate.close()
        if host.keyring != nil { audit.note(AuditEntry(.stop)) }
        writer.stop()
        guards.saveChanges()
        // Last: whatever those above did is on record.
        audit.stop()
        try? await background.shutdownGracefully()
        try? await group.shutdownGracefully()
        try? await sideGroup.shutdownGracefully()
        host.close()
    }
}

/// What this build is.
package enum Strongroom {
    package static let version = "0.1.0"
}

extension Logger.Level {
    package init(_ level: Configuration.Log.Level) { self = Logger.Level(rawValue: level.rawValue) ?? .info }
}

/// Feeds the watchdog while every loop and the writer have moved since the last look.
private final class Heartbeats: Sendable {
    private let service: VaultService
    private let lastBeat = Atomic<UInt64>(.max)

    init(service: VaultService) { self.service = service }

    func check() {
        let beat = service.writer.heartbeat
        let moved = lastBeat.exchange(beat, ordering: .relaxed) != beat
        guard moved, service.areLoopsTurning else { return }
        service.notifier.watchdog()
        service.notifier.status(service.statusLine)
    }
}
