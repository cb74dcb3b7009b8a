internal import ArgumentParser
internal import Glibc
internal import StrongroomClient

/// The options that every kind of benchmark has: which vault, and where the results go.
struct VaultUnderTest: ParsableArguments {
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

    @Option(
        name: .customLong("fact"),
        help: "NAME=TEXT for the head of the results, such as OpenSSL=3.0.22. May be repeated.")
    var facts: [String] = []

    @Option(help: "Directory for the results file; without it nothing is written.")
    var results: String?

    var isUnixSocket: Bool { server.hasPrefix("unix:") }

    var address: VaultAddress {
        get throws {
            guard let endpoint = StrongroomClient.Endpoint(server) else { throw ExitCode(EX_USAGE) }
            return VaultAddress(endpoint: endpoint, serverName: serverName, certificates: certs)
        }
    }

    func validate() throws {
        guard StrongroomClient.Endpoint(server) != nil else {
            throw ValidationError("--server is HOST:PORT or unix:PATH")
        }
        guard (1_000...10_000_000).contains(cards) else { throw ValidationError("--cards is 1,000 to 10,000,000") }
        guard pid > 0 else { throw ValidationError("--pid is a process id") }
        guard facts.allSatisfy({ $0.contains("=") }) else { throw ValidationError("--fact is NAME=TEXT") }
    }

    /// Writes the results file, where one is wanted.
    func write(_ text: String, _ name: String) throws(BenchError) {
        guard let results else { return }
        let path = "\(results)/\(name)"
        try writeFile(path, text)
        print("\nWritten to \(path)")
    }
}
