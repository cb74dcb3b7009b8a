import ArgumentParser
import Glibc
import StrongroomClient
import VaultServer

/// How to reach the vault's data listener, and as whom: from options, or else a client file, or else the configuration.
struct VaultOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The vault: HOST:PORT or unix:PATH.", valueName: "address"))
    var server: String?

    @Option(help: ArgumentHelp("The name in the vault's certificate, where it is not the host.", valueName: "name"))
    var serverName: String?

    @Option(help: ArgumentHelp("Your certificate, PEM.", valueName: "file"))
    var cert: String?

    @Option(help: ArgumentHelp("Its private key, PEM.", valueName: "file"))
    var key: String?

    @Option(help: ArgumentHelp("The authority that vouches for the vault, PEM.", valueName: "file"))
    var cacert: String?

    @Option(
        help: ArgumentHelp(
            "A YAML file with the same: 'client: {server:, server_name:, cert:, key:, cacert:}' "
                + "(default: ~/.config/strongroom/client.yaml).",
            valueName: "file"))
    var client: String?

    @Option(
        help: ArgumentHelp(
            "The daemon's configuration file; only 'listen.unix' or 'listen.tcp' is used.", valueName: "file"))
    var config: String?

    @Flag(help: "No progress and no summary on standard error.")
    var quiet = false

    @Flag(help: "Answers as JSON, one line for each.")
    var json = false

    @OptionGroup var noWords: NoWords

    /// The client of the vault.
    func connect() throws(Failure) -> StrongroomClient {
        let file = try ClientFile.load(client)
        var address = server ?? file.server
        if address == nil { address = try Self.address(try ControlOptions.load(config)) }
        guard let address else { throw missing("--server", "server") }
        guard let endpoint = StrongroomClient.Endpoint(address) else {
            throw Failure(.usage, "'\(address)' is no address: write HOST:PORT, [IPV6]:PORT or unix:PATH")
        }
        guard let cert = cert ?? file.cert else { throw missing("--cert", "cert") }
        guard let key = key ?? file.key else { throw missing("--key", "key") }
        guard let cacert = cacert ?? file.cacert else { throw missing("--cacert", "cacert") }
        var configuration = StrongroomClient.Configuration(
            endpoint: endpoint, certificate: cert, key: key, authorities: cacert)
        configuration.serverName = serverName ?? file.serverName
        do throws(StrongroomError) {
            return try StrongroomClient(configuration: configuration)
        } catch {
            throw Failure(error)
        }
    }

    private func missing(_ option: String, _ key: String) -> Failure {
        Failure(.usage, "which? Give \(option), or '\(key)' in a client file (--client, or \(ClientFile.defaultText))")
    }

    /// The Unix socket where there is one: no port to guess, and no other machine in between.
    private static func address(_ configuration: Configuration?) throws(Failure) -> String? {
        guard let listen = configuration?.listen else { return nil }
        if let unix = listen.unix { return "unix:\(unix.absolute)" }
        return listen.tcp.map { $0.host == "0.0.0.0" ? "127.0.0.1:\($0.port)" : "\($0)" }
    }
}
