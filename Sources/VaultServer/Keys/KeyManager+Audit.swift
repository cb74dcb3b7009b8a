internal import Logging
internal import VaultCore

// The audit log where it does not fit the vault: an operator has to say that it may go on.
extension KeyManager {
    func requireBrokenLog() throws(KeyFailure) {
        guard audit.state == .broken else {
            throw KeyFailure(
                409, "audit_fits", "the audit log is the one that the vault wrote: there is nothing to adopt")
        }
    }

    /// Begins a new segment behind what is there, with a record of the break.
    func adoptLog(_ reason: String, by authority: KeyAuthority) throws(KeyFailure) -> JSONText {
        try requireBrokenLog()
        guard let keyring = host.keyring, let store = host.currentStore else { throw .sealed }
        let person =
            authority.approvedBy.isEmpty
            ? authority.requestedBy : "\(authority.requestedBy), approved by \(authority.approvedBy)"
        let head: AuditHead
        do throws(AuditFailure) {
            head = try audit.adoptBroken(keyring, known: try? store.auditHead(), by: person, reason: reason)
        } catch {
            throw KeyFailure(error)
        }
        do throws(StoreError) {
            try store.putAuditHead(head)
        } catch {
            throw KeyFailure(error)
        }
        logger.warning("audit_adopted", metadata: ["by": "\(person)", "reason": "\(reason)"])
        return .object([("adopted", .bool(true)), ("records", .number(head.sequence))])
    }
}
