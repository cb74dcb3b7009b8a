internal import Histogram
internal import StrongroomClient

/// A closed loop: each connection has one request under way and sends the next when the answer is there. Rates follow
/// from latencies, so it says what a caller waits, not what the vault would stand under a load that does not wait.
struct ClosedLoop<Talk: Conversation>: Sendable {
    let scenario: String
    private let lanes: [Lane<Talk>]

    /// Opens the connections; `talk` makes what each one asks.
    init(
        _ scenario: String, _ configuration: StrongroomClient.Configuration, host: String, connections: Int,
        talk: (Int) -> Talk
    ) async throws {
        self.scenario = scenario
        var lanes: [Lane<Talk>] = []
        do throws(StrongroomError) {
            for number in 0..<connections {
                lanes.append(Lane(try await RawConnection(configuration), host: host, talk(number)))
            }
        } catch {
            throw BenchError.failed(scenario: scenario, error)
        }
        self.lanes = lanes
    }

    /// Lets all connections ask for so long, and waits for the last answers.
    func run(nanoseconds: UInt64) async throws -> LoopCount {
        let deadline = monotonicNanoseconds() + nanoseconds
        return try await withThrowingTaskGroup(of: LoopCount.self) { group in
            for lane in lanes {
                group.addTask { try await lane.run(until: deadline, scenario) }
            }
            var total = LoopCount()
            for try await count in group { total.add(count) }
            return total
        }
    }

    /// What each connection asked so far.
    var talks: [Talk] { lanes.map(\.talk) }

    /// Ends the connections.
    func close() async {
        for lane in lanes { await lane.close() }
    }
}

/// What a closed loop did.
struct LoopCount: Sendable {
    var requests = 0
    var items = 0
    /// Nanoseconds from sending a request to its whole answer.
    var latencies = Histogram<UInt64>.latencies

    mutating func add(_ other: LoopCount) {
        requests += other.requests
        items += other.items
        latencies.add(other.latencies)
    }
}

extension Histogram<UInt64> {
    /// Nanoseconds to a minute, three digits.
    static var latencies: Self {
        Self(lowestDiscernibleValue: 100, highestTrackableValue: 60_000_000_000, numberOfSignificantValueDigits: .three)
    }
}
