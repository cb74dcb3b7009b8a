internal import SecretMemory
internal import VaultCore
internal import VaultWire

/// Cards of one request on their way to the writer: what can be refused without the store is refused here, the rest becomes
/// items of a batch.
struct CardIntake {
    /// What stands for a card of the request: an item of the batch, or why there is none.
    enum Slot {
        case item(Int)
        case problem(ProblemCode)
    }

    let batch: WriteBatch
    private(set) var slots: [Slot] = []

    init(access: Access, audit: AuditEntry) {
        batch = WriteBatch(access: access)
        batch.audit = audit
    }

    /// Refuses items that were taken in.
    mutating func take(out refused: Set<Int>, _ problem: ProblemCode) {
        var kept = 0
        for (position, slot) in slots.enumerated() {
            guard case .item(let index) = slot else { continue }
            if refused.contains(index) {
                slots[position] = .problem(problem)
            } else {
                slots[position] = .item(kept)
                batch.items[kept] = batch.items[index]
                kept += 1
            }
        }
        batch.items.truncate(to: kept)
    }

    mutating func refuse(_ problem: ProblemCode) { slots.append(.problem(problem)) }

    /// Takes a card in; its texts are ranges of `text`.
    mutating func add(
        _ card: TokenizeRequest.Card, purposes: ArraySlice<ByteRange>, format: ByteRange?,
        in text: Span<UInt8>, client: Policy.Client, loop: LoopContext
    ) {
        do throws(ProblemCode) {
            let policy = loop.policy
            let named = format.flatMap { policy.registry.formatID($0.view(in: text)) }
            guard let id = format == nil ? policy.defaultFormat : named, client.formats & (1 << UInt64(id)) != 0,
                let rules = policy.formats[id]
            else { throw .denied }
            var item = try Self.item(pan: card.pan, expiry: card.expiry, in: text, format: rules)
            if let ttl = card.ttl {
                item.setsTTL = true
                item.ttl = ttl
            }
            if card.purposeCount > 0 {
                item.setsPurposes = true
                item.purposes = try Self.purposes(purposes, in: text, allowed: policy.formats.purposes(id), policy)
            }
            if let subject = card.subject {
                item.subjectOffset = UInt32(batch.text.count)
                item.subjectCount = subject.count
                batch.text.append(contentsOf: subject.view(in: text))
            }
            if let request = card.requestID, rules.reuse == .never {
                try loop.setRequestKeys(of: &item, client: client.name, requestID: request.view(in: text))
            }
            append(item)
        } catch {
            refuse(error)
        }
    }

    /// Takes a bulk line in.
    mutating func add(_ line: CardLine, in text: Span<UInt8>, format: TokenFormat) {
        do throws(ProblemCode) {
            append(try Self.item(pan: line.pan, expiry: line.expiry, in: text, format: format))
        } catch {
            refuse(error)
        }
    }

    private mutating func append(_ item: WriteItem) {
        slots.append(.item(batch.items.count))
        batch.items.append(item)
    }

    private static func item(
        pan: ByteRange, expiry: ByteRange?, in text: Span<UInt8>, format: TokenFormat
    ) throws(ProblemCode) -> WriteItem {
        let pan = try HTTPConnection.pan(pan.view(in: text), format: format)
        var item = WriteItem()
        item.format = format.id
        item.pan = pan.value
        item.panLength = pan.length
        if let expiry {
            do throws(CardExpiryError) {
                item.expiry = try CardExpiry(ascii: expiry.view(in: text)).packed
                item.setsExpiry = true
            } catch {
                throw .invalidExpiry
            }
        }
        return item
    }

    /// The mask of the purposes a request names: each one known, and allowed for the format.
    private static func purposes(
        _ names: ArraySlice<ByteRange>, in text: Span<UInt8>, allowed: UInt64, _ policy: Policy
    ) throws(ProblemCode) -> UInt64 {
        var mask: UInt64 = 0
        for name in names {
            guard let bit = policy.registry.purposeMask(name.view(in: text)), bit & allowed != 0 else {
                throw .purposeDenied
            }
            mask |= bit
        }
        return mask
    }
}

extension LoopContext {
    /// Fills in the keys under which a request id is remembered.
    func setRequestKeys(of item: inout WriteItem, client: String, requestID: Span<UInt8>) throws(ProblemCode) {
        guard reader != nil else { throw unavailable }
        let name = Array(client.utf8)
        do throws(StoreError) {
            let keys = try reader!.requestKeys(client: name.span, requestID: requestID)
            item.requestKey = Self.halves(keys.active)
            item.hasRequestKey = true
            if let older = keys.older {
                item.olderRequestKey = Self.halves(older)
                item.hasOlderRequestKey = true
            }
        } catch {
            throw .internalError
        }
    }

    /// The first sixteen bytes.
    private static func halves(_ key: [32 of UInt8]) -> (UInt64, UInt64) {
        var halves: (UInt64, UInt64) = (0, 0)
        for index in 0..<8 {
            halves.0 = halves.0 << 8 | UInt64(key[index])
            halves.1 = halves.1 << 8 | UInt64(key[index + 8])
        }
        return halves
    }
}

extension WriteItem {
    /// Why the writer did not do it; `nil` where it did.
    var problem: ProblemCode? {
        switch outcome {
        case .done: nil
        case .pending: .internalError
        case .missing: .notFound
        case .invalidPAN: .invalidPAN
        case .conflict: .malformed
        case .bucketFull: .bucketFull
        case .damaged: .damagedRecord
        }
    }
}

extension WriteResult {
    /// The code for a whole batch that was not written.
    var problem: ProblemCode? {
        switch self {
        case .done: nil
        case .full: .storageFull
        case .unknown: .outcomeUnknown
        case .stopped, .failed: .writeStopped
        case .damaged: .damagedRecord
        case .sealed: .sealed
        case .exhausted: .keyExhausted
        case .unaudited: .auditUnavailable
        }
    }
}
