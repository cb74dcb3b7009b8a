import Testing

@testable import VaultServer

@Suite("Operators")
struct OperatorBookTests {
    private func book(_ operators: String, _ more: String = "") throws -> OperatorBook {
        OperatorBook(try configuration(minimalYAML + "operators: [\(operators)]\n" + more))
    }

    @Test("without operators, root and the daemon's own user may do everything and nobody else anything")
    func unset() throws {
        let book = OperatorBook(try configuration(minimalYAML))
        #expect(!book.isConfigured)
        for uid in [0, UnixUser.own] {
            #expect(book.entry(uid)?.commands == Set(ControlPlane.Command.allCases))
            #expect(book.entry(uid)?.usesCodes == false)
        }
        #expect(book.entry(4_000_000_000) == nil)
    }

    @Test("with operators, nobody else is one, root included")
    func set() throws {
        let book = try book("{name: anna, user: 4000, allow: [seal], mfa: totp}, {name: r, user: 4001, allow: []}")
        #expect(book.isConfigured && book.entry(0) == nil)
        let anna = try #require(book.entry(4000))
        #expect(anna.commands == [.seal] && anna.usesCodes && anna.person.text == "anna (4000)")
        #expect(book.entry(4001)?.commands == [])
        #expect(book.entry(4001)?.usesCodes == false)
        #expect(book.all.map(\.person.name) == ["anna", "r"])
    }

    @Test("a user may be named, and is found by the machine's number")
    func named() throws {
        let name = try #require(UnixUser.name(of: 0))
        let book = try book("{name: boss, user: \(name), allow: [auditor]}")
        #expect(book.entry(0)?.person.text == "boss (0)")
        #expect(UnixUser.id(of: "no-such-user-here") == nil)
        let nobody = try self.book("{name: a, user: no-such-user-here, allow: [auditor]}")
        #expect(nobody.isConfigured && nobody.all.isEmpty)
    }

    @Test("roles give what their duties need, and several add up")
    func roles() throws {
        func commands(_ rights: String) throws -> Set<ControlPlane.Command> {
            try #require(try book("{name: a, user: 4000, allow: [\(rights)]}").entry(4000)).commands
        }
        let custodian = try commands("key_custodian")
        #expect(custodian.isSuperset(of: [.rotate, .destroy, .rewrap, .splitShares, .seal, .unseal, .approve]))
        #expect(custodian.isDisjoint(with: [.reloadConfiguration, .reloadCertificates, .resetFactor, .verify]))
        let administrator = try commands("administrator")
        #expect(administrator.isDisjoint(with: [.rotate, .destroy, .rewrap, .splitShares, .refreshShares, .seal]))
        #expect(administrator.isSuperset(of: [.reloadConfiguration, .resetFactor]))
        let looks: Set<ControlPlane.Command> = [
            .status, .clients, .keys, .jobs, .pending, .shares, .factors, .honey, .verify, .auditVerify, .auditRecords,
            .auditProve, .auditCheckpoint, .auditKeys, .reportExposure, .reportAccess,
        ]
        #expect(try commands("auditor").isSubset(of: looks))
        #expect(try commands("auditor, seal") == commands("auditor").union([.seal]))
        #expect(try commands("incident_responder").isSuperset(of: [.seal, .reloadCertificates]))
        // Everything can be given to somebody, and nothing by accident to a role that has no name.
        let all = try commands(OperatorRole.allCases.map(\.rawValue).joined(separator: ", "))
        #expect(all == Set(ControlPlane.Command.allCases.filter { $0.isGranted || $0 == .status }))
    }

    @Test("the role table of docs/OPERATING.md is the one in force")
    func table() throws {
        let document = try #require(Repository.text("docs/OPERATING.md"))
        let start = try #require(document.firstRange(of: "| command | key_custodian |"))
        let rows = document[start.lowerBound...].split(separator: "\n").prefix { $0.hasPrefix("|") }.dropFirst(2)
        var seen: Set<String> = []
        for row in rows {
            let cells = row.split(separator: "|", omittingEmptySubsequences: false).dropFirst()
            let given = cells.dropFirst().prefix(5).map { $0.contains("yes") }
            for match in (cells.first ?? "").matches(of: #/`([a-z_]+)`/#) {
                let name = String(match.output.1)
                let command = try #require(ControlPlane.Command(rawValue: name), "\(name)")
                #expect(OperatorRole.allCases.map { command.roles.contains($0) } == given, "\(name)")
                seen.insert(name)
            }
        }
        #expect(seen == Set(ControlPlane.Command.allCases.filter(\.isGranted).map(\.rawValue)))
    }

    @Test("which commands ask for a code, and for how long it holds, is configured")
    func codes() throws {
        let standard = OperatorBook(try configuration(minimalYAML))
        #expect(standard.codeSeconds == 900)
        #expect(standard.codeCommands.isSuperset(of: [.rotate, .destroy, .rewrap, .approve, .resetFactor]))
        #expect(!standard.codeCommands.contains(.seal), "what stops something does not wait for a telephone")
        let own = OperatorBook(
            try configuration(minimalYAML + "control: {mfa_minutes: 1, mfa_commands: [seal, keys]}"))
        #expect(own.codeSeconds == 60 && own.codeCommands == [.seal, .keys])
        for command in ControlPlane.Command.allCases where command.asksForCode { #expect(command.mayAskForCode) }
    }

    @Test("what makes no sense is refused with file, line and key")
    func refused() {
        func found(_ operators: String) -> [String] { problems(adding: "operators: [\(operators)]\n") }
        #expect(
            found("{name: a, user: 1, allow: [keycustodian]}") == [
                "strongroom.yaml:6:40: operators[0].allow[0]: 'keycustodian' is not a role (key_custodian, auditor, "
                    + "privacy_officer, incident_responder, administrator) or a command, did you mean 'key_custodian'?"
            ])
        #expect(
            found("{name: a, user: 1, allow: []}, {name: a, user: 1, allow: []}") == [
                "strongroom.yaml:6:45: operators[1].name: 'a' is the name of the operator on line 6 too",
                "strongroom.yaml:6:54: operators[1].user: is the user of the operator 'a' too",
            ])
        #expect(
            found("{name: a, allow: []}") == [
                "strongroom.yaml:6:13: operators[0].user: is missing and has no default"
            ])
        for user in ["4294967295", "-1", "Anna", "a b", "''"] {
            #expect(found("{name: a, user: \(user), allow: []}").count == 1, "\(user)")
        }
        #expect(found("{name: a, user: 1, allow: [mfa_enroll]}").count == 1, "no right")
        #expect(found("{name: a, user: 1, allow: [], mfa: sms}").count == 1)
        for commands in ["unseal", "status", "mfa_verify", "nothing"] {
            #expect(problems(adding: "control: {mfa_commands: [\(commands)]}").count == 1, "\(commands)")
        }
        #expect(problems(adding: "control: {mfa_minutes: 0}").count == 1)
    }

    @Test("an operator must be a user of this machine, and no two the same one")
    func machine() throws {
        let name = try #require(UnixUser.name(of: 0))
        let both = try configuration(
            minimalYAML
                + "operators: [{name: a, user: 0, allow: []}, {name: b, user: \(name), allow: []}, "
                + "{name: c, user: no-such-user-here, allow: []}]")
        let found = both.fileProblems().filter { $0.keyPath.hasPrefix("operators") }.map(\.description)
        #expect(found.count == 2)
        #expect(found.first?.hasSuffix("operators[1].user: is the Unix user of the operator 'a' too") == true)
        #expect(found.last?.hasSuffix("operators[2].user: there is no user 'no-such-user-here'") == true)
    }
}
