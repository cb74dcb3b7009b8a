internal import Logging
internal import NIOPosix
internal import Synchronization
internal import VaultCore

// The end of a rotation: every entry is looked at, and then the old key is taken away, with a receipt.
extension KeyManager {
    /// Looks at every entry, on another thread, for one that still needs one of these retiring versions.
    func startProof(_ purpose: KeyPurpose, _ versions: [UInt32]) {
        guard let store = host.currentStore, rotations[purpose]?.state != .proving else { return }
        rotations[purpose]?.state = .proving
        rotations[purpose]?.reason = ""
        publish()
        background.submit { [self] _ in
            // A store that is closed and opened again must not be held open for this.
            let isOver = { self.isStopping.load(ordering: .relaxed) || self.host.currentStore !== store }
            let result = Self.scan(store, purpose, versions, isCancelled: isOver)
            _ = onWriterThread { self.proved(purpose, result) }
        }
    }

    /// What a look at every entry came to.
    private enum Proof: Sendable {
        /// Entries under each version.
        case found([UInt32: UInt64])
        case failed(String)
        case cancelled
    }

    private static func scan(
        _ store: Store, _ purpose: KeyPurpose, _ versions: [UInt32], isCancelled: () -> Bool
    ) -> Proof {
        var found: [UInt32: UInt64] = [:]
        do throws(StoreError) {
            for version in versions {
                guard let count = try store.scan(purpose, for: version, isCancelled: isCancelled) else {
                    return .cancelled
                }
                found[version] = count
            }
            return .found(found)
        } catch {
            return .failed(error.message)
        }
    }

    private func proved(_ purpose: KeyPurpose, _ proof: Proof) {
        guard rotations[purpose]?.state == .proving else { return }
        let now = MonotonicClock.now
        let found: [UInt32: UInt64]
        switch proof {
        case .found(let counts): found = counts
        case .failed(let reason): return hold(purpose, .blocked, reason, now + Self.longRetry)
        case .cancelled: return hold(purpose, .paused, "the store was opened anew", now + Self.retry)
        }
        if let (version, count) = found.first(where: { $0.value > 0 }) {
            rotations[purpose]?.authorities[version] = nil
            return hold(
                purpose, .blocked,
                "the counters say that version \(version) is free, and \(count) entries need it: run 'strongroom verify'",
                now + Self.longRetry)
        }
        finish(purpose, Array(found.keys), now)
    }

    /// Nothing needs the old versions: takes their keys away, or asks for the second person.
    private func finish(_ purpose: KeyPurpose, _ versions: [UInt32], _ now: UInt64) {
        guard let keyring = host.keyring, let rotation = rotations[purpose] else { return }
        if purpose == .index, mustWait(for: versions, keyring) {
            return hold(
                purpose, .waiting, "request ids under the old index key are remembered for a day",
                now + 60 * 1_000_000_000)
        }
        do throws(KeyFailure) {
            for version in versions.sorted() {
                guard let current = host.keyring, current.version(purpose, version)?.state == .retiring else {
                    continue
                }
                let note = current.annex.rotations.first { $0.purpose == purpose && $0.version == version }
                let ordered = rotation.authorities[version]
                if ordered == nil, configuration.dualControl.contains(.destroy) {
                    try askForApproval(purpose, version, note, now)
                    continue
                }
                try takeAway(purpose, version, by: ordered ?? note?.authority ?? .automatic)
            }
            if rotations[purpose]?.state == .awaitingApproval { return }
            rotations[purpose] = nil
            resumeRotation(purpose)
        } catch {
            return hold(purpose, .paused, "\(error.code): \(error.title)", now + Self.retry)
        }
        publish()
    }

    func mustWait(for versions: [UInt32], _ keyring: Keyring) -> Bool {
        guard let store = host.currentStore else { return true }
        let retired = versions.compactMap { keyring.version(.index, $0)?.retired }.max() ?? 0
        // Keys of requests that were on their way when the version retired.
        let until = UInt32(clamping: retired) &+ 60
        return (try? store.remembersRequests(before: until, now: WallClock.seconds)) ?? true
    }

    private func askForApproval(
        _ purpose: KeyPurpose, _ version: UInt32, _ note: RotationNote?, _ now: UInt64
    ) throws(KeyFailure) {
        let command = OperatorCommand.destroy(purpose, version)
        let seconds = UInt64(WallClock.seconds)
        // One that was filed before a restart is still good.
        let filed = host.keyring?.annex.pending.first {
            $0.command == command.kind.rawValue && $0.argument == command.argument && !$0.isExpired(now: seconds)
        }
        let pending: PendingCommand
        if let filed {
            pending = filed
        } else {
            pending = try file(
                command, requestedBy: .max, name: note?.authority.requestedBy ?? KeyAuthority.automatic.requestedBy)
        }
        rotations[purpose]?.pendingID = pending.id
        hold(purpose, .awaitingApproval, "request \(pending.id) needs a second person", now + 60 * 1_000_000_000)
    }

    func takeAway(_ purpose: KeyPurpose, _ version: UInt32, by authority: KeyAuthority) throws(KeyFailure) {
        guard let keyring = host.keyring, let store = host.currentStore else { throw .sealed }
        let moved = (try? store.usage(purpose, version).moved) ?? 0
        let next: Keyring
        do throws(KeyChangeError) {
            next = try keyring.destroying(
                purpose, version, now: UInt64(WallClock.seconds), recordsMoved: moved, by: authority)
        } catch {
            throw KeyFailure(error)
        }
        try install(next)
        board.update { $0.destroyed += 1 }
        if purpose == .audit { try? audit.rekey(next) }
        var entry = AuditEntry(.keyDestroy)
        entry.add("operator", authority.requestedBy)
        if !authority.approvedBy.isEmpty { entry.add("approved_by", authority.approvedBy) }
        entry.add("outcome", "ok")
        entry.add("key", purpose.name)
        entry.add("version", UInt64(version))
        entry.add("moved", moved)
        entry.add("receipt", hex: next.annex.receipts.last?.hash ?? [])
        audit.note(entry)
        logger.notice(
            "key_destroyed",
            metadata: [
                "purpose": "\(purpose.name)", "version": "\(version)", "moved": "\(moved)",
                "requested_by": "\(authority.requestedBy)", "approved_by": "\(authority.approvedBy)",
                "receipt": "\(hexText(next.annex.receipts.last?.hash ?? []))",
            ])
    }
}
