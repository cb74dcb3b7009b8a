/// One value on its way from one thread to another, which waits for it and may give up.
final class Rendezvous<Value: Sendable>: @unchecked Sendable {
    private let monitor = Monitor()
    // Touched with the monitor held only.
    private var value: Value?

    /// Hands the value over; once.
    func bring(_ value: Value) {
        monitor.locked {
            self.value = value
            monitor.signal()
        }
    }

    /// Waits for the value; `nil` where it has not come in time.
    func wait(nanoseconds: UInt64) -> Value? {
        let deadline = Monitor.deadline(nanoseconds: nanoseconds)
        return monitor.locked {
            while value == nil, monitor.wait(until: deadline) {}
            return value
        }
    }
}
