import ArgumentParser
import Glibc

struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "The daemon's configuration.", subcommands: [Reload.self])

    struct Reload: FailingCommand {
        static let configuration = CommandConfiguration(
            commandName: "reload",
            abstract: "Read the configuration and the certificates again, without dropping connections.",
            discussion: "A configuration with problems is refused as a whole, and the old one stays in force.")

        @OptionGroup var options: ControlOptions

        func perform() async throws(Failure) {
            _ = try options.endpoint().call("POST", "/v1/config/reload")
            try Terminal.print("configuration reloaded")
        }
    }
}

struct CertsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "certs", abstract: "The daemon's certificates.", subcommands: [Reload.self])

    struct Reload: FailingCommand {
        static let configuration = CommandConfiguration(
            commandName: "reload",
            abstract: "Read certificates, key, authorities and revocation lists again.",
            discussion: "Connections of clients that are now revoked are closed; the others go on.")

        @OptionGroup var options: ControlOptions

        func perform() async throws(Failure) {
            _ = try options.endpoint().call("POST", "/v1/certs/reload")
            try Terminal.print("certificates reloaded")
        }
    }
}

struct ClientsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clients", abstract: "Who may call the vault.", subcommands: [List.self])

    struct List: FailingCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Show the clients in force and what each may do.",
            discussion: """
                LEFT is what the certificate that the client showed last has left; '-' until it comes. SHOWN is what \
                'inspect' shows it of a card's digits.
                """)

        @Flag(help: "The vault's own JSON.")
        var json = false

        @OptionGroup var options: ControlOptions

        func perform() async throws(Failure) {
            let (text, value) = try options.endpoint().call("GET", "/v1/clients")
            if json { return try Terminal.print(text) }
            let now = UInt64(max(0, time(nil)))
            var table = Table(
                ["NAME", "CERTIFICATE", "LEFT", "MAY", "FORMATS", "PURPOSES", "SHOWN", "FROM", "HOURS (UTC)"],
                rightAligned: [2])
            for client in value.items {
                table.add([
                    client["name"]?.text ?? "", certificate(client),
                    client["seen"]?["not_after"]?.integer.map { Figures.left(until: $0, now: now) } ?? "-",
                    list(client["allow"]), list(client["formats"]), list(client["purposes"]), list(client["show"]),
                    list(client["addresses"]), list(client["hours"]),
                ])
            }
            for line in table.lines + LimitReport(value).lines { try Terminal.print(line) }
        }

        private func certificate(_ client: JSONValue) -> String {
            for kind in ["dns", "uri", "spki_sha256"] {
                if let name = client[kind]?.text {
                    return "\(kind):\(kind == "spki_sha256" ? name.prefix(16) + "…" : name[...])"
                }
            }
            return "-"
        }

        private func list(_ value: JSONValue?) -> String {
            let texts = value?.items.compactMap(\.text) ?? []
            return texts.isEmpty ? "-" : texts.joined(separator: ",")
        }
    }
}
