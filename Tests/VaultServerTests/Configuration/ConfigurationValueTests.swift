import Testing

@testable import VaultServer

@Suite("Configuration: units, addresses and names")
struct ConfigurationValueTests {
    /// Reads `text` as an unquoted scalar; nil when it is refused.
    private func read<Value>(_ text: String, as type: ConfigurationType<Value>) -> Value? {
        var decoder = ConfigurationDecoder(file: "f", directory: "/d")
        let node = ConfigurationNode(
            content: .scalar(text, isQuoted: false), position: .init(line: 1, column: 1))
        let value = type.parse(node, "key", &decoder)
        #expect((value == nil) == !decoder.problems.isEmpty)
        return value
    }

    @Test(
        "durations",
        arguments: [
            ("500ms", 500), ("30s", 30_000), ("10m", 600_000), ("2h", 7_200_000), ("90d", 7_776_000_000),
            ("1000d", nil),
            ("30", nil), ("30 s", nil), ("30S", nil), ("30sec", nil), ("1h30m", nil), ("-1s", nil), ("1.5s", nil),
            ("0030s", nil), ("s", nil), ("", nil), ("٣s", nil), ("9223372036854775807d", nil), ("0s", nil),
            ("999999999999999999d", nil),
        ] as [(String, Int?)])
    func durations(text: String, milliseconds: Int?) {
        let type = ConfigurationType<Duration>.duration(.milliseconds(1) ... .days(365))
        #expect(read(text, as: type) == milliseconds.map { .milliseconds($0) })
    }

    @Test(
        "sizes",
        arguments: [
            ("1B", 1), ("16KiB", 16_384), ("64MiB", 67_108_864), ("1GiB", 1_073_741_824), ("2TiB", 2_199_023_255_552),
            ("0B", nil), ("64", nil), ("64MB", nil), ("64mib", nil), ("64M", nil), ("64 MiB", nil), ("3TiB", nil),
            ("999999999999999999TiB", nil), ("1.5GiB", nil), ("-1B", nil), ("0x10B", nil),
        ] as [(String, Int?)])
    func sizes(text: String, bytes: Int?) {
        #expect(read(text, as: .bytes(1...(2 << 40))) == bytes)
    }

    @Test("units are written back in the largest that fits, and a wrong one is corrected")
    func units() {
        #expect(configurationText(.seconds(300)) == "5m")
        #expect(configurationText(.milliseconds(1500)) == "1500ms")
        #expect(configurationText(.days(90)) == "90d")
        #expect(configurationText(.zero) == "0ms")
        #expect(configurationText(bytes: 64 << 30) == "64GiB")
        #expect(configurationText(bytes: 1000) == "1000B")
        #expect(
            problems(adding: "limits: {json_body: 1MB}") == [
                "strongroom.yaml:6:21: limits.json_body: unknown unit 'MB', did you mean 'MiB'?"
            ])
        #expect(
            problems(adding: "timeouts: {idle: 300}") == [
                "strongroom.yaml:6:18: timeouts.idle: needs a unit: ms, s, m, h or d"
            ])
        #expect(
            problems(adding: "timeouts: {drain: 2h}") == [
                "strongroom.yaml:6:19: timeouts.drain: must be a duration such as 30s, 10m, 2h or 90d, from 100ms to "
                    + "1h, not '2h'"
            ])
    }

    @Test(
        "socket addresses",
        arguments: [
            ("127.0.0.1:8443", "127.0.0.1:8443"), ("0.0.0.0:0", "0.0.0.0:0"), ("[::1]:8443", "[::1]:8443"),
            ("[0:0:0:0:0:0:0:1]:1", "[::1]:1"), ("[2001:DB8::1]:65535", "[2001:db8::1]:65535"),
            ("127.0.0.1", nil), ("127.0.0.1:", nil), ("127.0.0.1:65536", nil), ("127.0.0.1:08", nil), (":8443", nil),
            ("8443", nil), ("localhost:8443", nil), ("::1:8443", nil), ("[::1]", nil), ("[::1:8443", nil),
            ("[127.0.0.1]:1", nil), ("127.1:80", nil), ("127.0.0.1:80:80", nil), ("[fe80::1%eth0]:1", nil),
            ("127.0.0.01:80", nil), (" 127.0.0.1:80", nil), ("127.0.0.1:+80", nil), ("256.0.0.1:80", nil),
        ] as [(String, String?)])
    func addresses(text: String, canonical: String?) {
        #expect(read(text, as: .tcpAddress)?.description == canonical)
    }

    @Test(
        "loopback is 127.0.0.0/8 and ::1",
        arguments: [
            ("127.0.0.1:1", true), ("127.255.1.2:1", true), ("[::1]:1", true), ("0.0.0.0:1", false), ("[::]:1", false),
            ("10.0.0.1:1", false), ("126.0.0.1:1", false), ("128.0.0.1:1", false),
        ])
    func loopback(text: String, isLoopback: Bool) {
        #expect(read(text, as: .tcpAddress)?.isLoopback == isLoopback)
    }

    @Test(
        "names",
        arguments: [
            ("a", true), ("cards-2_eu", true), (String(repeating: "a", count: 64), true),
            (String(repeating: "a", count: 65), false), ("", false), ("1a", false), ("-a", false), ("_a", false),
            ("Cards", false), ("a.b", false), ("a b", false), ("é", false), ("a/../b", false), ("a\u{0}", false),
        ])
    func names(text: String, isName: Bool) {
        #expect(isConfigurationName(text) == isName)
    }

    @Test(
        "DNS names",
        arguments: [
            ("checkout.internal", "checkout.internal"), ("Checkout.Internal", "checkout.internal"), ("a", "a"),
            ("10-0-0-1.a", "10-0-0-1.a"), ("*.internal", nil), ("a..b", nil), (".a", nil), ("a.", nil), ("-a.b", nil),
            ("a-.b", nil), ("a b", nil), ("bücher.de", nil), (String(repeating: "a", count: 64), nil),
            (String(repeating: "a.", count: 127) + "aa", nil),
        ] as [(String, String?)])
    func dnsNames(text: String, canonical: String?) {
        #expect(read(text, as: .dnsName) == canonical)
    }

    @Test(
        "URIs",
        arguments: [
            ("spiffe://example.org/x", true), ("urn:uuid:1", true), ("a+b.c-1:x", true), ("nope", false), (":x", false),
            ("a:", false), ("1a:x", false), ("a b:c", false), ("a:b c", false), ("a:é", false), ("a_b:c", false),
        ])
    func uris(text: String, isURI: Bool) {
        #expect((read(text, as: .uri) != nil) == isURI)
    }

    @Test("a fingerprint is 64 hexadecimal digits, in either case")
    func fingerprints() {
        let bytes = (0..<32).map { UInt8($0 * 7) }
        let digits = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        #expect(read(digits, as: .sha256) == bytes)
        #expect(read(digits.uppercased(), as: .sha256) == bytes)
        #expect(read(String(digits.dropLast()), as: .sha256) == nil)
        #expect(read(digits + "0", as: .sha256) == nil)
        #expect(read("g" + digits.dropFirst(), as: .sha256) == nil)
        #expect(read("０" + digits.dropFirst(), as: .sha256) == nil)
    }

    @Test(
        "relative paths start at the configuration's directory",
        arguments: [
            ("data", "/etc/s/data"), ("./data/", "/etc/s/data"), ("../x", "/etc/s/../x"), ("/abs//x/.", "/abs/x"),
            ("a b", "/etc/s/a b"), (".", "/etc/s"), ("/", "/"),
        ])
    func paths(written: String, absolute: String) {
        #expect(absolutePath(written, in: "/etc/s") == absolute)
    }
}
