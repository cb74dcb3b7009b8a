internal import Glibc
internal import Histogram

/// One run of a scenario, as measured.
struct Sample: Sendable {
    var requests: Int
    /// Cards or tokens.
    var items: Int
    var seconds: Double
    var serverCPUNanoseconds: UInt64
    /// CPU time of the load generator.
    var ownCPUNanoseconds: UInt64
    /// CPU time of the server in ticks, for the kernel's share.
    var serverTicks: CPUTicks
    /// The part of the machine that neither the server nor the load generator used, and that was not idle: 0 to 1.
    var otherLoad: Double
    /// Nil for a stream, whose lines have no latency of their own.
    var latencies: Histogram<UInt64>?

    var itemsPerSecond: Double { Double(items) / seconds }
    var serverCPUMicrosecondsPerItem: Double { Double(serverCPUNanoseconds) / 1000 / Double(items) }
}

/// Takes the readings before and after a run.
struct Stopwatch {
    private let server: ServerProcess
    private let start: UInt64
    private let cpu: UInt64
    private let ticks: CPUTicks
    private let own: UInt64
    private let busy: UInt64?

    init(_ server: ServerProcess) throws(BenchError) {
        self.server = server
        ticks = try server.ticks()
        busy = MachineLoad.busyNanoseconds()
        own = nanoseconds(CLOCK_PROCESS_CPUTIME_ID) ?? 0
        cpu = try server.cpuNanoseconds()
        start = monotonicNanoseconds()
    }

    /// What has passed since.
    func stop(requests: Int, items: Int, latencies: Histogram<UInt64>? = nil) throws(BenchError) -> Sample {
        let elapsed = monotonicNanoseconds() - start
        let serverCPU = try server.cpuNanoseconds() - cpu
        let ownCPU = (nanoseconds(CLOCK_PROCESS_CPUTIME_ID) ?? 0) - own
        let all = zip(busy, MachineLoad.busyNanoseconds()).map { Double($1 - $0) } ?? 0
        let others = max(0, all - Double(serverCPU + ownCPU)) / (Double(elapsed) * Double(MachineLoad.cores))
        return Sample(
            requests: requests, items: items, seconds: Double(elapsed) / 1e9, serverCPUNanoseconds: serverCPU,
            ownCPUNanoseconds: ownCPU, serverTicks: try server.ticks() - ticks, otherLoad: min(1, others),
            latencies: latencies)
    }

    private func zip(_ first: UInt64?, _ second: UInt64?) -> (UInt64, UInt64)? {
        guard let first, let second else { return nil }
        return (first, second)
    }
}
