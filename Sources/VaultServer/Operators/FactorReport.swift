internal import VaultCore

/// What `mfa status` shows: everybody's second factor to those who may see that, and to the others their own.
enum FactorReport {
    static func make(_ service: VaultService, for person: Operator) -> JSONText {
        let book = service.operators.current
        let seesAll = book.entry(person.uid)?.commands.contains(.factors) ?? false
        let keyring = service.host.keyring
        let now = UInt64(WallClock.seconds)
        let shown = book.all.filter { seesAll || $0.person.uid == person.uid }
        return .object([
            ("minutes", .number(book.codeSeconds / 60)),
            ("commands", .array(book.codeCommands.map(\.rawValue).sorted().map { .string($0) })),
            ("operators", .array(shown.map { row($0, service, keyring, now, book) })),
        ])
    }

    private static func row(
        _ entry: OperatorBook.Entry, _ service: VaultService, _ keyring: Keyring?, _ now: UInt64, _ book: OperatorBook
    ) -> JSONText {
        let enrolment = keyring?.annex.enrolments.first { $0.name == entry.person.name }
        let locked = keyring.map { service.secondFactor.lockLeft(entry.person.name, $0, now: now) } ?? 0
        return .object([
            ("name", .string(entry.person.name)), ("uid", .number(UInt64(entry.person.uid))),
            ("mfa", entry.usesCodes ? .string("totp") : .null),
            // Nobody knows while the keys are away.
            ("enrolled", keyring == nil ? .null : .bool(enrolment != nil)),
            ("since", .number(enrolment?.since ?? 0)), ("locked_seconds", .number(locked)),
            (
                "verified",
                .bool(service.secondFactor.isVerified(entry.person, within: book.codeSeconds))
            ),
        ])
    }
}
