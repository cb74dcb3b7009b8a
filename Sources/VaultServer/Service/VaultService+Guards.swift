internal import Logging
internal import NIOCore
internal import NIOPosix
internal import VaultCore

// What keeps limits and freezes on the disk while the vault serves.
extension VaultService {
    /// Stores what changed, once a second and at every freeze; and has alarms told.
    func watchGuards() {
        let (guards, background, audit, logger) = (guards, background, audit, logger)
        guards.onClientFrozen { name, freeze in
            // Later, so that a trap takes no longer to answer than a miss.
            background.submit { _ in
                logger.critical(
                    "client_frozen",
                    metadata: ["client": "\(name)", "cause": "\(freeze.cause.name)", "reason": "\(freeze.reason)"])
                var entry = AuditEntry(.clientFrozen)
                entry.add("client", name)
                entry.add("outcome", "ok")
                entry.add("cause", freeze.cause.name)
                entry.add("reason", freeze.reason)
                audit.note(entry)
                guards.saveChanges()
            }
        }
        sideGroup.next().scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { _ in
            background.submit { state in
                // After the end the caller's own thread would do it.
                if case .active = state { guards.saveChanges() }
            }
        }
    }

    /// Stops reveals, or all that a client does. When this returns no event loop sends what it revealed before, the freeze
    /// is on the disk, and both are said where they failed. Waits for every loop: not for event loops.
    func freeze(_ scope: FreezeScope, reason: String, by person: Operator) -> JSONText {
        let asked = Freeze(
            cause: .command, since: UInt64(WallClock.seconds), by: person.text, reason: reason)
        let (freeze, isNew) = guards.freeze(scope, asked)
        gate.pass()
        let isSaved = guards.save()
        var entry = AuditEntry(.freeze)
        entry.add("operator", person.text)
        entry.add("outcome", "ok")
        entry.add("scope", scope.text)
        if !reason.isEmpty { entry.add("reason", reason) }
        entry.add("new", isNew ? "yes" : "no")
        let isRecorded = recordOrNote(entry)
        logger.warning(
            "frozen",
            metadata: [
                "what": "\(scope.text)", "by": "\(person.text)", "new": "\(isNew)", "saved": "\(isSaved)",
                "recorded": "\(isRecorded)",
            ])
        return .object([
            ("frozen", GuardReport.freeze(scope, freeze)), ("already", .bool(!isNew)), ("saved", .bool(isSaved)),
            ("recorded", .bool(isRecorded)),
        ])
    }

    /// Puts a record on the log, from the space kept for that; false where it is not there yet. In a sealed vault it waits
    /// for the keys of the log.
    private func recordOrNote(_ entry: AuditEntry) -> Bool {
        do throws(AuditFailure) {
            _ = try audit.write([entry], isReserved: true)
            return true
        } catch {
            if error == .closed { audit.note(entry) }
            return false
        }
    }

    /// Lets reveals go on. Waits for the disk: what could not be stored, or not be put on record while the vault has the keys
    /// to do so, stays frozen.
    func unfreeze(_ scope: FreezeScope, by authority: KeyAuthority) throws(KeyFailure) -> JSONText {
        guard guards.freezes[scope] != nil else { throw .notFrozen(scope) }
        var entry = AuditEntry(.unfreeze)
        entry.add("operator", authority.requestedBy)
        if !authority.approvedBy.isEmpty { entry.add("approved_by", authority.approvedBy) }
        entry.add("outcome", "ok")
        entry.add("scope", scope.text)
        if !recordOrNote(entry), audit.state != .closed {
            throw KeyFailure(503, "audit_unavailable", "stays frozen, since it cannot be put on record")
        }
        let freeze: Freeze?
        do throws(FileError) {
            freeze = try guards.unfreeze(scope)
        } catch {
            throw KeyFailure(503, "guard_not_saved", "stays frozen, since that could not be stored: \(error.message)")
        }
        guard let freeze else { throw .notFrozen(scope) }
        logger.warning(
            "unfrozen",
            metadata: [
                "what": "\(scope.text)", "by": "\(authority.requestedBy)", "approved_by": "\(authority.approvedBy)",
            ])
        return .object([("unfrozen", GuardReport.freeze(scope, freeze))])
    }
}
