package import SecretMemory

/// What one item of a batch asks the writer to do.
package enum WriteKind: UInt8, BitwiseCopyable, Sendable {
    case tokenize
    case forget
    /// Make a honey token of `format`.
    case honey
}

/// What became of one item.
package enum WriteOutcome: UInt8, BitwiseCopyable, Sendable {
    case pending
    /// Tokenized: `token`, `resultExpiry` and `deadline` are filled in. Says nothing of whether the card was known.
    case done
    /// Forget: there was no such token for this caller.
    case missing
    /// The card equals a stored token: a token was sent where a card belongs.
    case invalidPAN
    /// A request id was used again for another card.
    case conflict
    case bucketFull
    /// The card's record does not open.
    case damaged
}

/// One item of a batch: trivial, fixed size, text by reference into the batch's bytes.
package struct WriteItem: BitwiseCopyable, Sendable {
    package var kind: WriteKind = .tokenize
    package var outcome: WriteOutcome = .pending
    package var format: UInt16 = 0
    /// Months since 2000-01 plus one; 0 = none. Ignored unless `setsExpiry`.
    package var expiry: UInt16 = 0
    package var setsExpiry = false
    package var setsTTL = false
    package var setsPurposes = false
    /// Seconds; ignored unless `setsTTL`.
    package var ttl: UInt32 = 0
    /// Mask; ignored unless `setsPurposes`.
    package var purposes: UInt64 = 0
    /// Digits of the PAN, 0 for a forget or honey.
    package var panLength: UInt8 = 0
    package var pan: UInt64 = 0
    /// Range of the subject in the batch's bytes; empty for none.
    package var subjectOffset: UInt32 = 0
    package var subjectCount: UInt32 = 0
    /// Whether `requestKey` names a remembered request.
    package var hasRequestKey = false
    package var requestKey: (UInt64, UInt64) = (0, 0)
    /// The same under the index key version that is retiring, where there is one.
    package var hasOlderRequestKey = false
    package var olderRequestKey: (UInt64, UInt64) = (0, 0)

    /// In for a forget, out for a tokenize.
    package var token: UInt64 = 0
    /// Out: Unix seconds, 0 = none.
    package var deadline: UInt32 = 0
    /// Out: the expiry now on record.
    package var resultExpiry: UInt16 = 0

    package init() {}
}

/// Work of one request for the writer thread: its items, and the bytes they refer to. Wiped when it goes.
///
/// Owned by one thread at a time: the event loop fills it, the queue hands it to the writer, the completion hands it back.
package final class WriteBatch: @unchecked Sendable {
    package var items = WipedArray<WriteItem>()
    package var text = WipedArray<UInt8>()
    /// What the caller may reach, for forgets.
    package let access: Access
    /// Who asks for what, for the audit log; what becomes of it is added when it is known.
    package var audit: AuditEntry?

    package init(access: Access) { self.access = access }

    /// Whether it makes nothing.
    package var onlyForgets: Bool {
        for index in 0..<items.count where items[index].kind != .forget { return false }
        return true
    }
}
