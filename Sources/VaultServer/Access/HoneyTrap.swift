internal import Synchronization

/// What came of the honey tokens since the daemon started. Any thread.
final class HoneyTrap: Sendable {
    /// A client that asked for one.
    struct Touch: Sendable {
        let client: String
        /// Unix seconds.
        let time: UInt64
    }

    private let state = Mutex<(count: UInt64, last: Touch?)>((0, nil))

    /// How often one was asked for.
    var touches: UInt64 { state.withLock { $0.count } }

    var last: Touch? { state.withLock { $0.last } }

    func note(_ tokens: Int, by client: String) {
        let touch = Touch(client: client, time: UInt64(WallClock.seconds))
        state.withLock { $0 = ($0.count + UInt64(tokens), touch) }
    }
}
