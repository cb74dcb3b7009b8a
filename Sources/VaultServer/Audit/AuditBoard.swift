internal import Synchronization

/// What is known of the audit log, readable on any thread: for status and metrics.
final class AuditBoard: Sendable {
    struct Facts: Sendable {
        /// The last record on disk.
        var sequence: UInt64 = 0
        var segment = ""
        /// The last signed checkpoint.
        var checkpoint = ""
        var checkpointSize: UInt64 = 0
        /// Unix seconds; 0 for none since the start.
        var checkpointTime: UInt32 = 0
        /// Why the last record could not be written; empty while they can.
        var reason = ""
        /// Why the last checkpoint did not reach a destination, by its name; empty where it did.
        var destinations: [String: String] = [:]
    }

    let records = Counter()
    let flushes = Counter()
    let flushNanoseconds = Counter()
    let failures = Counter()
    /// Waits that ended before the disk answered.
    let late = Counter()
    /// Records that nobody waited for and that were not written.
    let lost = Counter()
    let checkpointFailures = Counter()
    /// Nanoseconds of the monotonic clock since when the thread is at the disk; 0 while it is not.
    let busySince = Atomic<UInt64>(0)
    private let facts = Mutex(Facts())

    var current: Facts { facts.withLock { $0 } }
    var reason: String { facts.withLock { $0.reason } }

    /// Seconds that the disk has not answered.
    var stalledSeconds: Double {
        let since = busySince.load(ordering: .relaxed)
        return since == 0 ? 0 : Double(MonotonicClock.now &- since) / 1e9
    }

    func setReason(_ reason: String) { facts.withLock { $0.reason = reason } }

    func showHead(_ sequence: UInt64, segment: String) {
        facts.withLock {
            $0.sequence = sequence
            if $0.segment != segment { $0.segment = segment }
        }
    }

    func showCheckpoint(_ note: String, _ size: UInt64, at time: UInt32) {
        facts.withLock {
            $0.checkpoint = note
            $0.checkpointSize = size
            $0.checkpointTime = time
        }
    }

    /// Whether that is news.
    @discardableResult
    func show(_ destination: String, failure: String?) -> Bool {
        facts.withLock { $0.destinations.updateValue(failure ?? "", forKey: destination) != (failure ?? "") }
    }
}
