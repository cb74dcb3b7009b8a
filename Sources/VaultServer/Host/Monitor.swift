internal import Glibc

/// A mutex and a condition variable of libc: the standard library has no condition to wait on.
///
/// The condition goes by the monotonic clock, so that a jump of the wall clock neither hurries nor delays a wait.
@safe
final class Monitor: @unchecked Sendable {
    // Allocated once and freed in `deinit`.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>

    init() {
        unsafe mutex = .allocate(capacity: 1)
        unsafe condition = .allocate(capacity: 1)
        unsafe pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        unsafe pthread_cond_init(condition, &attributes)
        unsafe pthread_condattr_destroy(&attributes)
    }

    deinit {
        unsafe pthread_cond_destroy(condition)
        unsafe pthread_mutex_destroy(mutex)
        unsafe condition.deallocate()
        unsafe mutex.deallocate()
    }

    /// Runs `body` with the mutex held; what it returns is the caller's.
    func locked<R>(_ body: () -> R) -> R {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return body()
    }

    /// A moment so many nanoseconds from now, for `wait`.
    static func deadline(nanoseconds: UInt64) -> timespec {
        var deadline = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &deadline)
        let total = UInt64(deadline.tv_nsec) + nanoseconds
        deadline.tv_sec += Int(total / 1_000_000_000)
        deadline.tv_nsec = Int(total % 1_000_000_000)
        return deadline
    }

    /// Waits for a signal with the mutex held, which is let go meanwhile; false where the time is over. May return early:
    /// the caller looks again.
    func wait(until deadline: timespec) -> Bool {
        var deadline = deadline
        return unsafe pthread_cond_timedwait(condition, mutex, &deadline) != ETIMEDOUT
    }

    /// The same without an end.
    func wait() { unsafe pthread_cond_wait(condition, mutex) }

    /// Wakes one that waits. With the mutex held.
    func signal() { unsafe pthread_cond_signal(condition) }

    /// Wakes all that wait. With the mutex held.
    func broadcast() { unsafe pthread_cond_broadcast(condition) }
}
