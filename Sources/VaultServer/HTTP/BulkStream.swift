internal import NIOCore
internal import SecretMemory
internal import VaultCore
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
    private static let slicesMax = 2

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
    private var isWaitingForQueue = false
    private var succeeded: UInt64 = 0
    private var failed: UInt64 = 0

    private init(mode: Mode, _ request: RequestHead, loop: LoopContext) {
        self.mode = mode
        call = request.call
        keepsAlive = request.keepsAlive
        self.loop = loop
    }

    static func detokenize(
        _ request: RequestHead, client: Policy.Client, loop: LoopContext
    ) throws(RequestHead.Refusal) -> BulkStream {
        let purpose = request.purpose.flatMap { loop.policy.registry.purposeMask($0) } ?? 0
        guard purpose & client.purposes != 0 else { throw RequestHead.Refusal(problem: .purposeDenied, closes: true) }
        let access = Access(formats: client.formats, purpose: purpose)
        return BulkStream(
            mode: .detokenize(access, wantsExpiry: request.wantsExpiry), request, loop: loop)
    }

    static func tokenize(
        _ request: RequestHead, client: Policy.Client, loop: LoopContext
    ) throws(RequestHead.Refusal) -> BulkStream {
        let id = request.format == nil ? loop.policy.defaultFormat : loop.policy.registry.formatID(request.format!)
        guard let id, client.formats & (1 << UInt64(id)) != 0, let format = loop.policy.formats[id] else {
            throw RequestHead.Refusal(problem: .denied, closes: true)
        }
        return BulkStream(mode: .tokenize(format), request, loop: loop)
    }

    /// Whether the stream takes no more input now.
    var isPaused: Bool { slicesUnderWay >= Self.slicesMax || isWaitingForQueue || isBlocked }
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

    func abandoned() { isAbandoned = true }

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
        if hasEnded && !hasMore && slicesUnderWay == 0 && !isWaitingForQueue { return finish(connection) }
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
        var wholeProblem: ProblemCode?
        do throws(ProblemCode) {
            try loop.revealSlice(access)
        } catch {
            wholeProblem = error
        }
        var answer = chunk(lines: loop.tokens.count)
        var revealed: UInt64 = 0
        answer.writeWithOutputRawSpan(minimumWritableBytes: loop.tokens.count * AnswerLine.maxBytes) { output in
            for index in 0..<loop.tokens.count {
                let reveal = loop.reveals[index]
                if let problem = Self.problem(token: loop.tokens[index], reveal, wholeProblem) {
                    AnswerLine.append(problem, to: &output)
                } else {
                    revealed += 1
                    if wantsExpiry {
                        AnswerLine.append(reveal.digits, expiry: ExpiryMonth(packed: reveal.expiry), to: &output)
                    } else {
                        AnswerLine.append(reveal.digits, to: &output)
                    }
                }
            }
        }
        loop.wipeReveals()
        loop.metrics.revealed.add(revealed)
        succeeded += revealed
        failed += UInt64(loop.tokens.count) - revealed
        write(answer, connection)
        return true
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
        var intake = CardIntake(access: Access(formats: 1 << UInt64(format.id)))
        let received = input
        let bytes = received.readableBytesUInt8Span
        var position = 0
        while intake.slots.count < LoopContext.sliceMax,
            let line = splitter.next(in: bytes, at: &position, isLast: hasEnded)
        {
            switch line {
            case .text(let range):
                if let card = CardLine(range, in: bytes) {
                    intake.add(card, in: bytes, format: format)
                } else {
                    intake.refuse(.malformed)
                }
            case .overlong: intake.refuse(.malformed)
            }
        }
        input.moveReaderIndex(forwardBy: position)
        if intake.slots.isEmpty { return false }
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
        var answer = chunk(lines: slots.count)
        var tokenized: UInt64 = 0
        answer.writeWithOutputRawSpan(minimumWritableBytes: slots.count * AnswerLine.maxBytes) { output in
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
        write(answer, connection)
        isBlocked = !connection.isWritable
        advance(connection)
    }

    // MARK: Output

    private static let sizeDigits = 8

    /// A buffer for a chunk: the answer's head if it is the first, and room for the chunk's size, filled in by `write`.
    private func chunk(lines: Int) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: lines * AnswerLine.maxBytes / 2 + 256)
        if !isHeadWritten {
            isHeadWritten = true
            AnswerHead.lines(keepsAlive: keepsAlive, to: &buffer)
        }
        chunkStart = buffer.writerIndex
        buffer.writeStaticString("00000000\r\n")
        return buffer
    }

    private var chunkStart = 0

    private func write(_ chunk: consuming ByteBuffer, _ connection: HTTPConnection) {
        let size = chunk.writerIndex - chunkStart - Self.sizeDigits - 2
        for digit in 0..<Self.sizeDigits {
            let nibble = UInt8(truncatingIfNeeded: size >> (4 * (Self.sizeDigits - 1 - digit))) & 15
            chunk.setInteger(nibble < 10 ? 0x30 + nibble : 0x57 + nibble, at: chunkStart + digit)
        }
        chunk.writeStaticString("\r\n")
        connection.write(chunk)
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
