internal import Synchronization

/// A number that only grows, counted on any thread. Touched once per request or group, never per item.
final class Counter: Sendable {
    private let value = Atomic<UInt64>(0)
    func add(_ amount: UInt64) { value.add(amount, ordering: .relaxed) }
    var current: UInt64 { value.load(ordering: .relaxed) }
}

/// A number that goes up and down.
final class Gauge: Sendable {
    private let value = Atomic<Int64>(0)
    func add(_ amount: Int64) { value.add(amount, ordering: .relaxed) }
    /// Adds one and gives the new value.
    func increment() -> Int64 { value.add(1, ordering: .relaxed).newValue }
    var current: Int64 { value.load(ordering: .relaxed) }
}

/// Everything `/metrics` shows that is counted while serving. No token, PAN, BIN or subject is ever a label.
package final class Metrics: Sendable {
    let connections = Gauge()
    let connectionsTotal = Counter()
    let connectionsRefused = Counter()
    let handshakeFailures = Counter()
    /// Requests by call and answer: a fixed grid, so that nothing is looked up.
    private let requests: [Counter]
    private let durations: [Histogram]
    let tokenized = Counter()
    let revealed = Counter()
    let commits = Counter()
    let commitNanoseconds = Counter()
    let writes = Counter()
    let tokenDraws = Counter()
    let fullBuckets = Counter()
    let reloads = Counter()
    let reloadFailures = Counter()

    /// Unix seconds of the last whole verify, and what it found; 0 before the first.
    let verifiedAt = Atomic<UInt64>(0)
    let verifyFindings = Atomic<UInt64>(0)

    func verifyFinished(findings: UInt64, isComplete: Bool) {
        guard isComplete else { return }
        verifyFindings.store(findings, ordering: .relaxed)
        verifiedAt.store(UInt64(WallClock.seconds), ordering: .relaxed)
    }

    package init() {
        requests = (0..<Call.allCases.count * Self.answers).map { _ in Counter() }
        durations = Call.allCases.map { _ in Histogram() }
    }

    /// One column for success, then one for each problem code.
    private static let answers = 64

    /// Counts a finished request; `problem` is the raw value of its code, `nil` for success.
    func finished(_ call: Call, problem: UInt8?, nanoseconds: UInt64) {
        let column = problem.map { Int($0) + 1 } ?? 0
        requests[call.rawValue * Self.answers + min(column, Self.answers - 1)].add(1)
        durations[call.rawValue].record(nanoseconds)
    }

    func requestCount(_ call: Call, problem: UInt8?) -> UInt64 {
        requests[call.rawValue * Self.answers + (problem.map { Int($0) + 1 } ?? 0)].current
    }

    func duration(_ call: Call) -> Histogram { durations[call.rawValue] }
}

/// Time of requests in buckets of powers of two of a millisecond's 1/8 and up, in the form Prometheus reads.
final class Histogram: Sendable {
    /// Upper bounds in nanoseconds.
    static let bounds: [UInt64] = (0..<18).map { 62_500 << UInt64($0) }
    private let buckets: [Counter]
    private let sum = Counter()

    init() { buckets = (0...Self.bounds.count).map { _ in Counter() } }

    func record(_ nanoseconds: UInt64) {
        var index = 0
        while index < Self.bounds.count, nanoseconds > Self.bounds[index] { index += 1 }
        buckets[index].add(1)
        sum.add(nanoseconds)
    }

    /// Counts up to and including each bound, then all.
    var cumulative: [UInt64] {
        var total: UInt64 = 0
        return buckets.map { bucket in
            total += bucket.current
            return total
        }
    }

    var sumNanoseconds: UInt64 { sum.current }
}

/// The calls of the data plane, as metrics and logs name them.
package enum Call: Int, CaseIterable, Sendable {
    case tokenize, detokenize, inspect, find, fingerprint, forget, bulkTokenize, bulkDetokenize, unknown

    package var name: String {
        switch self {
        case .tokenize: "tokenize"
        case .detokenize: "detokenize"
        case .inspect: "inspect"
        case .find: "find"
        case .fingerprint: "fingerprint"
        case .forget: "forget"
        case .bulkTokenize: "bulk_tokenize"
        case .bulkDetokenize: "bulk_detokenize"
        case .unknown: "unknown"
        }
    }
}
