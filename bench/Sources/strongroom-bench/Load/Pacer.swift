internal import Glibc
internal import Histogram
internal import Synchronization

/// A load that is told when a request is due.
protocol Paced: Sendable {
    /// Requests a second.
    var rate: Double { get }
    /// Sends a request, now or as soon as a connection is free. On the pacer's thread.
    func fire(due: UInt64)
}

/// Decides when requests are due: at random moments, as many a second as each load wants, whatever has become of those
/// before. A thread of its own, so that neither answers nor streams hold it up.
final class Pacer: Sendable {
    private let isStopped = Atomic<Bool>(false)
    private let lateness = Mutex(LoadWindow.allCases.map { _ in Histogram<UInt64>.latencies })
    private let loads: [any Paced]
    private let clock: WindowClock

    init(_ loads: [any Paced], _ clock: WindowClock) {
        self.loads = loads
        self.clock = clock
    }

    /// Starts the thread, which lives until `stop`.
    func start() throws(BenchError) {
        var thread = pthread_t()
        let body = unsafe Unmanaged.passRetained(self).toOpaque()
        // The thread takes over the reference that was just made.
        let result = unsafe pthread_create(
            &thread, nil,
            { pointer in
                guard let pointer = unsafe pointer else { return nil }
                unsafe Unmanaged<Pacer>.fromOpaque(pointer).takeRetainedValue().run()
                return nil
            }, body)
        guard result == 0 else { throw .thread(errno: result) }
        _ = pthread_detach(thread)
    }

    /// No request is due from now on; at most one more is sent.
    func stop() { isStopped.store(true, ordering: .relaxed) }

    /// How much later than due requests of a window were handed to a connection, between bulk streams: the load
    /// generator's own delay, which is part of every latency.
    func delays(_ window: LoadWindow) -> Histogram<UInt64> { lateness.withLock { $0[window.rawValue] } }

    private func run() {
        // Of this thread alone, and only where the user may: the report shows the delays either way.
        _ = setpriority(Int32(PRIO_PROCESS.rawValue), 0, -10)
        var random = SplitMix64(seed: 7)
        let start = monotonicNanoseconds()
        var due = loads.map { start + Self.gap($0.rate, &random) }
        while !isStopped.load(ordering: .relaxed) {
            guard let next = due.indices.min(by: { due[$0] < due[$1] }) else { return }
            Self.sleep(until: due[next])
            let now = monotonicNanoseconds()
            if !clock.isStreaming {
                let window = clock.window.rawValue
                lateness.withLock { _ = $0[window].record(now > due[next] ? now - due[next] : 0) }
            }
            loads[next].fire(due: due[next])
            due[next] += Self.gap(loads[next].rate, &random)
        }
    }

    /// Nanoseconds to the next request: exponentially distributed, so that callers know nothing of each other, and no
    /// rhythm of the server's meets always the same ones.
    private static func gap(_ rate: Double, _ random: inout SplitMix64) -> UInt64 {
        UInt64(-log(Double.random(in: 1e-9..<1, using: &random)) / rate * 1e9)
    }

    private static func sleep(until due: UInt64) {
        var time = timespec(tv_sec: Int(due / 1_000_000_000), tv_nsec: Int(due % 1_000_000_000))
        while unsafe clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nil) == EINTR {}
    }
}
