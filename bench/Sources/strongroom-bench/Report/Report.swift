internal import Histogram

/// The results of a run, for the terminal and as a file to keep.
struct Report {
    let machine: Machine
    let outcome: Suite.Outcome
    let store: Store
    let runs: Int
    let isUnixSocket: Bool

    /// `2026-01-31-amd-epyc-2-cores.md`, and what is not as usual: the number of cards, the transport.
    var fileName: String {
        let cards = outcome.cards == 1_000_000 ? "" : "-\(outcome.cards)-cards"
        return "\(machine.day)-\(machine.slug)\(cards)\(isUnixSocket ? "-unix" : "").md"
    }

    /// For a terminal.
    var text: String { "\n" + table.text + "\n\n" + sizes.joined(separator: "\n") }

    /// For `bench/results`.
    var markdown: String {
        """
        # \(Figures.whole(Double(outcome.cards))) cards, \(machine.day)

        \(machine.head(isUnixSocket: isUnixSocket))
        - Load generator: strongroom-bench on the same machine, \(runs) runs of each scenario

        Median of the runs, with least and most in brackets. Server CPU is user and system time of the daemon, all
        threads, for one card. "Others" is what other processes took of the machine meanwhile: where it is not near
        0, trust the CPU figures little and the rates not at all. Every answer was compared with the card stored.

        \(table.markdown)

        \(sizes.map { "- \($0)" }.joined(separator: "\n"))

        """
    }

    private var table: TextTable {
        let head = ["scenario", "server CPU us/card", "cards/s", "p50", "p99", "p99.9", "in kernel", "others"]
        let rows = outcome.series.map { series in
            let latencies = [50.0, 99.0, 99.9].map { percentile in
                series.latencies.map { Figures.duration($0.valueAtPercentile(percentile)) } ?? "-"
            }
            let cost = series.serverCPUMicroseconds.text(Figures.short)
            let rate = series.itemsPerSecond.text(Figures.whole)
            let kernel = series.kernelShare.map(Figures.percent) ?? "-"
            return [series.name, cost, rate] + latencies + [kernel, Figures.percent(series.otherLoad.median)]
        }
        return TextTable(head: head, rows: rows)
    }

    private var sizes: [String] {
        var lines: [String] = []
        if let bytes = store.bytes {
            let (cards, megabytes) = (Figures.whole(Double(outcome.cardsAtEnd)), Figures.megabytes(bytes))
            let each = Figures.whole(Double(bytes) / Double(outcome.cardsAtEnd))
            lines.append("Store: \(cards) cards at the end, \(megabytes) MiB on disk, \(each) bytes a card")
        }
        if let bytes = outcome.residentBytes {
            lines.append(
                "Resident memory of the daemon at the end, mapped pages of the store included:"
                    + " \(Figures.megabytes(bytes)) MiB")
        }
        return lines
    }
}
