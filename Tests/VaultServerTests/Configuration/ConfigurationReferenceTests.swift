import Testing

@testable import VaultServer

@Suite("Configuration: what one section says about another")
struct ConfigurationReferenceTests {
    /// Problems of a configuration with formats `cards` (for charge, refund) and `open` (for anything) and `clients`.
    private func clientProblems(_ clients: String...) -> [String] {
        problems(
            minimalYAML.replacing("{cards: {}}", with: "{cards: {purposes: [charge, refund]}, open: {}}")
                + "clients:\n" + clients.map { "  - {\($0)}\n" }.joined())
    }

    @Test("two clients of one name are refused")
    func names() {
        #expect(
            clientProblems(
                "name: a, certificate: {dns: a}, allow: [fingerprint]", "name: b, certificate: {dns: b}, allow: []",
                "name: a, certificate: {dns: c}, allow: []") == [
                    "strongroom.yaml:9:6: clients[2].name: 'a' is the name of the client on line 7 too"
                ])
    }

    @Test(
        "two clients of one certificate are refused, however it is written",
        arguments: [
            ("dns: shop.internal", "dns: SHOP.internal"), ("uri: 'a:b'", "uri: a:b"),
            (
                "spki_sha256: \(String(repeating: "ab", count: 32))",
                "spki_sha256: '\(String(repeating: "AB", count: 32))'"
            ),
        ])
    func identities(first: String, second: String) {
        #expect(
            clientProblems(
                "name: a, certificate: {\(first)}, allow: []", "name: b, certificate: {\(second)}, allow: []") == [
                    "strongroom.yaml:8:15: clients[1].certificate: identifies the client 'a' too"
                ])
    }

    @Test("a client's certificate has exactly one description")
    func oneIdentity() {
        #expect(clientProblems("name: a, certificate: {dns: a, uri: 'a:b'}, allow: []").count == 1)
        #expect(clientProblems("name: a, certificate: {}, allow: []").count == 1)
        #expect(
            clientProblems("name: a, certificate: {cn: a}, allow: []") == [
                "strongroom.yaml:7:29: clients[0].certificate.cn: unknown key"
            ])
    }

    @Test("a client's formats, and the default one, must exist")
    func formats() {
        #expect(
            clientProblems("name: a, certificate: {dns: a}, allow: [inspect], formats: [card, open]") == [
                "strongroom.yaml:7:66: clients[0].formats[0]: no format is called 'card', did you mean 'cards'?"
            ])
        #expect(
            problems(adding: "default_format: tokens") == [
                "strongroom.yaml:6:1: default_format: no format is called 'tokens', there is cards"
            ])
    }

    @Test("a client's purposes must be those of one of its formats")
    func purposes() {
        let client = "name: a, certificate: {dns: a}, allow: [detokenize], "
        #expect(
            clientProblems(client + "formats: [cards], purposes: [charge, report]") == [
                "strongroom.yaml:7:96: clients[0].purposes[1]: 'report' is no purpose of the client's formats ('cards')"
            ])
        #expect(clientProblems(client + "formats: [cards], purposes: [charge]") == [])
        #expect(clientProblems(client + "formats: [cards, open], purposes: [report]") == [])
    }

    @Test("a right that could never be used is pointed out")
    func uselessRights() {
        #expect(
            clientProblems("name: a, certificate: {dns: a}, allow: [detokenize], formats: [cards]") == [
                "strongroom.yaml:7:38: clients[0].allow: allows 'detokenize' but 'purposes' names none"
            ])
        #expect(
            clientProblems("name: a, certificate: {dns: a}, allow: [fingerprint, tokenize]") == [
                "strongroom.yaml:7:38: clients[0].allow: allows 'tokenize' but 'formats' names none"
            ])
        #expect(clientProblems("name: a, certificate: {dns: a}, allow: [fingerprint, subjects_erase]") == [])
    }

    @Test("formats that cannot be read raise no false complaints about clients")
    func noFollowUps() {
        let found = problems(
            exampleYAML.replacing("formats:\n  cards: {keep: last4}", with: "formats: [cards]"))
        #expect(found == ["strongroom.yaml:9:10: formats: must be a section of keys, not a list"])
    }

    @Test(
        "listeners must make sense together",
        arguments: [
            ("{}", "listen: must set 'tcp' or 'unix': clients have nowhere to connect"),
            ("{tcp: none}", "listen: must set 'tcp' or 'unix': clients have nowhere to connect"),
            (
                "{unix: a, operations: '0.0.0.0:9464'}",
                "listen.operations: must be a loopback address; set 'operations_public: true' beside it to open it "
                    + "to the network"
            ),
            ("{tcp: '127.0.0.1:9464'}", "listen.operations: is the address of 'tcp'"),
            ("{unix: a, control: ./a}", "listen.control: 'unix' and 'control' are the same socket"),
        ])
    func listeners(section: String, problem: String) {
        let found = problems(minimalYAML.replacing("{tcp: \"127.0.0.1:8443\"}", with: section))
        #expect(found.count == 1 && found[0].hasPrefix("strongroom.yaml:2:") && found[0].hasSuffix(problem), "\(found)")
    }

    @Test("a root key inside the data directory is refused, one beside it is not")
    func rootKeyPlace() {
        func found(_ path: String) -> [String] {
            problems(minimalYAML.replacing("file: root.key", with: "file: \(path)"))
        }
        #expect(
            found("./data//root.key") == [
                "strongroom.yaml:4:12: root_key.file: is inside the data directory; a key kept with what it wraps "
                    + "protects nothing"
            ])
        #expect(found("/etc/strongroom/data/a/b").count == 1)
        #expect(found("data.key") == [])
    }

    @Test("a PIN kept in the data directory is refused")
    func pinInside() {
        let found = problems(
            minimalYAML.replacing(
                "{file: root.key}", with: "{pkcs11: {module: m.so, token: t, key: k, pin_file: data/pin}}"))
        #expect(
            found == [
                "strongroom.yaml:4:53: root_key.pkcs11.pin_file: is inside the data directory; keep it apart from what "
                    + "it opens"
            ])
    }

    @Test("a warning after what it warns of is refused")
    func order() {
        let found = problems(
            minimalYAML + "keys: {data_period: {warn: 100, rotate: 90}, data_encryptions: {refuse: 60}}")
        #expect(
            found == [
                "strongroom.yaml:6:22: keys.data_period.warn: is 100, above 'rotate' (90)",
                "strongroom.yaml:6:46: keys.data_encryptions.rotate: is 75, above 'refuse' (60)",
            ])
    }
}
