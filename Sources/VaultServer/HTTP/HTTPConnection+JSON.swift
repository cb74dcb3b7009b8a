internal import NIOCore
internal import SecretMemory
internal import VaultCore
internal import VaultWire

// The calls whose body is one JSON document. Each decodes in place, decides, and answers; those that write hand a batch to
// the writer and answer when it is durable.
extension HTTPConnection {
    /// Works off a request whose body is complete.
    func perform(_ head: RequestHead) {
        guard let client = currentClient, client.operations.contains(head.call.operation) else {
            return refuse(.denied, call: head.call, keepsAlive: head.keepsAlive)
        }
        // The body may have taken its time.
        if client.guard.isFrozen { return refuse(.frozen, call: head.call, keepsAlive: head.keepsAlive) }
        // Taken out of the connection, so that it is wiped when this returns, whatever way; a write puts it back until
        // its answer is made.
        var document = WipedArray<UInt8>()
        swap(&document, &body)
        do throws(ProblemCode) {
            switch head.call {
            case .detokenize: try detokenize(head, client, &document)
            case .tokenize: try tokenize(head, client, &document)
            case .inspect: try inspect(head, client, &document)
            case .find: try find(head, client, &document)
            case .fingerprint: try fingerprint(head, client, &document)
            case .forget: try forget(head, client, &document)
            case .bulkTokenize, .bulkDetokenize, .unknown: throw .internalError
            }
        } catch {
            refuse(error, call: head.call, keepsAlive: head.keepsAlive)
        }
    }

    private func detokenize(
        _ head: RequestHead, _ client: Policy.Client, _ document: inout WipedArray<UInt8>
    ) throws(ProblemCode) {
        var bytes = document.mutableSpan
        try loop.detokenizeRequest.decode(&bytes)
        let text = document.span
        let purpose = loop.policy.registry.purposeMask(loop.detokenizeRequest.purpose.view(in: text)) ?? 0
        guard purpose & client.purposes != 0 else { throw .purposeDenied }
        let list = loop.detokenizeRequest.list
        guard list.tokens.count <= client.batchMax(loop.settings.tokensMax) else { throw .tooLarge }
        let permit = try permitReveals(client, list.tokens.count)
        let access = Access(formats: client.formats, purpose: purpose, frozen: permit.frozenFormats)

        guard list.isBatch else {
            guard let token = Token(list.tokens[0].view(in: text)) else { throw .invalidToken }
            let reveal = try loop.reveal(token, access)
            if reveal.status == .honey { honeyTouched([token.value]) }
            var tally = RevealTally(capacity: 1)
            tally.add(token.value, reveal)
            try noteMissed(client, Int(tally.missed), isTrapped: reveal.status == .honey)
            let record = revealRecord(head, tally, purpose: loop.detokenizeRequest.purpose.view(in: text))
            if let problem = reveal.problem {
                return onRecord(record, call: head.call, keepsAlive: head.keepsAlive) { connection, _ in
                    connection.answer(problem, call: head.call, keepsAlive: head.keepsAlive)
                }
            }
            var answer = buffer(capacity: DetokenizeAnswer.maxBytes)
            answer.writeWithOutputRawSpan(minimumWritableBytes: DetokenizeAnswer.maxBytes) { output in
                DetokenizeAnswer.append(pan: reveal.digits, expiry: ExpiryMonth(packed: reveal.expiry), to: &output)
            }
            return sendRevealed(head, record, answer, count: 1, permit)
        }
        let itemBytes = max(DetokenizeAnswer.maxBytes, Results.errorBytesMax) + 1
        var answer = buffer(capacity: Results.maxBytes(items: list.tokens.count, itemBytes: itemBytes))
        answer.writeWithOutputRawSpan(minimumWritableBytes: 16) { Results.open(&$0) }
        var tally = RevealTally(capacity: list.tokens.count)
        var start = 0
        // Set by the first honey token; the batch then shows no card, before it or behind it.
        var isTrapped = false
        var alarmed = 0
        while start < list.tokens.count {
            let end = min(start + LoopContext.sliceMax, list.tokens.count)
            loop.tokens.removeAll(keepingCapacity: true)
            for position in start..<end {
                loop.tokens.append(Token(list.tokens[position].view(in: text))?.value ?? 0)
            }
            if try loop.revealSlice(access), start >= alarmed {
                honeyTouched(loop.honeyTokens)
                alarmed = end
                if !isTrapped, start > 0 {
                    // Cards are in the answer already: it begins anew, without them.
                    isTrapped = true
                    loop.wipeReveals()
                    answer.clear()
                    answer.writeWithOutputRawSpan(minimumWritableBytes: 16) { Results.open(&$0) }
                    tally = RevealTally(capacity: list.tokens.count)
                    start = 0
                    continue
                }
                isTrapped = true
            }
            if isTrapped { loop.conceal() }
            answer.writeWithOutputRawSpan(minimumWritableBytes: (end - start) * (itemBytes + 1)) { output in
                for position in start..<end {
                    if position > 0 { Results.separator(&output) }
                    let reveal = loop.reveals[position - start]
                    tally.add(loop.tokens[position - start], reveal)
                    if let problem = loop.tokens[position - start] == 0 ? .invalidToken : reveal.problem {
                        Results.append(problem, to: &output)
                    } else {
                        DetokenizeAnswer.append(
                            pan: reveal.digits, expiry: ExpiryMonth(packed: reveal.expiry), to: &output)
                    }
                }
            }
            loop.wipeReveals()
            start = end
        }
        answer.writeWithOutputRawSpan(minimumWritableBytes: 16) { Results.close(&$0) }
        try noteMissed(client, Int(tally.missed), isTrapped: isTrapped)
        let record = revealRecord(head, tally, purpose: loop.detokenizeRequest.purpose.view(in: text))
        // A trap is answered as a miss: the client is frozen from its next request on.
        sendRevealed(
            head, record, answer, count: UInt64(tally.revealed.count), tally.revealed.isEmpty ? nil : permit)
    }

    private func revealRecord(_ head: RequestHead, _ tally: RevealTally, purpose: Span<UInt8>) -> AuditEntry {
        var record = entry(.detokenize, capacity: 384 + 22 * tally.revealed.count)
        // A purpose of the registry: its name is the configuration's, not the request's.
        let mask = loop.policy.registry.purposeMask(purpose) ?? 0
        record.add("purpose", loop.policy.registry.purposeNames(mask).first ?? "")
        tally.fill(&record)
        return record
    }

    /// Sends cards once it is on record that they were revealed.
    private func sendRevealed(
        _ head: RequestHead, _ record: AuditEntry, _ answer: consuming ByteBuffer, count: UInt64,
        _ permit: RevealPermit?
    ) {
        onRecord(record, call: head.call, keepsAlive: head.keepsAlive, secret: answer, permit) { connection, answer in
            connection.loop.metrics.revealed.add(count)
            connection.succeed(head, answer)
        }
    }

    private func inspect(
        _ head: RequestHead, _ client: Policy.Client, _ document: inout WipedArray<UInt8>
    ) throws(ProblemCode) {
        var bytes = document.mutableSpan
        try loop.tokensRequest.decode(&bytes)
        let text = document.span
        let list = loop.tokensRequest.list
        guard list.tokens.count <= client.batchMax(loop.settings.tokensMax) else { throw .tooLarge }
        try admit(client.guard.lookUp(list.tokens.count, now: WallClock.seconds))
        let access = Access(formats: client.formats)
        guard list.isBatch else {
            guard let token = Token(list.tokens[0].view(in: text)) else { throw .invalidToken }
            guard let inspection = try loop.inspect(token.value, access) else {
                try noteMissed(client, 1)
                return missed(head, .inspect)
            }
            var answer = buffer(capacity: 512)
            append(inspection, of: nil, showing: client.shown, to: &answer)
            return send(head, answer, after: lookupRecord(.inspect, asked: 1, found: [token.value]))
        }
        var found: [UInt64] = []
        var misses = 0
        var answer = buffer(capacity: 256 * list.tokens.count)
        answer.writeWithOutputRawSpan(minimumWritableBytes: 16) { Results.open(&$0) }
        for position in list.tokens.indices {
            if position > 0 { answer.writeWithOutputRawSpan(minimumWritableBytes: 1) { Results.separator(&$0) } }
            do throws(ProblemCode) {
                guard let token = Token(list.tokens[position].view(in: text)) else { throw .invalidToken }
                guard let inspection = try loop.inspect(token.value, access) else { throw .notFound }
                found.append(token.value)
                append(inspection, of: token, showing: client.shown, to: &answer)
            } catch {
                let problem = error
                if problem == .notFound { misses += 1 }
                answer.writeWithOutputRawSpan(minimumWritableBytes: Results.errorBytesMax) { output in
                    Results.append(problem, to: &output)
                }
            }
        }
        answer.writeWithOutputRawSpan(minimumWritableBytes: 16) { Results.close(&$0) }
        try noteMissed(client, misses)
        send(head, answer, after: lookupRecord(.inspect, asked: list.tokens.count, found: found))
    }

    /// The record of a call that shows less than a card.
    private func lookupRecord(_ operation: AuditOperation, asked: Int, found: [UInt64]) -> AuditEntry {
        var record = entry(operation, capacity: 384 + 22 * found.count)
        record.add("outcome", found.count == asked ? "ok" : found.isEmpty ? "denied" : "partial")
        record.add("asked", UInt64(asked))
        record.add("tokens", tokens: found)
        if asked > found.count { record.add("missed", UInt64(asked - found.count)) }
        return record
    }

    /// Sends an answer once its record is flushed.
    private func send(
        _ head: RequestHead, _ answer: consuming ByteBuffer, after record: AuditEntry, fingerprintKey: UInt32? = nil
    ) {
        onRecord(record, call: head.call, keepsAlive: head.keepsAlive, secret: answer) { connection, answer in
            connection.succeed(head, answer, fingerprintKey: fingerprintKey)
        }
    }

    /// Answers a look-up that found nothing: on record too, since it may be a guess.
    private func missed(_ head: RequestHead, _ operation: AuditOperation) {
        let record = lookupRecord(operation, asked: 1, found: [])
        onRecord(record, call: head.call, keepsAlive: head.keepsAlive) { connection, _ in
            connection.answer(.notFound, call: head.call, keepsAlive: head.keepsAlive)
        }
    }

    private func append(
        _ inspection: Inspection, of token: Token?, showing shown: ShownDigits, to answer: inout ByteBuffer
    ) {
        let purposes: [UInt8]? =
            inspection.purposes == .max
            ? nil : Array(loop.policy.registry.purposeNames(inspection.purposes).joined(separator: ",").utf8)
        let format = Array((loop.policy.formats[inspection.format]?.name ?? "").utf8)
        let shown = InspectAnswer(
            token: token.map { VaultWire.Digits(value: $0.value, length: UInt8($0.length)) },
            card: MaskedCard(inspection.card.pan, showing: shown),
            expiry: ExpiryMonth(packed: inspection.card.expiry?.packed ?? 0),
            created: Timestamp(seconds: UInt64(inspection.created)),
            expiresAt: inspection.deadline == 0 ? nil : Timestamp(seconds: UInt64(inspection.deadline)))
        answer.writeWithOutputRawSpan(
            minimumWritableBytes: InspectAnswer.maxBytes(purposesBytes: purposes?.count ?? 0)
        ) { output in
            shown.append(format: format.span, purposes: purposes?.span, to: &output)
        }
    }

    private func find(
        _ head: RequestHead, _ client: Policy.Client, _ document: inout WipedArray<UInt8>
    ) throws(ProblemCode) {
        var bytes = document.mutableSpan
        let request = try FindRequest(decoding: &bytes)
        let text = document.span
        guard let id = loop.policy.registry.formatID(request.format.view(in: text)),
            client.formats & (1 << UInt64(id)) != 0,
            let format = loop.policy.formats[id]
        else { throw .denied }
        let pan = try Self.pan(request.pan.view(in: text), format: format)
        let subject = request.subject ?? ByteRange(offset: 0, count: 0)
        try admit(client.guard.lookUp(1, now: WallClock.seconds))
        try admitCard(pan, client)
        guard let token = try loop.find(pan, format: id, subject: subject.view(in: text)) else {
            try noteMissed(client, 1)
            return missed(head, .find)
        }
        var answer = buffer(capacity: FindAnswer.maxBytes)
        answer.writeWithOutputRawSpan(minimumWritableBytes: FindAnswer.maxBytes) { output in
            FindAnswer.append(token: VaultWire.Digits(token: token), to: &output)
        }
        send(head, answer, after: lookupRecord(.find, asked: 1, found: [token]))
    }

    private func fingerprint(
        _ head: RequestHead, _ client: Policy.Client, _ document: inout WipedArray<UInt8>
    ) throws(ProblemCode) {
        var bytes = document.mutableSpan
        let request = try FingerprintRequest(decoding: &bytes)
        let text = document.span
        let acceptsAny = loop.policy.formats.all.contains { $0.acceptLuhnInvalid }
        let pan = try Self.pan(request.pan.view(in: text), acceptLuhnInvalid: acceptsAny)
        try admitCard(pan, client)
        let (hash, version) = try loop.fingerprint(of: pan)
        var answer = buffer(capacity: 128)
        answer.writeWithOutputRawSpan(minimumWritableBytes: FingerprintAnswer.maxBytes(fingerprintBytes: 32)) {
            output in
            FingerprintAnswer.append(fingerprint: hash.span, to: &output)
        }
        var record = entry(.fingerprint)
        record.add("outcome", "ok")
        record.add("index_key", UInt64(version))
        send(head, answer, after: record, fingerprintKey: version)
    }

    /// A PAN that a format takes.
    static func pan(_ text: Span<UInt8>, format: TokenFormat) throws(ProblemCode) -> PAN {
        let pan = try pan(text, acceptLuhnInvalid: format.acceptLuhnInvalid)
        guard format.takes(pan) else { throw .invalidPAN }
        return pan
    }

    private static func pan(_ text: Span<UInt8>, acceptLuhnInvalid: Bool) throws(ProblemCode) -> PAN {
        do throws(PANError) {
            return try PAN(ascii: text, acceptLuhnInvalid: acceptLuhnInvalid)
        } catch {
            throw .invalidPAN
        }
    }

    /// A buffer for an answer's body.
    func buffer(capacity: Int) -> ByteBuffer {
        context?.channel.allocator.buffer(capacity: capacity) ?? ByteBuffer()
    }

    /// Writes a 200: the head, then the body, in one flush.
    func succeed(_ head: RequestHead, _ answer: consuming ByteBuffer, fingerprintKey: UInt32? = nil) {
        guard let context else { return }
        var first = context.channel.allocator.buffer(capacity: 192)
        AnswerHead.json(
            bytes: answer.readableBytes, keepsAlive: head.keepsAlive && !mustClose, fingerprintKey: fingerprintKey,
            to: &first)
        context.write(wrapOutboundOut(first), promise: nil)
        finish(answer, call: head.call, problem: nil, keepsAlive: head.keepsAlive)
    }
}

extension TokenFormat {
    /// Whether tokens of this format can be made for a card: its length leaves room, and a kept BIN does not begin with 0.
    func takes(_ pan: PAN) -> Bool {
        allowedLengths.contains(PANLengths(Int(pan.length))) && (keep.binDigits == 0 || pan.leadingDigits(1) != 0)
    }
}

extension Token {
    /// A token from request text, `nil` where it is none.
    init?(_ text: Span<UInt8>) {
        do throws(TokenError) {
            self = try Token(ascii: text)
        } catch {
            return nil
        }
    }
}

extension Reveal {
    /// Why there is no card.
    var problem: ProblemCode? {
        switch status {
        case .revealed: nil
        case .missing: .notFound
        case .purposeDenied: .purposeDenied
        case .damaged: .damagedRecord
        case .honey: .notFound
        case .frozen: .frozen
        }
    }

    /// The card number; only where it was revealed.
    var digits: VaultWire.Digits { VaultWire.Digits(value: pan, length: panLength) }
}

extension VaultWire.Digits {
    init(token: UInt64) {
        self.init(value: token, length: UInt8(VaultCore.Digits.count(of: token)))
    }
}

extension ExpiryMonth {
    /// From months as records hold them; `nil` for none.
    init?(packed: UInt16) {
        guard let expiry = CardExpiry(packed: packed) else { return nil }
        self.init(year: UInt16(expiry.year), month: UInt8(expiry.month))
    }
}

extension MaskedCard {
    /// What may be shown of a card.
    init(_ pan: PAN, showing shown: ShownDigits = .all) {
        self.init(
            last4: shown.contains(.last4) ? VaultWire.Digits(value: UInt64(pan.last4), length: 4) : nil,
            bin: shown.contains(.bin)
                ? VaultWire.Digits(value: UInt64(pan.bin), length: UInt8(pan.binLength)) : nil,
            brand: pan.brand.wireName)
    }
}
