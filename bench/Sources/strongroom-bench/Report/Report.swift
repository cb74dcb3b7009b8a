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
    var text: String {
        let widths = table[0].indices.map { column in table.map { $0[column].count }.max() ?? 0 }
        let lines = table.map { row in
            row.enumerated().map { column, cell in
                let space = String(repeating: " ", count: widths[column] - cell.count)
                return column == 0 ? cell + space : space + cell
            }.joined(separator: "  ")
        }
        return "\n" + lines.joined(separator: "\n") + "\n\n" + sizes.joined(separator: "\n")
    }

    /// For `bench/results`.
    var markdown: String {
        let rule = "|---|" + table[0].dropFirst().map { _ in "---:|" }.joined()
        let rows = table.map { "| " + $0.joined(separator: " | ") + " |" }
        let facts = [
            (
                "Machine",
                "\(machine.processor), \(machine.cores) cores, \(gigabytes(machine.memoryBytes)) GiB of memory"
            ),
            ("Kernel", "Linux \(machine.kernel)"),
        ]
        let head = (facts + machine.facts.map { ($0.name, $0.text) }).map { "- \($0.0): \($0.1)" }
        return """
            # \(Figures.whole(Double(outcome.cards))) cards, \(machine.day)

            \(head.joined(separator: "\n"))
            - Transport: \(isUnixSocket ? "a Unix socket" : "TCP on loopback"), TLS 1.3 with client certificates, HTTP/1.1 keep-alive
            - Load generator: strongroom-bench on the same machine, \(runs) runs of each scenario

            Median of the runs, with least and most in brackets. Server CPU is user and system time of the daemon, all
            threads, for one card. "Others" is what other processes took of the machine meanwhile: where it is not near
            0, trust the CPU figures little and the rates not at all. Every answer was compared with the card stored.

            \(([rows[0], rule] + rows.dropFirst()).joined(separator: "\n"))

            \(sizes.map { "- \($0)" }.joined(separator: "\n"))

            """
    }

    private var table: [[String]] {
        let head = ["scenario", "server CPU us/card", "cards/s", "p50", "p99", "p99.9", "in kernel", "others"]
        return [head]
            + outcome.series.map { series in
                let latencies = [50.0, 99.0, 99.9].map { percentile in
                    series.latencies.map { Figures.duration($0.valueAtPercentile(percentile)) } ?? "-"
                }
                let cost = spread(series.serverCPUMicroseconds, Figures.short)
                let rate = spread(series.itemsPerSecond, Figures.whole)
                let kernel = series.kernelShare.map(Figures.percent) ?? "-"
                return [series.name, cost, rate] + latencies + [kernel, Figures.percent(series.otherLoad.median)]
            }
    }

    private func spread(_ spread: Spread, _ text: (Double) -> String) -> String {
        "\(text(spread.median)) (\(text(spread.least)) - \(text(spread.most)))"
    }

    private var sizes: [String] {
        var lines: [String] = []
        if let bytes = store.bytes {
            let each = Figures.whole(Double(bytes) / Double(outcome.cardsAtEnd))
            lines.append(
                "Store: \(Figures.whole(Double(outcome.cardsAtEnd))) cards at the end, \(megabytes(bytes)) MiB on disk,"
                    + " \(each) bytes a card")
        }
        if let bytes = outcome.residentBytes {
            lines.append(
                "Resident memory of the daemon at the end, mapped pages of the store included: \(megabytes(bytes)) MiB")
        }
        return lines
    }

    private func megabytes(_ bytes: UInt64) -> String { Figures.whole(Double(bytes) / 1_048_576) }
    private func gigabytes(_ bytes: UInt64) -> String { Figures.short(Double(bytes) / 1_073_741_824) }
}
