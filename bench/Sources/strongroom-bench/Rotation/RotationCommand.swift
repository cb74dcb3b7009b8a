internal import ArgumentParser
internal import Glibc
internal import StrongroomClient

/// `strongroom-bench rotation`: fills an empty vault, rotates its keys under load, writes how much anybody noticed.
struct RotationCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotation", abstract: "Rotate the keys of a filled vault while it serves.",
        discussion: "The vault must be this machine's, and empty. `bench/run rotation` sets one up.")

    @OptionGroup var vault: VaultUnderTest

    @Option(help: "The operators' socket of the vault.")
    var control: String

    @Option(
        name: .customLong("purpose"),
        help: "The key to rotate, data or index. May be repeated: one after the other. (default: data, then index)")
    var purposes: [String] = []

    @Option(help: "keys.move_rate of the vault's configuration, for the report.")
    var moveRate = MoveSettings.usual.rate

    @Option(help: "keys.move_slice of the vault's configuration, for the report.")
    var moveSlice = MoveSettings.usual.slice

    @Option(help: "Seconds of the windows before and after a rotation.")
    var seconds = 30.0

    // Together, daemon and load generator use a little under half of two cores between streams.
    @Option(help: "Tokenize requests a second; 0 for none.")
    var checkoutRate = 700.0

    @Option(help: "Share of the tokenize requests that hand in a card the vault has not seen, 0 to 1.")
    var newShare = 0.3

    @Option(help: "Detokenize requests a second, one token each; 0 for none.")
    var billingRate = 2000.0

    @Option(help: "Detokenize requests a second with a batch of 100 tokens; 0 for none.")
    var batchRate = 150.0

    @Option(help: "Tokens of a bulk stream; 0 for none.")
    var bulkLines = 200_000

    @Option(help: "Seconds from the beginning of one bulk stream to that of the next.")
    var bulkEvery = 2.5

    @Option(help: "Seconds after which a rotation counts as stuck.")
    var patience = 3600.0

    func validate() throws {
        guard purposes.allSatisfy({ $0 == "data" || $0 == "index" }) else {
            throw ValidationError("--purpose is data or index")
        }
        guard (1...3600).contains(seconds) else { throw ValidationError("--seconds is 1 to 3600") }
        guard (0...1).contains(newShare) else { throw ValidationError("--new-share is 0 to 1") }
        let rates = [checkoutRate, billingRate, batchRate]
        guard rates.allSatisfy({ (0...100_000).contains($0) }), rates.contains(where: { $0 > 0 }) else {
            throw ValidationError("the rates are 0 to 100,000, and one of them is above 0")
        }
        guard (0...10_000_000).contains(bulkLines) else { throw ValidationError("--bulk-lines is 0 to 10,000,000") }
        guard (0.5...600).contains(bulkEvery) else { throw ValidationError("--bulk-every is 0.5 to 600") }
    }

    func run() async throws {
        do {
            let report = try await measure()
            print("\n" + report.text)
            let faults = report.outcomes.reduce(0) { $0 + $1.faults }
            guard faults == 0 else { throw BenchError.checkFailed(count: faults) }
            try vault.write(report.markdown, report.fileName)
        } catch let error as BenchError {
            tell("strongroom-bench: \(error)\n")
            throw ExitCode(EX_SOFTWARE)
        }
    }

    private func measure() async throws -> RotationReport {
        let address = try vault.address
        let server = try ServerProcess(pid: vault.pid)
        let plan = RotationPlan(
            seconds: seconds, checkoutRate: checkoutRate, newShare: newShare, billingRate: billingRate,
            batchRate: batchRate, bulkLines: bulkLines, bulkEvery: bulkEvery, patience: patience)
        let suite = Suite(vault: address, server: server, runs: 5, seconds: seconds)
        let tokens = try await suite.fill(vault.cards).tokens
        let run = RotationRun(
            vault: address, server: server, keys: KeyCommands(socket: ControlSocket(path: control)),
            dataDirectory: vault.data, plan: plan, tokens: tokens, newCards: NewCards(from: vault.cards))
        var outcomes: [RotationOutcome] = []
        for purpose in purposes.isEmpty ? ["data", "index"] : purposes { outcomes.append(try await run.run(purpose)) }
        return RotationReport(
            machine: Machine(facts: vault.facts), cards: vault.cards, plan: plan,
            settings: MoveSettings(rate: moveRate, slice: moveSlice), isUnixSocket: vault.isUnixSocket,
            outcomes: outcomes)
    }
}
