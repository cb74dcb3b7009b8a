internal import Glibc
internal import LMDB
internal import Logging
internal import NIOCore
internal import SecretMemory
internal import VaultCore

/// How a batch ended.
package enum WriteResult: Sendable {
    /// Durable; outcomes are in the items.
    case done
    /// No room; nothing of this batch was written.
    case full
    /// May or may not be on disk.
    case unknown
    /// Nothing was written: the store has stopped writing.
    case stopped
    /// Nothing was written: the store failed before its commit.
    case failed
    /// Nothing was written: what the batch needs to read is damaged.
    case damaged
    /// Nothing was written: the vault is sealed.
    case sealed
    /// Nothing was written: the data key has done all the encryptions it may do.
    case exhausted
    /// Nothing was written: the audit log did not take the record.
    case unaudited
}

/// The one thread that writes the database. Requests that arrive while it flushes share the next transaction and flush
/// (group commit); a lone request waits for nothing but its own flush.
///
/// After a failed write or flush other than a clean "full" it stops writing, answers what was under way with `unknown`, and
/// reopens the store before it writes again: LMDB reports success for the commit after a failed flush.
package final class WriterThread: @unchecked Sendable {
    /// A batch and whom to tell. The completion runs on `loop`.
    struct Job: Sendable {
        let batch: WriteBatch
        let loop: any EventLoop
        let completion: @Sendable (WriteResult) -> Void
    }

    /// Items from which on a group takes no further batch. With the largest batch behind it, and a subject for each card,
    /// it stays below `Store.encryptionsReserve`.
    private static let itemsMax = 4096
    /// Seconds between attempts to write again while stopped.
    private static let retrySeconds = 1

    private let host: VaultHost
    private let keys: KeyManager
    private let audit: AuditTrail
    private let policy: PolicyBox
    private let readers: ReaderGate
    private let logger: Logger
    private let metrics: Metrics
    private let queueMax: Int
    private let groupMax: Int

    // Guarded by `queue`'s own lock.
    private let queue = JobQueue<Job>(weight: { $0.batch.items.count })

    // Below: touched by the writer thread only, after `start`.
    private var writer: VaultWriter?
    private var writerPolicy: Policy?
    private var writerKeyring: Keyring?
    private var drawsCounted: (draws: UInt64, full: UInt64) = (0, 0)
    private var lastSweep: UInt32 = 0
    private var nextResume: UInt64 = 0
    /// When requests were served last.
    private var lastRequest: UInt64 = 0
    /// How long after a request others are to be expected.
    private static let busyNanoseconds: UInt64 = 100_000_000

    init(
        host: VaultHost, keys: KeyManager, audit: AuditTrail, policy: PolicyBox, readers: ReaderGate,
        configuration: Configuration.Store, metrics: Metrics, logger: Logger
    ) {
        self.host = host
        self.keys = keys
        self.audit = audit
        self.policy = policy
        self.readers = readers
        self.metrics = metrics
        self.logger = logger
        queueMax = configuration.writerQueue
        groupMax = configuration.groupMax
    }

    /// Hands a batch over; false where the queue is full or closed, and the batch stays with the caller. Any thread.
    func submit(_ job: consuming Job) -> Bool { queue.append(job, max: queueMax) }

    /// Runs a task on the thread, between two groups; false once the thread has ended. Any thread.
    func perform(_ task: @escaping @Sendable () -> Void) -> Bool { queue.append(task) }

    /// Batches waiting now.
    var depth: Int { queue.depth }

    /// Counts turns of the thread, for the watchdog: it moves at least every second while the thread lives.
    var heartbeat: UInt64 { queue.turns }

    func start() { queue.startThread { self.run() } }

    /// Lets the thread finish what is queued and end; returns when it has.
    func stop() { queue.close() }

    /// True when the queue is closed and drained; false to go on with another thread.
    private func run() -> Bool {
        while let work = queue.take(max: groupMax, weightMax: Self.itemsMax, nanoseconds: patience) {
            for task in work.tasks { task() }
            if host.state == .sealed { letGo() }
            if host.state == .stopped { resumeIfDue() }
            if work.jobs.isEmpty {
                if host.state == .writing { sweepRequests() }
            } else {
                serve(work.jobs)
            }
            moveSlice()
            // The count of a writer that goes by older keys is of an older key.
            keys.tick(
                now: UInt64(WallClock.seconds), nanoseconds: MonotonicClock.now,
                encryptions: writerKeyring === host.keyring ? writer?.encryptions : nil)
            // A change of the keys writes too, and may be what failed.
            if host.state == .writing, host.currentStore?.environment.isWriteStopped == true {
                stopWriting("a change of the keys was not written")
            }
            if host.currentStore?.environment.isAbandoned == true {
                letGo()
                return false
            }
            // Where the environment is beyond use, readers wait for it too.
            if host.state == .stopped, host.currentStore?.environment.isPanicked != false { resumeIfDue() }
        }
        letGo()
        return true
    }

    /// How long to wait for requests: until the next slice of a rotation is due, at most a second.
    private var patience: UInt64 {
        let second = UInt64(Self.retrySeconds) * 1_000_000_000
        return min(second, keys.untilNextSlice(MonotonicClock.now) ?? second)
    }

    /// Keys and transactions of this thread go.
    private func letGo() {
        writer = nil
        writerKeyring = nil
    }

    private func serve(_ jobs: [Job]) {
        guard host.state == .writing, prepareWriter() else {
            return finish(jobs, host.state == .sealed ? .sealed : .stopped)
        }
        var allowed = jobs
        if !keys.mayEncrypt {
            finish(jobs.filter { !$0.batch.onlyForgets }, .exhausted)
            allowed = jobs.filter { $0.batch.onlyForgets }
        }
        if !allowed.isEmpty { apply(allowed) }
        lastRequest = MonotonicClock.now
        if let count = writer?.encryptions { keys.noteEncryptions(count) }
    }

    /// A slice of a rotation, where one is due: after requests, and never two without a look for requests between them.
    private func moveSlice() {
        let now = MonotonicClock.now
        guard let order = keys.nextSlice(now), prepareWriter() else { return }
        do throws(WriteFailure) {
            let slice =
                order.purpose == .index
                ? try writer!.moveEntries(limit: order.limit) : try writer!.moveRecords(limit: order.limit)
            metrics.commits.add(1)
            metrics.commitNanoseconds.add(MonotonicClock.now - now)
            let ended = MonotonicClock.now
            keys.moved(
                order, slice, elapsed: ended - now, isBusy: now < lastRequest + Self.busyNanoseconds, now: ended)
            if let count = writer?.encryptions { keys.noteEncryptions(count) }
        } catch {
            keys.notMoved(order, judge(error), now: MonotonicClock.now)
        }
    }

    /// One transaction for all; where that finds no room or meets damage, one for each, so that no batch fails another.
    private func apply(_ jobs: [Job]) {
        let started = MonotonicClock.now
        switch attempt(jobs.map(\.batch)) {
        case .done: finish(jobs, .done)
        // Forgets may have room in the log where others have none.
        case .unaudited where jobs.count > 1 && jobs.contains { $0.batch.onlyForgets },
            .full where jobs.count > 1 || jobs[0].batch.onlyForgets, .damaged where jobs.count > 1:
            for job in jobs {
                guard host.state == .writing, prepareWriter() else {
                    finish([job], .stopped)
                    continue
                }
                for index in 0..<job.batch.items.count { job.batch.items[index].outcome = .pending }
                finish([job], attemptAlone(job.batch))
            }
        case let result: finish(jobs, result)
        }
        metrics.commits.add(1)
        metrics.commitNanoseconds.add(MonotonicClock.now - started)
        metrics.writes.add(jobs.reduce(0) { $0 + UInt64($1.batch.items.count) })
    }

    /// Deleting takes pages too: where a full map has none, a batch that only forgets may go beyond the limit for a moment.
    private func attemptAlone(_ batch: WriteBatch) -> WriteResult {
        let result = attempt([batch])
        guard case .full = result, batch.onlyForgets else { return result }
        return host.withReserve { attempt([batch]) } ?? result
    }

    private func attempt(_ batches: [WriteBatch]) -> WriteResult {
        var records: ClosedRange<UInt64>?
        let version = writer?.activeVersion ?? 0
        let result: WriteResult
        do throws(WriteFailure) {
            try writer!.apply(batches, now: WallClock.seconds) { () throws(AuditFailure) in
                let entries = batches.compactMap { $0.record(keyVersion: version) }
                guard !entries.isEmpty else { return nil }
                let receipt = try audit.write(entries, isReserved: batches.allSatisfy(\.onlyForgets))
                records = receipt.records
                return receipt.head
            }
            countDraws()
            result = .done
        } catch {
            result = judge(error)
        }
        if let records { noteOutcome(of: records, result) }
        return result
    }

    /// Closes the records of intent: after a crash one without this is normal, and a change without an intent never is.
    private func noteOutcome(of records: ClosedRange<UInt64>, _ result: WriteResult) {
        var entry = AuditEntry(.outcome)
        entry.add("first", records.lowerBound)
        entry.add("last", records.upperBound)
        switch result {
        case .done: entry.add("outcome", "durable")
        case .unknown: entry.add("outcome", "unknown")
        default: entry.add("outcome", "failed")
        }
        audit.note(entry)
    }

    /// What a failure means for the requests, and whether writing stops.
    private func judge(_ failure: WriteFailure) -> WriteResult {
        switch failure {
        case .full:
            logger.warning("store_full", metadata: ["what": "a group of writes found no room; nothing was written"])
            if host.currentStore?.environment.isPanicked == true {
                stopWriting("the disk was full at the last page")
            }
            return .full
        case .unknown(let cause):
            stopWriting(cause.message)
            return .unknown
        case .unaudited: return .unaudited
        case .rejected(let cause) where cause.isDamage:
            logger.error("damage_met", metadata: ["reason": "\(cause.message)"])
            if host.currentStore?.environment.isAbandoned == true {
                stopWriting("a damaged page cut a write short")
            }
            return .damaged
        case .rejected(let cause):
            stopWriting(cause.message)
            return .failed
        }
    }

    private func stopWriting(_ reason: String) {
        letGo()
        host.setState(.stopped)
        logger.error("write_stopped", metadata: ["reason": "\(reason)"])
    }

    /// Not more often than once in `retrySeconds`, however many requests knock.
    private func resumeIfDue() {
        let now = MonotonicClock.now
        guard now >= nextResume else { return }
        nextResume = now + UInt64(Self.retrySeconds) * 1_000_000_000
        resume()
    }

    /// Proves the store again: closes it on every thread, opens it (which flushes the file), and writes.
    private func resume() {
        if host.currentStore?.environment.isWriteStopped != false || host.currentStore?.environment.isPanicked == true {
            readers.close()
            letGo()
            host.releaseStore()
            do throws(StoreError) {
                let store = try host.reopenStore()
                readers.open(store)
            } catch {
                logger.error("store_reopen_failed", metadata: ["reason": "\(error.message)"])
                return
            }
        }
        guard let store = host.currentStore, let keyring = host.keyring else { return }
        do throws(KeyFailure) {
            if keys.needsAdmission { try keys.admit() }
            do throws(StoreError) {
                _ = try store.prepare(keyring: host.keyring ?? keyring, formats: [], purposes: [])
            } catch {
                throw KeyFailure(error)
            }
            host.setState(.writing)
            logger.notice("write_resumed")
        } catch {
            logger.error("write_still_stopped", metadata: ["reason": "\(error.title)"])
        }
    }

    /// Makes the writer that goes by the policy and the keys in force.
    private func prepareWriter() -> Bool {
        let current = policy.current
        guard let keyring = host.keyring, let store = host.currentStore else { return false }
        if writer != nil, writerPolicy === current, writerKeyring === keyring { return true }
        let uncounted = writer?.uncountedEncryptions ?? 0
        do throws(StoreError) {
            writer = try VaultWriter(
                store: store, keyring: keyring, formats: current.formats, uncountedEncryptions: uncounted)
            writerPolicy = current
            writerKeyring = keyring
            drawsCounted = (0, 0)
            return true
        } catch {
            stopWriting(error.message)
            return false
        }
    }

    private func countDraws() {
        guard let draws = writer?.draws, let full = writer?.fullBuckets else { return }
        metrics.tokenDraws.add(draws - drawsCounted.draws)
        metrics.fullBuckets.add(full - drawsCounted.full)
        drawsCounted = (draws, full)
    }

    /// Once a minute, when nothing waits: forgets request ids past their day, a slice at a time.
    private func sweepRequests() {
        let now = WallClock.seconds
        guard now >= lastSweep &+ 60, prepareWriter() else { return }
        lastSweep = now
        do throws(WriteFailure) {
            try writer!.sweepRequests(now: now, limit: 1000)
        } catch {
            if case .full = error { return }
            stopWriting("sweeping request ids failed")
        }
    }

    /// Tells each loop once, whatever the number of its batches.
    private func finish(_ jobs: [Job], _ result: WriteResult) {
        var rest = jobs[...]
        while let first = rest.first {
            let mine = rest.filter { $0.loop === first.loop }
            rest = rest.filter { $0.loop !== first.loop }[...]
            first.loop.execute {
                for job in mine { job.completion(result) }
            }
        }
    }
}
