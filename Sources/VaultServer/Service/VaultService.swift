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
    let metrics = Metrics()
    let writer: WriterThread
    let tls: TLSBox
    let policyBox: PolicyBox
    let gate = ReaderGate()
    let logger: Logger
    let logLevel: LogLevelBox
    let notifier = SystemdNotifier()
    let startedAt = WallClock.seconds
    let jobs = JobRegister()
    private let configurationBox: Mutex<Configuration>
    private let group: MultiThreadedEventLoopGroup
    /// The operations and control planes have a loop of their own: they answer while the others are busy.
    private let sideGroup = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let channels = Mutex<[any Channel]>([])
    private let openFilesMax: Int

    package var configuration: Configuration { configurationBox.withLock { $0 } }

    /// Opens the vault and its listeners. Nothing is served before everything is in order.
    package init(
        _ configuration: Configuration, logger: Logger, logLevel: LogLevelBox, openFilesMax: Int
    ) async throws(StartupError) {
        self.logger = logger
        self.logLevel = logLevel
        self.openFilesMax = openFilesMax
        let loops = configuration.threads.eventLoops ?? System.coreCount
        host = try Self.openHost(configuration, eventLoops: loops)
        tls = TLSBox(try Self.makeTLS(configuration))
        let registry = try Self.register(configuration, host, logger: logger)
        let policy = try Self.makePolicy(configuration, registry)
        policyBox = PolicyBox(policy)
        configurationBox = Mutex(configuration)
        writer = WriterThread(
            host: host, policy: policyBox, readers: gate, configuration: configuration.store, metrics: metrics,
            logger: logger)
        group = MultiThreadedEventLoopGroup(numberOfThreads: loops)
        Self.logNotes(policy, logger)
        let settings = Settings(configuration, openFilesMax: openFilesMax)
        for loop in group.makeIterator() { await addContext(loop, policy, settings) }
        writer.start()
        do throws(StartupError) {
            try await listen(configuration)
        } catch {
            await stopThreads()
            throw error
        }
    }

    private static func openHost(
        _ configuration: Configuration, eventLoops: Int
    ) throws(StartupError) -> VaultHost {
        guard case .file(let path) = configuration.rootKey else {
            throw .configuration("root_key: this version supports 'file'")
        }
        let root: RootKey
        do throws(RootKeyError) {
            root = try RootKey.load(from: path.absolute)
        } catch {
            throw .rootKey(error)
        }
        return try VaultHost(configuration, root: root, eventLoops: eventLoops)
    }

    static func makeTLS(_ configuration: Configuration) throws(StartupError) -> TLSContext {
        do throws(TLSConfigurationError) {
            return try TLSContext(configuration.tls)
        } catch {
            throw .tls("tls: \(error.description)")
        }
    }

    /// Numbers for the configuration's names, and the proof that the disk takes writes. On a full disk the vault starts
    /// all the same: it can reveal, and the writer thread tries again every second.
    static func register(
        _ configuration: Configuration, _ host: VaultHost, logger: Logger
    ) throws(StartupError) -> Registry {
        guard let store = host.currentStore else {
            throw .store(.damaged("the store is closed"), path: host.files.database)
        }
        let formats = configuration.formats.map(\.name)
        let purposes = Policy.purposes(of: configuration)
        do throws(StoreError) {
            let registry = try store.prepare(keyring: host.keyring, formats: formats, purposes: purposes)
            host.setWriteState(.writing)
            return registry
        } catch {
            guard error.isFull else { throw .store(error, path: host.files.database) }
            logger.error("write_stopped", metadata: ["reason": "\(error.message)"])
            do throws(StoreError) {
                return try store.registry()
            } catch {
                throw .store(error, path: host.files.database)
            }
        }
    }

    static func makePolicy(_ configuration: Configuration, _ registry: Registry) throws(StartupError) -> Policy {
        do throws(TokenFormatError) {
            return try Policy(configuration, registry: registry)
        } catch {
            throw .configuration("\(error)")
        }
    }

    /// Says which PAN lengths a format refuses, with the arithmetic.
    static func logNotes(_ policy: Policy, _ logger: Logger) {
        for format in policy.formats.all {
            for note in format.notes {
                logger.notice("format_note", metadata: ["format": "\(format.name)", "note": "\(note)"])
            }
        }
    }

    private func addContext(_ loop: any EventLoop, _ policy: Policy, _ settings: Settings) async {
        let (host, writer, metrics, logger) = (host, writer, metrics, logger)
        let made = loop.submit { () -> LoopContextReference in
            let context = LoopContext(
                loop: loop, host: host, writer: writer, policy: policy, settings: settings, metrics: metrics,
                logger: logger)
            if let store = host.currentStore { context.openReader(store) }
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
        if let address = configuration.listen.operations {
            try await open("listen.operations: \(address)") {
                try await side.operations(self.sideGroup).bind(host: address.host, port: address.port).get()
            }
        }
        let control = configuration.listen.control.absolute
        try await open("listen.control: \(control)") {
            try await self.bind(
                side.control(self.sideGroup), control, mode: configuration.control.mode,
                group: configuration.control.group)
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

    // MARK: Reload

    /// Takes up the configuration file as it is now, all of it or nothing: a problem anywhere leaves the old one in force.
    package func reload() throws(StartupError) {
        notifier.reloading()
        defer { notifier.ready(statusLine) }
        do throws(StartupError) {
            let new: Configuration
            do throws(ConfigurationProblems) {
                new = try Configuration.loadChecked(
                    path: configuration.source.file, further: ServiceChecks.problems)
            } catch {
                throw .configuration(error.description)
            }
            let fixed = Configuration.changesRequiringRestart(from: configuration, to: new)
            guard fixed.isEmpty else {
                throw .configuration("needs a restart to change: \(fixed.joined(separator: ", "))")
            }
            let context = try Self.makeTLS(new)
            let registry = try Self.register(new, host, logger: logger)
            let policy = try Self.makePolicy(new, registry)
            let settings = Settings(new, openFilesMax: openFilesMax)
            try resize(new)
            tls.replace(context)
            policyBox.replace(policy)
            configurationBox.withLock { $0 = new }
            logLevel.replace(Logger.Level(new.log.level))
            for reference in gate.all { reference.execute { $0.adopt(policy, settings, tls: context) } }
            Self.logNotes(policy, logger)
            metrics.reloads.add(1)
            logger.notice("configuration_reloaded")
        } catch {
            metrics.reloadFailures.add(1)
            logger.error("reload_refused", metadata: ["reason": "\(error.message)"])
            throw error
        }
    }

    private func resize(_ configuration: Configuration) throws(StartupError) {
        do throws(StoreError) {
            try host.resize(mapBytes: configuration.store.mapBytes)
        } catch {
            throw .store(error, path: host.files.database)
        }
    }

    /// Reads certificates, key, CAs and CRL again; the old ones stay where the new ones are wrong.
    package func reloadCertificates() throws(StartupError) {
        do throws(StartupError) {
            let context = try Self.makeTLS(configuration)
            tls.replace(context)
            for reference in gate.all { reference.execute { $0.reconsiderConnections(context) } }
            logger.notice("certificates_reloaded")
        } catch {
            metrics.reloadFailures.add(1)
            logger.error("reload_refused", metadata: ["reason": "\(error.message)"])
            throw error
        }
    }

    // MARK: Life

    /// One line for `systemctl status`.
    var statusLine: String {
        switch host.writeState {
        case .writing: "serving"
        case .stopped: "serving reads only: write-stopped"
        }
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
    }

    /// Whether every loop turned within the last seconds.
    var areLoopsTurning: Bool { gate.all.allSatisfy { $0.lastTurn.age < 10 } }

    /// Stops accepting, lets requests under way finish, writes what is queued, and closes. Returns after at most the
    /// configured time for draining.
    package func drain() async {
        notifier.stopping()
        logger.notice("stopping")
        jobs.cancelAll()
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
        writer.stop()
        try? await group.shutdownGracefully()
        try? await sideGroup.shutdownGracefully()
        host.releaseStore()
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
