internal import Histogram

/// What came of one request.
enum LaneAnswer: Sendable {
    case right, wrong
    case failed(BenchError)
}

/// What became of the requests of one window.
struct LoadTally: Sendable {
    /// Nanoseconds of those answered rightly, between bulk streams.
    var alone = Histogram<UInt64>.latencies
    /// Nanoseconds of those answered rightly, while a bulk stream was running.
    var besideStream = Histogram<UInt64>.latencies
    var failed = 0
    var wrong = 0
    /// The first failure.
    var failure: BenchError?

    var answered: Int { Int(alone.totalCount + besideStream.totalCount) }

    mutating func add(_ answer: LaneAnswer, nanoseconds: UInt64, isBesideStream: Bool) {
        switch answer {
        case .right:
            if isBesideStream { besideStream.record(nanoseconds) } else { alone.record(nanoseconds) }
        case .wrong: wrong += 1
        case .failed(let error):
            failed += 1
            failure = failure ?? error
        }
    }
}
