internal import Glibc
internal import Synchronization

/// Lets transactions run together, and remapping alone.
///
/// `mdb_env_set_mapsize` moves the map under every open transaction of the process and leaves it to the caller that
/// there are none. Entering and leaving cost one atomic addition each, once per transaction.
struct TransactionGate: ~Copyable {
    /// The number of open transactions, plus `closed` while a remap waits or runs.
    private let state = Atomic<UInt>(0)
    private static let closed: UInt = 1 << 63
    private static let pauseMicroseconds: UInt32 = 50

    /// Counts a transaction in; waits while a remap is in progress.
    func enter() {
        while state.add(1, ordering: .acquiring).oldValue & Self.closed != 0 {
            state.subtract(1, ordering: .relaxed)
            usleep(Self.pauseMicroseconds)
        }
    }

    /// Counts a transaction out.
    func leave() {
        state.subtract(1, ordering: .releasing)
    }

    /// Runs `body` while no transaction is open; `nil` if some stayed open for all of `waiting`, or another remap runs.
    func alone(waiting: Duration, _ body: () -> CInt) -> CInt? {
        let deadline = ContinuousClock.now.advanced(by: waiting)
        guard state.bitwiseOr(Self.closed, ordering: .acquiring).oldValue & Self.closed == 0 else { return nil }
        defer { state.bitwiseAnd(~Self.closed, ordering: .releasing) }
        while state.load(ordering: .acquiring) != Self.closed {
            if ContinuousClock.now >= deadline { return nil }
            usleep(Self.pauseMicroseconds)
        }
        return body()
    }
}
