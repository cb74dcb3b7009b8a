internal import Histogram
internal import StrongroomClient

/// Rotates a key of a filled vault while it serves a checkout and a billing load.
struct RotationRun: Sendable {
    let vault: VaultAddress
    let server: ServerProcess
    let keys: KeyCommands
    let dataDirectory: String
    let plan: RotationPlan
    /// Token of each card of the fill.
    let tokens: [UInt64]
    let newCards: NewCards

    /// How a rotation went, by its own account.
    struct Course: Sendable {
        var from: Int
        var to: Int
        /// From the command to the end of the job: moving, proof and destruction.
        var seconds: Double
        /// Of that, moving.
        var movingSeconds: Double
        var moved: Int
        var storeBefore: Store
        var storeAfter: Store
    }

    /// Plays the three windows for one key and checks everything after it.
    func run(_ purpose: String) async throws -> RotationOutcome {
        let clock = try WindowClock(server)
        let firstNew = newCards.take(0)
        let checkout = try await OpenLoop(
            "checkout, tokenize, single", rate: plan.checkoutRate, vault.checkout, host: vault.serverName,
            connections: RotationPlan.checkoutConnections, clock
        ) { CheckingOut(tokens, newCards, newShare: plan.newShare, seed: UInt64($0)) }
        let billing = try await OpenLoop(
            "billing, detokenize, single", rate: plan.billingRate, vault.billing, host: vault.serverName,
            connections: RotationPlan.billingConnections, clock
        ) { Revealing(tokens, items: 1, seed: UInt64($0)) }
        let batches = try await OpenLoop(
            "billing, detokenize, batch of \(plan.batchItems)", rate: plan.batchRate, vault.billing,
            host: vault.serverName, connections: RotationPlan.batchConnections, clock
        ) { Revealing(tokens, items: plan.batchItems, seed: 100 + UInt64($0)) }
        let loads: [any MeasuredLoad] = [checkout, billing, batches]
        let pacer = Pacer(loads.filter { $0.rate > 0 }, clock)
        let bulk = BulkCycle(clock, server, vault.billing, tokens, plan)

        async let streams: Void = bulk.run()
        try pacer.start()
        defer { pacer.stop() }
        let course = try await windows(purpose, clock, loads)
        pacer.stop()
        bulk.stop()
        try await streams
        for load in loads { await load.drain() }
        let made = checkout.talks.flatMap(\.tokens)
        for load in loads { await load.close() }

        let results = loads.filter { $0.rate > 0 }.map { LoadResult($0) }
        let check = RotationCheck(run: self, purpose: purpose, course: course, newCards: firstNew..<newCards.take(0))
        let findings = try await check.findings(results, made)
        return RotationOutcome(
            purpose: purpose, course: course, loads: results,
            streams: LoadWindow.allCases.map { bulk.streams($0) }, usage: LoadWindow.allCases.map { clock.usage($0) },
            delays: LoadWindow.allCases.map { pacer.delays($0) }, findings: findings)
    }

    private func windows(
        _ purpose: String, _ clock: WindowClock, _ loads: [any MeasuredLoad]
    ) async throws -> Course {
        try await wait(plan.warmUp, loads)
        tell("\(purpose) key: before the rotation, \(Figures.short(plan.seconds)) s\n")
        try clock.enter(.before)
        try await wait(plan.seconds, loads)
        let storeBefore = Store(dataDirectory: dataDirectory)
        let from = try active(purpose)

        tell("\(purpose) key: rotating\n")
        try clock.enter(.during)
        let start = monotonicNanoseconds()
        try keys.rotate(purpose)
        let moved = try await follow(start, loads)
        let seconds = Double(monotonicNanoseconds() - start) / 1e9

        tell("\(purpose) key: after \(Figures.short(seconds)) s of rotation, \(Figures.short(plan.seconds)) s\n")
        try clock.enter(.after)
        let storeAfter = Store(dataDirectory: dataDirectory)
        try await wait(plan.seconds, loads)
        try clock.enter(.outside)
        let old = try keys.versions().first { $0.purpose == purpose && $0.number == from }
        return Course(
            from: from, to: try active(purpose), seconds: seconds, movingSeconds: moved, moved: old?.moved ?? 0,
            storeBefore: storeBefore, storeAfter: storeAfter)
    }

    /// Waits for the end of the rotation; gives back how many seconds it moved records.
    private func follow(_ start: UInt64, _ loads: [any MeasuredLoad]) async throws -> Double {
        var lastMoving = start
        while let job = try keys.jobs().first {
            let now = monotonicNanoseconds()
            switch job.state {
            case "moving": lastMoving = now
            case "proving", "paused": break
            default: throw BenchError.rotationStuck(state: job.state, reason: job.reason)
            }
            guard Double(now - start) / 1e9 < plan.patience else {
                throw BenchError.rotationStuck(state: job.state, reason: "\(job.done) of \(job.total) moved")
            }
            try await wait(0.1, loads)
        }
        return Double(lastMoving - start) / 1e9
    }

    private func active(_ purpose: String) throws(BenchError) -> Int {
        guard let version = try keys.versions().first(where: { $0.purpose == purpose && $0.state == "active" }) else {
            throw .control("no active version of the \(purpose) key")
        }
        return version.number
    }

    private func wait(_ seconds: Double, _ loads: [any MeasuredLoad]) async throws {
        let end = monotonicNanoseconds() + UInt64(seconds * 1e9)
        while true {
            if let load = loads.first(where: \.isOverloaded) { throw BenchError.overloaded(scenario: load.name) }
            let now = monotonicNanoseconds()
            guard now < end else { return }
            try await Task.sleep(nanoseconds: min(end - now, 200_000_000))
        }
    }
}

/// An open loop, whatever it asks.
protocol MeasuredLoad: Paced {
    var name: String { get }
    var isOverloaded: Bool { get }
    func tally(_ window: LoadWindow) -> LoadTally
    func drain() async
    func close() async
}

extension OpenLoop: MeasuredLoad {}

/// What a load saw.
struct LoadResult: Sendable {
    let name: String
    let rate: Double
    /// By window.
    let tallies: [LoadTally]

    init(_ load: any MeasuredLoad) {
        name = load.name
        rate = load.rate
        tallies = LoadWindow.allCases.map { load.tally($0) }
    }

    subscript(_ window: LoadWindow) -> LoadTally { tallies[window.rawValue] }

    /// How much longer the slowest hundredth waits in one window than in another; nil where one is empty.
    func p99Ratio(_ one: LoadWindow, to other: LoadWindow) -> Double? {
        let (first, second) = (self[one].alone, self[other].alone)
        guard first.totalCount > 0, second.totalCount > 0 else { return nil }
        return Double(first.valueAtPercentile(99)) / Double(second.valueAtPercentile(99))
    }
}
