internal import ArgumentParser
internal import Glibc
internal import StrongroomClient

/// `strongroom-bench run`: fills an empty vault, runs the scenarios against it, writes the results.
struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Fill a vault with cards and measure every call on it.",
        discussion: "The vault must be this machine's, and empty. `bench/run` sets one up.")

    @Option(help: "Where the vault listens: HOST:PORT or unix:PATH.")
    var server: String

    @Option(help: "The name in the vault's certificate.")
    var serverName = "localhost"

    @Option(help: "Directory with ca.crt, checkout.crt/.key and billing.crt/.key, as certs/make-certs writes it.")
    var certs: String

    @Option(help: "Process id of strongroomd, whose CPU time is measured.")
    var pid: Int32

    @Option(help: "The vault's data directory, for the bytes a card takes on disk.")
    var data: String

    @Option(help: "Cards to fill the vault with, 1,000 to 10,000,000.")
    var cards = 1_000_000

    @Option(help: "Runs of each scenario; the table shows median, least and most.")
    var runs = 5

    @Option(help: "Seconds of a closed-loop run.")
    var seconds = 3.0

    @Option(help: "Run only the scenarios whose name contains this; the fill always runs.")
    var only: String?

    @Option(
        name: .customLong("fact"),
        help: "NAME=TEXT for the head of the results, such as OpenSSL=3.0.22. May be repeated.")
    var facts: [String] = []

    @Option(help: "Directory for the results file; without it nothing is written.")
    var results: String?

    func validate() throws {
        guard StrongroomClient.Endpoint(server) != nil else {
            throw ValidationError("--server is HOST:PORT or unix:PATH")
        }
        guard (1_000...10_000_000).contains(cards) else { throw ValidationError("--cards is 1,000 to 10,000,000") }
        guard (1...100).contains(runs) else { throw ValidationError("--runs is 1 to 100") }
        guard (0.1...600).contains(seconds) else { throw ValidationError("--seconds is 0.1 to 600") }
        guard pid > 0 else { throw ValidationError("--pid is a process id") }
        guard facts.allSatisfy({ $0.contains("=") }) else { throw ValidationError("--fact is NAME=TEXT") }
    }

    func run() async throws {
        guard let endpoint = StrongroomClient.Endpoint(server) else { throw ExitCode(EX_USAGE) }
        do {
            let vault = VaultAddress(endpoint: endpoint, serverName: serverName, certificates: certs)
            let suite = Suite(vault: vault, server: try ServerProcess(pid: pid), runs: runs, seconds: seconds)
            let outcome = try await suite.run(cards: cards, only: only)
            let report = Report(
                machine: Machine(facts: facts), outcome: outcome, store: Store(dataDirectory: data), runs: runs,
                isUnixSocket: server.hasPrefix("unix:"))
            print(report.text)
            if let results {
                let path = "\(results)/\(report.fileName)"
                try writeFile(path, report.markdown)
                print("\nWritten to \(path)")
            }
        } catch let error as BenchError {
            tell("strongroom-bench: \(error)\n")
            throw ExitCode(EX_SOFTWARE)
        }
    }
}
