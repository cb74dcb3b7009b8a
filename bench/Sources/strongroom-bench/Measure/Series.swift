internal import Histogram

/// The runs of one scenario.
struct Series: Sendable {
    let name: String
    private(set) var samples: [Sample] = []

    init(name: String) { self.name = name }

    mutating func add(_ sample: Sample) { samples.append(sample) }

    var itemsPerSecond: Spread { Spread(samples.map(\.itemsPerSecond)) }
    var serverCPUMicroseconds: Spread { Spread(samples.map(\.serverCPUMicrosecondsPerItem)) }
    var otherLoad: Spread { Spread(samples.map(\.otherLoad)) }

    /// The kernel's share of the server's CPU time over all runs, 0 to 1; nil where there were too few ticks to tell.
    var kernelShare: Double? {
        let total = samples.reduce(0) { $0 + $1.serverTicks.total }
        guard total >= 20 else { return nil }
        return Double(samples.reduce(0) { $0 + $1.serverTicks.system }) / Double(total)
    }

    /// Latencies of all runs together; nil for streams.
    var latencies: Histogram<UInt64>? {
        let all = samples.compactMap(\.latencies)
        guard var sum = all.first else { return nil }
        for other in all.dropFirst() { sum.add(other) }
        return sum
    }
}

/// Median, least and most of several figures. The middle two of an even number are averaged.
struct Spread: Sendable {
    let median: Double
    let least: Double
    let most: Double

    init(_ figures: [Double]) {
        let sorted = figures.sorted()
        guard let first = sorted.first, let last = sorted.last else {
            (median, least, most) = (.nan, .nan, .nan)
            return
        }
        let middle = sorted.count / 2
        median = sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
        (least, most) = (first, last)
    }

    /// `2 (1 - 3)`: the median, with least and most in brackets.
    func text(_ figure: (Double) -> String) -> String { "\(figure(median)) (\(figure(least)) - \(figure(most)))" }
}
