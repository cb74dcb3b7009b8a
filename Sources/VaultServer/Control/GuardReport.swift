internal import VaultCore

/// What `status` and `clients list` show of freezes and limits.
enum GuardReport {
    /// Everything that is frozen, and whether that is on the disk.
    static func frozen(_ service: VaultService) -> JSONText {
        let freezes = service.guards.freezes.sorted { $0.key.text < $1.key.text }
        return .object([
            ("all", freezes.first { $0.key == .all }.map { freeze($0.key, $0.value) } ?? .null),
            (
                "clients",
                .array(
                    freezes.compactMap { scope, value in if case .client = scope { freeze(scope, value) } else { nil } }
                )
            ),
            (
                "formats",
                .array(
                    freezes.compactMap { scope, value in if case .format = scope { freeze(scope, value) } else { nil } }
                )
            ),
            ("saved", .bool(service.guards.isSaved)),
        ])
    }

    static func freeze(_ scope: FreezeScope, _ freeze: Freeze) -> JSONText {
        let (kind, name): (String, JSONText) =
            switch scope {
            case .all: ("all", .null)
            case .client(let name): ("client", .string(name))
            case .format(let name): ("format", .string(name))
            }
        return .object([
            ("scope", .string(kind)), ("name", name), ("cause", .string("\(freeze.cause.name)")),
            ("since", .number(freeze.since)), ("by", .string(freeze.by)), ("reason", .string(freeze.reason)),
        ])
    }

    /// What a client is held to, and how far it is.
    static func client(_ entry: Configuration.Client, _ service: VaultService) -> [(String, JSONText)] {
        let known = service.guards.guards.first { $0.name == entry.name }
        let usage = known?.usage(now: WallClock.seconds) ?? []
        return [
            ("frozen", service.guards.freezes[.client(entry.name)].map { freeze(.client(entry.name), $0) } ?? .null),
            ("addresses", entry.addresses.map { .array($0.map { .string($0.text) }) } ?? .null),
            ("hours", entry.hours.map { .array($0.map { .string($0.text) }) } ?? .null),
            ("batch", entry.batch.map { .number(UInt64($0)) } ?? .null),
            (
                "limits",
                .object(
                    usage.map { kind, used, limit in
                        (
                            kind.rawValue,
                            .object([
                                ("used", .number(used)), ("soft", limit.soft.map { .number($0) } ?? .null),
                                ("hard", limit.hard.map { .number($0) } ?? .null),
                            ])
                        )
                    })
            ),
            ("throttled", .number(known?.throttled ?? 0)),
        ]
    }
}
