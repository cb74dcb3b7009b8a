import Testing

@testable import VaultServer

@Suite("Configuration: reload")
struct ConfigurationReloadTests {
    private func restarts(_ old: String, _ new: String) throws -> [String] {
        try Configuration.changesRequiringRestart(from: configuration(old), to: configuration(new))
    }

    @Test(
        "these changes need a restart",
        arguments: [
            ("data: data", "data: elsewhere", ["data"]),
            ("tcp: 127.0.0.1:8443", "tcp: 127.0.0.1:8444", ["listen.tcp"]),
            ("unix: run/vault.sock", "unix: none", ["listen.unix"]),
            ("control: run/control.sock", "control: run/c.sock", ["listen.control"]),
            ("operations: 127.0.0.1:9464", "operations: none", ["listen.operations"]),
            ("root_key: {file: root.key}", "root_key: {file: new.key}", ["root_key"]),
            ("data: data", "data: data\nthreads: {event_loops: 7}", ["threads.event_loops"]),
            (
                "data: data", "data: data\nstore: {map_size: 32GiB, writer_queue: 9}",
                ["store.map_size", "store.writer_queue"]
            ),
            ("data: data", "data: data\nlog: {format: json}", ["log.format"]),
            (
                "data: data", "deployment: x\ndata: elsewhere\ncontrol: {mode: 0600}",
                ["deployment", "data", "control.mode"]
            ),
        ])
    func restart(from: String, to: String, changes: [String]) throws {
        #expect(try restarts(exampleYAML, exampleYAML.replacing(from, with: to)) == changes)
    }

    @Test(
        "these do not",
        arguments: [
            ("data: data", "data: ./data/"), ("keep: last4", "keep: none, ttl: 1d"),
            ("certs/ca.crt", "certs/new-ca.crt, crl: certs/crl.pem"),
            ("allow: [tokenize, inspect, forget]", "allow: []"),
            ("default_format: cards", ""), ("data: data", "data: data\nstore: {map_size: 128GiB}"),
            ("data: data", "data: data\nlimits: {connections: 5}\ntimeouts: {idle: 1s}\nlog: {level: debug}"),
        ])
    func live(from: String, to: String) throws {
        #expect(try restarts(exampleYAML, exampleYAML.replacing(from, with: to)) == [])
    }

    @Test("a configuration does not differ from itself, wherever it is read")
    func same() throws {
        #expect(try restarts(exampleYAML, "# moved down\n" + exampleYAML) == [])
        #expect(try configuration(exampleYAML) == configuration("# moved down\n" + exampleYAML))
    }
}
