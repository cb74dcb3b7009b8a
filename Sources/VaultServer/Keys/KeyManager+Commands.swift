internal import Logging
internal import SecretMemory
internal import VaultCore

/// What a command came to.
enum CommandOutcome: Sendable {
    /// Done, or under way in the background.
    case done(JSONText)
    /// It waits for a second person.
    case pending(PendingCommand)
    /// The shares are made; nothing has changed until they are said to be safe.
    case shares(PreparedShares)
    /// Done, and the vault is to be sealed.
    case seal
    /// To be done by who asks, since it waits for every event loop.
    case unfreeze(FreezeScope, KeyAuthority)
}

// Commands that may need a second person. Approved or not, each is judged by what is true when it is carried out.
extension KeyManager {
    private static let pendingMax = 64

    /// Carries a command out, or files it for a second person where `dual_control` says so.
    func submit(_ command: OperatorCommand, by person: Operator) throws(KeyFailure) -> CommandOutcome {
        guard let keyring = host.keyring else { throw .sealed }
        guard configuration.dualControl.contains(command.kind) else {
            return try carryOut(command, by: KeyAuthority(requestedBy: person.text), for: person)
        }
        try check(command, by: person)
        let now = UInt64(WallClock.seconds)
        let same = keyring.annex.pending.filter {
            $0.command == command.kind.rawValue && $0.argument == command.argument && $0.requestedBy == person.uid
                && !$0.isExpired(now: now)
        }
        if let approved = same.first(where: \.isApproved) {
            let authority = KeyAuthority(requestedBy: person.text, approvedBy: approved.approverName)
            let outcome = try carryOut(command, by: authority, for: person)
            do throws(KeyFailure) {
                try install(keyring.annotated { $0.pending.removeAll { $0.id == approved.id } })
            } catch {
                // An approval is good for once: what it gave is taken back.
                preparedShares = nil
                throw error
            }
            return outcome
        }
        if let waiting = same.first { return .pending(waiting) }
        return .pending(try file(command, requestedBy: person.uid, name: person.text))
    }

    /// Files a command for a second person.
    func file(_ command: OperatorCommand, requestedBy uid: UInt32, name: String) throws(KeyFailure) -> PendingCommand {
        guard let keyring = host.keyring else { throw .sealed }
        let now = UInt64(WallClock.seconds)
        var annex = keyring.annex
        annex.pending.removeAll { $0.isExpired(now: now) }
        guard annex.pending.count < Self.pendingMax else {
            throw KeyFailure(429, "too_many_pending", "\(Self.pendingMax) commands wait for a second person already")
        }
        let pending = PendingCommand(
            id: annex.nextPendingID, command: command.kind.rawValue, argument: command.argument,
            description: command.description, requestedBy: uid, requesterName: name, created: now,
            expires: now + UInt64(configuration.control.approvalExpiry.components.seconds))
        annex.nextPendingID += 1
        annex.pending.append(pending)
        let changed = annex
        try install(keyring.annotated { $0 = changed })
        logger.notice(
            "approval_needed",
            metadata: ["request": "\(pending.id)", "command": "\(pending.description)", "requested_by": "\(name)"])
        return pending
    }

    func isPending(_ id: UInt32) -> Bool {
        let now = UInt64(WallClock.seconds)
        return host.keyring?.annex.pending.contains { $0.id == id && !$0.isExpired(now: now) } ?? false
    }

    /// The second person agrees. Nobody approves their own.
    func approve(_ id: UInt32, by person: Operator) throws(KeyFailure) -> CommandOutcome {
        let (keyring, pending) = try pending(id)
        guard pending.requestedBy != person.uid, pending.requesterName != person.text else {
            throw KeyFailure(403, "own_request", "request \(id) is your own: another operator has to approve it")
        }
        guard !pending.isApproved else {
            throw KeyFailure(409, "approved_already", "request \(id) is approved; \(pending.requesterName) may go on")
        }
        guard let command = OperatorCommand(kind: pending.command, argument: pending.argument) else {
            throw KeyFailure(422, "unknown_request", "request \(id) is of a kind that this version does not know")
        }
        logger.notice("approved", metadata: ["request": "\(id)", "by": "\(person.text)"])
        if command.hasSecretResult {
            try install(
                keyring.annotated { annex in
                    for index in annex.pending.indices where annex.pending[index].id == id {
                        annex.pending[index].approverName = person.text
                    }
                })
            return .done(
                .object([
                    ("approved", .number(UInt64(id))), ("description", .string(pending.description)),
                    ("next", .string("\(pending.requesterName) gives the command once more for the result")),
                ]))
        }
        try check(command, by: person)
        try install(keyring.annotated { $0.pending.removeAll { $0.id == id } })
        let authority = KeyAuthority(requestedBy: pending.requesterName, approvedBy: person.text)
        return try carryOut(command, by: authority, for: person)
    }

    /// The second person, or the one who asked, says no.
    func reject(_ id: UInt32, by person: Operator) throws(KeyFailure) -> JSONText {
        let (keyring, pending) = try pending(id)
        try install(keyring.annotated { $0.pending.removeAll { $0.id == id } })
        logger.notice("rejected", metadata: ["request": "\(id)", "by": "\(person.text)"])
        return .object([("rejected", .number(UInt64(id))), ("description", .string(pending.description))])
    }

    private func pending(_ id: UInt32) throws(KeyFailure) -> (Keyring, PendingCommand) {
        guard let keyring = host.keyring else { throw .sealed }
        let now = UInt64(WallClock.seconds)
        guard let pending = keyring.annex.pending.first(where: { $0.id == id }), !pending.isExpired(now: now) else {
            throw KeyFailure(404, "no_such_request", "no request \(id) waits for a second person")
        }
        return (keyring, pending)
    }

    /// Refuses at once what would be refused after an approval.
    private func check(_ command: OperatorCommand, by person: Operator) throws(KeyFailure) {
        guard let keyring = host.keyring, host.currentStore != nil else { throw .sealed }
        switch command {
        case .rotate(let purposes): for purpose in purposes { try requireRotatable(purpose, keyring) }
        case .destroy(let purpose, let version): try requireDestroyable(purpose, version, keyring)
        case .splitShares(let plan):
            _ = try custodians(of: plan, keyring)
            try requireShares(keyring)
        case .rewrap(.shares(let plan)): _ = try custodians(of: plan, keyring)
        case .refreshShares: _ = try currentPlan(keyring)
        case .resetFactor(let name): try requireResettable(name, by: person)
        case .unfreeze(let scope):
            guard guards.freezes[scope] != nil else { throw .notFrozen(scope) }
        case .adoptAudit: try requireBrokenLog()
        case .rewrap, .seal: break
        }
    }

    private func carryOut(
        _ command: OperatorCommand, by authority: KeyAuthority, for person: Operator
    ) throws(KeyFailure) -> CommandOutcome {
        try check(command, by: person)
        switch command {
        case .rotate(let purposes):
            try rotate(purposes, by: authority, reason: .operatorCommand)
            let versions = purposes.map { purpose in
                JSONText.object([
                    ("purpose", .string("\(purpose.name)")),
                    ("version", .number(UInt64(host.keyring?.active(purpose)?.number ?? 0))),
                ])
            }
            return .done(
                .object([
                    ("rotating", .array(versions)),
                    ("fingerprints_change", .bool(purposes.contains(.index))),
                ]))
        case .destroy(let purpose, let version):
            try destroy(purpose, version, by: authority)
            return .done(
                .object([
                    (
                        "proving",
                        .object([
                            ("purpose", .string("\(purpose.name)")), ("version", .number(UInt64(version))),
                        ])
                    )
                ]))
        case .rewrap(let target): return try rewrap(target, by: authority, for: person)
        case .splitShares(let plan): return .shares(try prepareShares(plan, newRoot: false, target: nil, for: person))
        case .refreshShares:
            guard let keyring = host.keyring else { throw .sealed }
            return .shares(
                try prepareShares(try currentPlan(keyring), newRoot: false, target: nil, for: person))
        case .seal: return .seal
        case .resetFactor(let name): return .done(try resetFactor(name, by: authority))
        case .unfreeze(let scope): return .unfreeze(scope, authority)
        case .adoptAudit(let reason): return .done(try adoptLog(reason, by: authority))
        }
    }

    // MARK: Another root key

    private func rewrap(
        _ target: RewrapTarget, by authority: KeyAuthority, for person: Operator
    ) throws(KeyFailure) -> CommandOutcome {
        guard let keyring = host.keyring else { throw .sealed }
        if case .shares(let plan) = target {
            return .shares(try prepareShares(plan, newRoot: true, target: target, for: person))
        }
        let now = UInt64(WallClock.seconds)
        let source = try RootSource.fresh(target, since: now, dataDirectory: host.files.directory)
        try refuseSameRoot(source.root)
        let next = keyring.rewrapped(source.description) { $0.endCustodians(at: now) }
        try install(next, rewrappedUnder: RootBox(source.takeRoot()))
        if let configured = target.configured { onRootChanged(configured) }
        var entry = AuditEntry(.keyRewrap)
        entry.add("operator", authority.requestedBy)
        if !authority.approvedBy.isEmpty { entry.add("approved_by", authority.approvedBy) }
        entry.add("outcome", "ok")
        entry.add("root", next.root.text)
        audit.note(entry)
        logger.notice(
            "keyring_rewrapped",
            metadata: [
                "root": "\(next.root.text)", "requested_by": "\(authority.requestedBy)",
                "approved_by": "\(authority.approvedBy)",
            ])
        return .done(
            .object([
                ("rewrapped", .string(next.root.text)), ("generation", .number(next.generation)),
                ("configure", .string(target.option)),
            ]))
    }

    private func refuseSameRoot(_ new: borrowing RootKey) throws(KeyFailure) {
        let isSame = try withRoot { (old) throws(KeyFailure) in old.isSame(as: new) }
        if isSame {
            throw KeyFailure(409, "same_root_key", "that is the root key which wraps the keyring already")
        }
    }
}
