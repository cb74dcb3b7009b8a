internal import NIOCore
internal import OpenSSLTLS
internal import SecretMemory
internal import VaultCore
internal import VaultTransport
internal import VaultWire

// No answer that reveals, acknowledges or refuses by right leaves before its audit record is flushed.
extension HTTPConnection {
    /// A record of what this connection's client does.
    func entry(_ operation: AuditOperation, capacity: Int = 384) -> AuditEntry {
        var entry = AuditEntry(operation, capacity: capacity)
        if callerPolicy !== loop.policy || caller.isEmpty {
            callerPolicy = loop.policy
            caller = AuditEntry.members { members in
                if let client = currentClient { members.add("client", client.name) }
                if let identity {
                    members.add("certificate", hex: identity.publicKeySHA256)
                    if currentClient == nil { members.add("serial", verbatim: identity.serial) }
                }
                members.add("peer", peer)
            }
        }
        entry.add(members: caller)
        return entry
    }

    /// The address at the other end, without the port, which tells nobody anything.
    var peer: String {
        guard let address = context?.channel.remoteAddress else { return "unknown" }
        switch address {
        case .unixDomainSocket: return "unix"
        case .v4, .v6: return address.ipAddress ?? "unknown"
        }
    }

    /// Puts a record on the log and then goes on; where the log does not take it in time, the request is refused.
    ///
    /// `secret` is what waits to be sent: it is wiped where it must not be, and that is also where `permit` no longer
    /// holds, whatever was frozen meanwhile.
    func onRecord(
        _ entry: AuditEntry, call: Call, keepsAlive: Bool, secret: ByteBuffer = ByteBuffer(),
        _ permit: RevealPermit? = nil,
        _ body: @escaping (HTTPConnection, consuming ByteBuffer) -> Void
    ) {
        auditTicket &+= 1
        let ticket = auditTicket
        let bound = NIOLoopBoundBox((connection: self, secret: secret, body: body), eventLoop: loop.loop)
        var job = AuditTrail.Job(entries: [entry])
        job.loop = loop.loop
        job.completion = { result in
            var (connection, secret, body) = bound.value
            bound.value.secret = ByteBuffer()
            bound.value.body = { _, _ in }
            guard connection.auditTicket == ticket, connection.context != nil else {
                wipe(&secret)
                if case .success(let receipt) = result { connection.noteWithheld(receipt.records) }
                return
            }
            connection.auditTicket &+= 1
            connection.clock.answered()
            switch result {
            case .success(let receipt) where permit?.holds == false:
                wipe(&secret)
                connection.noteWithheld(receipt.records)
                connection.answer(.frozen, call: call, keepsAlive: keepsAlive)
            case .success: body(connection, consume secret)
            case .failure(let failure):
                wipe(&secret)
                connection.answer(failure.problem, call: call, keepsAlive: keepsAlive)
            }
        }
        state = .waiting
        awaitedCall = (call, keepsAlive)
        clock.wait(for: .hours(24), reason: .body)
        clock.awaitRecord(for: loop.settings.auditTimeout)
        pauseReading()
        guard loop.audit.submit(job) else {
            auditTicket &+= 1
            bound.value.body = { _, _ in }
            wipe(&bound.value.secret)
            clock.answered()
            return answer(.auditUnavailable, call: call, keepsAlive: keepsAlive)
        }
    }

    /// The disk of the log has not answered in time: the request is refused, and what comes late is thrown away.
    func giveUpRecord() {
        auditTicket &+= 1
        clock.answered()
        loop.audit.board.late.add(1)
        answer(.auditUnavailable, call: awaitedCall.call, keepsAlive: awaitedCall.keepsAlive)
    }

    /// Says that what a record speaks of was not sent.
    func noteWithheld(_ records: ClosedRange<UInt64>) {
        var entry = entry(.withheld)
        entry.add("first", records.lowerBound)
        entry.add("last", records.upperBound)
        loop.audit.note(entry)
    }

    /// Ends the request with a problem. Refusals by right, purpose or limit are on record first.
    func refuse(_ problem: ProblemCode, call: Call, keepsAlive: Bool) {
        guard problem.isRecorded, loop.host.state != .sealed else {
            return answer(problem, call: call, keepsAlive: keepsAlive)
        }
        var entry = entry(problem == .unknownClient ? .unknownClient : .denied)
        entry.add("call", call == .unknown ? asked.name : call.name)
        entry.add("outcome", "denied")
        entry.add("code", problem.code)
        onRecord(entry, call: call, keepsAlive: keepsAlive) { connection, _ in
            connection.answer(problem, call: call, keepsAlive: keepsAlive)
        }
    }
}

extension AuditFailure {
    /// What a request is told whose record was not written.
    var problem: ProblemCode { self == .closed ? .sealed : .auditUnavailable }
}

extension ProblemCode {
    /// Whether a refusal with it is an event of its own for the audit log.
    var isRecorded: Bool {
        switch self {
        case .unknownClient, .denied, .purposeDenied, .throttled, .frozen: true
        default: false
        }
    }
}

/// What became of the tokens of a reveal, for its record.
struct RevealTally {
    private(set) var asked: UInt64 = 0
    private(set) var revealed: [UInt64] = []
    /// Tokens that are there, for another purpose.
    private(set) var denied: [UInt64] = []
    /// Tokens that no client was given.
    private(set) var honey: [UInt64] = []
    /// Tokens whose cards were kept back.
    private(set) var frozen: [UInt64] = []
    private(set) var missed: UInt64 = 0
    private(set) var invalid: UInt64 = 0
    private(set) var damaged: [UInt64] = []
    /// Not looked up, or not to be told: past a limit, or everything is frozen.
    private(set) var refused: (count: UInt64, problem: ProblemCode) = (0, .frozen)
    private(set) var keys: [UInt32] = []

    init(capacity: Int) { revealed.reserveCapacity(capacity) }

    /// Adds one token that is not answered.
    mutating func refuse(_ problem: ProblemCode) {
        asked += 1
        refused = (refused.count + 1, problem)
    }

    /// Adds one token with what came of it; 0 stands for one that did not parse.
    @inline(__always)
    mutating func add(_ token: UInt64, _ reveal: borrowing Reveal) {
        asked += 1
        if token == 0 || token == .max {
            invalid += 1
            return
        }
        switch reveal.status {
        case .revealed:
            revealed.append(token)
            if keys.last != reveal.keyVersion, !keys.contains(reveal.keyVersion) { keys.append(reveal.keyVersion) }
        case .purposeDenied: denied.append(token)
        case .damaged: damaged.append(token)
        case .honey: honey.append(token)
        case .frozen: frozen.append(token)
        case .missing: missed += 1
        }
    }

    /// What was asked for and not revealed is counted only: what is no token of ours could be a card number, sent by
    /// mistake.
    func fill(_ entry: inout AuditEntry) {
        if UInt64(revealed.count) == asked {
            entry.add("outcome", "ok")
        } else {
            entry.add("outcome", revealed.isEmpty ? "denied" : "partial")
        }
        entry.add("asked", asked)
        entry.add("tokens", tokens: revealed)
        if !denied.isEmpty { entry.add("denied", tokens: denied) }
        if missed > 0 { entry.add("missed", missed) }
        if invalid > 0 { entry.add("invalid", invalid) }
        if !honey.isEmpty { entry.add("honey", tokens: honey) }
        if !frozen.isEmpty { entry.add("frozen", tokens: frozen) }
        if !damaged.isEmpty { entry.add("damaged", tokens: damaged) }
        if refused.count > 0 {
            entry.add("code", refused.problem.code)
            entry.add("refused", refused.count)
        }
        if !keys.isEmpty { entry.add("keys", numbers: keys) }
    }
}

extension WriteBatch {
    /// The record of a batch whose outcomes are known and not yet durable: of what is about to be committed.
    func record(keyVersion: UInt32) -> AuditEntry? {
        guard var entry = audit else { return nil }
        var tokens: [UInt64] = []
        var (missed, failed): (UInt64, UInt64) = (0, 0)
        var codes: Set<String> = []
        var makesRecords = false
        for index in 0..<items.count {
            let item = items[index]
            if item.kind != .forget { makesRecords = true }
            switch item.problem {
            case nil: tokens.append(item.token)
            case .notFound: missed += 1
            case .some(let problem):
                failed += 1
                codes.insert("\(problem.code)")
            }
        }
        entry.add("outcome", "intent")
        entry.add("asked", UInt64(items.count))
        entry.add("tokens", tokens: tokens)
        if missed > 0 { entry.add("missed", missed) }
        if failed > 0 {
            // No member twice: where there are several codes they are one member.
            entry.add("failed", failed)
            entry.add("code", codes.sorted().joined(separator: ","))
        }
        if makesRecords { entry.add("keys", numbers: [keyVersion]) }
        return entry
    }
}
