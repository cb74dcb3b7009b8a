internal import Logging
internal import NIOCore
internal import NIOPosix
internal import Synchronization
internal import VaultCore

/// Changes the keys while the vault serves: puts new keyring generations in place, drives rotations, watches limits, and
/// holds the root key that all of it needs.
///
/// Confined to the writer thread, which owns every write of the vault; what any thread may use says so. That thread asks
/// it for the next slice of a rotation between two groups of requests.
final class KeyManager: @unchecked Sendable {
    let host: VaultHost
    let gate: ReaderGate
    let guards: GuardBook
    /// For what takes long and does not write.
    let background: NIOThreadPool
    let audit: AuditTrail
    let logger: Logger
    /// Any thread.
    let board = KeyBoard()
    private let configurationBox: Mutex<Configuration>
    /// Runs a task on the writer thread; false once that has ended. Set before the thread starts.
    var onWriterThread: @Sendable (@escaping @Sendable () -> Void) -> Bool = { _ in false }
    /// Ends a scan that is under way. Any thread.
    let isStopping = Atomic<Bool>(false)

    // Below: the writer thread only.
    private var root: RootBox?
    var rotations: [KeyPurpose: Rotation] = [:]
    var preparedShares: PreparedShares?
    /// Set until the start has been settled: nothing is encrypted before.
    private(set) var needsAdmission = true
    private var refusesEncryption = false
    private var encryptionLimit = UInt64.max
    private var lastTick: UInt64 = 0
    private var lastWarning: [KeyPurpose: UInt64] = [:]

    init(
        host: VaultHost, gate: ReaderGate, guards: GuardBook, background: NIOThreadPool, audit: AuditTrail,
        configuration: Configuration, logger: Logger
    ) {
        self.host = host
        self.gate = gate
        self.guards = guards
        self.background = background
        self.audit = audit
        self.logger = logger
        configurationBox = Mutex(configuration)
    }

    /// Any thread.
    var configuration: Configuration { configurationBox.withLock { $0 } }

    /// Told when another root key wraps the keyring, so that the vault can be sealed and opened again.
    var onRootChanged: @Sendable (Configuration.RootKey) -> Void = { _ in }

    /// Told when an operator's one-time codes were taken out of force.
    var onFactorReset: @Sendable (String) -> Void = { _ in }

    /// Takes up a reloaded configuration. Any thread.
    func adopt(_ configuration: Configuration) { configurationBox.withLock { $0 = configuration } }

    // MARK: Life

    /// Takes charge of an opened vault.
    func begin(_ root: RootBox) {
        self.root = root
        needsAdmission = true
        // What the keys have done is measured before the first request.
        lastTick = 0
        rotations = [:]
        for purpose in KeyPurpose.allCases { resumeRotation(purpose) }
        refreshBoard()
    }

    /// Forgets all keys.
    func end() {
        root = nil
        rotations = [:]
        preparedShares = nil
        needsAdmission = true
        board.update { $0 = KeyBoard.Facts() }
    }

    /// Settles a start: compares database, keyring, epoch and place, and begins a new data key version where the database
    /// was restored or copied. Nothing may be encrypted before it succeeds.
    func admit() throws(KeyFailure) {
        guard let store = host.currentStore, let keyring = host.keyring else { throw .sealed }
        let path = configuration.keys.epochFile?.absolute ?? host.files.epoch
        let place = try Self.file { () throws(FileError) in try DatabasePlace.of(host.files.database) }
        let admission = try Self.stored { () throws(StoreError) in
            try store.admission(keyring, epoch: EpochFile.read(path), place: place)
        }
        if case .displaced(let reason) = admission {
            logger.warning("database_displaced", metadata: ["reason": "\(reason)"])
            board.update { $0.displaced = reason }
            try rotate([.data], by: .automatic, reason: .restored, mayFollow: true)
        }
        let generation = host.keyring?.generation ?? keyring.generation
        let epoch = EpochFile.drawn()
        try Self.stored { () throws(StoreError) in try store.intendEpoch(epoch, after: EpochFile.read(path)) }
        try Self.file { () throws(FileError) in try EpochFile.write(epoch, to: path) }
        try Self.stored { () throws(StoreError) in
            try store.settleStart(generation: generation, epoch: epoch, place: place)
        }
        needsAdmission = false
        board.update { $0.displaced = nil }
        refreshBoard()
    }

    private static func stored<R>(_ body: () throws(StoreError) -> R) throws(KeyFailure) -> R {
        do throws(StoreError) {
            return try body()
        } catch {
            throw KeyFailure(error)
        }
    }

    private static func file<R>(_ body: () throws(FileError) -> R) throws(KeyFailure) -> R {
        do throws(FileError) {
            return try body()
        } catch {
            throw KeyFailure(StoreError.file(error))
        }
    }

    // MARK: Changing the keyring

    /// Puts the next generation in place: intent in the database, file in two phases, every reader, then the writer. When
    /// this returns, whatever is sealed from now on can be opened after any crash.
    func install(_ keyring: Keyring) throws(KeyFailure) {
        guard let root else { throw .sealed }
        try install(keyring, root: root)
    }

    /// The same under another root key, which is kept from then on.
    func install(_ keyring: Keyring, rewrappedUnder newRoot: RootBox) throws(KeyFailure) {
        try install(keyring, root: newRoot)
        root = newRoot
        // Shares that are ready and not in force are of a root key that is gone.
        preparedShares = nil
    }

    private func install(_ keyring: Keyring, root: RootBox) throws(KeyFailure) {
        guard let store = host.currentStore, let old = host.keyring else { throw .sealed }
        guard host.state == .writing || needsAdmission else { throw .writeStopped }
        try Self.stored { () throws(StoreError) in
            try store.intendKeyring(keyring.generation, after: old.generation)
        }
        try write(keyring, root, instead: old)
        host.replaceKeyring(keyring)
        noteInstalled(keyring)
        if Self.usableKeys(of: keyring) != Self.usableKeys(of: old) { gate.open(store) }
        do throws(StoreError) {
            try store.settleKeyring(keyring.generation)
        } catch {
            // The intent is there, and the next change or start settles it.
            logger.warning("keyring_not_settled", metadata: ["reason": "\(error.message)"])
        }
        refreshBoard()
    }

    private func noteInstalled(_ keyring: Keyring) {
        var entry = AuditEntry(.keyInstall)
        entry.add("generation", keyring.generation)
        entry.add("root", keyring.root.text)
        for purpose in KeyPurpose.allCases {
            if let active = keyring.active(purpose) { entry.add(purpose.name, UInt64(active.number)) }
        }
        audit.note(entry)
    }

    /// With the key of the audit log, for a vault from before there was one.
    func ensureAuditKey() throws(KeyFailure) {
        guard let keyring = host.keyring, keyring.active(.audit) == nil else { return }
        let next: Keyring
        do throws(KeyChangeError) {
            next = try keyring.adding(.audit, now: UInt64(WallClock.seconds))
        } catch {
            throw KeyFailure(error)
        }
        try install(next)
    }

    private func write(_ keyring: Keyring, _ root: RootBox, instead old: Keyring) throws(KeyFailure) {
        do throws(KeyringError) {
            try KeyringFile.store(keyring, at: host.files.keyring, root: root.key)
            board.update { $0.isKeyringCertain = true }
        } catch {
            if case .switchUnknown = error { putBack(old) }
            logger.error("keyring_failed", metadata: ["reason": "\(error.message)"])
            throw KeyFailure(error)
        }
    }

    /// The new file is in place and may not stay there: the old one is written once more, so that what is used is what a
    /// power cut leaves.
    private func putBack(_ old: Keyring) {
        guard let root else { return }
        do throws(KeyringError) {
            try KeyringFile.store(old, at: host.files.keyring, root: root.key)
        } catch {
            board.update { $0.isKeyringCertain = false }
            logger.critical("keyring_uncertain", metadata: ["reason": "\(error.message)"])
        }
    }

    private static func usableKeys(of keyring: Keyring) -> [String] {
        (keyring.usable(.data) + keyring.usable(.index)).map { "\($0.purpose.name) \($0.number)" }
    }

    /// Lends the root key, to wrap it.
    func withRoot<R>(_ body: (borrowing RootKey) throws(KeyFailure) -> R) throws(KeyFailure) -> R {
        guard let root else { throw .sealed }
        return try body(root.key)
    }

    // MARK: Limits

    /// Whether records may be sealed now. Asked before every group.
    var mayEncrypt: Bool { !refusesEncryption && !needsAdmission }

    /// Told after every group how often the active data key was used.
    func noteEncryptions(_ count: UInt64) {
        if count >= encryptionLimit, !refusesEncryption {
            logger.error("key_exhausted", metadata: ["encryptions": "\(count)"])
            refuse(true)
        }
    }

    /// Once a second: measures the keys, rotates what is due, and wakes rotations that wait.
    func tick(now: UInt64, nanoseconds: UInt64, encryptions: UInt64?) {
        guard nanoseconds >= lastTick + 1_000_000_000, let keyring = host.keyring, host.state == .writing else {
            return
        }
        lastTick = nanoseconds
        let settings = configuration.keys
        var isRefused = false
        if let version = keyring.active(.data) {
            let count = encryptions ?? storedEncryptions(version.number)
            let use = KeyUse(data: version, encryptions: count, now: now, settings)
            encryptionLimit =
                settings.dataEncryptions.refuse.map { UInt64(settings.dataEncryptions.limit * $0 / 100) } ?? .max
            isRefused = use.level == .refuse
            board.update { $0.data = use }
            rotateIfDue(.data, use, now)
        }
        if let version = keyring.active(.index) {
            let use = KeyUse(version, now: now, settings.indexPeriod)
            isRefused = isRefused || use.level == .refuse
            board.update { $0.index = use }
            rotateIfDue(.index, use, now)
        }
        if let version = keyring.active(.audit) {
            let use = KeyUse(version, now: now, settings.auditPeriod)
            board.update { $0.audit = use }
            rotateIfDue(.audit, use, now)
        }
        // What was rotated just now is measured at the next turn.
        if host.keyring === keyring { refuse(isRefused) } else { lastTick = 0 }
        wakeRotations(nanoseconds)
        expirePreparedShares(now)
    }

    private func refuse(_ isRefused: Bool) {
        guard refusesEncryption != isRefused else { return }
        refusesEncryption = isRefused
        if isRefused {
            logger.error("encryption_refused")
        } else {
            logger.notice("encryption_allowed")
        }
    }

    private func storedEncryptions(_ version: UInt32) -> UInt64 {
        guard let store = host.currentStore, let count = try? store.encryptions(of: version) else { return 0 }
        return count
    }

    private func rotateIfDue(_ purpose: KeyPurpose, _ use: KeyUse, _ now: UInt64) {
        guard use.level > .fine else { return }
        if use.level >= .rotate, mayRotateByItself(purpose, use) {
            let reason: RotationReason = use.encryptionLevel >= .rotate ? .encryptions : .age
            do throws(KeyFailure) {
                return try rotate([purpose], by: .automatic, reason: reason)
            } catch {
                logger.error("automatic_rotation_failed", metadata: ["reason": "\(error.title)"])
            }
        }
        guard now >= (lastWarning[purpose] ?? 0) + 3600 else { return }
        lastWarning[purpose] = now
        logger.warning(
            "key_near_its_end",
            metadata: [
                "purpose": "\(purpose.name)", "version": "\(use.version)", "level": "\(use.level.name)",
                "age_seconds": "\(use.ageSeconds)", "encryptions": "\(use.encryptions)",
            ])
    }

    /// Where the configuration asks for it. While another rotation is under way only an hour after that one began: a limit
    /// that is too small for the records must not turn keys over without end.
    private func mayRotateByItself(_ purpose: KeyPurpose, _ use: KeyUse) -> Bool {
        let settings = configuration.keys
        guard let period = settings.period(of: purpose) else { return false }
        let isAsked =
            (use.encryptionLevel >= .rotate && settings.dataEncryptions.rotate != nil)
            || (use.ageLevel >= .rotate && period.rotate != nil)
        return isAsked && (rotations[purpose] == nil || use.ageSeconds >= 3600)
    }

    // MARK: From other threads

    /// Runs `body` on the writer thread and waits for it. Not for event loops, nor for the writer thread itself.
    func perform<R: Sendable>(
        on loop: any EventLoop, _ body: @escaping @Sendable (KeyManager) throws(KeyFailure) -> R
    ) throws(KeyFailure) -> R {
        let promise = loop.makePromise(of: Result<R, KeyFailure>.self)
        let isTaken = onWriterThread {
            do throws(KeyFailure) {
                promise.succeed(.success(try body(self)))
            } catch {
                promise.succeed(.failure(error))
            }
        }
        if !isTaken { promise.succeed(.failure(.stopping)) }
        guard let result = try? promise.futureResult.wait() else { throw .stopping }
        return try result.get()
    }
}

/// A root key in a box, so that a class can lend it.
final class RootBox: Sendable {
    let key: RootKey
    init(_ key: consuming RootKey) { self.key = key }
}
