internal import Glibc
internal import Synchronization

/// Lines on their way to an operator, no more of them in memory than a slow reader is owed. One background thread.
final class AuditStream {
    /// Bytes that go out in one piece.
    private static let pieceBytes = 64 << 10
    /// Between two looks whether the socket has taken them: a stop of the daemon must not wait for a reader who sleeps.
    private static let lookMicroseconds: UInt32 = 500

    private let responder: PlainHTTPHandler.Responder
    private let jobs: JobRegister
    private var piece: [UInt8] = []
    private let isTaken = Flag()

    /// Set by the event loop, awaited by this thread.
    private final class Flag: Sendable {
        let value = Atomic<Bool>(true)
    }

    init(_ responder: PlainHTTPHandler.Responder, _ jobs: JobRegister) {
        self.responder = responder
        self.jobs = jobs
    }

    /// Whether anybody listens, and the daemon is not about to stop.
    var goesOn: Bool { !responder.isGone() && !jobs.areCancelled }

    /// Adds a line; false where nobody listens any more.
    func add(_ line: [UInt8]) -> Bool {
        piece += line
        piece.append(0x0A)
        return piece.count < Self.pieceBytes || flush()
    }

    func add(_ line: JSONText) -> Bool { add(Array(line.text.utf8)) }

    /// Ends the answer.
    func end() {
        _ = flush()
        responder.end()
    }

    private func flush() -> Bool {
        guard awaitTaken() else { return false }
        guard !piece.isEmpty else { return goesOn }
        let flag = isTaken
        flag.value.store(false, ordering: .releasing)
        responder.bytes(piece) { flag.value.store(true, ordering: .releasing) }
        piece.removeAll(keepingCapacity: true)
        return goesOn
    }

    private func awaitTaken() -> Bool {
        while !isTaken.value.load(ordering: .acquiring) {
            guard goesOn else { return false }
            usleep(Self.lookMicroseconds)
        }
        return goesOn
    }
}
