internal import Synchronization

/// Long work under way in the background: each kind at most once, and all of it ended when the daemon drains.
final class JobRegister: Sendable {
    enum Kind: String, Sendable {
        case verify
        case auditVerify = "audit_verify"
        /// A scan of the log: records, or a report.
        case auditRead = "audit_read"
    }

    private let running = Mutex<Set<Kind>>([])
    private let isCancelled = Atomic<Bool>(false)

    /// False where one of the kind runs already.
    func begin(_ kind: Kind) -> Bool { running.withLock { $0.insert(kind).inserted } }

    func end(_ kind: Kind) { running.withLock { _ = $0.remove(kind) } }

    func cancelAll() { isCancelled.store(true, ordering: .relaxed) }

    var areCancelled: Bool { isCancelled.load(ordering: .relaxed) }
}
