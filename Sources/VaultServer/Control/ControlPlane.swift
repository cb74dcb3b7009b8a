internal import Logging
internal import NIOHTTP1
internal import NIOPosix
internal import OpenSSLTLS
internal import VaultCore

/// What operators ask over the control socket. The caller is known by its Unix user; who may open the socket at all is a
/// matter of its mode and group.
struct ControlPlane: Sendable {
    let service: VaultService
    /// Unix user id at the other end.
    let operatorID: UInt32?

    func respond(_ head: HTTPRequestHead, _ responder: PlainHTTPHandler.Responder) {
        guard let operatorID else { return responder.answer(problem(403, "denied", "The caller is not known.")) }
        guard let command = Command(head) else {
            return responder.answer(problem(404, "not_found", "There is no such command."))
        }
        if command.changesSomething {
            service.logger.notice(
                "operator_command", metadata: ["command": "\(command.rawValue)", "uid": "\(operatorID)"])
        }
        switch command {
        case .status: inBackground(responder) { .json(StatusReport.make(service)) }
        case .clients: inBackground(responder) { .json(StatusReport.clients(service)) }
        case .reloadConfiguration:
            inBackground(responder) { reload { () throws(StartupError) in try service.reload() } }
        case .reloadCertificates:
            inBackground(responder) { reload { () throws(StartupError) in try service.reloadCertificates() } }
        case .verify: VerifyJob(service: service).start(responder)
        }
    }

    /// The commands by the names that logs give them: a path from the wire is never logged.
    private enum Command: String {
        case status, clients, verify
        case reloadConfiguration = "config_reload"
        case reloadCertificates = "certs_reload"

        init?(_ head: HTTPRequestHead) {
            switch (head.method, head.uri) {
            case (.GET, "/v1/status"): self = .status
            case (.GET, "/v1/clients"): self = .clients
            case (.POST, "/v1/config/reload"): self = .reloadConfiguration
            case (.POST, "/v1/certs/reload"): self = .reloadCertificates
            case (.POST, "/v1/verify"): self = .verify
            default: return nil
            }
        }

        /// What reads only is not worth a log line.
        var changesSomething: Bool { self != .status && self != .clients }
    }

    private func reload(_ body: () throws(StartupError) -> Void) -> PlainAnswer {
        do throws(StartupError) {
            try body()
            return .json(.object([("reloaded", .bool(true))]))
        } catch {
            return problem(422, "refused", error.message)
        }
    }

    /// Reading files and counters does not belong on an event loop.
    private func inBackground(_ responder: PlainHTTPHandler.Responder, _ body: @escaping @Sendable () -> PlainAnswer) {
        NIOThreadPool.singleton.submit { _ in responder.answer(body()) }
    }

    private func problem(_ status: Int, _ code: String, _ title: String) -> PlainAnswer {
        .json(.object([("code", .string(code)), ("title", .string(title))]), status: status)
    }
}

/// What `strongroom status` and `clients list` show.
enum StatusReport {
    static func make(_ service: VaultService) -> JSONText {
        let configuration = service.configuration
        var members: [(String, JSONText)] = [
            ("version", .string(Strongroom.version)),
            ("deployment", .string(configuration.deployment)),
            ("pid", .number(UInt64(ProcessFacts.id))),
            ("uptime_seconds", .number(UInt64(WallClock.seconds &- service.startedAt))),
            ("sealed", .bool(false)),
            ("write_state", .string(service.host.writeState == .writing ? "writing" : "stopped")),
            ("vault_id", .string(service.host.keyring.vaultID.text)),
            ("keyring_generation", .number(service.host.keyring.generation)),
            ("lmdb", .string(ProcessFacts.lmdbVersion)),
            ("connections", .number(UInt64(max(0, service.metrics.connections.current)))),
            ("writer_queue", .number(UInt64(service.writer.depth))),
            ("tokenized", .number(service.metrics.tokenized.current)),
            ("revealed", .number(service.metrics.revealed.current)),
        ]
        if let statistics = service.statistics { members += store(statistics, service) }
        members.append(("formats", formats(service)))
        members.append(("certificates", certificates(service)))
        return .object(members)
    }

    private static func store(_ statistics: StoreStatistics, _ service: VaultService) -> [(String, JSONText)] {
        let keys = statistics.keys.map { key in
            JSONText.object([
                ("purpose", .string("\(key.purpose.name)")), ("version", .number(UInt64(key.version))),
                ("state", .string("\(key.state.name)")), ("created", .number(key.created)),
                ("records", .number(key.records)), ("encryptions", .number(key.encryptions)),
            ])
        }
        return [
            ("keys", .array(keys)),
            (
                "store",
                .object([
                    ("tokens", .number(UInt64(statistics.tokens))),
                    ("index_entries", .number(UInt64(statistics.indexEntries))),
                    ("subjects", .number(UInt64(statistics.subjects))),
                    ("used_bytes", .number(UInt64(statistics.mapBytesUsed))),
                    ("limit_bytes", .number(UInt64(statistics.mapBytesLimit))),
                    ("readers", .number(UInt64(statistics.readersUsed))),
                    ("oldest_snapshot_commits", .number(UInt64(statistics.oldestSnapshotAge))),
                ])
            ),
        ]
    }

    private static func formats(_ service: VaultService) -> JSONText {
        let statistics = service.statistics
        return .array(
            service.policyBox.current.formats.all.map { format in
                let lengths = (12...19).filter { format.allowedLengths.contains(PANLengths($0)) }
                return .object([
                    ("name", .string(format.name)), ("keep", .string(format.keep.rawValue)),
                    ("luhn", .string(format.luhn.rawValue)), ("reuse", .string(format.reuse.rawValue)),
                    ("tokens", .number(statistics?.formatTokens[format.id] ?? 0)),
                    (
                        "bucket_capacity",
                        .object(lengths.map { (String($0), .number(format.capacity(forLength: $0).tokens)) })
                    ),
                    ("notes", .array(format.notes.map { .string($0) })),
                ])
            })
    }

    private static func certificates(_ service: VaultService) -> JSONText {
        let tls = service.tls.current
        let server = tls.certificates.map { ("server", $0) }
        let all = server + tls.authorities.map { ("client_ca", $0) }
        return .array(
            all.map { kind, certificate in
                .object([
                    ("kind", .string(kind)), ("subject", .string(certificate.subject)),
                    ("serial", .string(certificate.serial)),
                    ("not_after", .number(UInt64(max(0, certificate.notAfter)))),
                    ("file", .string(certificate.file)),
                ])
            })
    }

    static func clients(_ service: VaultService) -> JSONText {
        .array(
            service.configuration.clients.map { client in
                let identity: (String, String) =
                    switch client.identity {
                    case .dns(let name): ("dns", name)
                    case .uri(let uri): ("uri", uri)
                    case .spkiSHA256(let hash):
                        ("spki_sha256", hash.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())
                    }
                return .object([
                    ("name", .string(client.name)), (identity.0, .string(identity.1)),
                    ("allow", .array(client.allow.map { .string($0.rawValue) })),
                    ("formats", .array(client.formats.map { .string($0) })),
                    ("purposes", .array(client.purposes.map { .string($0) })),
                ])
            })
    }
}
