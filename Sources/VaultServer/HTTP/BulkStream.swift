internal import NIOCore
internal import SecretMemory
internal import VaultCore
internal import VaultTransport
internal import VaultWire

/// A `text/plain` request: lines in, answers out in order, while the upload still runs.
///
/// Memory is bounded by flow control in both directions: while answers cannot be sent, or the writer has enough of this
/// stream, nothing more is read. What is held is at most one received chunk, one slice of answers, and the slices the
/// writer has.
final class BulkStream {
    enum Mode {
        case detokenize(Access, wantsExpiry: Bool)
        case tokenize(TokenFormat)
    }

    /// Slices of one stream that the writer may have at a time: one being flushed, one waiting.
    private static let writesMax = 2
    /// Slices whose audit records may be under way: enough to keep the loop busy while the disk flushes.
    private static let revealsMax = 16

    private let mode: Mode
    private let call: Call
    private let loop: LoopContext
    private let keepsAlive: Bool
    private var splitter = LineSplitter()
    /// Received and not yet worked off; begins with the start of a line or the rest of an overlong one.
    private var input = ByteBuffer()
    /// The whole request was received.
    private(set) var hasEnded = false
    private var isAbandoned = false
    private var isHeadWritten = false
    private var slicesUnderWay = 0
    private var reveals = PendingReveals()
    /// What the records of this stream begin with.
    private let record: AuditEntry
    private var isWaitingForQueue = false
    /// It asked for a honey token: it gets no more cards.
    private var isTrapped = false
    private var succeeded: UInt64 = 0
    private var failed: UInt64 = 0

    private init(mode: Mode, _ request: RequestHead, record: AuditEntry, loop: LoopContext) {
        self.mode = mode
        call = request.call
        keepsAlive = request.keepsAlive
        self.record = record
        self.loop = loop
    }

    static func detokenize(
        _ request: RequestHead, client: Policy.Client, connection: HTTPConnection
    ) throws(RequestHead.Refusal) -> BulkStream {
        let loop = connection.loop
        let purpose = request.purpose.flatMap { loop.policy.registry.purposeMask($0) } ?? 0
        guard purpose & client.purposes != 0 else { throw RequestHead.Refusal(problem: .purposeDenied, closes: true) }
        let access = Access(formats: client.formats, purpose: purpose)
        var record = connection.entry(.detokenize)
        record.add("purpose", loop.policy.registry.purposeNames(purpose).first ?? "")
        return BulkStream(
            mode: .detokenize(access, wantsExpiry: request.wantsExpiry), request, record: record, loop: loop)
    }

    static func tokenize(
        _ request: RequestHead, client: Policy.Client, connection: HTTPConnection
    ) throws(RequestHead.Refusal) -> BulkStream {
        let loop = connection.loop
        let id = request.format == nil ? loop.policy.defaultFormat : loop.policy.registry.formatID(request.format!)
        guard let id, client.formats & (1 << UInt64(id)) != 0, let format = loop.policy.formats[id] else {
            throw RequestHead.Refusal(problem: .denied, closes: true)
        }
        var record = connection.entry(.tokenize)
        record.add("format", format.name)
        return BulkStream(mode: .tokenize(format), request, record: record, loop: loop)
    }

    /// Whether the stream takes no more input now.
    var isPaused: Bool {
        slicesUnderWay >= Self.writesMax || reveals.count >= Self.revealsMax || isWaitingForQueue || isBlocked
    }
    private var isBlocked = false
    private var isAdvancing = false

    func received(_ bytes: ByteBuffer, on connection: HTTPConnection) {
        var bytes = bytes
        if input.readableBytes == 0 {
            input.clear()
        } else {
            input.discardReadBytes()
        }
        input.writeBuffer(&bytes)
        advance(connection)
    }

    func ended(_ connection: HTTPConnection) {
        hasEnded = true
        advance(connection)
    }

    func abandoned() {
        isAbandoned = true
        reveals.wipe()
    }

    func writabilityChanged(_ connection: HTTPConnection) {
        isBlocked = !connection.isWritable
        if !isBlocked { advance(connection) }
    }

    /// Works off lines while there are any and nothing holds the stream up, then reads on or ends.
    private func advance(_ connection: HTTPConnection) {
        // A write may report back at once that the channel can take more: the loop below sees that for itself.
        guard !isAdvancing else { return }
        isAdvancing = true
        var hasMore = true
        while hasMore && !isPaused && !isAbandoned {
            guard isStillAllowed(connection) else {
                isAdvancing = false
                return connection.abort()
            }
            switch mode {
            case .detokenize(let access, let wantsExpiry):
                hasMore = detokenizeSlice(connection, access, wantsExpiry: wantsExpiry)
            case .tokenize(let format):
                hasMore = tokenizeSlice(connection, format)
            }
            isBlocked = !connection.isWritable
        }
        isAdvancing = false
        if isAbandoned { return }
        if hasEnded && !hasMore && slicesUnderWay == 0 && reveals.isEmpty && !isWaitingForQueue {
            return finish(connection)
        }
        if isPaused || hasEnded {
            connection.pauseReading()
        } else {
            connection.takeBacklog()
        }
    }

    /// A reload or a freeze ends a stream between two slices.
    private func isStillAllowed(_ connection: HTTPConnection) -> Bool {
        guard let client = connection.currentClient, client.operations.contains(call.operation) else { return false }
        switch mode {
        case .detokenize(let access, _):
            return client.purposes & access.purpose != 0 && client.formats == access.formats
        case .tokenize(let format): return client.formats & (1 << UInt64(format.id)) != 0
        }
    }

    // MARK: Detokenize

    /// Answers one slice; false where there was no whole line.
    private func detokenizeSlice(_ connection: HTTPConnection, _ access: Access, wantsExpiry: Bool) -> Bool {
        loop.tokens.removeAll(keepingCapacity: true)
        let received = input
        let bytes = received.readableBytesUInt8Span
        var position = 0
        while loop.tokens.count < LoopContext.sliceMax,
            let line = splitter.next(in: bytes, at: &position, isLast: hasEnded)
        {
            switch line {
            case .text(let range): loop.tokens.append(Token(range.view(in: bytes))?.value ?? 0)
            case .overlong: loop.tokens.append(UInt64.max)
            }
        }
        input.moveReaderIndex(forwardBy: position)
        if loop.tokens.isEmpty { return false }
        guard let client = connection.currentClient else { return false }
        var permit = SlicePermit(client, loop.guards, count: loop.tokens.count)
        // What is not granted is not looked up.
        for index in permit.granted..<loop.tokens.count { loop.tokens[index] = 0 }
        var wholeProblem: ProblemCode?
        do throws(ProblemCode) {
            var access = access
            access.frozen = permit.reveal?.frozenFormats ?? .max
            if permit.granted > 0, try loop.revealSlice(access) {
                isTrapped = true
                connection.honeyTouched(loop.honeyTokens)
            }
            if isTrapped { loop.conceal() }
        } catch {
            wholeProblem = error
        }
        if wholeProblem == nil { permit.settle(missed: loop.missed(of: permit.granted), client, isTrapped: isTrapped) }
        var tally = RevealTally(capacity: loop.tokens.count)
        var lines = ByteBufferAllocator().buffer(capacity: loop.tokens.count * AnswerLine.maxBytes)
        lines.writeWithOutputRawSpan(minimumWritableBytes: loop.tokens.count * AnswerLine.maxBytes) { output in
            for index in 0..<loop.tokens.count {
                if let problem = permit.problem(index) {
                    tally.refuse(problem)
                    AnswerLine.append(problem, to: &output)
                    continue
                }
                let reveal = wholeProblem == nil ? loop.reveals[index] : Reveal(.damaged)
                tally.add(loop.tokens[index], reveal)
                if let problem = Self.problem(token: loop.tokens[index], reveal, wholeProblem) {
                    AnswerLine.append(problem, to: &output)
                } else if wantsExpiry {
                    AnswerLine.append(reveal.digits, expiry: ExpiryMonth(packed: reveal.expiry), to: &output)
                } else {
                    AnswerLine.append(reveal.digits, to: &output)
                }
            }
        }
        loop.wipeReveals()
        put(lines, tally, permit.reveal, on: connection)
        return true
    }

    /// Holds a slice back until its record is flushed.
    private func put(
        _ lines: consuming ByteBuffer, _ tally: RevealTally, _ permit: RevealPermit?, on connection: HTTPConnection
    ) {
        var record = record
        tally.fill(&record)
        let slice = PendingReveals.Slice(
            lines: lines, count: Int(tally.asked), revealed: UInt64(tally.revealed.count),
            due: .now() + loop.settings.auditTimeout, permit: tally.revealed.isEmpty ? nil : permit)
        let number = reveals.append(slice)
        if reveals.count == 1 { connection.clock.awaitRecord(for: loop.settings.auditTimeout) }
        let bound = NIOLoopBound((stream: self, connection: connection), eventLoop: loop.loop)
        var job = AuditTrail.Job(entries: [record])
        job.loop = loop.loop
        job.completion = { result in
            let (stream, connection) = bound.value
            stream.recorded(number, result, connection)
        }
        if !loop.audit.submit(job) { reveals.settle(number, .refused(.auditUnavailable)) }
    }

    /// A slice is on record, or cannot be.
    private func recorded(
        _ number: UInt64, _ result: Result<AuditReceipt, AuditFailure>, _ connection: HTTPConnection
    ) {
        switch result {
        case .success(let receipt):
            let isWanted =
                !isAbandoned && connection.context != nil && reveals.settle(number, .recorded(receipt.records))
            if !isWanted { return connection.noteWithheld(receipt.records) }
        case .failure(let failure): reveals.settle(number, .refused(failure.problem))
        }
        if isAbandoned || connection.context == nil { return }
        send(connection)
    }

    /// Writes what is settled, in order, and goes on.
    private func send(_ connection: HTTPConnection) {
        while let settled = reveals.popSettled() {
            var slice = settled.slice
            switch settled.fate {
            case .recorded(let records) where slice.permit?.holds == false:
                wipe(&slice.lines)
                connection.noteWithheld(records)
                failed += UInt64(slice.count)
                var lines = ByteBuffer()
                for _ in 0..<slice.count { lines.append(.frozen) }
                write(&lines, connection)
            case .recorded:
                loop.metrics.revealed.add(slice.revealed)
                succeeded += slice.revealed
                failed += UInt64(slice.count) - slice.revealed
                var lines = ByteBuffer()
                swap(&lines, &slice.lines)
                write(&lines, connection)
            case .refused(let problem):
                var lines = ByteBuffer()
                for _ in 0..<slice.count { lines.append(problem) }
                failed += UInt64(slice.count)
                write(&lines, connection)
            }
        }
        if let due = reveals.firstDue {
            connection.clock.awaitRecord(for: due - .now())
        } else {
            connection.clock.answered()
        }
        isBlocked = !connection.isWritable
        advance(connection)
    }

    /// The disk of the log has not answered in time: what waits is answered with a problem.
    func giveUpRecords(_ connection: HTTPConnection) {
        loop.audit.board.late.add(1)
        reveals.giveUp(.now())
        send(connection)
    }

    @inline(__always)
    private static func problem(token: UInt64, _ reveal: Reveal, _ wholeProblem: ProblemCode?) -> ProblemCode? {
        if token == 0 { return .invalidToken }
        if token == .max { return .malformed }
        return wholeProblem ?? reveal.problem
    }

    // MARK: Tokenize

    /// Hands one slice to the writer; false where there was no whole line.
    private func tokenizeSlice(_ connection: HTTPConnection, _ format: TokenFormat) -> Bool {
        guard let client = connection.currentClient else { return false }
        let refusal = connection.refusal(of: client)
        var intake = CardIntake(access: Access(formats: 1 << UInt64(format.id)), audit: record)
        let received = input
        let bytes = received.readableBytesUInt8Span
        var position = 0
        while intake.slots.count < LoopContext.sliceMax,
            let line = splitter.next(in: bytes, at: &position, isLast: hasEnded)
        {
            switch line {
            case .text(let range):
                if let refusal {
                    intake.refuse(refusal)
                } else if let card = CardLine(range, in: bytes) {
                    intake.add(card, in: bytes, format: format)
                } else {
                    intake.refuse(.malformed)
                }
            case .overlong: intake.refuse(.malformed)
            }
        }
        input.moveReaderIndex(forwardBy: position)
        if intake.slots.isEmpty { return false }
        intake.holdLines(to: client, loop)
        slicesUnderWay += 1
        submit(intake.batch, intake.slots, connection)
        return true
    }

    /// A stream is its own back-pressure: where the writer's queue is full it waits and tries again.
    private func submit(_ batch: WriteBatch, _ slots: [CardIntake.Slot], _ connection: HTTPConnection) {
        let bound = NIOLoopBound((stream: self, connection: connection, slots: slots), eventLoop: loop.loop)
        let job = WriterThread.Job(batch: batch, loop: loop.loop) { result in
            let (stream, connection, slots) = bound.value
            stream.completed(result, batch, slots, connection)
        }
        if loop.host.state != .writing {
            let result: WriteResult = loop.host.state == .sealed ? .sealed : .stopped
            // Later, not now: slices already with the writer are answered first.
            return loop.loop.execute { job.completion(result) }
        }
        if loop.writer.submit(job) { return }
        isWaitingForQueue = true
        _ = loop.loop.assumeIsolated().scheduleTask(in: .milliseconds(5)) {
            self.isWaitingForQueue = false
            if self.isAbandoned { return }
            self.submit(batch, slots, connection)
        }
    }

    private func completed(
        _ result: WriteResult, _ batch: WriteBatch, _ slots: [CardIntake.Slot], _ connection: HTTPConnection
    ) {
        slicesUnderWay -= 1
        if isAbandoned || connection.context == nil { return }
        var lines = ByteBufferAllocator().buffer(capacity: slots.count * AnswerLine.maxBytes)
        var tokenized: UInt64 = 0
        lines.writeWithOutputRawSpan(minimumWritableBytes: slots.count * AnswerLine.maxBytes) { output in
            for slot in slots {
                switch slot {
                case .problem(let problem): AnswerLine.append(problem, to: &output)
                case .item(let index):
                    let item = batch.items[index]
                    if let problem = result.problem ?? item.problem {
                        AnswerLine.append(problem, to: &output)
                    } else {
                        tokenized += 1
                        AnswerLine.append(VaultWire.Digits(token: item.token), to: &output)
                    }
                }
            }
        }
        loop.metrics.tokenized.add(tokenized)
        succeeded += tokenized
        failed += UInt64(slots.count) - tokenized
        write(&lines, connection)
        isBlocked = !connection.isWritable
        advance(connection)
    }

    // MARK: Output

    /// Writes lines as a chunk of their own; they are wiped with their buffer once they are encrypted.
    private func write(_ lines: inout ByteBuffer, _ connection: HTTPConnection) {
        var frame = ByteBufferAllocator().buffer(capacity: 320)
        if !isHeadWritten {
            isHeadWritten = true
            AnswerHead.lines(keepsAlive: keepsAlive, to: &frame)
        }
        frame.writeString(String(lines.readableBytes, radix: 16))
        frame.writeStaticString("\r\n")
        lines.writeStaticString("\r\n")
        connection.write(frame, lines)
        lines = ByteBuffer()
    }

    /// The last chunk and the trailers.
    private func finish(_ connection: HTTPConnection) {
        var buffer = ByteBufferAllocator().buffer(capacity: 512)
        if !isHeadWritten { AnswerHead.lines(keepsAlive: keepsAlive, to: &buffer) }
        buffer.writeStaticString("0\r\nStrongroom-Succeeded: ")
        buffer.writeString(String(succeeded))
        buffer.writeStaticString("\r\nStrongroom-Failed: ")
        buffer.writeString(String(failed))
        buffer.writeStaticString("\r\n\r\n")
        connection.finish(buffer, call: call, problem: nil, keepsAlive: keepsAlive)
    }
}
