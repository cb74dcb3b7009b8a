internal import NIOCore
internal import NIOPosix
internal import OpenSSLTLS
internal import Synchronization

/// Connections to one vault: the one used last is used first, and callers beyond the limit wait in order.
final class ConnectionPool: Sendable {
    /// What a caller that waited gets.
    private enum Turn {
        case connection(Connection)
        /// A place under the limit has become free: the caller connects itself.
        case place
        case failure(StrongroomError)
    }

    private struct Waiter {
        let id: UInt64
        let continuation: CheckedContinuation<Turn, Never>
    }

    private struct State {
        var idle: [Connection] = []
        var open: [ObjectIdentifier: Connection] = [:]
        /// Open connections and those being opened.
        var places = 0
        var waiters: [Waiter] = []
        var nextID: UInt64 = 0
        var isShutDown = false
    }

    private let configuration: StrongroomClient.Configuration
    private let tls: Mutex<TLSContext>
    private let group: any EventLoopGroup
    private let state = Mutex(State())

    init(_ configuration: StrongroomClient.Configuration, _ tls: TLSContext, group: any EventLoopGroup) {
        self.configuration = configuration
        self.tls = Mutex(tls)
        self.group = group
    }

    /// Uses other certificates for connections opened from now on.
    func replace(_ context: TLSContext) { tls.withLock { $0 = context } }

    /// A connection for the caller alone, until `release`.
    func lease() async throws(StrongroomError) -> Connection {
        switch try await turn() {
        case .connection(let connection): return connection
        case .place: return try await connect()
        case .failure(let error): throw error
        }
    }

    /// Gives a connection back; one that has ended, or ends soon, is no loss.
    func release(_ connection: Connection) {
        let waiter: Waiter? = state.withLock { state in
            guard connection.isUsable, !state.isShutDown else { return nil }
            if !state.waiters.isEmpty { return state.waiters.removeFirst() }
            state.idle.append(connection)
            return nil
        }
        waiter?.continuation.resume(returning: .connection(connection))
    }

    func shutDown() async {
        let (open, waiters) = state.withLock { state in
            defer { state.waiters = [] }
            state.isShutDown = true
            state.idle = []
            return (Array(state.open.values), state.waiters)
        }
        for waiter in waiters { waiter.continuation.resume(returning: .failure(.shutDown)) }
        for connection in open { await connection.close() }
    }

    // MARK: Waiting

    private func turn() async throws(StrongroomError) -> Turn {
        let (turn, id): (Turn?, UInt64) = state.withLock { state in
            if state.isShutDown { return (.failure(.shutDown), 0) }
            while let connection = state.idle.popLast() {
                if connection.isUsable { return (.connection(connection), 0) }
            }
            if state.places < configuration.connectionsMax {
                state.places += 1
                return (.place, 0)
            }
            if state.waiters.count >= configuration.waitersMax {
                let error = StrongroomError(
                    .poolExhausted, isRetryable: true, "Too many calls wait for a connection.", mayHaveBeenSent: false)
                return (.failure(error), 0)
            }
            state.nextID += 1
            return (nil, state.nextID)
        }
        if let turn { return turn }
        let deadline = group.next().scheduleTask(in: TimeAmount(configuration.waitDeadline)) {
            self.giveUp(
                id,
                StrongroomError(.poolExhausted, isRetryable: true, "No connection became free.", mayHaveBeenSent: false)
            )
        }
        defer { deadline.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in wait(Waiter(id: id, continuation: continuation)) }
        } onCancel: {
            giveUp(id, .cancelled)
        }
    }

    /// Joins the queue, unless something became free, or the task was cancelled, on the way here.
    private func wait(_ waiter: Waiter) {
        let turn: Turn? = state.withLock { state in
            if state.isShutDown { return .failure(.shutDown) }
            if Task.isCancelled { return .failure(.cancelled) }
            while let connection = state.idle.popLast() {
                if connection.isUsable { return .connection(connection) }
            }
            if state.places < configuration.connectionsMax {
                state.places += 1
                return .place
            }
            state.waiters.append(waiter)
            return nil
        }
        if let turn { waiter.continuation.resume(returning: turn) }
    }

    private func giveUp(_ id: UInt64, _ error: StrongroomError) {
        let waiter: Waiter? = state.withLock { state in
            state.waiters.firstIndex { $0.id == id }.map { state.waiters.remove(at: $0) }
        }
        waiter?.continuation.resume(returning: .failure(error))
    }

    // MARK: Connecting

    private func connect() async throws(StrongroomError) -> Connection {
        let context = tls.withLock { $0 }
        var attempt = 1
        while true {
            do throws(StrongroomError) {
                let connection = try await Connection.connect(configuration, context, on: group.next())
                return try adopt(connection)
            } catch {
                let isLast = attempt >= configuration.connectAttempts || error.code != .unreachable || Task.isCancelled
                guard !isLast else {
                    freePlace()
                    throw Task.isCancelled ? .cancelled : error
                }
            }
            // 100 ms, 200 ms, 400 ms...
            try? await Task.sleep(for: .milliseconds(100 << min(attempt - 1, 5)))
            attempt += 1
        }
    }

    private func adopt(_ connection: Connection) throws(StrongroomError) -> Connection {
        let isWelcome = state.withLock { state in
            if state.isShutDown { return false }
            state.open[ObjectIdentifier(connection)] = connection
            return true
        }
        guard isWelcome else {
            connection.close(with: .shutDown)
            throw .shutDown
        }
        connection.onEnd { self.forget(connection) }
        return connection
    }

    /// A connection has ended.
    private func forget(_ connection: Connection) {
        state.withLock { state in
            state.open[ObjectIdentifier(connection)] = nil
            state.idle.removeAll { $0 === connection }
        }
        freePlace()
    }

    /// A place under the limit is free: the first who waits gets it.
    private func freePlace() {
        let waiter: Waiter? = state.withLock { state in
            if !state.waiters.isEmpty { return state.waiters.removeFirst() }
            state.places -= 1
            return nil
        }
        waiter?.continuation.resume(returning: .place)
    }
}
