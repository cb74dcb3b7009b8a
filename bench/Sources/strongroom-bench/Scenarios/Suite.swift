internal import Glibc
internal import StrongroomClient

/// Fills the vault, then runs scenario after scenario.
struct Suite: Sendable {
    /// What came of it.
    struct Outcome: Sendable {
        /// Cards of the fill.
        var cards: Int
        /// Cards after all scenarios.
        var cardsAtEnd: Int
        var series: [Series]
        /// Of the daemon; nil where it cannot be read.
        var residentBytes: UInt64?
    }

    /// Lines of a bulk tokenize into the full vault.
    static let bulkLines = 100_000

    /// The short set: what reads comes first, so that it sees the vault as filled.
    static let short: [Scenario] = [
        .bulkReveal("detokenize, bulk stream"),
        .reveal("detokenize, JSON batch of 100, 1 connection", items: 100, connections: 1),
        .reveal("detokenize, JSON batch of 100, 50 connections", items: 100, connections: 50),
        .reveal("detokenize, single, 1 connection", items: 1, connections: 1),
        .reveal("detokenize, single, 50 connections", items: 1, connections: 50),
        .tokenize("tokenize, single, 1 connection", connections: 1),
        .tokenize("tokenize, single, 50 connections", connections: 50),
        .tokenize("tokenize, single, 256 connections", connections: 256),
        .bulkTokenize("tokenize, bulk stream, into the full vault", lines: bulkLines),
    ]

    let vault: VaultAddress
    let server: ServerProcess
    let runs: Int
    let seconds: Double

    /// - Parameter only: nil runs all scenarios.
    func run(cards: Int, only: String?) async throws -> Outcome {
        let filled = try await fill(cards)
        let stage = Stage(
            vault: vault, server: server, tokens: filled.tokens, newCards: NewCards(from: cards),
            nanoseconds: UInt64(seconds * 1e9))
        var all = [filled.series]
        for scenario in Self.short where only.map({ scenario.name.contains($0) }) ?? true {
            var series = Series(name: scenario.name)
            show(scenario.name, 0)
            try await scenario.measure(stage, runs) { sample in
                series.add(sample)
                show(scenario.name, series.samples.count)
            }
            finish(series)
            all.append(series)
        }
        return Outcome(
            cards: cards, cardsAtEnd: stage.newCards.take(0), series: all, residentBytes: server.residentBytes())
    }

    /// Fills the vault in as many streams as there are runs, so that the spread shows how cost grows with the store.
    func fill(_ cards: Int) async throws -> (tokens: [UInt64], series: Series) {
        var series = Series(name: "tokenize, bulk stream, filling the empty vault")
        let exchange = BulkExchange(scenario: series.name)
        do {
            let client = try StrongroomClient(configuration: vault.checkout)
            var tokens: [UInt64] = []
            show(series.name, 0)
            for run in 0..<runs {
                let range = (cards * run / runs)..<(cards * (run + 1) / runs)
                let watch = try Stopwatch(server)
                tokens += try await exchange.tokenize(client, range)
                series.add(try watch.stop(requests: 1, items: range.count))
                show(series.name, run + 1)
            }
            await client.shutDown()
            finish(series)
            return (tokens, series)
        } catch let error as StrongroomError {
            throw BenchError.failed(scenario: series.name, error)
        }
    }

    // MARK: Progress

    /// A line that is written over, on a terminal only.
    private func show(_ name: String, _ run: Int) {
        guard isatty(STDERR_FILENO) == 1 else { return }
        tell("\r\u{1B}[K\(name): \(run) of \(runs) runs")
    }

    private func finish(_ series: Series) {
        if isatty(STDERR_FILENO) == 1 { tell("\r\u{1B}[K") }
        tell("\(series.name): \(Figures.short(series.serverCPUMicroseconds.median)) us of server CPU a card\n")
    }
}
