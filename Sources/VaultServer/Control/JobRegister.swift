internal import Synchronization

/// Long work under way in the background, to be stopped when the daemon drains.
final class JobRegister: Sendable {
    private let isCancelled = Atomic<Bool>(false)

    func cancelAll() { isCancelled.store(true, ordering: .relaxed) }
    var areCancelled: Bool { isCancelled.load(ordering: .relaxed) }
}
