internal import OpenSSLTLS
internal import SecretMemory
internal import Synchronization
internal import VaultCore
internal import VaultWire

/// All metrics in the text form of Prometheus.
enum PrometheusText {
    static func render(_ service: VaultService) -> String {
        var output = Output()
        requests(service.metrics, &output)
        honey(service.honey, &output)
        connections(service, &output)
        writes(service, &output)
        keysAndStore(service, &output)
        rotation(service, &output)
        audit(service.audit, &output)
        guards(service, &output)
        certificates(service, &output)
        output.add(
            "secret_memory_locked", .gauge, "1 while every key lies in memory that is never swapped out.",
            [([:], SecretArena.isFullyLocked ? "1" : "0")])
        output.add("build_info", .gauge, "What runs.", [(["version": Strongroom.version], "1")])
        return output.text
    }

    private static func requests(_ metrics: Metrics, _ output: inout Output) {
        var counts: [([String: String], String)] = []
        for call in Call.allCases {
            let success = metrics.requestCount(call, problem: nil)
            if success > 0 { counts.append((["call": call.name, "code": "ok"], String(success))) }
            for problem in ProblemCode.allCases {
                let count = metrics.requestCount(call, problem: problem.rawValue)
                if count > 0 { counts.append((["call": call.name, "code": "\(problem.code)"], String(count))) }
            }
        }
        output.add("requests_total", .counter, "Requests by call and answer.", counts)
        output.head("request_duration_seconds", .histogram, "Time from a whole head to the answer's last byte.")
        for call in Call.allCases {
            let histogram = metrics.duration(call)
            let cumulative = histogram.cumulative
            guard let total = cumulative.last, total > 0 else { continue }
            for (index, bound) in Histogram.bounds.enumerated() {
                output.line(
                    "request_duration_seconds_bucket", ["call": call.name, "le": "\(Double(bound) / 1e9)"],
                    String(cumulative[index]))
            }
            output.line("request_duration_seconds_bucket", ["call": call.name, "le": "+Inf"], String(total))
            output.line(
                "request_duration_seconds_sum", ["call": call.name], "\(Double(histogram.sumNanoseconds) / 1e9)")
            output.line("request_duration_seconds_count", ["call": call.name], String(total))
        }
        output.add("tokens_made_total", .counter, "Cards tokenized.", [([:], String(metrics.tokenized.current))])
        output.add("cards_revealed_total", .counter, "Cards revealed.", [([:], String(metrics.revealed.current))])
    }

    private static func audit(_ trail: AuditTrail, _ output: inout Output) {
        let board = trail.board
        let facts = board.current
        output.add(
            "audit_available", .gauge,
            "1 while records are written. While it is 0 nothing is revealed and nothing stored.",
            [([:], trail.state == .open ? "1" : "0")])
        output.add("audit_records", .gauge, "Records in the log.", [([:], String(facts.sequence))])
        output.add("audit_written_total", .counter, "Records written.", [([:], String(board.records.current))])
        output.add("audit_flushes_total", .counter, "Flushes of the log.", [([:], String(board.flushes.current))])
        output.add(
            "audit_flush_seconds_total", .counter, "Time spent writing and flushing.",
            [([:], "\(Double(board.flushNanoseconds.current) / 1e9)")])
        output.add(
            "audit_failures_total", .counter, "Groups of records that could not be written.",
            [([:], String(board.failures.current))])
        output.add(
            "audit_late_total", .counter, "Requests that gave up waiting for the log.",
            [([:], String(board.late.current))])
        output.add(
            "audit_lost_total", .counter, "Records of the vault's own events that were not written.",
            [([:], String(board.lost.current))])
        output.add(
            "audit_stalled_seconds", .gauge, "How long the disk of the log has not answered.",
            [([:], "\(board.stalledSeconds)")])
        output.add(
            "audit_checkpoint_records", .gauge, "Records that the last signed checkpoint speaks of.",
            [([:], String(facts.checkpointSize))])
        output.add(
            "audit_checkpoint_failures_total", .counter, "Checkpoints not signed, or not delivered to a destination.",
            [([:], String(board.checkpointFailures.current))])
    }

    private static func honey(_ trap: HoneyTrap, _ output: inout Output) {
        output.add(
            "honey_touched_total", .counter, "Honey tokens that clients asked for.", [([:], String(trap.touches))])
    }

    private static func connections(_ service: VaultService, _ output: inout Output) {
        let metrics = service.metrics
        output.add("connections", .gauge, "Open connections.", [([:], String(metrics.connections.current))])
        output.add("connections_total", .counter, "Accepted.", [([:], String(metrics.connectionsTotal.current))])
        output.add(
            "connections_refused_total", .counter, "Closed at once: over the limit.",
            [([:], String(metrics.connectionsRefused.current))])
        output.add(
            "handshake_failures_total", .counter, "Connections that failed in TLS.",
            [([:], String(metrics.handshakeFailures.current))])
        output.add("reloads_total", .counter, "Reloads taken up.", [([:], String(metrics.reloads.current))])
        output.add(
            "reload_failures_total", .counter, "Reloads refused.", [([:], String(metrics.reloadFailures.current))])
    }

    private static func writes(_ service: VaultService, _ output: inout Output) {
        let metrics = service.metrics
        output.add("commits_total", .counter, "Groups of writes.", [([:], String(metrics.commits.current))])
        output.add(
            "commit_seconds_total", .counter, "Time spent in groups of writes, flush included.",
            [([:], "\(Double(metrics.commitNanoseconds.current) / 1e9)")])
        output.add("writes_total", .counter, "Items written.", [([:], String(metrics.writes.current))])
        output.add(
            "writer_queue_depth", .gauge, "Batches waiting for the writer.", [([:], String(service.writer.depth))])
        output.add(
            "writer_queue_limit", .gauge, "Batches that may wait.",
            [([:], String(service.configuration.store.writerQueue))])
        output.add(
            "write_stopped", .gauge, "1 after a failed write or flush, until the store proved itself again.",
            [([:], service.host.state == .stopped ? "1" : "0")])
        output.add(
            "token_draws_total", .counter,
            "Tokens looked at to find free ones: against tokens made, how full buckets are.",
            [([:], String(metrics.tokenDraws.current))])
        output.add(
            "last_verify_timestamp_seconds", .gauge, "When the store was last verified whole; 0 before.",
            [([:], String(metrics.verifiedAt.load(ordering: .relaxed)))])
        output.add(
            "last_verify_findings", .gauge, "What that verify found.",
            [([:], String(metrics.verifyFindings.load(ordering: .relaxed)))])
        output.add(
            "bucket_full_total", .counter, "Searches that found no free token.",
            [([:], String(metrics.fullBuckets.current))])
    }

    private static func keysAndStore(_ service: VaultService, _ output: inout Output) {
        let policy = service.policyBox.current
        var capacities: [([String: String], String)] = []
        for format in policy.formats.all {
            for length in 12...19 where format.allowedLengths.contains(PANLengths(length)) {
                capacities.append(
                    (
                        ["format": format.name, "length": String(length)],
                        String(format.capacity(forLength: length).tokens)
                    ))
            }
        }
        output.add("format_bucket_capacity", .gauge, "Tokens of one bucket: equal kept digits.", capacities)
        guard let statistics = service.statistics else { return }
        output.add(
            "format_tokens", .gauge, "Live tokens.",
            policy.formats.all.map { (["format": $0.name], String(statistics.formatTokens[$0.id] ?? 0)) })
        let labels = { (key: StoreStatistics.Key) in
            ["purpose": "\(key.purpose.name)", "version": String(key.version), "state": "\(key.state.name)"]
        }
        output.add(
            "key_records", .gauge, "Records or index entries under a key version.",
            statistics.keys.map { (labels($0), String($0.records)) })
        output.add(
            "key_encryptions", .gauge, "Encryptions done under a data key version.",
            statistics.keys.filter { $0.purpose == .data }.map { (labels($0), String($0.encryptions)) })
        output.add(
            "key_created_timestamp_seconds", .gauge, "When a key version was made.",
            statistics.keys.map { (labels($0), String($0.created)) })
        output.add(
            "key_moved", .gauge, "Records or index entries that rotations have moved out of a key version.",
            statistics.keys.map { (labels($0), String($0.moved)) })
        output.add(
            "keyring_generation", .gauge, "Generation of the keyring.",
            [([:], String(service.host.keyring?.generation ?? 0))])
        output.add("store_used_bytes", .gauge, "Bytes of the map in use.", [([:], String(statistics.mapBytesUsed))])
        output.add("store_limit_bytes", .gauge, "Size of the map.", [([:], String(statistics.mapBytesLimit))])
        output.add("store_tokens", .gauge, "Records.", [([:], String(statistics.tokens))])
        output.add(
            "honey_tokens", .gauge, "Honey tokens: tokens that no client was given.",
            [([:], String(statistics.honeyTokens))])
        output.add("store_readers", .gauge, "Reader slots in use.", [([:], String(statistics.readersUsed))])
        output.add(
            "store_oldest_snapshot_commits", .gauge, "Commits since the oldest open snapshot.",
            [([:], String(statistics.oldestSnapshotAge))])
    }

    private static func rotation(_ service: VaultService, _ output: inout Output) {
        let facts = service.keys.board.current
        let settings = service.configuration.keys
        output.add(
            "sealed", .gauge, "1 while the vault has no keys.", [([:], service.host.state == .sealed ? "1" : "0")])
        let uses = [("data", facts.data), ("index", facts.index)]
        output.add(
            "key_age_seconds", .gauge, "Age of the active key version.",
            uses.map { (["purpose": $0.0], String($0.1.ageSeconds)) })
        output.add(
            "key_period_seconds", .gauge, "Cryptoperiod.", uses.map { (["purpose": $0.0], String($0.1.periodSeconds)) })
        output.add(
            "key_encryptions_limit", .gauge, "Encryptions that a data key version may do.",
            [([:], String(settings.dataEncryptions.limit))])
        output.add(
            "key_level", .gauge, "What the use of the active key asks for: 0 nothing, 1 warn, 2 rotate, 3 refuse.",
            uses.map { (["purpose": $0.0], String($0.1.level.rawValue)) })
        output.add("key_rotations_total", .counter, "Rotations begun since start.", [([:], String(facts.rotations))])
        output.add(
            "keys_destroyed_total", .counter, "Key versions destroyed since start.", [([:], String(facts.destroyed))])
        output.add(
            "rotation_moved_total", .counter, "Records and index entries moved to a newer key since start.",
            [([:], String(facts.moved))])
        let labels = { (job: JobStatus) in ["purpose": "\(job.purpose.name)", "state": job.state.rawValue] }
        output.add(
            "rotation_done", .gauge, "Moved to the active version by the rotation under way.",
            facts.jobs.map { (labels($0), String($0.done)) })
        output.add(
            "rotation_total", .gauge, "Moved and left together, of the rotation under way.",
            facts.jobs.map { (labels($0), String($0.total)) })
        output.add(
            "rotation_rate", .gauge, "Moved in a second by the rotation under way.",
            facts.jobs.map { (labels($0), String($0.rate)) })
        output.add(
            "rotation_seconds_left", .gauge, "Seconds that the rotation under way has left at this rate.",
            facts.jobs.compactMap { job in job.secondsLeft.map { (labels(job), String($0)) } })
        output.add(
            "pending_commands", .gauge, "Commands that wait for a second person.",
            [([:], String(service.host.keyring?.annex.waiting(now: UInt64(WallClock.seconds)).count ?? 0))])
        output.add(
            "keyring_certain", .gauge, "0 after a keyring was written that a power cut may take back.",
            [([:], facts.isKeyringCertain ? "1" : "0")])
        output.add(
            "database_displaced", .gauge, "1 while the data directory counts as restored or copied.",
            [([:], facts.displaced == nil ? "0" : "1")])
    }

    private static func guards(_ service: VaultService, _ output: inout Output) {
        let freezes = service.guards.freezes
        var frozen = [(["scope": "all", "name": ""], freezes[.all] == nil ? "0" : "1")]
        for entry in service.configuration.clients {
            frozen.append((["scope": "client", "name": entry.name], freezes[.client(entry.name)] == nil ? "0" : "1"))
        }
        for entry in service.configuration.formats {
            frozen.append((["scope": "format", "name": entry.name], freezes[.format(entry.name)] == nil ? "0" : "1"))
        }
        output.add("frozen", .gauge, "1 while all reveals, a client, or a format is frozen.", frozen)
        output.add(
            "client_freezes_total", .counter, "Clients that the vault froze by itself.",
            [([:], String(service.guards.freezesByItself.current))])
        let guards = service.guards.guards
        output.add(
            "client_throttled_total", .counter, "Requests, and slices of bulk requests, past a soft limit.",
            guards.map { (["client": $0.name], String($0.throttled)) })
        var (used, limits): ([([String: String], String)], [([String: String], String)]) = ([], [])
        for client in guards {
            for (kind, amount, limit) in client.usage(now: WallClock.seconds) {
                used.append((["client": client.name, "limit": kind.rawValue], String(amount)))
                for (step, bound) in [("soft", limit.soft), ("hard", limit.hard)] {
                    guard let bound else { continue }
                    limits.append((["client": client.name, "limit": kind.rawValue, "step": step], String(bound)))
                }
            }
        }
        output.add("client_limit_used", .gauge, "What a client has asked for within the time of a limit.", used)
        output.add("client_limit", .gauge, "The limits that are set.", limits)
        output.add(
            "guard_saved", .gauge, "0 while what is frozen cannot be stored.",
            [([:], service.guards.isSaved ? "1" : "0")])
    }

    private static func certificates(_ service: VaultService, _ output: inout Output) {
        let tls = service.tls.current
        output.add(
            "certificate_expiry_timestamp_seconds", .gauge, "When a certificate of ours ends.",
            tls.certificates.prefix(1).map { (["kind": "server", "serial": $0.serial], String($0.notAfter)) }
                + tls.authorities.map { (["kind": "client_ca", "serial": $0.serial], String($0.notAfter)) })
        output.add(
            "crl_next_update_timestamp_seconds", .gauge,
            "When a revocation list ends, and with it every new connection.",
            tls.revocationLists.map { (["issuer": $0.issuer], String($0.nextUpdate)) })
        let now = Int64(WallClock.seconds)
        let terms = service.certificateTerms
        // Two may have one name, as while an authority is replaced: the first end counts.
        var ends: [[String: String]: Int64] = [:]
        for term in terms { ends[["kind": term.kind.rawValue, "name": term.name], default: .max].lower(to: term.end) }
        output.add(
            "certificate_expiry_seconds", .gauge,
            "Seconds that a certificate or revocation list has left, ours or the last one of a client.",
            ends.sorted { ($0.key["kind"] ?? "", $0.key["name"] ?? "") < ($1.key["kind"] ?? "", $1.key["name"] ?? "") }
                .map { ($0.key, String($0.value - now)) })
        output.add(
            "certificates_near_end", .gauge, "Certificates and revocation lists that end soon, or have ended.",
            [([:], String(terms.count { $0.level(at: now) != .fine }))])
    }

    /// Lines of the exposition format, every name with our prefix.
    private struct Output {
        enum Kind: String { case counter, gauge, histogram }
        var text = ""

        mutating func head(_ name: String, _ kind: Kind, _ help: String) {
            text += "# HELP strongroom_\(name) \(help)\n# TYPE strongroom_\(name) \(kind.rawValue)\n"
        }

        mutating func line(_ name: String, _ labels: [String: String], _ value: String) {
            text += "strongroom_\(name)"
            if !labels.isEmpty {
                let pairs = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\(escape($0.value))\"" }
                text += "{\(pairs.joined(separator: ","))}"
            }
            text += " \(value)\n"
        }

        mutating func add(_ name: String, _ kind: Kind, _ help: String, _ values: [([String: String], String)]) {
            head(name, kind, help)
            for (labels, value) in values { line(name, labels, value) }
        }

        private func escape(_ text: String) -> String {
            var escaped = ""
            for character in text.unicodeScalars {
                switch character {
                case "\\": escaped += "\\\\"
                case "\"": escaped += "\\\""
                case "\n": escaped += "\\n"
                default: escaped.unicodeScalars.append(character)
                }
            }
            return escaped
        }
    }
}

extension Int64 {
    fileprivate mutating func lower(to other: Int64) { self = Swift.min(self, other) }
}
