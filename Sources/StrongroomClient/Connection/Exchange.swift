internal import NIOCore

/// One request under way and what becomes of its answer. Confined to the event loop of its connection.
final class Exchange {
    /// Takes a whole answer: its head, and its body, which is wiped afterwards.
    typealias Completion = (AnswerHead, inout MutableSpan<UInt8>) -> Void

    /// Where a bulk answer flows while it arrives; a refusal is collected and completes instead.
    let stream: BulkState?
    /// How long the whole exchange may take.
    let deadline: TimeAmount?
    /// Runs out at the deadline.
    var timer: Scheduled<Void>?
    private let completion: Completion
    private let failure: (StrongroomError) -> Void

    init(
        stream: BulkState? = nil, deadline: TimeAmount? = nil, completion: @escaping Completion,
        failure: @escaping (StrongroomError) -> Void
    ) {
        self.stream = stream
        self.deadline = deadline
        self.completion = completion
        self.failure = failure
    }

    /// False while a bulk upload still runs: an answer that ends before it is a refusal, and ends the connection.
    var isRequestComplete: Bool { stream?.isUploadComplete ?? true }

    func complete(_ head: AnswerHead, _ body: inout MutableSpan<UInt8>) { completion(head, &body) }

    func fail(_ error: StrongroomError) { failure(error) }
}
