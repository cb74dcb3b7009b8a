package import Logging
internal import Synchronization
package import VaultCore

/// What is frozen, and the guards of all clients. Any thread.
///
/// Event loops ask two atomics before a reveal: `isAllFrozen` and `frozenFormats`; and their client's guard. What is
/// frozen is in memory first, so that it holds whatever the disk does, and then in `GuardFile`.
package final class GuardBook: Sendable {
    private struct State {
        var freezes: [FreezeScope: Freeze] = [:]
        /// Frozen, and no more on the disk: about to be unfrozen.
        var leaving: Set<FreezeScope> = []
        var guards: [String: ClientGuard] = [:]
        var restored: [String: ClientMeter] = [:]
        var registry: Registry?
    }

    private let state = Mutex(State())
    private let file: GuardFile
    private let logger: Logger
    private let isAllFrozenFlag = Atomic<Bool>(false)
    private let formatMask = Atomic<UInt64>(0)
    private let isSavedFlag = Atomic<Bool>(true)
    private let needsSave = Atomic<Bool>(false)
    /// Clients frozen without an operator.
    let freezesByItself = Counter()
    private let clientFrozen = Mutex<@Sendable (String, Freeze) -> Void>({ _, _ in })

    /// Who freezes where no operator does.
    static let itself = "strongroomd"

    package init(path: String, logger: Logger) {
        self.logger = logger
        file = GuardFile(path: path)
        switch file.found {
        case .none: needsSave.store(true, ordering: .relaxed)
        case .state(let saved):
            state.withLock { state in
                state.freezes = saved.freezes
                state.restored = saved.meters
            }
        case .damaged(let reason):
            // Whatever was frozen may be needed to be: nothing is revealed until an operator has looked.
            logger.critical("guard_damaged", metadata: ["reason": "\(reason)"])
            needsSave.store(true, ordering: .relaxed)
            state.withLock { state in
                state.freezes[.all] = Freeze(
                    cause: .damage, since: UInt64(WallClock.seconds), by: Self.itself,
                    reason: "what was frozen before the start is not known")
            }
        }
        state.withLock { publish($0) }
    }

    /// Who raises the alarm, and calls `saveChanges`, for a client that was frozen without an operator. Must not wait.
    package func onClientFrozen(_ alarm: @escaping @Sendable (String, Freeze) -> Void) {
        clientFrozen.withLock { $0 = alarm }
    }

    // MARK: What is frozen

    /// Whether nothing is revealed to anyone.
    package var isAllFrozen: Bool { isAllFrozenFlag.load(ordering: .acquiring) }

    /// Bit n: tokens of format id n are not revealed.
    package var frozenFormats: UInt64 { formatMask.load(ordering: .acquiring) }

    package var freezes: [FreezeScope: Freeze] { state.withLock { $0.freezes } }

    /// Freezes in memory, from now on for everything that asks; what was frozen already stays as it was. `save` makes it
    /// last.
    package func freeze(_ scope: FreezeScope, _ freeze: Freeze) -> (Freeze, isNew: Bool) {
        state.withLock { state in
            let isLeaving = state.leaving.remove(scope) != nil
            if let earlier = state.freezes[scope], !isLeaving { return (earlier, false) }
            state.freezes[scope] = freeze
            publish(state)
            return (freeze, true)
        }
    }

    /// Unfreezes, on the disk first: where that fails everything stays as it is. Nil where it was not frozen. A client's
    /// counters begin anew. Waits for the disk.
    package func unfreeze(_ scope: FreezeScope) throws(FileError) -> Freeze? {
        let freeze = state.withLock { state in
            if state.freezes[scope] != nil { state.leaving.insert(scope) }
            return state.freezes[scope]
        }
        guard let freeze else { return nil }
        do throws(FileError) {
            try store(twice: true)
        } catch {
            state.withLock { _ = $0.leaving.remove(scope) }
            needsSave.store(true, ordering: .relaxed)
            throw error
        }
        state.withLock { state in
            // Unless somebody has frozen it again meanwhile.
            guard state.leaving.remove(scope) != nil else { return }
            state.freezes[scope] = nil
            if case .client(let name) = scope { state.guards[name]?.clear() }
            publish(state)
        }
        return freeze
    }

    func freezeByItself(_ name: String, cause: Freeze.Cause, reason: String) {
        let (made, isNew) = freeze(
            .client(name),
            Freeze(cause: cause, since: UInt64(WallClock.seconds), by: Self.itself, reason: reason))
        guard isNew else { return }
        freezesByItself.add(1)
        needsSave.store(true, ordering: .relaxed)
        let alarm = clientFrozen.withLock { $0 }
        alarm(name, made)
    }

    private func publish(_ state: borrowing State) {
        var mask: UInt64 = 0
        for case .format(let name) in state.freezes.keys {
            if let id = state.registry?.formatID(name) { mask |= 1 << UInt64(id) }
        }
        formatMask.store(mask, ordering: .sequentiallyConsistent)
        isAllFrozenFlag.store(state.freezes[.all] != nil, ordering: .sequentiallyConsistent)
        for (name, client) in state.guards { client.setFrozen(state.freezes[.client(name)] != nil) }
    }

    // MARK: Clients

    /// The guard of a client; made at the first call for its name.
    package func client(_ name: String) -> ClientGuard {
        state.withLock { state in
            if let known = state.guards[name] { return known }
            let made = ClientGuard(
                name: name, book: self, meter: state.restored.removeValue(forKey: name) ?? ClientMeter(),
                isFrozen: state.freezes[.client(name)] != nil)
            state.guards[name] = made
            return made
        }
    }

    /// Takes up the limits of a configuration that comes into force, and the numbers of its formats.
    package func adopt(_ configuration: Configuration, _ registry: Registry) {
        for entry in configuration.clients { client(entry.name).adopt(entry.limits.bounds) }
        let names = Set(configuration.clients.map(\.name))
        state.withLock { state in
            state.registry = registry
            // A client that is configured no more calls no more; a freeze of it stays.
            state.guards = state.guards.filter { names.contains($0.key) }
            publish(state)
        }
        file.reserve(clients: names.count) { encoded(bytesMax: $0) }
        if needsSave.exchange(false, ordering: .relaxed) { save() }
    }

    package var guards: [ClientGuard] { state.withLock { $0.guards.values.sorted { $0.name < $1.name } } }

    // MARK: Storing

    /// Whether what is frozen is on the disk.
    package var isSaved: Bool { isSavedFlag.load(ordering: .relaxed) }

    /// Stores everything, what is frozen in both copies; false where that failed. Waits for the disk: not for event loops.
    @discardableResult
    package func save() -> Bool { save(twice: true) }

    /// Stores what changed since the last call. For once a second.
    package func saveChanges() {
        let needed = needsSave.exchange(false, ordering: .relaxed)
        let counted = guards.reduce(false) { $1.takeChanged() || $0 }
        if needed || !isSaved {
            save(twice: true)
        } else if counted {
            save(twice: false)
        }
    }

    @discardableResult
    private func save(twice: Bool) -> Bool {
        do throws(FileError) {
            try store(twice: twice)
            return true
        } catch {
            return false
        }
    }

    private func store(twice: Bool) throws(FileError) {
        do throws(FileError) {
            try file.save(twice: twice) { encoded(bytesMax: $0) }
            if !isSavedFlag.exchange(true, ordering: .relaxed) { logger.notice("guard_saved") }
        } catch {
            if isSavedFlag.exchange(false, ordering: .relaxed) {
                logger.error("guard_not_saved", metadata: ["reason": "\(error.message)"])
            }
            throw error
        }
    }

    private func encoded(bytesMax: Int) -> [UInt8]? {
        let (freezes, guards) = state.withLock { state in
            (state.freezes.filter { !state.leaving.contains($0.key) }, state.guards)
        }
        return GuardState.encoded(freezes: freezes, meters: guards.mapValues(\.image), bytesMax: bytesMax)
    }
}
