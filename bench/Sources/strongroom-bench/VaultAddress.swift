internal import StrongroomClient

/// Where the vault is, and the two clients that talk to it.
struct VaultAddress: Sendable {
    let endpoint: StrongroomClient.Endpoint
    let serverName: String
    /// The directory that `certs/make-certs` wrote.
    let certificates: String

    /// What the billing client reveals cards for.
    static let purpose = "charge"

    /// The client that hands cards in.
    var checkout: StrongroomClient.Configuration { configuration("checkout") }

    /// The client that gets cards back.
    var billing: StrongroomClient.Configuration { configuration("billing") }

    /// A client whose failure names the scenario.
    static func client(
        _ configuration: StrongroomClient.Configuration, _ scenario: String
    ) throws(BenchError) -> StrongroomClient {
        do throws(StrongroomError) {
            return try StrongroomClient(configuration: configuration)
        } catch {
            throw .failed(scenario: scenario, error)
        }
    }

    private func configuration(_ client: String) -> StrongroomClient.Configuration {
        var configuration = StrongroomClient.Configuration(
            endpoint: endpoint, certificate: "\(certificates)/\(client).crt", key: "\(certificates)/\(client).key",
            authorities: "\(certificates)/ca.crt")
        configuration.serverName = serverName
        configuration.idleLife = .seconds(600)
        return configuration
    }
}
