internal import OpenSSLTLS
internal import VaultCore

/// What `strongroom status` and `clients list` show.
enum StatusReport {
    static func make(_ service: VaultService) -> JSONText {
        let configuration = service.configuration
        let header = service.keyringHeader
        let facts = service.keys.board.current
        var members: [(String, JSONText)] = [
            ("version", .string(Strongroom.version)),
            ("deployment", .string(configuration.deployment)),
            ("pid", .number(UInt64(ProcessFacts.id))),
            ("uptime_seconds", .number(UInt64(WallClock.seconds &- service.startedAt))),
            ("sealed", .bool(service.host.state == .sealed)),
            ("write_state", .string(writeState(service.host.state))),
            ("vault_id", header.map { .string($0.vaultID.text) } ?? .null),
            ("keyring_generation", .number(service.host.keyring?.generation ?? header?.generation ?? 0)),
            ("root", header.map { .string($0.root.text) } ?? .null), ("unseal", unseal(service, header)),
            ("lmdb", .string(ProcessFacts.lmdbVersion)),
            ("connections", .number(UInt64(max(0, service.metrics.connections.current)))),
            ("writer_queue", .number(UInt64(service.writer.depth))),
            ("tokenized", .number(service.metrics.tokenized.current)),
            ("revealed", .number(service.metrics.revealed.current)),
        ]
        if let statistics = service.statistics { members += store(statistics, service) }
        members.append(("audit", audit(service.audit)))
        members.append(("use", KeyReport.use(facts)))
        members.append(("jobs", .array(service.keys.jobs.map(\.json))))
        members.append(("displaced", facts.displaced.map { .string($0) } ?? .null))
        members.append(
            ("pending", .number(UInt64(service.host.keyring?.annex.waiting(now: UInt64(WallClock.seconds)).count ?? 0)))
        )
        members.append(("frozen", GuardReport.frozen(service)))
        members.append(
            (
                "honey",
                .object(
                    [("tokens", .number(service.statistics?.honeyTokens ?? 0))] + HoneyOrders.touches(service.honey))
            ))
        members.append(("formats", formats(service)))
        members.append(("certificates", certificates(service)))
        return .object(members)
    }

    private static func audit(_ trail: AuditTrail) -> JSONText {
        let facts = trail.board.current
        return .object([
            ("state", .string("\(trail.state.name)")), ("reason", .string(facts.reason)),
            ("records", .number(facts.sequence)), ("segment", .string(facts.segment)),
            ("durability", .string(trail.settings.durability.rawValue)),
            ("stalled_seconds", .decimal(trail.board.stalledSeconds)), ("lost", .number(trail.board.lost.current)),
            (
                "checkpoint",
                .object([
                    ("records", .number(facts.checkpointSize)), ("time", .number(UInt64(facts.checkpointTime))),
                    ("note", .string(facts.checkpoint)),
                ])
            ),
            (
                "destinations",
                .object(facts.destinations.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })
            ),
        ])
    }

    private static func writeState(_ state: VaultHost.State) -> String {
        switch state {
        case .writing: "writing"
        case .stopped: "stopped"
        case .sealed: "sealed"
        }
    }

    /// How far an unsealing by shares is.
    private static func unseal(_ service: VaultService, _ header: KeyringHeader?) -> JSONText {
        guard service.host.state == .sealed, let root = header?.root, root.kind == .shares else { return .null }
        let expiry = UInt64(service.configuration.control.unsealExpiry.components.seconds)
        return .object([
            ("have", .number(UInt64(service.intake.entered(expirySeconds: expiry)))),
            ("need", .number(UInt64(root.threshold))), ("set", .string(Share.text(ofSet: root.setID))),
        ])
    }

    private static func store(_ statistics: StoreStatistics, _ service: VaultService) -> [(String, JSONText)] {
        [
            ("keys", .array(KeyReport.versions(service, statistics))),
            (
                "store",
                .object([
                    ("tokens", .number(UInt64(statistics.tokens))),
                    ("index_entries", .number(UInt64(statistics.indexEntries))),
                    ("subjects", .number(UInt64(statistics.subjects))),
                    ("used_bytes", .number(UInt64(statistics.mapBytesUsed))),
                    ("limit_bytes", .number(UInt64(statistics.mapBytesLimit))),
                    ("readers", .number(UInt64(statistics.readersUsed))),
                    ("oldest_snapshot_commits", .number(UInt64(statistics.oldestSnapshotAge))),
                ])
            ),
        ]
    }

    private static func formats(_ service: VaultService) -> JSONText {
        let statistics = service.statistics
        return .array(
            service.policyBox.current.formats.all.map { format in
                let lengths = (12...19).filter { format.allowedLengths.contains(PANLengths($0)) }
                return .object([
                    ("name", .string(format.name)), ("keep", .string(format.keep.rawValue)),
                    ("luhn", .string(format.luhn.rawValue)), ("reuse", .string(format.reuse.rawValue)),
                    ("tokens", .number(statistics?.formatTokens[format.id] ?? 0)),
                    (
                        "bucket_capacity",
                        .object(lengths.map { (String($0), .number(format.capacity(forLength: $0).tokens)) })
                    ),
                    ("notes", .array(format.notes.map { .string($0) })),
                ])
            })
    }

    private static func certificates(_ service: VaultService) -> JSONText {
        let now = Int64(WallClock.seconds)
        return .array(
            service.certificateTerms.map { term in
                .object([
                    ("kind", .string(term.kind.rawValue)), ("subject", .string(term.name)),
                    ("serial", term.serial.isEmpty ? .null : .string(term.serial)),
                    ("not_after", .number(UInt64(max(0, term.end)))),
                    ("file", term.file.map { .string($0) } ?? .null),
                    ("near_end", .bool(term.level(at: now) != .fine)),
                ])
            })
    }

    static func clients(_ service: VaultService) -> JSONText {
        .array(
            service.configuration.clients.map { client in
                .object(rights(client, service) + GuardReport.client(client, service))
            })
    }

    /// How a client is known, what it may do, and which certificate it showed last.
    static func rights(_ client: Configuration.Client, _ service: VaultService) -> [(String, JSONText)] {
        let identity: (String, String) =
            switch client.identity {
            case .dns(let name): ("dns", name)
            case .uri(let uri): ("uri", uri)
            case .spkiSHA256(let hash): ("spki_sha256", hexText(hash))
            }
        return [
            ("name", .string(client.name)), (identity.0, .string(identity.1)),
            ("allow", .array(client.allow.map { .string($0.rawValue) })),
            ("formats", .array(client.formats.map { .string($0) })),
            ("purposes", .array(client.purposes.map { .string($0) })),
            ("show", .array(client.show.map { .string($0.rawValue) })),
            ("seen", seen(service.clientCertificates[client.name])),
        ]
    }

    /// The certificate that a client showed last; null before it did.
    private static func seen(_ certificate: ClientCertificates.Seen?) -> JSONText {
        guard let certificate else { return .null }
        return .object([
            ("time", .number(certificate.time)), ("serial", .string(certificate.serial)),
            ("not_after", .number(UInt64(max(0, certificate.notAfter)))),
            ("spki_sha256", .string(hexText(certificate.publicKeySHA256))),
        ])
    }
}
