internal import VaultCore

/// Who did what and when last, gathered from the log for the review of access rights.
struct AccessUses {
    private struct Use {
        var count: UInt64 = 0
        var last: AuditTime
    }

    private struct Caller {
        var last: AuditTime
        var uses: [String: Use] = [:]
        var certificates: [String: AuditTime] = [:]
        var refusals: UInt64 = 0
    }

    private var clients: [String: Caller] = [:]
    private var operators: [String: Caller] = [:]

    mutating func add(_ line: AuditLine) {
        if let name = line.text("client") { Self.add(line, to: &clients[name, default: Caller(last: line.time)]) }
        for member: StaticString in ["operator", "approved_by"] {
            if let name = line.text(member) { Self.add(line, to: &operators[name, default: Caller(last: line.time)]) }
        }
    }

    private static func add(_ line: AuditLine, to caller: inout Caller) {
        caller.last = max(caller.last, line.time)
        if let certificate = line.text("certificate") { caller.certificates[certificate] = line.time }
        if line.text("outcome") == "denied" { caller.refusals += 1 }
        let name = line.operation == "command" ? line.text("command") ?? line.operation : line.operation
        var use = caller.uses[name] ?? Use(last: line.time)
        use.count += 1
        use.last = max(use.last, line.time)
        caller.uses[name] = use
    }

    /// What may be done by whom, beside what was.
    func report(_ service: VaultService, since: AuditTime?, _ summary: AuditScan.Summary) -> JSONText {
        let configured = service.configuration.clients
        let names = Set(configured.map(\.name))
        let rights = configured.map { client in
            JSONText.object(
                StatusReport.rights(client, service) + [("configured", .bool(true))] + use(clients[client.name]))
        }
        let former = clients.filter { !names.contains($0.key) }.sorted { $0.key < $1.key }.map { name, caller in
            JSONText.object([("name", .string(name)), ("configured", .bool(false))] + use(caller))
        }
        let people = operatorsInForce(service)
        let known = Set(people.map(\.name))
        let formerPeople = operators.filter { !known.contains($0.key) }.sorted { $0.key < $1.key }.map { name, caller in
            JSONText.object([("name", .string(name)), ("configured", .bool(false))] + use(caller))
        }
        return .object([
            ("since", since.map { .string($0.text) } ?? .null), ("records", .number(summary.records)),
            ("unreadable", .number(summary.unreadable)), ("clients", .array(rights + former)),
            ("operators", .array(people.map(\.json) + formerPeople)),
        ])
    }

    /// Everybody who may operate, with the rights as the configuration writes them.
    private func operatorsInForce(_ service: VaultService) -> [(name: String, json: JSONText)] {
        let book = service.operators.current
        let enrolled = Set(service.host.keyring?.annex.enrolments.map(\.name) ?? [])
        let configured = Dictionary(service.configuration.operators.map { ($0.name, $0.allow) }) { first, _ in first }
        return book.all.map { entry in
            let name = entry.person.text
            // Without names in the configuration, root and the daemon's own user may do everything.
            let rights = book.isConfigured ? configured[entry.person.name] ?? [] : ["everything"]
            let commands = entry.commands.filter(\.isGranted).map(\.rawValue).sorted()
            return (
                name,
                .object(
                    [
                        ("name", .string(name)), ("configured", .bool(true)),
                        ("allow", .array(rights.map { .string($0) })),
                        ("commands", .array(commands.map { .string($0) })),
                        ("second_factor", .string(entry.usesCodes ? "totp" : "none")),
                        ("enrolled", .bool(enrolled.contains(entry.person.name))),
                    ] + use(operators[name]))
            )
        }
    }

    private func use(_ caller: Caller?) -> [(String, JSONText)] {
        let uses = (caller?.uses ?? [:]).sorted { $0.key < $1.key }.map { name, use in
            (name, JSONText.object([("count", .number(use.count)), ("last", .string(use.last.text))]))
        }
        let certificates = (caller?.certificates ?? [:]).sorted { $0.value > $1.value }.map { hash, last in
            JSONText.object([("sha256", .string(hash)), ("last", .string(last.text))])
        }
        return [
            ("last_used", caller.map { .string($0.last.text) } ?? .null),
            ("refused", .number(caller?.refusals ?? 0)), ("uses", .object(uses)),
            ("certificates", .array(certificates)),
        ]
    }
}
