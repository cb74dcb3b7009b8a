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

    let queue = JobQueue<Job>(weight: { $0.bytes })
    let logger: Logger
    let directory: AuditDirectory
    private let settingsBox: Mutex<Configuration.Audit>
    private let stateBox = Atomic<Int>(State.closed.rawValue)
    let board = AuditBoard()
    /// Told of every checkpoint on disk, on the audit thread.
    var onCheckpoint: @Sendable (AuditHead) -> Void = { _ in }

    // Below: the audit thread only.
    var log: AuditLog?
    var backlog: [AuditEntry] = []
    /// With what the log is to be opened, where the disk did not let it be.
    var unopened: (keyring: Keyring, known: AuditHead?)?
    /// Why it is not open.
    var openFailure = AuditFailure.closed
    private var lastFlush: UInt64 = 0
    var lastCheckpoint: UInt64 = 0
    var checkpointed: UInt64 = 0
    let boot = BootID.text
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

    /// Hands records over; the completion runs on `loop`. False where too many wait already, or the disk has not answered
    /// for as long as anybody would wait.
    func submit(_ job: consuming Job) -> Bool {
        guard board.stalledSeconds < Double(settings.timeout.components.seconds) else { return false }
        return queue.append(job, max: Self.queueMax, weightMax: Self.queueBytesMax)
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

    func write(_ jobs: [Job]) {
        if let (keyring, known) = unopened { try? openNow(keyring, known, adopting: nil) }
        guard let log, state != .broken else { return refuse(jobs) }
        board.busySince.store(MonotonicClock.now, ordering: .relaxed)
        defer { board.busySince.store(0, ordering: .relaxed) }
        do throws(AuditFailure) {
            finish(jobs, try attempt(jobs, log))
        } catch {
            fail(jobs, error, log)
        }
    }

    /// One group; the receipt is of its first record.
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
                finish([job], try attempt([job], log))
            } catch {
                refused.append(job)
            }
        }
        if !refused.isEmpty { setState(.unavailable, failure) }
        board.lost.add(UInt64(refused.filter { $0.completion == nil }.count))
        finish(refused, failure)
    }

    /// While there is no log: what nobody waits for is kept until there is one.
    private func refuse(_ jobs: [Job]) {
        for job in jobs where job.completion == nil {
            if backlog.count < Self.backlogMax { backlog += job.entries } else { board.lost.add(1) }
        }
        finish(jobs.filter { $0.completion != nil }, openFailure)
    }

    /// Hands each job the numbers of its own records.
    private func finish(_ jobs: [Job], _ receipt: AuditReceipt) {
        var next = receipt.records.lowerBound
        var results: [Result<AuditReceipt, AuditFailure>] = []
        results.reserveCapacity(jobs.count)
        for job in jobs {
            let count = UInt64(max(1, job.entries.count))
            results.append(.success(AuditReceipt(records: next...(next + count - 1), head: receipt.head)))
            next += UInt64(job.entries.count)
        }
        tell(jobs, results)
    }

    private func finish(_ jobs: [Job], _ failure: AuditFailure) {
        tell(jobs, Array(repeating: .failure(failure), count: jobs.count))
    }

    /// Wakes each loop once, whatever the number of its jobs.
    private func tell(_ jobs: [Job], _ results: [Result<AuditReceipt, AuditFailure>]) {
        var rest = zip(jobs, results).filter { $0.0.completion != nil }[...]
        while let first = rest.first {
            guard let loop = first.0.loop else {
                first.0.completion?(first.1)
                rest = rest.dropFirst()
                continue
            }
            let mine = rest.filter { $0.0.loop === loop }
            rest = rest.filter { $0.0.loop !== loop }[...]
            loop.execute { for (job, result) in mine { job.completion?(result) } }
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

    // MARK: What others see

    func setState(_ new: State, _ failure: AuditFailure?) {
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

    func showHead() {
        guard let log else { return }
        board.showHead(log.head.sequence, segment: log.segmentName)
    }

    static var now: AuditLog.Moment {
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
