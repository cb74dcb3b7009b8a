internal import Logging
internal import OpenSSLCrypto
internal import SecretMemory
internal import Synchronization
internal import VaultCore

/// The one-time codes of operators: who has shown one lately, which are used up, who is locked out, and enrolments that
/// wait for their first code. Any thread but event loops, since it writes to the disk.
final class SecondFactor: Sendable {
    /// A secret that was shown, and is not in force before a code of it came back.
    private struct Trial {
        let enrolment: OperatorEnrolment
        /// Seconds of the monotonic clock.
        let until: UInt64
        var wrong: UInt32 = 0
    }

    /// That an operator has shown a code.
    private struct Session {
        let uid: UInt32
        /// Seconds of the monotonic clock.
        let since: UInt64
    }

    private struct State: Sendable {
        /// `nil` until there are keys to read it with.
        var ledger: CodeLedger?
        var trials: [String: Trial] = [:]
        var sessions: [String: Session] = [:]
    }

    /// Seconds that an enrolment waits for its first code.
    private static let trialSeconds: UInt64 = 600

    private let path: String
    private let logger: Logger
    private let state = Mutex(State())

    init(path: String, logger: Logger) {
        self.path = path
        self.logger = logger
    }

    // MARK: Codes

    /// Whether the operator has shown a code within the last `seconds`.
    func isVerified(_ person: Operator, within seconds: UInt64, monotonic: UInt64 = MonotonicClock.seconds) -> Bool {
        state.withLock { state in
            guard let session = state.sessions[person.name], session.uid == person.uid else { return false }
            return monotonic < session.since + seconds
        }
    }

    /// Takes a code of an enrolled operator, once; throws what is wrong with it.
    ///
    /// That it is used up is on disk before this returns, and so is that it was wrong.
    func take(
        _ code: OneTimeCode, of person: Operator, _ keyring: Keyring, now: UInt64,
        monotonic: UInt64 = MonotonicClock.seconds
    ) throws(KeyFailure) {
        guard let enrolment = keyring.annex.enrolments.first(where: { $0.name == person.name }) else {
            throw .notEnrolled(person)
        }
        try state.withLock { (state) throws(KeyFailure) in
            var ledger = loaded(&state, keyring, now)
            // Without a record of what was used, everything up to now counts as used.
            var entry = ledger.entries[person.name] ?? CodeLedger.Entry(lastStep: TOTP.step(at: now) + TOTP.window)
            try Self.requireUnlocked(entry, person, now)
            let step = try Self.match(code, enrolment, keyring, now, after: entry.lastStep)
            var isLocked = false
            if let step { entry.take(step) } else { isLocked = entry.countWrong(now: now) }
            ledger.entries[person.name] = entry
            // In memory first: a disk that fails opens no second chance.
            state.ledger = ledger
            let failure = write(ledger, keyring)
            if isLocked { logger.warning("operator_locked", metadata: ["operator": "\(person.text)"]) }
            guard step != nil else { throw .codeWrong }
            if let failure { throw failure }
            state.sessions[person.name] = Session(uid: person.uid, since: monotonic)
        }
    }

    private static func requireUnlocked(
        _ entry: CodeLedger.Entry, _ person: Operator, _ now: UInt64
    ) throws(KeyFailure) {
        let left = entry.lockLeft(now: now)
        guard left == 0 else { throw .locked(person, seconds: left) }
    }

    private static func match(
        _ code: OneTimeCode, _ enrolment: OperatorEnrolment, _ keyring: Keyring, _ now: UInt64, after step: UInt64
    ) throws(KeyFailure) -> UInt64? {
        do throws(CryptoError) {
            guard let secret = try enrolment.secret(keyring) else { return nil }
            return try TOTP.match(code, secret: secret.span, at: now, after: step)
        } catch {
            throw KeyFailure(.crypto as KeyChangeError)
        }
    }

    // MARK: Enrolment

    /// A new secret for an operator, as an `otpauth://` address. It is in force when a code of it comes to `confirm`; the
    /// one before is until then.
    func begin(
        _ person: Operator, _ keyring: Keyring, issuer: String, now: UInt64,
        monotonic: UInt64 = MonotonicClock.seconds
    ) throws(KeyFailure) -> SecretBytes {
        let enrolment: OperatorEnrolment
        let address: SecretBytes
        do throws(CryptoError) {
            enrolment = try OperatorEnrolment(name: person.name, since: now)
            guard let secret = try enrolment.secret(keyring) else { throw .badKeyLength }
            address = OTPAuth.address(secret: secret.span, account: person.name, issuer: issuer)
        } catch {
            throw KeyFailure(.crypto as KeyChangeError)
        }
        state.withLock {
            $0.trials[person.name] = Trial(enrolment: enrolment, until: monotonic + Self.trialSeconds)
        }
        return address
    }

    /// Takes the first code of a new secret, and hands the enrolment to `install`, which puts it in force.
    func confirm(
        _ code: OneTimeCode, of person: Operator, _ keyring: Keyring, now: UInt64,
        monotonic: UInt64 = MonotonicClock.seconds, install: (OperatorEnrolment) throws(KeyFailure) -> Void
    ) throws(KeyFailure) {
        let enrolment = try state.withLock { (state) throws(KeyFailure) in
            guard var trial = state.trials[person.name], monotonic < trial.until else {
                state.trials[person.name] = nil
                throw KeyFailure(
                    409, "no_enrolment", "there is no enrolment to confirm: 'strongroom mfa enroll' begins one")
            }
            guard let step = try Self.match(code, trial.enrolment, keyring, now, after: 0) else {
                trial.wrong += 1
                state.trials[person.name] = trial.wrong < CodeLedger.wrongMax ? trial : nil
                throw .codeWrong
            }
            state.trials[person.name] = nil
            var ledger = loaded(&state, keyring, now)
            ledger.entries[person.name] = CodeLedger.Entry(lastStep: step)
            state.ledger = ledger
            if let failure = write(ledger, keyring) { throw failure }
            return trial.enrolment
        }
        try install(enrolment)
        state.withLock { $0.sessions[person.name] = Session(uid: person.uid, since: monotonic) }
        logger.notice("operator_enrolled", metadata: ["operator": "\(person.text)"])
    }

    /// Forgets that an operator has shown codes, after a reset.
    func forget(_ name: String) {
        state.withLock {
            $0.sessions[name] = nil
            $0.trials[name] = nil
        }
    }

    /// Seconds that an operator is still locked out.
    func lockLeft(_ name: String, _ keyring: Keyring, now: UInt64) -> UInt64 {
        state.withLock { loaded(&$0, keyring, now).entries[name]?.lockLeft(now: now) ?? 0 }
    }

    // MARK: The file

    /// The ledger, from the file at its first use. What is lost is said once.
    private func loaded(_ state: inout State, _ keyring: Keyring, _ now: UInt64) -> CodeLedger {
        if let ledger = state.ledger { return ledger }
        let read = CodeLedger.read(path, keyring)
        if read == nil, !keyring.annex.enrolments.isEmpty { logger.warning("operator_codes_lost") }
        var ledger = read ?? CodeLedger()
        for enrolment in keyring.annex.enrolments where ledger.entries[enrolment.name] == nil {
            ledger.entries[enrolment.name] = CodeLedger.Entry(lastStep: TOTP.step(at: now) + TOTP.window)
        }
        state.ledger = ledger
        return ledger
    }

    private func write(_ ledger: CodeLedger, _ keyring: Keyring) -> KeyFailure? {
        do throws(KeyringError) {
            try ledger.write(to: path, keyring)
            return nil
        } catch {
            var failure = KeyFailure(error)
            if case .file(let cause) = error { failure = KeyFailure(StoreError.file(cause)) }
            logger.error("operator_codes_failed", metadata: ["reason": "\(failure.title)"])
            return failure
        }
    }
}

extension KeyFailure {
    /// For one that was used before too: which of the two is nobody's business.
    static let codeWrong = KeyFailure(
        401, "code_wrong", "the one-time code is wrong, or was used before: wait for the next one")

    static let codeRequired = KeyFailure(401, "code_required", "this command asks for a one-time code")

    static func locked(_ person: Operator, seconds: UInt64) -> KeyFailure {
        let minutes = (seconds + 59) / 60
        return KeyFailure(
            429, "code_locked",
            "\(person.name) is locked out after too many wrong codes, for \(minutes) more minute"
                + (minutes == 1 ? "" : "s"))
    }

    static func notEnrolled(_ person: Operator) -> KeyFailure {
        KeyFailure(
            403, "not_enrolled", "\(person.name) has to enrol for one-time codes first: 'strongroom mfa enroll'")
    }
}

extension MonotonicClock {
    /// Whole seconds since some start.
    static var seconds: UInt64 { now / 1_000_000_000 }
}
