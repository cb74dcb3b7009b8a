import Glibc
import Testing

@testable import VaultServer

/// The example of the design, as a demo would write it.
let exampleYAML = """
    data: data                       # directory
    listen:
      tcp: 127.0.0.1:8443            # TLS 1.3, client certificates
      unix: run/vault.sock           # the same protocol, TLS too
      control: run/control.sock      # operators, by Unix identity
      operations: 127.0.0.1:9464     # /livez /readyz /metrics
    tls: {certificate: certs/server.crt, key: certs/server.key, client_ca: certs/ca.crt}     # crl: optional
    root_key: {file: root.key}       # or {credential: NAME} · {shares: {threshold: 3, count: 5}}
    formats:
      cards: {keep: last4}
    default_format: cards
    clients:
      - {name: checkout, certificate: {dns: checkout.internal}, allow: [tokenize, inspect, forget], formats: [cards]}
      - {name: billing,  certificate: {dns: billing.internal},  allow: [detokenize, inspect], formats: [cards],
         purposes: [charge, refund]}
    """

/// The mandatory options and nothing else; tests append to it, from line 6.
let minimalYAML = """
    data: data
    listen: {tcp: "127.0.0.1:8443"}
    tls: {certificate: c, key: k, client_ca: a}
    root_key: {file: root.key}
    formats: {cards: {}}

    """

/// Reads `yaml` as `/etc/strongroom/strongroom.yaml`.
func configuration(_ yaml: String) throws(ConfigurationProblems) -> Configuration {
    try Configuration.parse(yaml: yaml, file: "strongroom.yaml", directory: "/etc/strongroom")
}

/// The lines a person would see for `yaml`; none when it is in order.
func problems(_ yaml: String) -> [String] {
    do throws(ConfigurationProblems) {
        _ = try configuration(yaml)
        return []
    } catch {
        return error.problems.map(\.description)
    }
}

/// The problems of `lines` written below the minimal configuration, of which they are line 6 and on.
func problems(adding lines: String) -> [String] {
    problems(minimalYAML + lines)
}

/// The package's directory, from the place of this file.
let packageDirectory = String(#filePath.split(separator: "/").dropLast(4).reduce("") { "\($0)/\($1)" })

/// A directory of its own for a test's files, removed with it.
final class TemporaryDirectory {
    let path: String
    private var created: [String] = []

    init() throws {
        var template = Array("/tmp/strongroom-test-XXXXXX".utf8CString)
        try #require(unsafe mkdtemp(&template) != nil)
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    deinit {
        for name in created.reversed() { unsafe remove("\(path)/\(name)") }
        unsafe rmdir(path)
    }

    /// Writes `bytes` to `name` with exactly `mode`.
    func write(_ bytes: [UInt8], to name: String, mode: mode_t = 0o600) throws {
        let file = unsafe open("\(path)/\(name)", O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        try #require(file >= 0)
        created.append(name)
        defer { close(file) }
        var bytes = bytes[...]
        while !bytes.isEmpty {
            let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(file, $0.baseAddress, $0.count) }
            try #require(count > 0)
            bytes = bytes.dropFirst(count)
        }
        try #require(fchmod(file, mode) == 0)
    }

    func write(_ text: String, to name: String, mode: mode_t = 0o600) throws {
        try write(Array(text.utf8), to: name, mode: mode)
    }

    func makeDirectory(_ name: String, mode: mode_t = 0o700) throws {
        try #require(unsafe mkdir("\(path)/\(name)", mode) == 0)
        created.append(name)
    }
}
