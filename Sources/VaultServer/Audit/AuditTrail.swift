internal import Glibc
internal import Logging
internal import NIOCore
internal import Synchronization
internal import VaultCore

/// The one thread that writes the audit log. Records that arrive while it flushes share the next flush (group commit); a
/// lone record waits for nothing but its own.
///
/// No answer that reveals or acknowledges anything leaves before its record came back from here. Where the log cannot be
/// written, requests are told so; every new one tries again, so that service goes on by itself when the disk does.
final class AuditTrail: @unchecked Sendable {
    /// What the log can do now.
    enum State: Int, Sendable {
        /// No keys: the vault is sealed.
        case closed
        case open
        /// The last record could not be written.
        case unavailable
        /// The log is not the one the vault wrote: nothing is added before an operator says so.
        case broken

        var name: StaticString {
            switch self {
            case .closed: "closed"
            case .open: "open"
            case .unavailable: "unavailable"
            case .broken: "broken"
            }
        }
    }

    /// Records of one request, and whom to tell.
    struct Job: Sendable {
        let entries: [AuditEntry]
        var isReserved = false
        var loop: (any EventLoop)?
        var completion: (@Sendable (Result<AuditReceipt, AuditFailure>) -> Void)?

        var bytes: Int { entries.reduce(0) { $0 + $1.bytes.count } }
    }

    /// Jobs that may wait, and bytes of them.
    private static let queueMax = 65_536
    private static let queueBytesMax = 64 << 20
    /// Jobs and bytes that share a flush.
    private static let groupMax = 4096
    private static let groupBytesMax = 8 << 20
    /// Records without a reader that wait for the vault to be opened.
    private static let backlogMax = 1000

    private let queue = JobQueue<Job>(weight: { $0.bytes })
    private let logger: Logger
    private let directory: AuditDirectory
    private let settingsBox: Mutex<Configuration.Audit>
    private let stateBox = Atomic<Int>(State.closed.rawValue)
    let board = AuditBoard()
    /// Told of every checkpoint on disk, on the audit thread.
    var onCheckpoint: @Sendable (AuditHead) -> Void = { _ in }

    // Below: the audit thread only.
    private var log: AuditLog?
    private var backlog: [AuditEntry] = []
    /// With what the log is to be opened, where the disk did not let it be.
    private var unopened: (keyring: Keyring, known: AuditHead?)?
    /// Why it is not open.
    private var openFailure = AuditFailure.closed
    private var lastFlush: UInt64 = 0
    private var lastCheckpoint: UInt64 = 0
    private var checkpointed: UInt64 = 0
    private let boot = BootID.text
    /// Since when records cannot be written, and whether the thread is trying by itself.
    private var failingSince = AuditTime(milliseconds: 0)
    private var isTrying = false

    init(directory: String, settings: Configuration.Audit, logger: Logger) {
        self.directory = AuditDirectory(directory)
        self.logger = logger
        settingsBox = Mutex(settings)
    }

    // MARK: Any thread

    var state: State { State(rawValue: stateBox.load(ordering: .acquiring)) ?? .broken }

    var settings: Configuration.Audit { settingsBox.withLock { $0 } }

    /// Takes up a reloaded configuration.
    func adopt(_ settings: Configuration.Audit) {
        settingsBox.withLock { $0 = settings }
        _ = queue.append { self.log?.settings = Self.logSettings(settings) }
    }

    func start() { queue.startThread { self.run() } }

    /// Writes what is queued, signs a last checkpoint, and ends the thread.
    func stop() { queue.close() }

    /// Hands records over; the completion runs on `loop`. False where too many wait already.
    func submit(_ job: consuming Job) -> Bool {
        queue.append(job, max: Self.queueMax, weightMax: Self.queueBytesMax)
    }

    /// Hands a record over and does not wait. One that cannot be taken shows in metrics and log.
    func note(_ entry: AuditEntry) {
        // Beyond the queue's bounds for requests: these are few.
        if !queue.append(Job(entries: [entry], isReserved: true), max: 2 * Self.queueMax) {
            board.lost.add(1)
        }
    }

    /// Hands records over and returns when they are flushed. Not for event loops, nor for the audit thread.
    func write(_ entries: [AuditEntry], isReserved: Bool = false) throws(AuditFailure) -> AuditReceipt {
        let rendezvous = Rendezvous<Result<AuditReceipt, AuditFailure>>()
        let job = Job(entries: entries, isReserved: isReserved, completion: { rendezvous.bring($0) })
        guard submit(job) else { throw .late }
        guard let result = rendezvous.wait(nanoseconds: timeoutNanoseconds) else {
            board.late.add(1)
            throw .late
        }
        return try result.get()
    }

    /// The same for one record of a command.
    func record(_ entry: AuditEntry, isReserved: Bool = false) throws(KeyFailure) {
        do throws(AuditFailure) {
            _ = try write([entry], isReserved: isReserved)
        } catch {
            throw KeyFailure(error)
        }
    }

    var timeoutNanoseconds: UInt64 { UInt64(settings.timeout.components.seconds) * 1_000_000_000 }

    // MARK: Opening and closing

    /// Opens the log under the keys of a vault. Returns when that is done; not for event loops, nor for the audit thread.
    func open(_ keyring: Keyring, known: AuditHead?) throws(AuditFailure) {
        try perform { () throws(AuditFailure) in try self.openNow(keyring, known, adopting: nil) }
    }

    /// Goes on with a log that does not fit, because an operator said so.
    func adoptBroken(
        _ keyring: Keyring, known: AuditHead?, by person: String, reason: String
    ) throws(AuditFailure) -> AuditHead {
        try perform { () throws(AuditFailure) in
            try self.openNow(keyring, known, adopting: (person, reason))
            guard let log = self.log else { throw .closed }
            return log.head
        }
    }

    /// Puts another audit key in force.
    func rekey(_ keyring: Keyring) throws(AuditFailure) {
        try perform { () throws(AuditFailure) in
            guard let log = self.log else { throw .closed }
            log.adopt(try AuditKey.all(of: keyring))
        }
    }

    /// Segments on disk that an audit key version is needed for; where they do not read, more than there can be.
    func segments(under version: UInt32) -> Int { (try? directory.segments(under: version)) ?? .max }

    /// Forgets the keys. Gives the last record, for the database.
    func close() -> AuditHead? {
        let head = Rendezvous<AuditHead?>()
        let isTaken = queue.append { head.bring(self.closeNow()) }
        return isTaken ? head.wait(nanoseconds: timeoutNanoseconds) ?? nil : nil
    }

    private func perform<R: Sendable>(
        _ body: @escaping @Sendable () throws(AuditFailure) -> R
    ) throws(AuditFailure) -> R {
        let rendezvous = Rendezvous<Result<R, AuditFailure>>()
        let isTaken = queue.append {
            do throws(AuditFailure) {
                rendezvous.bring(.success(try body()))
            } catch {
                rendezvous.bring(.failure(error))
            }
        }
        // A start may read a whole segment.
        guard isTaken, let result = rendezvous.wait(nanoseconds: 600 * 1_000_000_000) else { throw .late }
        return try result.get()
    }

    private func openNow(
        _ keyring: Keyring, _ known: AuditHead?, adopting: (person: String, reason: String)?
    ) throws(AuditFailure) {
        let opening = AuditLog.Opening(
            directory: directory, vaultID: keyring.vaultID.text, boot: boot, keys: try AuditKey.all(of: keyring),
            settings: Self.logSettings(settings), known: known, now: Self.now)
        do throws(AuditFailure) {
            if let adopting {
                log = try AuditLog.adopt(opening, by: adopting.person, reason: adopting.reason)
            } else {
                log = try AuditLog.open(opening)
            }
        } catch {
            openFailure = error
            if case .broken = error {
                setState(.broken, error)
            } else {
                setState(.unavailable, error)
                unopened = (keyring, known)
            }
            throw error
        }
        unopened = nil
        setState(.open, nil)
        // A checkpoint of the state that is taken over: what it stands on is known from now on.
        checkpointed = 0
        lastCheckpoint = 0
        showHead()
        let kept = backlog
        backlog = []
        if !kept.isEmpty { write([Job(entries: kept, isReserved: true)]) }
    }

    private func closeNow() -> AuditHead? {
        unopened = nil
        openFailure = .closed
        guard let log else {
            setState(.closed, nil)
            return nil
        }
        try? log.flush()
        signCheckpoint(log)
        let head = log.head
        self.log = nil
        setState(.closed, nil)
        return head
    }

    // MARK: The thread

    private func run() -> Bool {
        while let work = queue.take(
            max: Self.groupMax, weightMax: Self.groupBytesMax, nanoseconds: patience)
        {
            for task in work.tasks { task() }
            if !work.jobs.isEmpty { write(work.jobs) } else { tryAgain() }
            flushIfDue()
            checkpointIfDue()
        }
        _ = closeNow()
        return true
    }

    /// Once a second while records cannot be written: nobody may be asking, since the vault says that it is not ready.
    private func tryAgain() {
        guard state == .unavailable else { return }
        isTrying = true
        write([Job(entries: [resumption])])
        isTrying = false
    }

    private var resumption: AuditEntry {
        var entry = AuditEntry(.resumed)
        entry.add("since", failingSince.text)
        entry.add("refused", board.failures.current)
        return entry
    }

    private var patience: UInt64 {
        guard let log, log.needsFlush else { return 1_000_000_000 }
        return intervalNanoseconds
    }

    private func write(_ jobs: [Job]) {
        if let (keyring, known) = unopened { try? openNow(keyring, known, adopting: nil) }
        guard let log, state != .broken else { return refuse(jobs) }
        board.busySince.store(MonotonicClock.now, ordering: .relaxed)
        defer { board.busySince.store(0, ordering: .relaxed) }
        do throws(AuditFailure) {
            finish(jobs, .success(try attempt(jobs, log)))
        } catch {
            fail(jobs, error, log)
        }
    }

    /// One group. The receipt is of the whole of it.
    private func attempt(_ jobs: [Job], _ log: AuditLog) throws(AuditFailure) -> AuditReceipt {
        let started = MonotonicClock.now
        let isReserved = jobs.allSatisfy(\.isReserved)
        let records = try log.append(jobs.flatMap(\.entries), isReserved: isReserved, at: Self.now)
        if settings.durability == .commit || started >= lastFlush + intervalNanoseconds {
            try log.flush()
            lastFlush = MonotonicClock.now
            board.flushes.add(1)
            board.flushNanoseconds.add(lastFlush - started)
        }
        board.records.add(UInt64(records.count))
        setState(.open, nil)
        showHead()
        return AuditReceipt(records: records, head: log.head)
    }

    /// What the group could not, those may that have room kept for them.
    private func fail(_ jobs: [Job], _ failure: AuditFailure, _ log: AuditLog) {
        board.failures.add(1)
        var refused: [Job] = []
        for job in jobs {
            guard job.isReserved, jobs.count > 1 else {
                refused.append(job)
                continue
            }
            do throws(AuditFailure) {
                finish([job], .success(try attempt([job], log)))
            } catch {
                refused.append(job)
            }
        }
        if !refused.isEmpty { setState(.unavailable, failure) }
        board.lost.add(UInt64(refused.filter { $0.completion == nil }.count))
        finish(refused, .failure(failure))
    }

    /// While there is no log: what nobody waits for is kept until there is one.
    private func refuse(_ jobs: [Job]) {
        for job in jobs where job.completion == nil {
            if backlog.count < Self.backlogMax { backlog += job.entries } else { board.lost.add(1) }
        }
        finish(jobs.filter { $0.completion != nil }, .failure(openFailure))
    }

    /// Tells each loop once, whatever the number of its jobs.
    private func finish(_ jobs: [Job], _ result: Result<AuditReceipt, AuditFailure>) {
        var rest = jobs.filter { $0.completion != nil }[...]
        while let first = rest.first {
            guard let loop = first.loop else {
                first.completion?(result)
                rest = rest.dropFirst()
                continue
            }
            let mine = rest.filter { $0.loop === loop }
            rest = rest.filter { $0.loop !== loop }[...]
            loop.execute { for job in mine { job.completion?(result) } }
        }
    }

    private func flushIfDue() {
        guard let log, log.needsFlush, MonotonicClock.now >= lastFlush + intervalNanoseconds else { return }
        lastFlush = MonotonicClock.now
        do throws(AuditFailure) {
            try log.flush()
            showHead()
        } catch {
            board.failures.add(1)
            setState(.unavailable, error)
        }
    }

    private var intervalNanoseconds: UInt64 {
        let (seconds, attoseconds) = settings.interval.components
        return UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
    }

    // MARK: Checkpoints

    private func checkpointIfDue() {
        guard let log, state == .open, log.head.sequence > checkpointed else { return }
        let rules = settings.checkpoints
        let isDue =
            log.head.sequence - checkpointed >= UInt64(rules.records)
            || MonotonicClock.now >= lastCheckpoint + UInt64(rules.interval.components.seconds) * 1_000_000_000
        if isDue { signCheckpoint(log) }
    }

    private func signCheckpoint(_ log: AuditLog) {
        guard log.head.sequence > checkpointed, !log.needsFlush else { return }
        lastCheckpoint = MonotonicClock.now
        do throws(AuditFailure) {
            let (note, head) = try log.checkpoint()
            checkpointed = head.sequence
            board.showCheckpoint(note, head.sequence, at: WallClock.seconds)
            deliver(note)
            onCheckpoint(head)
        } catch {
            board.checkpointFailures.add(1)
            logger.error("checkpoint_failed", metadata: ["reason": "\(error.message)"])
        }
    }

    /// Sends a checkpoint where the configuration says: a memory that whoever rewrites this disk cannot reach.
    private func deliver(_ note: String) {
        for destination in CheckpointDestination.all(of: settings.checkpoints) {
            do throws(FileError) {
                try destination.send(note)
                board.show(destination.name, failure: nil)
            } catch {
                board.checkpointFailures.add(1)
                if board.show(destination.name, failure: error.message) {
                    logger.error(
                        "checkpoint_not_delivered",
                        metadata: ["to": "\(destination.name)", "reason": "\(error.message)"])
                }
            }
        }
    }

    // MARK: What others see

    private func setState(_ new: State, _ failure: AuditFailure?) {
        let old = state
        if let failure { board.setReason(failure.message) } else { board.setReason("") }
        guard old != new else { return }
        stateBox.store(new.rawValue, ordering: .releasing)
        switch new {
        case .unavailable:
            failingSince = AuditTime(milliseconds: UInt64(WallClock.seconds) * 1000)
            logger.critical("audit_unavailable", metadata: ["reason": "\(failure?.message ?? "")"])
        case .broken: logger.critical("audit_broken", metadata: ["reason": "\(failure?.message ?? "")"])
        case .open where old == .unavailable:
            logger.notice("audit_resumed")
            if !isTrying { note(resumption) }
        case .open, .closed: break
        }
    }

    private func showHead() {
        guard let log else { return }
        board.showHead(log.head.sequence, segment: log.segmentName)
    }

    private static func logSettings(_ settings: Configuration.Audit) -> AuditLog.Settings {
        var result = AuditLog.Settings()
        result.segmentBytes = settings.segmentSize
        result.segmentSeconds = UInt64(settings.segmentAge.components.seconds)
        result.reserveBytes = settings.reserve
        return result
    }

    private static var now: AuditLog.Moment {
        let (seconds, milliseconds) = WallClock.precise
        return AuditLog.Moment(
            seconds: seconds, text: AuditTime(milliseconds: seconds * 1000 + UInt64(milliseconds)).text)
    }
}

/// What became of a group of records: all of them are flushed, or written where the configuration says `interval`.
struct AuditReceipt: Sendable {
    let records: ClosedRange<UInt64>
    /// The last record that is surely on disk.
    let head: AuditHead
}

extension KeyFailure {
    init(_ failure: AuditFailure) {
        self.init(503, "audit_unavailable", "no audit record, no answer: \(failure.message)")
    }
}

/// The kernel's name for this start of the machine.
private enum BootID {
    static var text: String {
        var bytes = [UInt8](repeating: 0, count: 36)
        let descriptor = unsafe open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "unknown" }
        defer { Glibc.close(descriptor) }
        let got = unsafe bytes.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
        guard got == 36, bytes.allSatisfy({ $0 == 0x2D || (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
        else { return "unknown" }
        return String(decoding: bytes, as: UTF8.self)
    }
}
