internal import Histogram

/// The results of rotations under load, for the terminal and as a file to keep.
struct RotationReport {
    let machine: Machine
    let cards: Int
    let plan: RotationPlan
    let settings: MoveSettings
    let isUnixSocket: Bool
    let outcomes: [RotationOutcome]

    /// Cores that others may use without a warning.
    private static let quietCoresMax = 0.15

    /// `2026-01-31-amd-epyc-2-cores-rotation.md`, and what is not as usual.
    var fileName: String {
        let cards = cards == 1_000_000 ? "" : "-\(cards)-cards"
        let moves = settings.isUsual ? "" : "-rate-\(settings.rate)-slice-\(settings.slice)"
        return "\(machine.day)-\(machine.slug)-rotation\(moves)\(cards)\(isUnixSocket ? "-unix" : "").md"
    }

    /// For a terminal.
    var text: String { outcomes.map { section($0, \.text) }.joined(separator: "\n\n") }

    /// For `bench/results`.
    var markdown: String {
        """
        # Rotation under load, \(Figures.whole(Double(cards))) cards, \(machine.day)

        \(machine.head(isUnixSocket: isUnixSocket))
        - Load generator: strongroom-bench on the same machine
        - Vault: keys.move_rate \(settings.rate), keys.move_slice \(settings.slice)
        \(loads.map { "- \($0)" }.joined(separator: "\n"))

        Before and after are windows of \(Figures.short(plan.seconds)) s without a rotation; "during" is from the
        command to the end of the rotation's job. After against before is what two windows differ by without a rotation.
        Latencies count from the moment a request was due, whether or not a connection was free. Every answer was
        compared with the card, or the token, that it must be.

        \(outcomes.map { section($0, \.markdown) }.joined(separator: "\n\n"))

        """
    }

    /// What the vault was asked, in words.
    private var loads: [String] {
        var lines = [
            "Checkout: \(rate(plan.checkoutRate)) tokenize requests a second, one card each,"
                + " \(Figures.percent(plan.newShare)) of them new; \(RotationPlan.checkoutConnections) connections",
            "Billing: \(rate(plan.billingRate)) detokenize requests a second, one token each;"
                + " \(RotationPlan.billingConnections) connections",
            "Billing: \(rate(plan.batchRate)) JSON batches of \(plan.batchItems) tokens a second;"
                + " \(RotationPlan.batchConnections) connections",
            "These are open loops: requests are due at random moments (exponential gaps), answered or not",
        ]
        if plan.bulkLines > 0 {
            lines.append(
                "Bulk: a stream of \(rate(Double(plan.bulkLines))) tokens every \(Figures.short(plan.bulkEvery)) s, as"
                    + " fast as it goes, beside the other loads")
        }
        return lines
    }

    private func rate(_ value: Double) -> String { Figures.whole(value) }

    private func section(_ outcome: RotationOutcome, _ render: (TextTable) -> String) -> String {
        let course = outcome.course
        return """
            ## The \(outcome.purpose) key, from version \(course.from) to \(course.to)

            \(render(goals(outcome)))

            Requests between bulk streams:

            \(render(latencies(outcome, \.alone)))

            Requests beside a bulk stream:

            \(render(latencies(outcome, \.besideStream)))

            \(render(windows(outcome)))

            \(facts(outcome).map { "- \($0)" }.joined(separator: "\n"))

            Checked afterwards:

            \(outcome.findings.map { "- \($0.isRight ? "" : "**FAILED**: ")\($0.text)" }.joined(separator: "\n"))
            """
    }

    // MARK: Tables

    private func goals(_ outcome: RotationOutcome) -> TextTable {
        var rows = outcome.loads.map { load in
            row("p99 of \(load.name)", "at most 2", load.p99Ratio(.during, to: .before)) { $0 <= 2 }
                + [ratio(load.p99Ratio(.after, to: .before))]
        }
        if plan.bulkLines > 0 {
            rows.append(
                row("cards/s of a bulk stream", "at least 0.7", outcome.bulkRatio(.during, to: .before)) { $0 >= 0.7 }
                    + [ratio(outcome.bulkRatio(.after, to: .before))])
        }
        return TextTable(head: ["", "goal", "during / before", "", "after / before"], rows: rows)
    }

    private func row(_ name: String, _ goal: String, _ value: Double?, _ isMet: (Double) -> Bool) -> [String] {
        [name, goal, ratio(value), value.map { isMet($0) ? "met" : "missed" } ?? "not measured"]
    }

    private func ratio(_ value: Double?) -> String { value.map { Figures.fixed($0, 2) } ?? "-" }

    private func latencies(_ outcome: RotationOutcome, _ part: (LoadTally) -> Histogram<UInt64>) -> TextTable {
        let rows = outcome.loads.flatMap { load in
            LoadWindow.compared.map { window in
                let histogram = part(load[window])
                let count = histogram.totalCount
                let percentiles = [50, 90, 99, 99.9].map { percentile in
                    // A percentile of fewer requests than it takes is the slowest of them, not a percentile.
                    Double(count) * (100 - percentile) < 100
                        ? "-" : Figures.duration(histogram.valueAtPercentile(percentile))
                }
                return [load.name, window.name, Figures.whole(Double(count))] + percentiles
                    + [count > 0 ? Figures.duration(histogram.max) : "-"]
            }
        }
        return TextTable(
            head: ["load", "window", "requests", "p50", "p90", "p99", "p99.9", "max"], rows: rows)
    }

    private func windows(_ outcome: RotationOutcome) -> TextTable {
        let rows = LoadWindow.compared.map { window in
            let (alone, beside) = outcome.usage[window.rawValue]
            let seconds = (alone + beside).seconds
            let rates = outcome.loads.map { Figures.whole(Double($0[window].answered) / seconds) }
            let failed = outcome.loads.reduce(0) { $0 + $1[window].failed + $1[window].wrong }
            return [window.name, Figures.short(seconds)] + rates
                + [
                    outcome.bulkRate(window)?.text(Figures.whole) ?? "-",
                    String(outcome.streams[window.rawValue].count), String(failed),
                    Figures.fixed(alone.serverCores, 2), Figures.fixed(alone.ownCores, 2),
                    Figures.fixed(alone.otherCores, 2),
                    Figures.duration(outcome.delays[window.rawValue].valueAtPercentile(99)),
                ]
        }
        return TextTable(
            head: ["window", "s"] + outcome.loads.map { "\($0.name), /s" }
                + [
                    "bulk cards/s", "streams", "failed", "server cores", "generator cores", "other cores",
                    "generator's delay, p99",
                ], rows: rows)
    }

    private func facts(_ outcome: RotationOutcome) -> [String] {
        let course = outcome.course
        var lines = [
            "Rotation: \(Figures.short(course.seconds)) s, \(Figures.short(course.movingSeconds)) s of them moving;"
                + " \(Figures.whole(Double(course.moved))) records, \(Figures.whole(outcome.recordsPerSecond)) a second"
        ]
        if let cost = outcome.microsecondsPerRecord {
            let sign = outcome.extraCores < 0 ? "less" : "more"
            lines.append(
                "Server CPU of the rotation: \(Figures.fixed(abs(outcome.extraCores), 2)) cores \(sign) than before,"
                    + " between bulk streams: \(Figures.short(max(0, cost))) us for each record moved, flushes included"
            )
        }
        if let before = course.storeBefore.bytes, let after = course.storeAfter.bytes {
            lines.append(
                "Store on disk: \(Figures.megabytes(before)) MiB before the rotation, \(Figures.megabytes(after)) MiB"
                    + " after it")
        }
        let others = LoadWindow.compared.map { outcome.usage[$0.rawValue].alone.otherCores }
        if let most = others.max(), most > Self.quietCoresMax {
            lines.append(
                "**Other work** took up to \(Figures.fixed(most, 2)) cores meanwhile: the ratios say little, the"
                    + " percentiles nothing")
        }
        return lines
    }
}
