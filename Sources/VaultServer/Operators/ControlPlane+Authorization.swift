internal import VaultCore

// Who may give a command, and whether it is really them.
extension ControlPlane {
    /// The operator, where the command is a right of theirs and the second factor was shown as far as it asks for one.
    ///
    /// Blocks on the disk; not for event loops.
    func authorize(
        _ command: Command, _ request: ControlRequest, user: UInt32, code: String?
    ) throws(KeyFailure) -> Operator {
        do throws(KeyFailure) {
            return try judge(command, request, user: user, code: code)
        } catch {
            if [401, 403, 429].contains(error.status) { noteRefusal(command, user: user, error) }
            throw error
        }
    }

    private func judge(
        _ command: Command, _ request: ControlRequest, user: UInt32, code: String?
    ) throws(KeyFailure) -> Operator {
        let book = service.operators.current
        guard let entry = book.entry(user) else {
            let stranger = Operator(uid: user)
            if command == .status, book.isConfigured { return stranger }
            throw .denied("\(stranger.text) is no operator of this vault")
        }
        let person = entry.person
        if command == .status { return person }
        guard !command.isGranted || entry.commands.contains(command) || command == .factors else {
            throw .denied("\(person.name) may not do \(command.rawValue)")
        }
        if command == .approve { try requireApprovable(request, by: entry, book) }
        try checkFactor(command, entry, book, code)
        return person
    }

    /// An approval is as good as the command: both persons must be ones who may give it.
    private func requireApprovable(
        _ request: ControlRequest, by entry: OperatorBook.Entry, _ book: OperatorBook
    ) throws(KeyFailure) {
        // What does not wait, or makes no sense, is refused by name later.
        guard let id = request.number("id"),
            let pending = service.host.keyring?.annex.pending.first(where: { $0.id == id }),
            let command = OperatorCommand(kind: pending.command, argument: pending.argument)?.command
        else { return }
        guard entry.commands.contains(command) else {
            throw .denied("\(entry.person.name) may not do \(command.rawValue), and so may not approve it")
        }
        // The end of a rotation asks for itself.
        guard pending.requestedBy != .max else { return }
        guard book.entry(pending.requestedBy)?.commands.contains(command) == true else {
            throw .denied("\(pending.requesterName), who asked, may not do \(command.rawValue) any more")
        }
    }

    // MARK: The second factor

    private func checkFactor(
        _ command: Command, _ entry: OperatorBook.Entry, _ book: OperatorBook, _ code: String?
    ) throws(KeyFailure) {
        let (person, factor) = (entry.person, service.secondFactor)
        let isOwn = [.enrollFactor, .confirmFactor, .verifyFactor].contains(command)
        guard entry.usesCodes else {
            if isOwn {
                throw KeyFailure(
                    409, "no_second_factor", "the configuration asks for no one-time codes of \(person.name)")
            }
            return
        }
        if command == .factors { return }
        let isVerified = factor.isVerified(person, within: book.codeSeconds)
        guard let keyring = service.host.keyring else {
            // Sealed: no code can be checked, and who has enrolled is not known.
            if isOwn || (book.codeCommands.contains(command) && !isVerified) { throw .sealed }
            return
        }
        let now = UInt64(WallClock.seconds)
        if command == .confirmFactor {
            try factor.confirm(try Self.code(code), of: person, keyring, now: now) {
                (enrolment) throws(KeyFailure) in
                try enrolled(person) { () throws(KeyFailure) in
                    try service.onWriterThread { keys throws(KeyFailure) in try keys.enrol(enrolment) }
                }
            }
            return
        }
        guard keyring.annex.enrolments.contains(where: { $0.name == person.name }) else {
            if command == .enrollFactor { return }
            throw .notEnrolled(person)
        }
        let asks = book.codeCommands.contains(command) || command == .enrollFactor
        if command == .verifyFactor || (asks && !isVerified) {
            try factor.take(try Self.code(code), of: person, keyring, now: now)
            do throws(KeyFailure) {
                try noteCode(person, command)
            } catch {
                // What is not on record opens nothing.
                factor.forget(person.name)
                throw error
            }
        }
    }

    private static func code(_ text: String?) throws(KeyFailure) -> OneTimeCode {
        guard let text else { throw .codeRequired }
        guard let code = OneTimeCode(text) else { throw KeyFailure(422, "malformed", "a one-time code has six digits") }
        return code
    }
}

extension KeyFailure {
    static func denied(_ title: String) -> KeyFailure { KeyFailure(403, "denied", title) }
}
