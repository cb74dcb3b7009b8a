internal import VaultCore

/// What `keys list`, `jobs`, `pending` and `shares list` show.
enum KeyReport {
    static func keys(_ service: VaultService) throws(KeyFailure) -> JSONText {
        guard let keyring = service.host.keyring, let statistics = service.statistics else { throw .sealed }
        let facts = service.keys.board.current
        return .object([
            ("generation", .number(keyring.generation)), ("vault_id", .string(keyring.vaultID.text)),
            ("root", root(keyring.root)), ("keyring_certain", .bool(facts.isKeyringCertain)),
            ("displaced", facts.displaced.map { .string($0) } ?? .null),
            ("versions", .array(versions(service, statistics))), ("use", use(facts)),
            ("receipts", .array(keyring.annex.receipts.map(receipt))),
        ])
    }

    static func root(_ root: RootDescription) -> JSONText {
        .object([
            ("kind", .string("\(root.kind.name)")), ("text", .string(root.text)), ("since", .number(root.since)),
            ("threshold", .number(UInt64(root.threshold))), ("count", .number(UInt64(root.count))),
            ("set", root.kind == .shares ? .string(Share.text(ofSet: root.setID)) : .null),
        ])
    }

    static func use(_ facts: KeyBoard.Facts) -> JSONText {
        .object([("data", facts.data.json), ("index", facts.index.json), ("audit", facts.audit.json)])
    }

    static func versions(_ service: VaultService, _ statistics: StoreStatistics) -> [JSONText] {
        let settings = service.configuration.keys
        let now = UInt64(WallClock.seconds)
        return statistics.keys.map { key in
            let end = key.destroyed > 0 ? key.destroyed : now
            return .object([
                ("purpose", .string("\(key.purpose.name)")), ("version", .number(UInt64(key.version))),
                ("state", .string("\(key.state.name)")), ("created", .number(key.created)),
                ("retired", .number(key.retired)), ("destroyed", .number(key.destroyed)),
                ("age_seconds", .number(end > key.created ? end - key.created : 0)),
                ("period_seconds", .number(UInt64(settings.period(of: key.purpose).length.components.seconds))),
                ("encryptions", .number(key.encryptions)),
                ("limit", .number(key.purpose == .data ? UInt64(settings.dataEncryptions.limit) : 0)),
                ("records", .number(key.records)), ("moved", .number(key.moved)),
            ])
        }
    }

    private static func receipt(_ receipt: DestructionReceipt) -> JSONText {
        .object([
            ("purpose", .string("\(receipt.purpose.name)")), ("version", .number(UInt64(receipt.version))),
            ("created", .number(receipt.created)), ("retired", .number(receipt.retired)),
            ("destroyed", .number(receipt.destroyed)), ("records_moved", .number(receipt.recordsMoved)),
            ("generation", .number(receipt.generation)), ("reason", .string("\(receipt.reason.name)")),
            ("rotation", authority(receipt.rotation)), ("destruction", authority(receipt.destruction)),
            ("hash", .string(hexText(receipt.hash))),
        ])
    }

    private static func authority(_ authority: KeyAuthority) -> JSONText {
        .object([
            ("requested_by", .string(authority.requestedBy)),
            ("approved_by", authority.approvedBy.isEmpty ? .null : .string(authority.approvedBy)),
        ])
    }

    static func jobs(_ service: VaultService) throws(KeyFailure) -> JSONText {
        guard service.host.keyring != nil else { throw .sealed }
        return .object([("jobs", .array(service.keys.jobs.map(\.json)))])
    }

    static func pending(_ service: VaultService) throws(KeyFailure) -> JSONText {
        guard let keyring = service.host.keyring else { throw .sealed }
        let now = UInt64(WallClock.seconds)
        return .object([
            ("pending", .array(keyring.annex.waiting(now: now).map(pending)))
        ])
    }

    static func pending(_ command: PendingCommand) -> JSONText {
        .object([
            ("id", .number(UInt64(command.id))), ("command", .string(command.command)),
            ("description", .string(command.description)), ("requested_by", .string(command.requesterName)),
            ("requested_uid", command.requestedBy == .max ? .null : .number(UInt64(command.requestedBy))),
            ("created", .number(command.created)), ("expires", .number(command.expires)),
            ("approved_by", command.isApproved ? .string(command.approverName) : .null),
        ])
    }

    static func shares(_ service: VaultService) throws(KeyFailure) -> JSONText {
        guard let keyring = service.host.keyring else { throw .sealed }
        let custodians = keyring.annex.custodians.map { custodian in
            JSONText.object([
                ("name", .string(custodian.name)), ("set", .string(Share.text(ofSet: custodian.setID))),
                ("index", .number(UInt64(custodian.index))), ("since", .number(custodian.since)),
                ("until", .number(custodian.until)), ("acknowledged", .number(custodian.acknowledged)),
                ("acknowledged_by", .string(custodian.acknowledgedBy)), ("current", .bool(custodian.isCurrent)),
            ])
        }
        let root = keyring.root
        return .object([
            ("kind", .string("\(root.kind.name)")), ("threshold", .number(UInt64(root.threshold))),
            ("count", .number(UInt64(root.count))),
            ("set", root.kind == .shares ? .string(Share.text(ofSet: root.setID)) : .null),
            ("custodians", .array(custodians)),
        ])
    }
}
