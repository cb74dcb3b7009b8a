internal import NIOCore

/// A bulk call under way: lines go up while answers come down, one line for each, in order.
///
/// One task sends and finishes, another receives: whoever sends without receiving is held up as soon as half a
/// megabyte of answers waits. Memory does not depend on the number of lines. A stream that is dropped before its end
/// ends its connection.
///
/// An answer line is a token, a card number, `PAN,YYYY-MM`, or `!code`.
public final class BulkStream: Sendable {
    private let connection: Connection
    private let state: BulkState

    init(_ connection: Connection, _ state: BulkState) {
        self.connection = connection
        self.state = state
    }

    deinit {
        if state.summary == nil { connection.close(with: .cancelled) }
    }

    /// Sends bytes of the upload; they need not end with a line. Returns as soon as there is room for more.
    public func send(_ bytes: borrowing Span<UInt8>) async throws(StrongroomError) {
        if bytes.isEmpty { return }
        // Nothing borrowed may be held across the wait, so the copy comes first. TLS wipes it.
        let count = bytes.count
        var chunk = ByteBufferAllocator().buffer(capacity: count + 16)
        chunk.writeString(String(count, radix: 16))
        chunk.writeStaticString("\r\n")
        chunk.writeSpan(bytes)
        chunk.writeStaticString("\r\n")
        try await transmit(Parcel(chunk), count)
    }

    /// Ends the upload.
    public func finish() async throws(StrongroomError) {
        state.completeUpload()
        var end = ByteBuffer()
        end.writeStaticString("0\r\n\r\n")
        try await transmit(Parcel(end), 0)
    }

    /// Takes the next answers, any number of bytes, in place of what `buffer` held; false at the end of the answer.
    public func receive(into buffer: inout SecureBuffer) async throws(StrongroomError) -> Bool {
        let taken = try await endingIfCancelled { () throws(StrongroomError) in try await state.take(into: &buffer) }
        switch taken {
        case .bytes(let mustResume):
            if mustResume { connection.setReading(true) }
            return true
        case .end: return false
        }
    }

    /// What the vault counted; nil until `receive` has returned false.
    public var summary: BulkSummary? { state.summary }

    /// Ends the stream and its connection; both sides throw `cancelled`.
    public func cancel() { connection.close(with: .cancelled) }

    private func transmit(_ bytes: Parcel, _ count: Int) async throws(StrongroomError) {
        try await endingIfCancelled { () throws(StrongroomError) in try await state.reserve(count) }
        connection.sendMore(bytes) { [state] _ in state.sent(count) }
    }

    /// Waits with `body`; a cancelled task ends the connection, which ends the wait.
    private func endingIfCancelled<Value>(
        _ body: () async throws(StrongroomError) -> Value
    ) async throws(StrongroomError) -> Value {
        let result: Result<Value, StrongroomError> = await withTaskCancellationHandler {
            do throws(StrongroomError) {
                let value = try await body()
                return .success(value)
            } catch {
                return .failure(error)
            }
        } onCancel: {
            connection.close(with: .cancelled)
        }
        return try result.get()
    }
}

extension StrongroomClient {
    /// Exchanges any number of cards for tokens: `PAN` or `PAN,YYYY-MM` lines up, tokens down.
    ///
    /// - Parameter format: nil takes the vault's default.
    public func bulkTokenize(format: String? = nil) async throws(StrongroomError) -> BulkStream {
        var fields: [(StaticString, String)] = []
        if let format { fields.append(("Strongroom-Format", format)) }
        return try await bulk("/v1/tokenize", fields)
    }

    /// Exchanges any number of tokens for their cards: tokens up, card numbers down.
    ///
    /// - Parameter withExpiry: answers are `PAN,YYYY-MM`, with nothing behind the comma where the expiry is not known.
    public func bulkDetokenize(purpose: String, withExpiry: Bool = false) async throws(StrongroomError) -> BulkStream {
        let fields: [(StaticString, String)] = [("Strongroom-Purpose", purpose)]
        return try await bulk("/v1/detokenize", withExpiry ? fields + [("Strongroom-Fields", "pan,expiry")] : fields)
    }

    private func bulk(
        _ path: StaticString, _ fields: [(StaticString, String)]
    ) async throws(StrongroomError) -> BulkStream {
        for (_, value) in fields where !value.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) || value.isEmpty {
            throw StrongroomError(.malformed, "A name of a format or purpose is visible ASCII.", mayHaveBeenSent: false)
        }
        let head = RequestHead.lines(path, configuration.effectiveServerName, fields)
        var connection = try await pool.lease()
        while await !connection.claim() { connection = try await pool.lease() }
        let state = BulkState()
        let pool = pool
        let leased = connection
        leased.send(head) {
            Exchange(stream: state) { head, body in
                do throws(StrongroomError) {
                    try head.throwIfProblem(&body)
                    guard let succeeded = head.succeeded, let failed = head.failed else {
                        throw StrongroomError.badAnswer
                    }
                    state.finished(BulkSummary(succeeded: succeeded, failed: failed))
                } catch {
                    state.fail(error)
                }
                pool.release(leased)
            } failure: { error in
                state.fail(error)
                pool.release(leased)
            }
        }
        return BulkStream(leased, state)
    }
}
