internal import StrongroomClient
internal import Synchronization

/// One connection of an open loop, with one request under way at most.
final class OpenLane<Talk: Conversation>: Sendable {
    private struct State: ~Copyable {
        var talk: Talk
        var body = SecureBuffer(capacity: 4096)
    }

    private let scenario: String
    private let connection: RawConnection
    private let host: String
    private let state: Mutex<State>

    init(_ scenario: String, _ connection: RawConnection, host: String, _ talk: Talk) {
        self.scenario = scenario
        self.connection = connection
        self.host = host
        state = Mutex(State(talk: talk))
    }

    var talk: Talk { state.withLock { $0.talk } }

    /// Sends the next request. `then` is called on the connection's event loop; a connection that is lost fails every
    /// further request.
    func ask(then: @escaping @Sendable (LaneAnswer) -> Void) {
        let request = state.withLock { state in
            state.body.removeAll()
            state.talk.ask(&state.body)
            return RawConnection.request(path: state.talk.path, host: host, body: state.body.span)
        }
        let scenario = scenario
        connection.send(request.span) { status, answer in
            guard status == 200 else { return then(.failed(.refused(scenario: scenario, status: status))) }
            then(self.state.withLock { $0.talk.isRight(answer) } ? .right : .wrong)
        } onFailure: { error in
            then(.failed(.failed(scenario: scenario, error)))
        }
    }

    func close() async { await connection.close() }
}
