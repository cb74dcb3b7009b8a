import Testing

@testable import VaultServer

@Suite("Configuration: what is refused, and how it is said")
struct ConfigurationStrictnessTests {
    @Test("a mistyped key names its line, column and path, and the key that was meant")
    func suggestion() {
        #expect(
            problems(exampleYAML.replacing("keep: last4", with: "kep: last4")) == [
                "strongroom.yaml:10:11: formats.cards.kep: unknown key, did you mean 'keep'?"
            ])
    }

    @Test(
        "suggestions follow typing slips, and stay away from what is far",
        arguments: [
            ("kee", "keep"), ("kepe", "keep"), ("Keep", "keep"), ("luh", "luhn"), ("purpose", "purposes"),
            ("accept-luhn-invalid", "accept_luhn_invalid"), ("acceptLuhnInvalid", "accept_luhn_invalid"),
            ("accept_lhun_invalid", "accept_luhn_invalid"), ("reuse_tokens", nil), ("x", nil), ("", nil),
        ])
    func suggestions(written: String, meant: String?) {
        #expect(closestName(to: written, among: Configuration.Format.fields.map(\.name)) == meant)
    }

    @Test("a key of another section is pointed to")
    func misplaced() {
        #expect(
            problems(adding: "map_size: 1GiB") == [
                "strongroom.yaml:6:1: map_size: unknown key; there is 'store.map_size'"
            ])
    }

    @Test("all problems come at once, in the order of the file")
    func allAtOnce() {
        let found = problems(
            """
            dta: data
            listen: {tcp: localhost:8443}
            tls:
              certificate: c
              key: [k]
            root_key: {file: r, credential: x}
            formats:
              Cards: {keep: first4}
            clients:
              - {name: a, certificate: {dns: a}, allow: [tokenise]}
            limits: {connections: 10k}
            """)
        #expect(
            found == [
                "strongroom.yaml:1:1: dta: unknown key, did you mean 'data'?",
                "strongroom.yaml:1:1: data: is missing and has no default",
                "strongroom.yaml:2:15: listen.tcp: 'localhost' is not a numeric IP address",
                "strongroom.yaml:3:1: tls.client_ca: is missing and has no default",
                "strongroom.yaml:5:8: tls.key: must be one line of text, at most 4095 bytes, not a list",
                "strongroom.yaml:6:21: root_key: set only one of 'file', 'credential', 'shares', 'pkcs11'",
                "strongroom.yaml:8:3: formats.Cards: is not a name: \(configurationNameRule)",
                "strongroom.yaml:8:17: formats.Cards.keep: must be one of last4, bin6+last4, bin8+last4, none, "
                    + "not 'first4'",
                "strongroom.yaml:10:46: clients[0].allow[0]: must be one of tokenize, detokenize, inspect, find, "
                    + "fingerprint, forget, subjects_report, subjects_erase, consents_withdraw, consents_grant, "
                    + "did you mean 'tokenize'?",
                "strongroom.yaml:11:23: limits.connections: must be a whole number from 1 to 1000000, not '10k'",
            ])
    }

    @Test("each mandatory key is asked for")
    func mandatory() {
        #expect(
            problems("deployment: x")
                == ["data", "listen", "tls", "root_key", "formats"].map {
                    "strongroom.yaml:1:1: \($0): is missing and has no default"
                })
        #expect(problems("").count == 5)
        #expect(problems("# nothing but a comment\n").count == 5)
        #expect(
            problems(adding: "clients: [{}]")
                == ["name", "certificate", "allow"].map {
                    "strongroom.yaml:6:11: clients[0].\($0): is missing and has no default"
                })
    }

    @Test("a key set twice is one problem among the others, at the second place")
    func duplicateKeys() {
        #expect(
            problems(adding: "log: {level: debug, level: info, level: loud}\ndata: x\n'data': y\nnope: 1\nnope: 2") == [
                "strongroom.yaml:6:21: log.level: is set twice, first on line 6",
                "strongroom.yaml:6:34: log.level: is set twice, first on line 6",
                "strongroom.yaml:7:1: data: is set twice, first on line 1",
                "strongroom.yaml:8:1: data: is set twice, first on line 1",
                "strongroom.yaml:9:1: nope: unknown key",
                "strongroom.yaml:10:1: nope: unknown key",
            ])
        #expect(
            problems(adding: "formats: {cards: {}}") == ["strongroom.yaml:6:1: formats: is set twice, first on line 5"])
        #expect(
            problems("formats: {a: {}, a: {}}").contains(
                "strongroom.yaml:1:18: formats.a: is set twice, first on line 1"))
        #expect(problems("? [a]\n: 1\n? [a]\n: 2").count == 1)
        let many = problems(adding: (0..<100).map { "x\($0): 1\nx\($0): 2\n" }.joined())
        #expect(many.count == 1 && many[0].hasSuffix("the key is set twice"))
        #expect(problems("'': 1\n'': 2\n").count == 1)
    }

    @Test(
        "what YAML offers beyond plain values is refused at its place",
        arguments: [
            ("log: &x {level: info}", "6:6: YAML anchors and aliases are not accepted; write the value out"),
            ("log: {level: &x info}", "6:14: YAML anchors and aliases are not accepted; write the value out"),
            ("log: {level: *x}", "6:14: YAML aliases are not accepted; write the value out"),
            ("log: {<<: {level: info}}", "6:7: YAML merge keys are not accepted; write the keys out"),
            ("log: {level: !!str info}", "6:14: YAML tags are not accepted"),
            ("log: !section {level: info}", "6:6: YAML tags are not accepted"),
            ("!!str log: {level: info}", "6:1: YAML tags are not accepted"),
            ("log: {? [a] : b}", "6:9: a key must be plain text"),
            ("---\ndata: x", "6:1: a second document starts here; a configuration is one document"),
        ])
    func plainOnly(lines: String, problem: String) {
        #expect(problems(adding: lines).first.map { $0.contains(problem) } == true, "\(problems(adding: lines))")
    }

    @Test("an anchored value that is used twice is refused without following it")
    func aliases() {
        #expect(
            problems(adding: "log: &x {level: info}\nstore: *x") == [
                "strongroom.yaml:6:6: YAML anchors and aliases are not accepted; write the value out"
            ])
        var bomb = "a0: &a0 [x, x]\n"
        for level in 1...60 { bomb += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]\n" }
        #expect(problems(adding: bomb).count == 61)
    }

    @Test("nesting has an end")
    func depth() {
        let deep = "log: " + String(repeating: "[", count: 900) + String(repeating: "]", count: 900)
        #expect(problems(adding: deep).contains { $0.contains("nested deeper than 16 levels") })
        let tooDeep = "log: " + String(repeating: "[", count: 5000)
        #expect(problems(adding: tooDeep).contains { $0.contains("not valid YAML") })
    }

    @Test("a syntax error is told with its line, and a tab by name")
    func syntax() throws {
        let tab = problems(adding: "log:\n\tlevel: info")
        try #require(tab.count == 1)
        #expect(tab[0].hasPrefix("strongroom.yaml:7:1: not valid YAML: "))
        #expect(tab[0].hasSuffix("(there is a tab here; indent with spaces)"))
        let open = problems(adding: "log: {level: info\nstore: {}")
        #expect(open.count == 1 && open[0].hasPrefix("strongroom.yaml:7:"))
    }

    @Test("problems before a syntax error in the tree's refusals are kept, sorted by place")
    func sorted() {
        let found = ConfigurationProblems([
            .init(file: "f", position: .init(line: 9, column: 1), keyPath: "b", message: "two"),
            .init(file: "f", position: .init(line: 2, column: 7), keyPath: "a", message: "one"),
            .init(file: "f", position: nil, keyPath: "", message: "whole"),
            .init(file: "f", position: .init(line: 2, column: 7), keyPath: "a", message: "one"),
        ])
        #expect(found.description == "f: whole\nf:2:7: a: one\nf:9:1: b: two")
    }

    @Test(
        "a value of the wrong type is refused",
        arguments: [
            ("data: 12", "data"), ("data: true", "data"), ("data: {}", "data"), ("data:", "data"), ("data: ''", "data"),
            ("data: ~/vault", "data"), ("data: null", "data"), ("data: \"a\\nb\"", "data"),
            ("limits: 5", "limits"), ("limits: [a]", "limits"), ("limits: ''", "limits"),
            ("limits: {connections: '10'}", "limits.connections"), ("limits: {connections: 0}", "limits.connections"),
            ("limits: {connections: 1e3}", "limits.connections"), ("limits: {connections: 0x10}", "limits.connections"),
            ("limits: {connections: 1_000}", "limits.connections"), ("limits: {connections: +5}", "limits.connections"),
            ("limits: {connections: 010}", "limits.connections"), ("limits: {connections: -1}", "limits.connections"),
            ("limits: {connections: ٤}", "limits.connections"), ("limits: {connections: }", "limits.connections"),
            ("limits: {connections: 99999999999999999999}", "limits.connections"),
            ("limits: {batch_tokenize: 1001}", "limits.batch_tokenize"),
            ("limits: {batch_detokenize: 10001}", "limits.batch_detokenize"),
            ("listen: {tcp: '127.0.0.1:1', operations_public: yes}", "listen.operations_public"),
            ("listen: {tcp: '127.0.0.1:1', operations_public: 'true'}", "listen.operations_public"),
            ("log: {level: INFO}", "log.level"), ("log: {level: 3}", "log.level"),
            ("log: {level: [info]}", "log.level"),
            ("control: {mode: 0666}", "control.mode"), ("control: {mode: 432}", "control.mode"),
            ("control: {group: 'a b'}", "control.group"), ("threads: {event_loops: 0}", "threads.event_loops"),
            ("threads: {event_loops: all}", "threads.event_loops"), ("clients: {}", "clients"),
            ("clients: [a]", "clients[0]"), ("default_format: no", "default_format"),
            ("formats: {}", "formats"), ("formats: [cards]", "formats"), ("formats: cards", "formats"),
            ("formats: {a: {lead: '0'}}", "formats.a.lead"), ("formats: {a: {lead: '1234567'}}", "formats.a.lead"),
            ("formats: {a: {keep: bin6+last4, lead: '99'}}", "formats.a.lead"),
            ("formats: {a: {purposes: []}}", "formats.a.purposes"),
            ("formats: {a: {purposes: charge}}", "formats.a.purposes"),
            ("formats: {a: {purposes: [Charge]}}", "formats.a.purposes[0]"),
            ("formats: {a: {purposes: [charge, charge]}}", "formats.a.purposes[1]"),
            ("root_key: {}", "root_key"), ("root_key: file", "root_key"), ("root_key: {fil: x}", "root_key.fil"),
            ("root_key: {credential: ../x}", "root_key.credential"),
            ("root_key: {shares: {threshold: 3}}", "root_key.shares.count"),
            ("root_key: {shares: {threshold: 5, count: 3}}", "root_key.shares.threshold"),
            ("root_key: {shares: {threshold: 1, count: 3}}", "root_key.shares.threshold"),
            ("store: {map_size: 1048577B}", "store.map_size"),
            ("deployment: \"\(String(repeating: "x", count: 65))\"", "deployment"),
        ])
    func wrongType(line: String, path: String) {
        let key = String(line.prefix { $0 != ":" })
        let others = minimalYAML.split(separator: "\n").filter { !$0.hasPrefix("\(key):") }
        let found = problems((others + [line[...]]).joined(separator: "\n"))
        let expected = "strongroom.yaml:\(others.count + 1):"
        #expect(found.count == 1, "\(found)")
        #expect(found.first?.hasPrefix(expected) == true && found.first?.contains(": \(path): ") == true, "\(found)")
    }
}
