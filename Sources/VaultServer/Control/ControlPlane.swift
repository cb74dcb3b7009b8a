internal import Logging
internal import NIOHTTP1
internal import NIOPosix
internal import VaultCore

/// What operators ask over the control socket. The caller is known by its Unix user; who may open the socket at all is a
/// matter of its mode and group; what each may do there, of the operators that the configuration names.
struct ControlPlane: Sendable {
    let service: VaultService
    /// Unix user id at the other end.
    let operatorID: UInt32?

    func respond(_ head: HTTPRequestHead, _ body: RequestBody, _ responder: PlainHTTPHandler.Responder) {
        guard let operatorID else { return responder.answer(problem(403, "denied", "The caller is not known.")) }
        guard let request = ControlRequest(head), let command = Command(request) else {
            return responder.answer(problem(404, "not_found", "There is no such command."))
        }
        guard command.arguments.isSuperset(of: request.query.keys) else {
            return responder.answer(KeyFailure.usage("there is an argument that this command does not take").answer)
        }
        if command.changesSomething {
            service.logger.notice(
                "operator_command", metadata: ["command": "\(command.rawValue)", "uid": "\(operatorID)"])
        }
        let code = head.headers.first(name: Self.codeField)
        // Reading files and counters, and waiting for the writer thread, does not belong on an event loop.
        service.background.submit { _ in
            do throws(KeyFailure) {
                let person = try authorize(command, request, user: operatorID, code: code)
                try audited(command, request, by: person) { () throws(KeyFailure) in
                    try perform(command, request, body, person, responder)
                }
            } catch {
                responder.answer(error.answer)
            }
        }
    }

    /// The header field that carries a one-time code. It is never logged.
    static let codeField = "Strongroom-Code"

    /// The commands by the names that logs give them: a path from the wire is never logged.
    enum Command: String, CaseIterable, Sendable {
        case status, clients, verify, keys, jobs, pending, shares
        case honey
        case addHoney = "honey_add"
        case reloadConfiguration = "config_reload"
        case reloadCertificates = "certs_reload"
        case rotate = "keys_rotate"
        case destroy = "keys_destroy"
        case rewrap = "keys_rewrap"
        case approve, reject, seal, unseal, freeze, unfreeze
        case resetUnseal = "unseal_reset"
        case splitShares = "shares_split"
        case refreshShares = "shares_refresh"
        case commitShares = "shares_commit"
        case cancelShares = "shares_cancel"
        case acknowledge = "shares_acknowledge"
        case factors = "mfa_status"
        case enrollFactor = "mfa_enroll"
        case confirmFactor = "mfa_confirm"
        case verifyFactor = "mfa_verify"
        case resetFactor = "mfa_reset"
        case auditVerify = "audit_verify"
        case auditRecords = "audit_records"
        case auditProve = "audit_prove"
        case auditCheckpoint = "audit_checkpoint"
        case auditKeys = "audit_keys"
        case reportExposure = "report_exposure"
        case reportAccess = "report_access"
        case auditAdopt = "audit_adopt"

        private static let gets: [String: Command] = [
            "/v1/status": .status, "/v1/clients": .clients, "/v1/keys": .keys, "/v1/jobs": .jobs,
            "/v1/pending": .pending, "/v1/shares": .shares, "/v1/honey": .honey, "/v1/mfa": .factors,
            "/v1/audit/prove": .auditProve, "/v1/audit/checkpoint": .auditCheckpoint, "/v1/audit/keys": .auditKeys,
            "/v1/report/access": .reportAccess,
        ]
        private static let posts: [String: Command] = [
            "/v1/config/reload": .reloadConfiguration, "/v1/certs/reload": .reloadCertificates, "/v1/verify": .verify,
            "/v1/keys/rotate": .rotate, "/v1/keys/destroy": .destroy, "/v1/keys/rewrap": .rewrap,
            "/v1/approve": .approve, "/v1/reject": .reject, "/v1/seal": .seal, "/v1/unseal": .unseal,
            "/v1/unseal/reset": .resetUnseal, "/v1/shares/split": .splitShares,
            "/v1/shares/refresh": .refreshShares, "/v1/shares/commit": .commitShares,
            "/v1/shares/cancel": .cancelShares, "/v1/shares/acknowledge": .acknowledge, "/v1/honey/add": .addHoney,
            "/v1/freeze": .freeze, "/v1/unfreeze": .unfreeze,
            "/v1/mfa/enroll": .enrollFactor, "/v1/mfa/confirm": .confirmFactor, "/v1/mfa/verify": .verifyFactor,
            "/v1/mfa/reset": .resetFactor,
            // With a body, since tokens and subjects are not for a URL.
            "/v1/audit/verify": .auditVerify, "/v1/audit/records": .auditRecords,
            "/v1/report/exposure": .reportExposure, "/v1/audit/adopt": .auditAdopt,
        ]

        init?(_ request: ControlRequest) {
            let found =
                switch request.method {
                case .GET: Self.gets[request.path]
                case .POST: Self.posts[request.path]
                default: nil as Command?
                }
            guard let found else { return nil }
            self = found
        }

        /// The arguments that it takes.
        var arguments: Set<String> {
            switch self {
            case .rotate: ["purpose"]
            case .destroy: ["purpose", "version"]
            case .rewrap: ["root"]
            case .approve, .reject: ["id"]
            case .splitShares: ["threshold", "count", "custodians"]
            case .commitShares, .cancelShares: ["ceremony"]
            case .acknowledge: ["custodian"]
            case .freeze: ["client", "format", "reason"]
            case .unfreeze: ["client", "format"]
            case .addHoney: ["format", "count"]
            case .resetFactor: ["operator"]
            case .auditVerify: ["since", "archived"]
            case .auditRecords, .reportExposure: AuditQuery.arguments
            case .auditProve: ["record", "from", "size"]
            case .reportAccess: ["since"]
            case .auditAdopt: ["reason"]
            default: []
            }
        }

        /// What reads only is not worth a log line.
        var changesSomething: Bool { !Self.gets.values.contains(self) }
    }

    private func perform(
        _ command: Command, _ request: ControlRequest, _ body: RequestBody, _ person: Operator,
        _ responder: PlainHTTPHandler.Responder
    ) throws(KeyFailure) {
        switch command {
        case .status: responder.answer(.json(StatusReport.make(service)))
        case .clients: responder.answer(.json(StatusReport.clients(service)))
        case .keys: responder.answer(.json(try KeyReport.keys(service)))
        case .jobs: responder.answer(.json(try KeyReport.jobs(service)))
        case .pending: responder.answer(.json(try KeyReport.pending(service)))
        case .shares: responder.answer(.json(try KeyReport.shares(service)))
        case .honey: responder.answer(.json(try HoneyOrders.list(service)))
        case .addHoney:
            let count = request.query["count"] == nil ? 1 : request.number("count") ?? 0
            responder.answer(
                .json(try HoneyOrders.add(service, format: request.query["format"], count: count, by: person)))
        case .verify: VerifyJob(service: service).start(responder)
        case .auditVerify: try AuditCommands(service: service).verify(request, body, responder)
        case .auditRecords: try AuditCommands(service: service).records(request, body, responder)
        case .reportExposure: try AuditCommands(service: service).exposure(request, body, responder)
        case .auditProve: responder.answer(.json(try AuditCommands(service: service).prove(request)))
        case .auditCheckpoint: responder.answer(.json(try AuditCommands(service: service).checkpoint()))
        case .auditKeys: responder.answer(.json(try AuditCommands(service: service).verifierKeys()))
        case .reportAccess: responder.answer(.json(try AuditCommands(service: service).access(request)))
        case .reloadConfiguration:
            responder.answer(reload { () throws(StartupError) in try service.reload() })
        case .reloadCertificates:
            responder.answer(reload { () throws(StartupError) in try service.reloadCertificates() })
        case .unseal:
            responder.answer(
                .json(
                    try body.withBytes { (share) throws(KeyFailure) in try service.unseal(share, by: person) }))
        case .resetUnseal:
            service.intake.reset()
            responder.answer(.json(.object([("reset", .bool(true))])))
        case .commitShares, .cancelShares:
            guard let id = request.number("ceremony") else { throw .usage("ceremony=ID is missing") }
            let isCommit = command == .commitShares
            responder.answer(
                .json(
                    try service.onWriterThread { keys throws(KeyFailure) in
                        isCommit ? try keys.commitShares(id, by: person) : try keys.cancelShares(id, by: person)
                    }))
        case .acknowledge:
            guard let name = request.query["custodian"] else { throw .usage("custodian=NAME is missing") }
            responder.answer(
                .json(
                    try service.onWriterThread { keys throws(KeyFailure) in try keys.acknowledge(name, by: person) }))
        case .reject:
            guard let id = request.number("id") else { throw .usage("id=NUMBER is missing") }
            responder.answer(
                .json(try service.onWriterThread { keys throws(KeyFailure) in try keys.reject(id, by: person) }))
        case .approve:
            guard let id = request.number("id") else { throw .usage("id=NUMBER is missing") }
            try answer(
                try service.onWriterThread { keys throws(KeyFailure) in try keys.approve(id, by: person) }, person,
                responder)
        case .factors: responder.answer(.json(FactorReport.make(service, for: person)))
        case .enrollFactor: responder.secret(try service.enrollFactor(of: person))
        // Its code was taken when it was authorized.
        case .confirmFactor, .verifyFactor:
            responder.answer(.json(.object([("operator", .string(person.name)), ("accepted", .bool(true))])))
        case .freeze: responder.answer(.json(try freeze(request, by: person)))
        case .unfreeze: try answer(try unfreeze(request, by: person), person, responder)
        case .rotate, .destroy, .rewrap, .splitShares, .refreshShares, .seal, .resetFactor, .auditAdopt:
            let asked = try self.command(command, request)
            try answer(
                try service.onWriterThread { keys throws(KeyFailure) in try keys.submit(asked, by: person) }, person,
                responder)
        }
    }

    /// A command with its arguments.
    func command(_ command: Command, _ request: ControlRequest) throws(KeyFailure) -> OperatorCommand {
        switch command {
        case .rotate:
            let name = request.query["purpose"] ?? "data"
            if name == "all" { return .rotate([.data, .index, .audit]) }
            guard let purpose = KeyPurpose(name: name) else { throw .usage("purpose is data, index, audit or all") }
            return .rotate([purpose])
        case .destroy:
            guard let purpose = KeyPurpose(name: request.query["purpose"] ?? "data"),
                let version = request.number("version")
            else { throw .usage("purpose and version=NUMBER are needed") }
            return .destroy(purpose, version)
        case .rewrap:
            guard let target = RewrapTarget(request.query["root"] ?? "") else {
                throw .usage(
                    "root is file:/PATH, credential:NAME, shares:M/N[:NAME,...] or a pkcs11: URI with token, object, "
                        + "module-path and pin-source")
            }
            return .rewrap(target)
        case .splitShares:
            guard let threshold = request.number("threshold"), let count = request.number("count"),
                let plan = SharePlan(
                    threshold: Int(threshold), count: Int(count),
                    custodians: (request.query["custodians"] ?? "").split(separator: ",").map(String.init))
            else { throw .usage("threshold and count are numbers; custodians are as many different names as shares") }
            return .splitShares(plan)
        case .refreshShares: return .refreshShares
        case .resetFactor:
            guard let name = request.query["operator"], isConfigurationName(name) else {
                throw .usage("operator=NAME is missing")
            }
            return .resetFactor(name)
        case .auditAdopt:
            guard let reason = request.query["reason"], Freeze.isReason(reason), !reason.isEmpty else {
                throw .usage(
                    "reason=TEXT is missing: one line of at most \(Freeze.reasonBytesMax) bytes, without card numbers")
            }
            return .adoptAudit(reason)
        default: return .seal
        }
    }

    private func answer(
        _ outcome: CommandOutcome, _ person: Operator, _ responder: PlainHTTPHandler.Responder
    ) throws(KeyFailure) {
        switch outcome {
        case .done(let json): responder.answer(.json(json))
        case .pending(let command):
            responder.answer(.json(.object([("pending", KeyReport.pending(command))]), status: 202))
        case .shares(let prepared): responder.secret(prepared.sheet)
        case .seal:
            try service.seal(by: person)
            responder.answer(.json(.object([("sealed", .bool(true))])))
        case .unfreeze(let scope, let authority):
            responder.answer(.json(try service.unfreeze(scope, by: authority)))
        }
    }

    private func reload(_ body: () throws(StartupError) -> Void) -> PlainAnswer {
        do throws(StartupError) {
            try body()
            return .json(.object([("reloaded", .bool(true))]))
        } catch {
            return problem(422, "refused", error.message)
        }
    }

    private func problem(_ status: Int, _ code: String, _ title: String) -> PlainAnswer {
        .json(.object([("code", .string(code)), ("title", .string(title))]), status: status)
    }
}

extension KeyFailure {
    static func usage(_ text: String) -> KeyFailure { KeyFailure(422, "malformed", text) }
}
