internal import Logging
internal import Synchronization
internal import VaultCore

// What operators do, on record: before it is done, and how it ended.
extension ControlPlane {
    /// Puts a command on record, carries it out, and notes how it ended. What cannot be recorded is not carried out, except
    /// where waiting for a disk would do harm.
    func audited(
        _ command: Command, _ request: ControlRequest, by person: Operator, _ body: () throws(KeyFailure) -> Void
    ) throws(KeyFailure) {
        guard !command.isWatched, !command.recordsItself else { return try body() }
        let details = try details(command, request)
        if command.isRead {
            if service.reads.isNew(command, by: person.uid, now: MonotonicClock.seconds) {
                try put(entry(command, person.text, "ok", details), command)
            }
            return try body()
        }
        try put(entry(command, person.text, "intent", details), command)
        do throws(KeyFailure) {
            try body()
        } catch {
            var failed = entry(command, person.text, "failed", details)
            failed.add("code", error.code)
            service.audit.note(failed)
            throw error
        }
        service.audit.note(entry(command, person.text, "ok", details))
    }

    /// A refusal is a record too. It is given however the log is.
    func noteRefusal(
        _ command: Command, user: UInt32, _ failure: KeyFailure
    ) {
        let known = service.operators.current.entry(user)
        let text = known?.person.text ?? Operator(uid: user).text
        service.logger.warning(
            "operator_denied",
            metadata: ["command": "\(command.rawValue)", "operator": "\(text)", "code": "\(failure.code)"])
        var entry = AuditEntry(failure.isAboutCode ? .operatorCode : .operatorDenied)
        entry.add("operator", text)
        entry.add("outcome", "denied")
        entry.add("code", failure.code)
        entry.add("command", command.rawValue)
        if service.audit.state == .open {
            try? service.audit.record(entry)
        } else if known != nil {
            // Until the log is there, there is room for what operators did alone.
            service.audit.note(entry)
        }
    }

    /// A code was right.
    func noteCode(_ person: Operator, _ command: Command) throws(KeyFailure) {
        var entry = AuditEntry(.operatorCode)
        entry.add("operator", person.text)
        entry.add("outcome", "ok")
        entry.add("command", command.rawValue)
        try put(entry, command)
    }

    /// Puts an enrolment on record, before it is in force and after.
    func enrolled(_ person: Operator, _ install: () throws(KeyFailure) -> Void) throws(KeyFailure) {
        try put(entry(.confirmFactor, person.text, "intent", []), .confirmFactor)
        do throws(KeyFailure) {
            try install()
        } catch {
            service.audit.note(entry(.confirmFactor, person.text, "failed", []))
            throw error
        }
        service.audit.note(entry(.confirmFactor, person.text, "ok", []))
    }

    private func put(_ entry: AuditEntry, _ command: Command) throws(KeyFailure) {
        // A sealed vault has no key to link records with: they are kept until it is opened.
        guard service.host.keyring != nil else { return service.audit.note(entry) }
        do throws(KeyFailure) {
            try service.audit.record(entry, isReserved: command == .seal)
        } catch {
            guard command.goesUnrecorded else { throw error }
            service.audit.note(entry)
        }
    }

    private func entry(
        _ command: Command, _ person: String, _ outcome: StaticString, _ details: [(StaticString, String)]
    ) -> AuditEntry {
        var entry = AuditEntry(command.operation)
        entry.add("operator", person)
        entry.add("outcome", outcome)
        entry.add("command", command.rawValue)
        for (name, text) in details { entry.add(name, text) }
        return entry
    }

    /// What the command is about, as far as it was understood: what came over the wire is never copied to the log. Throws
    /// for what makes no sense.
    private func details(
        _ command: Command, _ request: ControlRequest
    ) throws(KeyFailure) -> [(StaticString, String)] {
        var details: [(StaticString, String)] = []
        switch command {
        case .rotate, .destroy, .rewrap, .splitShares, .refreshShares, .seal, .resetFactor:
            details.append(("what", try self.command(command, request).description))
        case .approve, .reject:
            guard let id = request.number("id") else { break }
            details.append(("request", String(id)))
            guard let pending = service.host.keyring?.annex.pending.first(where: { $0.id == id }) else { break }
            details.append(("what", pending.description))
            details.append(("requested_by", pending.requesterName))
        case .unfreeze: details.append(("what", "unfreeze \(try scope(of: request).text)"))
        case .commitShares, .cancelShares:
            if let id = request.number("ceremony") { details.append(("ceremony", String(id))) }
        case .acknowledge:
            let name = request.query["custodian"]
            guard let known = service.host.keyring?.annex.custodians.first(where: { $0.name == name }) else { break }
            details.append(("custodian", known.name))
        case .auditRecords, .reportExposure:
            let name = request.query["client"]
            guard let client = service.configuration.clients.first(where: { $0.name == name }) else { break }
            details.append(("what", "of client \(client.name)"))
        default: break
        }
        return details
    }
}

extension ControlPlane.Command {
    /// Under which name it stands in the log.
    var operation: AuditOperation {
        switch self {
        case .approve: .approve
        case .reject: .reject
        case .unseal: .unseal
        case .enrollFactor, .confirmFactor: .mfaEnroll
        case .resetFactor: .mfaReset
        default: .command
        }
    }

    /// Whether it reads what changes by itself, and is asked again and again: such reads are no records.
    var isWatched: Bool { [.status, .jobs].contains(self) }

    /// Whether what it does is on record where it is done: a code when it is taken, and a freeze, which waits for no disk.
    fileprivate var recordsItself: Bool { [.verifyFactor, .confirmFactor, .freeze].contains(self) }

    /// Whether it reads alone. The same of the same operator within a minute is one record: those who follow a rotation ask
    /// once a second.
    var isRead: Bool {
        [
            .clients, .keys, .pending, .shares, .factors, .honey, .auditVerify, .auditProve, .auditCheckpoint,
            .auditKeys,
            .reportAccess,
        ].contains(self)
    }

    /// Whether it is carried out even where it cannot be put on record: what protects the cards, and what tells why there can
    /// be no record, and who was hurt.
    var goesUnrecorded: Bool {
        [.seal, .auditVerify, .auditProve, .auditCheckpoint, .auditKeys, .auditRecords, .reportExposure, .reportAccess]
            .contains(self)
    }
}

extension KeyFailure {
    /// Whether a one-time code was refused.
    fileprivate var isAboutCode: Bool { ["code_wrong", "code_locked"].contains(code) }
}

/// What operators have read lately.
final class RecentReads: Sendable {
    private struct Key: Hashable {
        let command: ControlPlane.Command
        let user: UInt32
    }

    private static let seconds: UInt64 = 60
    private let times = Mutex<[Key: UInt64]>([:])

    /// Whether the last record of this is more than a minute old; it is new from then on.
    func isNew(_ command: ControlPlane.Command, by user: UInt32, now: UInt64) -> Bool {
        times.withLock { times in
            let key = Key(command: command, user: user)
            if let last = times[key], now < last + Self.seconds { return false }
            times[key] = now
            return true
        }
    }
}
