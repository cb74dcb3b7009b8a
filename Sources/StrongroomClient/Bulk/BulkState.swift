internal import SecretMemory
internal import Synchronization

/// What the two sides of a bulk stream and its event loop share. Bounded: so much received and not taken, so much
/// sent and not yet with the kernel.
final class BulkState: Sendable {
    /// Bytes received and not taken, from which on nothing more is read.
    static let receivedMax = 512 << 10
    /// Bytes on their way out, from which on a sender waits.
    static let outstandingMax = 512 << 10

    private struct Fields: ~Copyable {
        var received = WipedArray<UInt8>()
        var isPaused = false
        var isUploadComplete = false
        /// The answer is complete.
        var summary: BulkSummary?
        var error: StrongroomError?
        var outstanding = 0
        var receiver: CheckedContinuation<Void, Never>?
        var sender: CheckedContinuation<Void, Never>?
    }

    private let fields = Mutex(Fields())

    // MARK: On the event loop

    /// Takes bytes of the answer; false when enough is here for now.
    func received(_ bytes: Span<UInt8>) -> Bool {
        let (receiver, isPaused) = fields.withLock { fields in
            fields.received.append(contentsOf: bytes)
            fields.isPaused = fields.received.count >= Self.receivedMax
            return (fields.receiver.take(), fields.isPaused)
        }
        receiver?.resume()
        return !isPaused
    }

    func finished(_ summary: BulkSummary) { wakeAll { $0.summary = summary } }

    func fail(_ error: StrongroomError) {
        wakeAll { fields in
            if fields.error == nil && fields.summary == nil { fields.error = error }
        }
    }

    var isUploadComplete: Bool { fields.withLock { $0.isUploadComplete } }

    private func wakeAll(_ change: (inout Fields) -> Void) {
        let (receiver, sender) = fields.withLock { fields in
            change(&fields)
            return (fields.receiver.take(), fields.sender.take())
        }
        receiver?.resume()
        sender?.resume()
    }

    // MARK: Sending

    /// Waits until `count` bytes may be sent, and counts them as sent.
    func reserve(_ count: Int) async throws(StrongroomError) {
        while true {
            let failure: StrongroomError?? = fields.withLock { fields in
                if let error = fields.error { return error }
                // The vault has answered in full: what it did not wait for, it does not want.
                if fields.summary != nil { return .badAnswer }
                guard fields.outstanding < Self.outstandingMax else { return nil }
                fields.outstanding += count
                return .some(nil)
            }
            if let failure {
                if let failure { throw failure }
                return
            }
            await withCheckedContinuation { continuation in
                let isWaiting = fields.withLock { fields in
                    guard fields.outstanding >= Self.outstandingMax, fields.error == nil, fields.summary == nil else {
                        return false
                    }
                    precondition(fields.sender == nil, "a bulk stream has one sender")
                    fields.sender = continuation
                    return true
                }
                if !isWaiting { continuation.resume() }
            }
        }
    }

    /// Bytes have gone.
    func sent(_ count: Int) {
        let sender = fields.withLock { fields in
            fields.outstanding -= count
            return fields.outstanding < Self.outstandingMax ? fields.sender.take() : nil
        }
        sender?.resume()
    }

    func completeUpload() { fields.withLock { $0.isUploadComplete = true } }

    // MARK: Receiving

    enum Taken {
        case bytes(mustResume: Bool)
        case end
    }

    /// Waits for bytes and swaps them with the empty `buffer`.
    func take(into buffer: inout SecureBuffer) async throws(StrongroomError) -> Taken {
        buffer.removeAll()
        while true {
            var taken: Taken?
            var failure: StrongroomError?
            exchange(&buffer, &taken, &failure)
            if let taken { return taken }
            if let failure { throw failure }
            await withCheckedContinuation { continuation in
                let isWaiting = fields.withLock { fields in
                    guard fields.received.isEmpty, fields.error == nil, fields.summary == nil else { return false }
                    precondition(fields.receiver == nil, "a bulk stream has one receiver")
                    fields.receiver = continuation
                    return true
                }
                if !isWaiting { continuation.resume() }
            }
        }
    }

    private func exchange(_ buffer: inout SecureBuffer, _ taken: inout Taken?, _ failure: inout StrongroomError?) {
        fields.withLock { fields in
            if !fields.received.isEmpty {
                swap(&fields.received, &buffer.bytes)
                taken = .bytes(mustResume: fields.isPaused)
                fields.isPaused = false
            } else if fields.summary != nil {
                taken = .end
            } else {
                failure = fields.error
            }
        }
    }

    var summary: BulkSummary? { fields.withLock { $0.summary } }
}

/// What a vault says at the end of a bulk answer.
public struct BulkSummary: Sendable, Hashable {
    /// Lines that got what they asked for.
    public let succeeded: UInt64
    /// Lines answered with `!code`.
    public let failed: UInt64
}
