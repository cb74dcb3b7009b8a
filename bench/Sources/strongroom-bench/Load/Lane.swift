internal import Histogram
internal import StrongroomClient
internal import Synchronization

/// One connection of a closed loop. Answers arrive on the connection's event loop, and the next request leaves from
/// there: no task is woken for a request.
final class Lane<Talk: Conversation>: Sendable {
    private struct State: ~Copyable {
        var talk: Talk
        var body = SecureBuffer(capacity: 4096)
        var count = LoopCount()
        var sentAt: UInt64 = 0
        var deadline: UInt64 = 0
        var scenario = ""
        var waiter: CheckedContinuation<Result<LoopCount, BenchError>, Never>?
    }

    private let connection: RawConnection
    private let host: String
    private let state: Mutex<State>

    init(_ connection: RawConnection, host: String, _ talk: Talk) {
        self.connection = connection
        self.host = host
        state = Mutex(State(talk: talk))
    }

    var talk: Talk { state.withLock { $0.talk } }

    /// Asks until the deadline, a monotonic time, and waits for the last answer.
    func run(until deadline: UInt64, _ scenario: String) async throws -> LoopCount {
        let result = await withCheckedContinuation { continuation in
            state.withLock { state in
                state.count = LoopCount()
                state.deadline = deadline
                state.scenario = scenario
                state.waiter = continuation
                send(&state)
            }
        }
        return try result.get()
    }

    func close() async { await connection.close() }

    private func send(_ state: inout State) {
        state.body.removeAll()
        state.talk.ask(&state.body)
        let request = RawConnection.request(path: state.talk.path, host: host, body: state.body.span)
        state.sentAt = monotonicNanoseconds()
        connection.send(request.span) { status, answer in
            self.answered(status, answer)
        } onFailure: { error in
            self.state.withLock { self.end(&$0, .failed(scenario: $0.scenario, error)) }
        }
    }

    private func answered(_ status: Int, _ answer: borrowing Span<UInt8>) {
        let now = monotonicNanoseconds()
        state.withLock { state in
            guard status == 200 else { return end(&state, .refused(scenario: state.scenario, status: status)) }
            guard state.talk.isRight(answer) else { return end(&state, .wrongAnswer(scenario: state.scenario)) }
            state.count.requests += 1
            state.count.items += state.talk.items
            state.count.latencies.record(now - state.sentAt)
            if now < state.deadline { send(&state) } else { end(&state, nil) }
        }
    }

    private func end(_ state: inout State, _ error: BenchError?) {
        let waiter = state.waiter.take()
        waiter?.resume(returning: error.map { .failure($0) } ?? .success(state.count))
    }
}
