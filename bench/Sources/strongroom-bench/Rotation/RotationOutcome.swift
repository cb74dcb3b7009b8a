internal import Histogram

/// What was seen of one rotation.
struct RotationOutcome: Sendable {
    let purpose: String
    let course: RotationRun.Course
    let loads: [LoadResult]
    /// By window.
    let streams: [[Sample]]
    /// By window: between bulk streams, beside one.
    let usage: [(alone: WindowClock.Usage, besideStream: WindowClock.Usage)]
    /// Of the load generator, by window, between bulk streams.
    let delays: [Histogram<UInt64>]
    let findings: [RotationCheck.Finding]

    /// Checks that failed.
    var faults: Int { findings.count { !$0.isRight } }

    var recordsPerSecond: Double { Double(course.moved) / course.movingSeconds }

    /// Cards a second of the bulk streams of a window; nil where there was none.
    func bulkRate(_ window: LoadWindow) -> Spread? {
        let rates = streams[window.rawValue].map(\.itemsPerSecond)
        return rates.isEmpty ? nil : Spread(rates)
    }

    func bulkRatio(_ one: LoadWindow, to other: LoadWindow) -> Double? {
        guard let first = bulkRate(one), let second = bulkRate(other) else { return nil }
        return first.median / second.median
    }

    /// Cores that the server used between streams, more in the window of the rotation than in the one before.
    var extraCores: Double {
        usage[LoadWindow.during.rawValue].alone.serverCores - usage[LoadWindow.before.rawValue].alone.serverCores
    }

    /// What moving a record costs, from the difference: the loads are the same in both windows.
    var microsecondsPerRecord: Double? {
        course.moved > 0 ? extraCores * course.seconds * 1e6 / Double(course.moved) : nil
    }
}
