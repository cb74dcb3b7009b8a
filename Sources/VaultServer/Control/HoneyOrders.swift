internal import Logging
internal import NIOCore
internal import NIOPosix
internal import SecretMemory
internal import VaultCore
internal import VaultWire

/// `strongroom honey`: makes tokens that are traps, and shows where they are. Not for event loops.
///
/// Their numbers are in the answers and on the audit trail: no log and no metric has them.
enum HoneyOrders {
    /// Made by one command at most.
    static let countMax: UInt32 = 1_000
    /// Shown by one list at most.
    private static let listMax = 10_000

    /// Makes `count` of a format, or as many as find room; durable when this returns.
    static func add(
        _ service: VaultService, format name: String?, count: UInt32, by person: Operator
    ) throws(KeyFailure) -> JSONText {
        guard service.host.state != .sealed else { throw .sealed }
        guard 1...countMax ~= count else { throw .usage("count is a number from 1 to \(countMax)") }
        let policy = service.policyBox.current
        guard let id = name.map({ policy.registry.formatID($0) }) ?? policy.defaultFormat,
            let format = policy.formats[id]
        else { throw .usage("format=NAME is missing, or no format of the configuration") }
        let batch = WriteBatch(access: Access(formats: 0))
        var record = AuditEntry(.honeyAdd)
        record.add("operator", person.text)
        record.add("format", format.name)
        batch.audit = record
        for _ in 0..<count {
            var item = WriteItem()
            item.kind = .honey
            item.format = id
            batch.items.append(item)
        }
        if let problem = try write(batch, service).problem { throw KeyFailure(problem) }
        var tokens: [JSONText] = []
        for index in 0..<batch.items.count where batch.items[index].outcome == .done {
            tokens.append(.string(String(batch.items[index].token)))
        }
        guard !tokens.isEmpty else { throw KeyFailure(.bucketFull) }
        service.logger.notice("honey_made", metadata: ["format": "\(format.name)", "tokens": "\(tokens.count)"])
        return .object([("format", .string(format.name)), ("tokens", .array(tokens))])
    }

    /// Hands a batch to the writer as a request would, and waits.
    private static func write(_ batch: WriteBatch, _ service: VaultService) throws(KeyFailure) -> WriteResult {
        guard service.host.state == .writing else { throw service.host.state == .sealed ? .sealed : .writeStopped }
        let loop = service.sideGroup.next()
        let promise = loop.makePromise(of: WriteResult.self)
        let job = WriterThread.Job(batch: batch, loop: loop) { promise.succeed($0) }
        if !service.writer.submit(job) { throw KeyFailure(.busy) }
        guard let result = try? promise.futureResult.wait() else { throw .stopping }
        return result
    }

    /// Every honey token, up to `listMax`.
    static func list(_ service: VaultService) throws(KeyFailure) -> JSONText {
        guard service.host.state != .sealed, let store = service.host.currentStore else { throw .sealed }
        let policy = service.policyBox.current
        let found: [HoneyToken]
        do throws(StoreError) {
            found = try store.honeyTokens(max: listMax + 1)
        } catch {
            throw KeyFailure(error)
        }
        let tokens = found.prefix(listMax).map { token in
            JSONText.object([
                ("token", .string(String(token.token))),
                ("format", policy.formats[token.format].map { .string($0.name) } ?? .null),
                ("created", .number(UInt64(token.created))), ("expires_at", .number(UInt64(token.deadline))),
            ])
        }
        var members: [(String, JSONText)] = [
            ("honey", .array(tokens)), ("complete", .bool(found.count <= listMax)),
        ]
        members += touches(service.honey)
        return .object(members)
    }

    /// What came of them since the start.
    static func touches(_ trap: HoneyTrap) -> [(String, JSONText)] {
        let last = trap.last
        return [
            ("touched", .number(trap.touches)), ("last_touched", .number(last?.time ?? 0)),
            ("last_client", last.map { .string($0.client) } ?? .null),
        ]
    }
}

extension KeyFailure {
    /// A problem that a client would be told of.
    init(_ problem: ProblemCode) { self.init(Int(problem.status), "\(problem.code)", "\(problem.title)") }
}
