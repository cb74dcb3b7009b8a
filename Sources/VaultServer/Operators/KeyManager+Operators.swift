internal import Logging
internal import VaultCore

// What operators' one-time codes need of the keyring. On the writer thread.
extension KeyManager {
    /// The keyring, with a key for the secrets of one-time codes.
    func withOperatorsKey() throws(KeyFailure) -> Keyring {
        guard let keyring = host.keyring else { throw .sealed }
        let next: Keyring
        do throws(KeyChangeError) {
            next = try keyring.withOperatorsKey(now: UInt64(WallClock.seconds))
        } catch {
            throw KeyFailure(error)
        }
        guard next !== keyring else { return keyring }
        try install(next)
        return next
    }

    /// Puts an operator's codes in force, instead of the ones before.
    func enrol(_ enrolment: OperatorEnrolment) throws(KeyFailure) {
        guard let keyring = host.keyring else { throw .sealed }
        try install(
            keyring.annotated { annex in
                annex.enrolments.removeAll { $0.name == enrolment.name }
                annex.enrolments.append(enrolment)
            })
    }

    /// Refuses a reset of the own codes, or of ones that are not in force.
    func requireResettable(_ name: String, by person: Operator) throws(KeyFailure) {
        guard let keyring = host.keyring else { throw .sealed }
        guard name != person.name else {
            throw KeyFailure(
                403, "own_factor", "the one-time codes of \(name) are your own: another operator resets them")
        }
        guard keyring.annex.enrolments.contains(where: { $0.name == name }) else {
            throw KeyFailure(404, "no_such_enrolment", "\(name) has not enrolled for one-time codes")
        }
    }

    /// Takes an operator's codes out of force: they may do nothing but enrol anew.
    func resetFactor(_ name: String, by authority: KeyAuthority) throws(KeyFailure) -> JSONText {
        guard let keyring = host.keyring else { throw .sealed }
        try install(keyring.annotated { $0.enrolments.removeAll { $0.name == name } })
        onFactorReset(name)
        logger.notice(
            "operator_reset",
            metadata: [
                "operator": "\(name)", "requested_by": "\(authority.requestedBy)",
                "approved_by": "\(authority.approvedBy)",
            ])
        return .object([("reset", .string(name))])
    }
}

extension VaultService {
    /// Begins an enrolment: a line with the address for the operator's generator.
    func enrollFactor(of person: Operator) throws(KeyFailure) -> SecretLines {
        let keyring = try onWriterThread { keys throws(KeyFailure) in try keys.withOperatorsKey() }
        let deployment = configuration.deployment
        return SecretLines(
            try secondFactor.begin(person, keyring, issuer: deployment, now: UInt64(WallClock.seconds)))
    }
}
