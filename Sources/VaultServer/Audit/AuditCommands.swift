internal import Logging
internal import OpenSSLCrypto
internal import VaultCore

/// What operators ask of the audit log: `strongroom audit` and `strongroom report`. On background threads.
struct AuditCommands: Sendable {
    let service: VaultService
    /// Between two lines of progress, in nanoseconds.
    private static let progressInterval: UInt64 = 200_000_000

    private func listing() throws(KeyFailure) -> AuditListing {
        do throws(FileError) {
            return try AuditListing(service.host.files.audit)
        } catch {
            throw KeyFailure(AuditReadError.file(error))
        }
    }

    /// Says of an error that the log could not be read.
    private func reading<R>(_ body: () throws(AuditReadError) -> R) throws(KeyFailure) -> R {
        do throws(AuditReadError) {
            return try body()
        } catch {
            throw KeyFailure(error)
        }
    }

    /// Long reading of one kind, one at a time.
    private func exclusively(
        _ kind: JobRegister.Kind, _ body: () throws(KeyFailure) -> Void
    ) throws(KeyFailure) {
        guard service.jobs.begin(kind) else {
            throw KeyFailure(409, "busy", "the log is being read for somebody else; try again when that is done")
        }
        defer { service.jobs.end(kind) }
        try body()
    }

    // MARK: Verification

    /// Checks the log while it is written, and streams how far that is: lines of progress, then a `report`.
    func verify(
        _ request: ControlRequest, _ body: RequestBody, _ responder: PlainHTTPHandler.Responder
    ) throws(KeyFailure) {
        var options = AuditVerifier.Options()
        options.since = try AuditQuery.time(request, "since")
        options.isArchived = request.query["archived"] == "true"
        options.isGrowing = true
        options.witness = try Self.notes(body)
        guard let keyring = service.host.keyring else { throw .sealed }
        do throws(StoreError) {
            // Before the files are looked at: what the database knows of is in them by then.
            let head = try service.host.currentStore?.auditHead()
            options.head = head.map { ($0.sequence, $0.link) }
        } catch {
            throw KeyFailure(error)
        }
        do throws(CryptoError) {
            options.chainKeys = try AuditChainKeys(keyring)
            options.trusted = try keyring.auditVerifierKeys()
        } catch {
            throw KeyFailure(.crypto(error))
        }
        let listing = try listing()
        try exclusively(.auditVerify) { () throws(KeyFailure) in
            var last: UInt64 = 0
            let report = try reading { () throws(AuditReadError) in
                try AuditVerifier.run(listing, options) { progress in
                    let now = MonotonicClock.now
                    if now - last > Self.progressInterval {
                        last = now
                        responder.line(AuditText.progress(progress))
                    }
                    return !responder.isGone() && !service.jobs.areCancelled
                }
            }
            responder.line(.object([("report", AuditText.report(report))]))
            responder.end()
            log(report)
        }
    }

    private func log(_ report: AuditReport) {
        var facts: Logger.Metadata = [
            "records": "\(report.records)", "sound": "\(report.isSound)", "complete": "\(report.isComplete)",
        ]
        guard let finding = report.finding else { return service.logger.notice("audit_verified", metadata: facts) }
        facts["finding"] = "\(finding.kind.rawValue)"
        facts["file"] = "\(finding.file)"
        facts["line"] = "\(finding.line)"
        facts["record"] = "\(finding.seq)"
        service.logger.critical("audit_log_damaged", metadata: facts)
    }

    /// Signed notes behind each other, an empty line after each.
    private static func notes(_ body: RequestBody) throws(KeyFailure) -> [SignedNote] {
        let text = try body.withBytes { (bytes) throws(KeyFailure) in
            var text: [UInt8] = []
            for index in bytes.indices { text.append(bytes[index]) }
            return text
        }
        if text.isEmpty { return [] }
        guard let notes = SignedNote.all(in: text) else { throw .usage("the witness's file is not one of checkpoints") }
        return notes
    }

    // MARK: Records

    /// Streams the records that are asked for, as they lie in the log, and a `summary` at the end.
    func records(
        _ request: ControlRequest, _ body: RequestBody, _ responder: PlainHTTPHandler.Responder
    ) throws(KeyFailure) {
        try scan(try AuditQuery(request, body), responder) { line, stream in stream.add(line.bytes) }
    }

    /// Streams who saw which card: a line for each token that a client revealed.
    func exposure(
        _ request: ControlRequest, _ body: RequestBody, _ responder: PlainHTTPHandler.Responder
    ) throws(KeyFailure) {
        var query = try AuditQuery(request, body)
        guard
            query.filter.client != nil || query.filter.certificate != nil || query.filter.tokens != nil
                || query.subject != nil
        else { throw .usage("client, certificate, tokens or a subject are needed") }
        query.filter.operations = [AuditOperation.detokenize.rawValue]
        let wanted = query
        let owners = TokenOwners(service.host)
        let withheld = try withheldRecords(since: query.filter.since)
        try scan(query, responder) { line, stream in
            var tokens = line.tokens("tokens")
            if let only = wanted.filter.tokens { tokens = tokens.filter(only.contains) }
            for (token, subject) in zip(tokens, owners.subjects(of: tokens)) {
                guard stream.add(AuditText.exposure(token, subject, line, isWithheld: withheld.contains(line.seq)))
                else {
                    return false
                }
            }
            return true
        }
    }

    /// Numbers of reveals that are on record and whose cards were not sent after all.
    private func withheldRecords(since: AuditTime?) throws(KeyFailure) -> Set<UInt64> {
        var filter = AuditFilter()
        filter.operations = [AuditOperation.withheld.rawValue]
        filter.since = since
        let (wanted, listing) = (filter, try listing())
        var numbers: Set<UInt64> = []
        _ = try reading { () throws(AuditReadError) in
            try AuditScan.run(listing, wanted) { line throws(AuditReadError) in
                if let first = line.number("first"), let last = line.number("last"), first <= last, last < line.seq {
                    numbers.formUnion(first...last)
                }
                return !service.jobs.areCancelled
            }
        }
        return numbers
    }

    /// Runs a scan with one filter.
    private func scan(
        _ query: AuditQuery, _ responder: PlainHTTPHandler.Responder, _ body: (AuditLine, AuditStream) -> Bool
    ) throws(KeyFailure) {
        var query = query
        let listing = try listing()
        try exclusively(.auditRead) { () throws(KeyFailure) in
            let stream = AuditStream(responder, service.jobs)
            if let subject = query.subject {
                let owned = try TokenOwners.tokens(of: subject, service.host) { stream.goesOn }
                query.filter.tokens = query.filter.tokens.map { $0.intersection(owned) } ?? owned
            }
            do throws(AuditReadError) {
                var count: UInt64 = 0
                let summary = try AuditScan.run(listing, query.filter) { line throws(AuditReadError) in
                    count += 1
                    return body(line, stream)
                }
                _ = stream.add(AuditText.summary(summary, matched: count))
            } catch {
                let failure = KeyFailure(error)
                _ = stream.add(
                    .object([("code", .string(failure.code)), ("title", .string(failure.title))]))
            }
            stream.end()
        }
    }

    // MARK: Checkpoints and proofs

    /// The last checkpoint, as a note that anybody can keep.
    func checkpoint() throws(KeyFailure) -> JSONText {
        let listing = try listing()
        let found = try reading { () throws(AuditReadError) in try listing.lastCheckpoint() }
        guard let (checkpoint, note) = found else {
            throw KeyFailure(404, "no_checkpoint", "the log has no checkpoint yet")
        }
        return .object([
            ("origin", .string(checkpoint.origin)), ("size", .number(checkpoint.size)),
            ("root", .string(hexText(checkpoint.root))), ("note", .string(note.description)),
        ])
    }

    /// What checkpoints are verified with.
    func verifierKeys() throws(KeyFailure) -> JSONText {
        guard let keyring = service.host.keyring else { throw .sealed }
        let listing = try listing()
        let texts = try reading { () throws(AuditReadError) in try listing.verifierKeyTexts() }
        return .object([
            ("origin", .string(keyring.auditOrigin)), ("keys", .array(texts.map { .string($0) })),
        ])
    }

    /// A proof that a record is in the log (`record`), or that the log grew out of a smaller one (`from`).
    func prove(_ request: ControlRequest) throws(KeyFailure) -> JSONText {
        let listing = try listing()
        let latest = try reading { () throws(AuditReadError) in try listing.lastCheckpoint() }
        guard let size = try number(request, "size") ?? latest?.checkpoint.size else {
            throw KeyFailure(404, "no_checkpoint", "the log has no checkpoint yet: name a size")
        }
        let record = try number(request, "record")
        let old = try number(request, "from")
        guard (record == nil) != (old == nil) else { throw .usage("either record or from is needed") }
        let note = latest.flatMap { $0.checkpoint.size == size ? $0.note.description : nil }
        return try reading { () throws(AuditReadError) in
            if let record {
                return AuditText.inclusion(
                    record, try AuditProver.inclusion(of: record, size: size, in: listing), note)
            }
            return AuditText.consistency(
                old ?? 0, try AuditProver.consistency(from: old ?? 0, to: size, in: listing), note)
        }
    }

    private func number(_ request: ControlRequest, _ name: String) throws(KeyFailure) -> UInt64? {
        guard let text = request.query[name] else { return nil }
        guard let number = UInt64(text) else { throw .usage("\(name) is a number") }
        return number
    }

    // MARK: Access

    /// Who may do what, and when it was last done.
    func access(_ request: ControlRequest) throws(KeyFailure) -> JSONText {
        var filter = AuditFilter()
        filter.since = try AuditQuery.time(request, "since")
        let wanted = filter
        let listing = try listing()
        var uses = AccessUses()
        var summary = AuditScan.Summary()
        try exclusively(.auditRead) { () throws(KeyFailure) in
            summary = try reading { () throws(AuditReadError) in
                try AuditScan.run(listing, wanted) { line throws(AuditReadError) in
                    uses.add(line)
                    return !service.jobs.areCancelled
                }
            }
        }
        return uses.report(service, since: wanted.since, summary)
    }
}

extension KeyFailure {
    /// Why the log was not read to its end.
    init(_ error: AuditReadError) {
        switch error {
        case .file, .crypto: self.init(503, "audit_unreadable", error.message)
        case .finding(let finding): self.init(409, "audit_\(finding.kind.rawValue)", finding.detail)
        case .cancelled: self = .stopping
        }
    }
}
