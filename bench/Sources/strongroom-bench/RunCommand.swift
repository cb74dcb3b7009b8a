internal import ArgumentParser
internal import Glibc

/// `strongroom-bench run`: fills an empty vault, runs the scenarios against it, writes the results.
struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Fill a vault with cards and measure every call on it.",
        discussion: "The vault must be this machine's, and empty. `bench/run` sets one up.")

    @OptionGroup var vault: VaultUnderTest

    @Option(help: "Runs of each scenario; the table shows median, least and most.")
    var runs = 5

    @Option(help: "Seconds of a closed-loop run.")
    var seconds = 3.0

    @Option(help: "Run only the scenarios whose name contains this; the fill always runs.")
    var only: String?

    func validate() throws {
        guard (1...100).contains(runs) else { throw ValidationError("--runs is 1 to 100") }
        guard (0.1...600).contains(seconds) else { throw ValidationError("--seconds is 0.1 to 600") }
    }

    func run() async throws {
        do {
            let suite = Suite(
                vault: try vault.address, server: try ServerProcess(pid: vault.pid), runs: runs, seconds: seconds)
            let outcome = try await suite.run(cards: vault.cards, only: only)
            let report = Report(
                machine: Machine(facts: vault.facts), outcome: outcome, store: Store(dataDirectory: vault.data),
                runs: runs, isUnixSocket: vault.isUnixSocket)
            print(report.text)
            try vault.write(report.markdown, report.fileName)
        } catch let error as BenchError {
            tell("strongroom-bench: \(error)\n")
            throw ExitCode(EX_SOFTWARE)
        }
    }
}
