internal import NIOCore
internal import SecretMemory
internal import VaultCore
internal import VaultWire

// The calls that write: their answer waits until the writer says that the batch is durable.
extension HTTPConnection {
    func tokenize(
        _ head: RequestHead, _ client: Policy.Client, _ document: inout WipedArray<UInt8>
    ) throws(ProblemCode) {
        var intake = try takeIn(&document, client)
        try admit(intake.hold(to: client, loop))
        let isBatch = loop.tokenizeRequest.isBatch
        if !isBatch, case .problem(let problem) = intake.slots[0] { throw problem }
        let references = loop.tokenizeRequest.cards.map(\.reference)
        // The answer repeats the references.
        swap(&document, &body)
        let (batch, slots) = (intake.batch, intake.slots)
        try submit(batch, head) { connection, result in
            connection.answerTokenize(head, result, batch, slots, references, isBatch: isBatch)
        }
    }

    private func takeIn(
        _ document: inout WipedArray<UInt8>, _ client: Policy.Client
    ) throws(ProblemCode) -> CardIntake {
        var bytes = document.mutableSpan
        try loop.tokenizeRequest.decode(&bytes)
        let text = document.span
        let request = loop.tokenizeRequest
        guard request.cards.count <= client.batchMax(loop.settings.cardsMax) else { throw .tooLarge }
        var intake = CardIntake(access: Access(formats: client.formats), audit: entry(.tokenize))
        for card in request.cards {
            intake.add(
                card, purposes: request.purposes(of: card), format: request.format(of: card), in: text,
                client: client, loop: loop)
        }
        return intake
    }

    private func answerTokenize(
        _ head: RequestHead, _ result: WriteResult, _ batch: WriteBatch, _ slots: [CardIntake.Slot],
        _ references: [ByteRange?], isBatch: Bool
    ) {
        var document = WipedArray<UInt8>()
        swap(&document, &body)
        if let problem = result.problem { return refuse(problem, call: head.call, keepsAlive: head.keepsAlive) }
        var answer = buffer(capacity: slots.count * 192)
        if !isBatch {
            let item = batch.items[0]
            if let problem = item.problem { return refuse(problem, call: head.call, keepsAlive: head.keepsAlive) }
            append(item, reference: references[0], in: document.span, to: &answer)
            loop.metrics.tokenized.add(1)
            return succeed(head, answer)
        }
        var tokenized: UInt64 = 0
        answer.writeWithOutputRawSpan(minimumWritableBytes: 16) { Results.open(&$0) }
        for (position, slot) in slots.enumerated() {
            if position > 0 { answer.writeWithOutputRawSpan(minimumWritableBytes: 1) { Results.separator(&$0) } }
            let problem: ProblemCode?
            switch slot {
            case .problem(let code): problem = code
            case .item(let index): problem = batch.items[index].problem
            }
            if let problem {
                answer.writeWithOutputRawSpan(minimumWritableBytes: Results.errorBytesMax) { output in
                    Results.append(problem, to: &output)
                }
            } else if case .item(let index) = slot {
                tokenized += 1
                append(batch.items[index], reference: references[position], in: document.span, to: &answer)
            }
        }
        answer.writeWithOutputRawSpan(minimumWritableBytes: 16) { Results.close(&$0) }
        loop.metrics.tokenized.add(tokenized)
        succeed(head, answer)
    }

    private func append(
        _ item: WriteItem, reference: ByteRange?, in text: Span<UInt8>, to answer: inout ByteBuffer
    ) {
        guard let pan = PAN(value: item.pan, length: item.panLength) else { return }
        let shown = TokenizeAnswer(
            token: VaultWire.Digits(token: item.token), card: MaskedCard(pan),
            expiry: ExpiryMonth(packed: item.resultExpiry),
            expiresAt: item.deadline == 0 ? nil : Timestamp(seconds: UInt64(item.deadline)))
        answer.writeWithOutputRawSpan(
            minimumWritableBytes: TokenizeAnswer.maxBytes(referenceBytes: Int(reference?.count ?? 0))
        ) { output in
            if let reference {
                shown.append(reference: reference.view(in: text), to: &output)
            } else {
                shown.append(reference: nil, to: &output)
            }
        }
    }

    func forget(
        _ head: RequestHead, _ client: Policy.Client, _ document: inout WipedArray<UInt8>
    ) throws(ProblemCode) {
        var bytes = document.mutableSpan
        try loop.tokensRequest.decode(&bytes)
        let text = document.span
        let list = loop.tokensRequest.list
        guard list.tokens.count <= client.batchMax(loop.settings.tokensMax) else { throw .tooLarge }
        try admit(client.guard.lookUp(list.tokens.count, now: WallClock.seconds))
        let batch = WriteBatch(access: Access(formats: client.formats))
        batch.audit = entry(.forget)
        for token in list.tokens {
            guard let token = Token(token.view(in: text)) else {
                if list.isBatch { continue }
                throw .invalidToken
            }
            var item = WriteItem()
            item.kind = .forget
            item.token = token.value
            batch.items.append(item)
        }
        let isBatch = list.isBatch
        try submit(batch, head) { connection, result in
            if result.problem == nil { client.guard.missed(batch.missed, now: WallClock.seconds) }
            connection.answerForget(head, result, batch, isBatch: isBatch)
        }
    }

    private func answerForget(_ head: RequestHead, _ result: WriteResult, _ batch: WriteBatch, isBatch: Bool) {
        if let problem = result.problem { return refuse(problem, call: head.call, keepsAlive: head.keepsAlive) }
        if !isBatch, batch.items[0].outcome == .damaged {
            return refuse(.damagedRecord, call: head.call, keepsAlive: head.keepsAlive)
        }
        var forgotten: UInt64 = 0
        for index in 0..<batch.items.count where batch.items[index].outcome == .done { forgotten += 1 }
        var answer = buffer(capacity: ForgetAnswer.maxBytes)
        answer.writeWithOutputRawSpan(minimumWritableBytes: ForgetAnswer.maxBytes) { output in
            ForgetAnswer.append(forgotten: forgotten, to: &output)
        }
        succeed(head, answer)
    }

    /// Hands a batch to the writer; `completion` runs on the loop when its fate is known. An empty batch needs no writer.
    private func submit(
        _ batch: WriteBatch, _ head: RequestHead,
        _ completion: @escaping (HTTPConnection, WriteResult) -> Void
    ) throws(ProblemCode) {
        if batch.items.isEmpty { return completion(self, .done) }
        guard loop.host.state == .writing else { throw loop.host.state == .sealed ? .sealed : .writeStopped }
        let bound = NIOLoopBound((connection: self, completion: completion), eventLoop: loop.loop)
        let job = WriterThread.Job(batch: batch, loop: loop.loop) { result in
            let (connection, completion) = bound.value
            guard connection.context != nil else { return }
            completion(connection, result)
        }
        guard loop.writer.submit(job) else { throw .busy }
        state = .waiting
        clock.wait(for: .hours(24), reason: .body)
        pauseReading()
    }
}
