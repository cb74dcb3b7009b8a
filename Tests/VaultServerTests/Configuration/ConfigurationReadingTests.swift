import Testing

@testable import VaultServer

@Suite("Configuration: what a file says")
struct ConfigurationReadingTests {
    @Test("the example of the design is read as written")
    func example() throws {
        let configuration = try configuration(exampleYAML)
        #expect(configuration.data.written == "data")
        #expect(configuration.data.absolute == "/etc/strongroom/data")
        #expect(configuration.listen.tcp?.description == "127.0.0.1:8443")
        #expect(configuration.listen.unix?.absolute == "/etc/strongroom/run/vault.sock")
        #expect(configuration.listen.control.absolute == "/etc/strongroom/run/control.sock")
        #expect(configuration.listen.operations == .loopback(port: 9464))
        #expect(configuration.tls.certificate.absolute == "/etc/strongroom/certs/server.crt")
        #expect(configuration.tls.key.absolute == "/etc/strongroom/certs/server.key")
        #expect(configuration.tls.clientCA.absolute == "/etc/strongroom/certs/ca.crt")
        #expect(configuration.tls.crl == nil)
        #expect(configuration.rootKey == .file(.init(written: "root.key", absolute: "/etc/strongroom/root.key")))
        #expect(configuration.formats.map(\.name) == ["cards"])
        #expect(configuration.format(named: "cards")?.keep == .last4)
        #expect(configuration.defaultFormat == "cards")
        #expect(configuration.clients.map(\.name) == ["checkout", "billing"])
        #expect(configuration.clients[0].identity == .dns("checkout.internal"))
        #expect(configuration.clients[0].allow == [.tokenize, .inspect, .forget])
        #expect(configuration.clients[1].formats == ["cards"])
        #expect(configuration.clients[1].purposes == ["charge", "refund"])
    }

    @Test("what is not written has its documented default")
    func defaults() throws {
        let configuration = try configuration(minimalYAML)
        #expect(configuration.deployment == "strongroom")
        #expect(configuration.listen.unix == nil)
        #expect(configuration.listen.control.absolute == "/run/strongroom/control.sock")
        #expect(configuration.listen.operations == .loopback(port: 9464))
        #expect(!configuration.listen.operationsPublic)
        let format = configuration.formats[0]
        #expect(format.keep == .last4 && format.luhn == .invalid && format.lead == "99" && format.reuse == .always)
        #expect(format.ttl == nil && format.purposes == .any && !format.acceptLuhnInvalid)
        #expect(configuration.defaultFormat == nil)
        #expect(configuration.clients.isEmpty)
        #expect(configuration.store.mapBytes == 68_719_476_736)
        #expect(configuration.threads.eventLoops == nil)
        #expect(configuration.limits.connections == 10_000)
        #expect(configuration.limits.jsonBodyBytes == 1_048_576)
        #expect(configuration.limits.headerBytes == 16_384)
        #expect(configuration.limits.batchTokenize == 1000 && configuration.limits.batchDetokenize == 10_000)
        #expect(configuration.timeouts.handshake == .seconds(10) && configuration.timeouts.header == .seconds(10))
        #expect(configuration.timeouts.body == .seconds(30) && configuration.timeouts.idle == .seconds(300))
        #expect(configuration.timeouts.writeStall == .seconds(30) && configuration.timeouts.drain == .seconds(30))
        #expect(configuration.log.level == .info && configuration.log.format == .text)
        #expect(configuration.audit.durability == .commit)
        #expect(configuration.control.group == "strongroom-ops" && configuration.control.mode == 0o660)
    }

    @Test("every option takes a value other than its default")
    func everyOption() throws {
        let configuration = try configuration(
            """
            deployment: Paris 2
            data: /srv/vault
            listen: {tcp: '[::1]:0', unix: ./run//v.sock, control: c.sock, operations: '0.0.0.0:80',
              operations_public: true}
            tls: {certificate: c, key: k, client_ca: a, crl: l}
            root_key: {shares: {threshold: 3, count: 5}}
            formats:
              a: {keep: bin6+last4, luhn: valid, reuse: never, ttl: 90d, purposes: [charge], accept_luhn_invalid: true}
              b: {keep: none, lead: 980000, luhn: any}
              c: {keep: bin8+last4}
            default_format: b
            clients:
              - name: one
                certificate: {uri: "spiffe://example.org/x"}
                allow: [find, fingerprint, subjects_report, subjects_erase, consents_withdraw, consents_grant]
                formats: [a, b]
              - name: two
                certificate: {spki_sha256: 00FFaa0000000000000000000000000000000000000000000000000000000001}
                allow: [fingerprint]
            store: {map_size: 1MiB, writer_queue: 1, group_max: 2}
            threads: {event_loops: 3}
            limits: {connections: 1, json_body: 4KiB, header_bytes: 1024B, batch_tokenize: 5, batch_detokenize: 6,
              connection_age: none}
            timeouts: {handshake: 100ms, header: 1s, body: 2m, body_rate: 1B, idle: 1d, write_stall: 1h, drain: 4s}
            log: {level: critical, format: json}
            audit: {durability: interval}
            control: {group: none, mode: 0600}
            """)
        #expect(configuration.deployment == "Paris 2")
        #expect(configuration.data.absolute == "/srv/vault")
        #expect(configuration.listen.tcp?.description == "[::1]:0")
        #expect(configuration.listen.unix?.absolute == "/etc/strongroom/run/v.sock")
        #expect(configuration.listen.operations?.isLoopback == false)
        #expect(configuration.tls.crl?.absolute == "/etc/strongroom/l")
        guard case .shares(let shares) = configuration.rootKey else {
            Issue.record("the root key is not in shares")
            return
        }
        #expect(shares.threshold == 3 && shares.count == 5)
        let a = try #require(configuration.format(named: "a"))
        #expect(a.keep == .bin6Last4 && a.luhn == .valid && a.reuse == .never && a.ttl == .seconds(7_776_000))
        #expect(a.purposes == .only(["charge"]) && a.acceptLuhnInvalid)
        #expect(a.purposes.contains("charge") && !a.purposes.contains("refund"))
        let b = try #require(configuration.format(named: "b"))
        #expect(b.keep == .none && b.lead == "980000" && b.luhn == .any)
        #expect(configuration.clients[0].identity == .uri("spiffe://example.org/x"))
        #expect(configuration.clients[0].allow.count == 6)
        #expect(
            configuration.clients[1].identity == .spkiSHA256([0, 255, 170] + [UInt8](repeating: 0, count: 28) + [1]))
        #expect(configuration.store.mapBytes == 1 << 20 && configuration.store.writerQueue == 1)
        #expect(configuration.store.groupMax == 2 && configuration.threads.eventLoops == 3)
        #expect(configuration.limits.connections == 1 && configuration.limits.jsonBodyBytes == 4096)
        #expect(configuration.limits.headerBytes == 1024 && configuration.limits.connectionAge == nil)
        #expect(configuration.timeouts.handshake == .milliseconds(100) && configuration.timeouts.body == .seconds(120))
        #expect(configuration.timeouts.bodyRate == 1 && configuration.timeouts.idle == .seconds(86_400))
        #expect(configuration.log.level == .critical && configuration.log.format == .json)
        #expect(configuration.audit.durability == .interval)
        #expect(configuration.control.group == nil && configuration.control.mode == 0o600)
    }

    @Test("connections are bounded by the open files the process may have")
    func connectionBound() {
        let limits = Configuration.Limits()
        #expect(limits.connections(openFilesMax: 1_000_000) == 10_000)
        #expect(limits.connections(openFilesMax: 1024) == 960)
        #expect(limits.connections(openFilesMax: 10) == 1)
    }

    @Test(
        "an empty section leaves its defaults",
        arguments: ["limits:", "limits: {}", "limits: ~", "limits:\n  # all at their defaults\n"])
    func emptySection(lines: String) throws {
        #expect(try configuration(minimalYAML + lines) == configuration(minimalYAML))
    }

    @Test("a file saved with CRLF line ends or a document marker reads the same")
    func lineEnds() throws {
        let plain = try configuration(exampleYAML)
        let crlf = exampleYAML.split(separator: "\n").joined(separator: "\r\n")
        #expect(try configuration(crlf) == plain)
        #expect(try configuration("---\n" + exampleYAML + "\n...\n") == plain)
    }
}
