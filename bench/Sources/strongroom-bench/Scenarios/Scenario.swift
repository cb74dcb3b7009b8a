internal import StrongroomClient

/// One thing to measure: a name and what a run of it does.
struct Scenario: Sendable {
    let name: String
    /// Runs once for each number of `runs` and gives each sample away.
    let measure: @Sendable (Stage, Int, (Sample) -> Void) async throws -> Void
}

/// What scenarios play on: the filled vault and how to measure it.
struct Stage: Sendable {
    let vault: VaultAddress
    let server: ServerProcess
    /// Token of each card of the fill.
    let tokens: [UInt64]
    /// Cards the vault has not seen.
    let newCards: NewCards
    /// Nanoseconds of a closed-loop run.
    let nanoseconds: UInt64

    /// Nanoseconds of the run before the first, which is thrown away.
    var warmUpNanoseconds: UInt64 { min(nanoseconds, 500_000_000) }
}

// MARK: - Closed loops

extension Scenario {
    /// Reveals `items` cards a request on so many connections.
    static func reveal(_ name: String, items: Int, connections: Int) -> Scenario {
        Scenario(name: name) { stage, runs, give in
            let loop = try await ClosedLoop(
                name, stage.vault.billing, host: stage.vault.serverName, connections: connections
            ) { Revealing(stage.tokens, items: items, seed: UInt64($0)) }
            try await measure(loop, stage, runs, give)
            await loop.close()
        }
    }

    /// Hands in new cards, one a request, on so many connections; reveals all of them afterwards and compares.
    static func tokenize(_ name: String, connections: Int) -> Scenario {
        Scenario(name: name) { stage, runs, give in
            let loop = try await ClosedLoop(
                name, stage.vault.checkout, host: stage.vault.serverName, connections: connections
            ) { _ in Tokenizing(stage.newCards) }
            try await measure(loop, stage, runs, give)
            await loop.close()
            let made = loop.talks.flatMap(\.tokens)
            let client = try VaultAddress.client(stage.vault.billing, name)
            try await BulkExchange(scenario: name).detokenize(client, made)
            await client.shutDown()
        }
    }

    private static func measure<Talk>(
        _ loop: ClosedLoop<Talk>, _ stage: Stage, _ runs: Int, _ give: (Sample) -> Void
    ) async throws {
        _ = try await loop.run(nanoseconds: stage.warmUpNanoseconds)
        for _ in 0..<runs {
            let watch = try Stopwatch(stage.server)
            let count = try await loop.run(nanoseconds: stage.nanoseconds)
            give(try watch.stop(requests: count.requests, items: count.items, latencies: count.latencies))
        }
    }
}

// MARK: - Streams

extension Scenario {
    /// Reveals every card once, in random order, by one stream, and compares every line.
    static func bulkReveal(_ name: String) -> Scenario {
        Scenario(name: name) { stage, runs, give in
            let client = try VaultAddress.client(stage.vault.billing, name)
            let exchange = BulkExchange(scenario: name)
            var random = SplitMix64(seed: 1)
            for _ in 0..<runs {
                let order = stage.tokens.indices.shuffled(using: &random).map { (index: $0, token: stage.tokens[$0]) }
                let watch = try Stopwatch(stage.server)
                try await exchange.detokenize(client, order)
                give(try watch.stop(requests: 1, items: order.count))
            }
            await client.shutDown()
        }
    }

    /// Hands in `lines` new cards by one stream; reveals all of them afterwards and compares.
    static func bulkTokenize(_ name: String, lines: Int) -> Scenario {
        Scenario(name: name) { stage, runs, give in
            let checkout = try VaultAddress.client(stage.vault.checkout, name)
            let billing = try VaultAddress.client(stage.vault.billing, name)
            let exchange = BulkExchange(scenario: name)
            for _ in 0..<runs {
                let first = stage.newCards.take(lines)
                let watch = try Stopwatch(stage.server)
                let tokens = try await exchange.tokenize(checkout, first..<(first + lines))
                give(try watch.stop(requests: 1, items: lines))
                try await exchange.detokenize(
                    billing, tokens.enumerated().map { (index: first + $0.offset, token: $0.element) })
            }
            await checkout.shutDown()
            await billing.shutDown()
        }
    }
}
