internal import StrongroomClient
internal import Synchronization

/// Bulk streams at a steady cadence, each as fast as it goes: what a nightly run does to a vault that serves.
final class BulkCycle: Sendable {
    private static let name = "billing, bulk stream"
    /// After a stream its backlog may still delay others: they count as beside it.
    private static let settleNanoseconds: UInt64 = 100_000_000

    private let clock: WindowClock
    private let server: ServerProcess
    private let billing: StrongroomClient.Configuration
    private let tokens: [UInt64]
    private let plan: RotationPlan
    private let isStopped = Atomic<Bool>(false)
    private let samples = Mutex<[(LoadWindow, Sample)]>([])

    init(
        _ clock: WindowClock, _ server: ServerProcess, _ billing: StrongroomClient.Configuration, _ tokens: [UInt64],
        _ plan: RotationPlan
    ) {
        self.clock = clock
        self.server = server
        self.billing = billing
        self.tokens = tokens
        self.plan = plan
    }

    /// No stream begins from now on.
    func stop() { isStopped.store(true, ordering: .relaxed) }

    /// The streams that lay in a window from start to end.
    func streams(_ window: LoadWindow) -> [Sample] {
        samples.withLock { $0.filter { $0.0 == window }.map(\.1) }
    }

    /// Runs until `stop`, and ends with the stream under way.
    func run() async throws {
        guard plan.bulkLines > 0 else { return }
        let client = try VaultAddress.client(billing, Self.name)
        var random = SplitMix64(seed: 3)
        var next = monotonicNanoseconds()
        var cards = pick(&random)
        while true {
            next = max(monotonicNanoseconds(), next + UInt64(plan.bulkEvery * 1e9))
            while monotonicNanoseconds() < next, !isStopped.load(ordering: .relaxed) {
                try await Task.sleep(nanoseconds: min(100_000_000, next - min(next, monotonicNanoseconds())))
            }
            if isStopped.load(ordering: .relaxed) { break }
            let window = clock.window
            try clock.setStreaming(true)
            let watch = try Stopwatch(server)
            try await BulkExchange(scenario: Self.name).detokenize(client, cards)
            let sample = try watch.stop(requests: 1, items: cards.count)
            if clock.window == window { samples.withLock { $0.append((window, sample)) } }
            // Now, for it takes a core for a moment.
            cards = pick(&random)
            try await Task.sleep(nanoseconds: Self.settleNanoseconds)
            try clock.setStreaming(false)
        }
        await client.shutDown()
    }

    /// Cards of a stream, chosen evenly among all.
    private func pick(_ random: inout SplitMix64) -> [(index: Int, token: UInt64)] {
        (0..<plan.bulkLines).map { _ in
            let index = Int.random(in: tokens.indices, using: &random)
            return (index: index, token: tokens[index])
        }
    }
}
