internal import Histogram
internal import StrongroomClient
internal import Synchronization

/// An open loop: requests leave when they are due, not when earlier ones were answered. One that finds no free
/// connection waits for one. Latencies count from the moment a request was due, so that a stall costs every request
/// that came meanwhile.
final class OpenLoop<Talk: Conversation>: Paced {
    /// Requests that may wait for a connection: more means that the load is beyond what the vault stands.
    private static var waitingMax: Int { 20_000 }

    private struct State {
        var free: Queue<Int>
        var waiting = Queue<Ticket>()
        var underWay = 0
        var tallies: [LoadTally]
        var isOverloaded = false
        var drained: CheckedContinuation<Void, Never>?
    }

    let name: String
    let rate: Double
    private let clock: WindowClock
    private let lanes: [OpenLane<Talk>]
    private let state: Mutex<State>

    /// Opens the connections; `talk` makes what each one asks.
    init(
        _ name: String, rate: Double, _ configuration: StrongroomClient.Configuration, host: String, connections: Int,
        _ clock: WindowClock, talk: (Int) -> Talk
    ) async throws {
        self.name = name
        self.rate = rate
        self.clock = clock
        var lanes: [OpenLane<Talk>] = []
        do throws(StrongroomError) {
            for number in 0..<connections {
                lanes.append(OpenLane(name, try await RawConnection(configuration), host: host, talk(number)))
            }
        } catch {
            throw BenchError.failed(scenario: name, error)
        }
        self.lanes = lanes
        state = Mutex(
            State(free: Queue(Array(lanes.indices)), tallies: LoadWindow.allCases.map { _ in LoadTally() }))
    }

    /// What each connection asked so far.
    var talks: [Talk] { lanes.map(\.talk) }

    /// What became of the requests that were due in a window.
    func tally(_ window: LoadWindow) -> LoadTally { state.withLock { $0.tallies[window.rawValue] } }

    /// Whether requests came faster than they were answered, for long.
    var isOverloaded: Bool { state.withLock { $0.isOverloaded } }

    /// Waits until every request has its answer.
    func drain() async {
        await withCheckedContinuation { continuation in
            let isDrained = state.withLock { state in
                if state.underWay > 0 { state.drained = continuation }
                return state.underWay == 0
            }
            if isDrained { continuation.resume() }
        }
    }

    /// Ends the connections.
    func close() async { for lane in lanes { await lane.close() } }

    func fire(due: UInt64) {
        let ticket = Ticket(due: due, window: clock.window, isBesideStream: clock.isStreaming)
        let lane = state.withLock { state -> Int? in
            guard state.waiting.count < Self.waitingMax else {
                state.isOverloaded = true
                return nil
            }
            state.underWay += 1
            if let lane = state.free.pop() { return lane }
            state.waiting.push(ticket)
            return nil
        }
        if let lane { send(ticket, lane) }
    }

    private func send(_ ticket: Ticket, _ lane: Int) {
        lanes[lane].ask { result in self.answered(ticket, lane, result) }
    }

    private func answered(_ ticket: Ticket, _ lane: Int, _ result: LaneAnswer) {
        let now = monotonicNanoseconds()
        let isBesideStream = ticket.isBesideStream || clock.isStreaming
        let next = state.withLock { state -> Ticket? in
            state.tallies[ticket.window.rawValue].add(
                result, nanoseconds: now > ticket.due ? now - ticket.due : 0, isBesideStream: isBesideStream)
            state.underWay -= 1
            if let next = state.waiting.pop() { return next }
            state.free.push(lane)
            if state.underWay == 0 { state.drained.take()?.resume() }
            return nil
        }
        if let next { send(next, lane) }
    }

    /// A request that is due.
    private struct Ticket {
        let due: UInt64
        let window: LoadWindow
        /// Whether a bulk stream was running when it was due.
        let isBesideStream: Bool
    }
}

/// First in, first out: every connection gets its turn, so that none lies idle until it is closed.
struct Queue<Element: Sendable>: Sendable {
    private var elements: [Element]
    private var head = 0

    init(_ elements: [Element] = []) { self.elements = elements }

    var count: Int { elements.count - head }

    mutating func push(_ element: Element) { elements.append(element) }

    mutating func pop() -> Element? {
        guard head < elements.count else { return nil }
        defer {
            head += 1
            // The half that was taken goes away from time to time.
            if head > 64, head * 2 > elements.count {
                elements.removeFirst(head)
                head = 0
            }
        }
        return elements[head]
    }
}
