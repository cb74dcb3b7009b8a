internal import Logging
internal import VaultCore

// Rotations under way: commands, slices, and what others see of them.
extension KeyManager {
    static let retry: UInt64 = 1_000_000_000
    /// Damage does not go away by itself: no use in reading the whole table for it every second.
    static let longRetry: UInt64 = 600 * 1_000_000_000

    // MARK: Commands

    /// New active versions; the old ones retire and their records are moved in the background.
    func rotate(
        _ purposes: [KeyPurpose], by authority: KeyAuthority, reason: RotationReason, mayFollow: Bool = false
    ) throws(KeyFailure) {
        guard var keyring = host.keyring else { throw .sealed }
        let now = UInt64(WallClock.seconds)
        for purpose in purposes {
            if !mayFollow { try requireRotatable(purpose, keyring) }
            do throws(KeyChangeError) {
                keyring = try keyring.rotating(purpose, now: now, by: authority, reason: reason)
            } catch {
                throw KeyFailure(error)
            }
        }
        try install(keyring)
        if purposes.contains(.audit) { rekeyAudit() }
        for purpose in purposes {
            rotations[purpose] = nil
            resumeRotation(purpose)
            noteRotated(purpose, authority, reason)
            board.update { $0.rotations += 1 }
            logger.notice(
                "key_rotated",
                metadata: [
                    "purpose": "\(purpose.name)", "version": "\(keyring.active(purpose)?.number ?? 0)",
                    "reason": "\(reason.name)", "requested_by": "\(authority.requestedBy)",
                    "approved_by": "\(authority.approvedBy)",
                ])
        }
        refreshBoard()
    }

    private func noteRotated(_ purpose: KeyPurpose, _ authority: KeyAuthority, _ reason: RotationReason) {
        var entry = AuditEntry(.keyRotate)
        entry.add("operator", authority.requestedBy)
        if !authority.approvedBy.isEmpty { entry.add("approved_by", authority.approvedBy) }
        entry.add("outcome", "ok")
        entry.add("key", purpose.name)
        entry.add("version", UInt64(host.keyring?.active(purpose)?.number ?? 0))
        entry.add("reason", reason.name)
        audit.note(entry)
    }

    /// Lets the log go on under its new key. Where that fails the log stays on the old one, which is usable still, and a
    /// start makes up for it.
    private func rekeyAudit() {
        guard let keyring = host.keyring else { return }
        do throws(AuditFailure) {
            try audit.rekey(keyring)
        } catch {
            logger.error("audit_key_not_in_use", metadata: ["reason": "\(error.message)"])
        }
    }

    /// Whether a new version may begin while records are still to be moved: where the rotation under way cannot end, or its
    /// new key is used up. All older versions then retire together.
    func mayFollowAnother(_ purpose: KeyPurpose) -> Bool {
        if rotations[purpose]?.state == .blocked { return true }
        let facts = board.current
        return (purpose == .index ? facts.index : facts.data).level >= .rotate
    }

    /// Refuses a rotation of keys that are not there, or while another is under way that can end.
    func requireRotatable(_ purpose: KeyPurpose, _ keyring: Keyring) throws(KeyFailure) {
        guard keyring.active(purpose) != nil else { throw KeyFailure(.noActiveVersion(purpose)) }
        // Old audit keys stay to verify what they linked; nothing is moved.
        if purpose == .audit { return }
        if let retiring = keyring.retiring(purpose).first, !mayFollowAnother(purpose) {
            throw KeyFailure(.rotationUnderWay(purpose, retiring.number))
        }
    }

    /// Refuses the end of a version that does not retire, or that entries need by the counters.
    func requireDestroyable(_ purpose: KeyPurpose, _ number: UInt32, _ keyring: Keyring) throws(KeyFailure) {
        guard let store = host.currentStore else { throw .sealed }
        do throws(KeyChangeError) {
            _ = try keyring.destroyable(purpose, number)
            if purpose == .audit {
                let segments = audit.segments(under: number)
                guard segments == 0 else { throw .holdsRecords(purpose, number, UInt64(segments)) }
                return
            }
            let left = (try? store.usage(purpose, number).left) ?? .max
            guard left == 0 else { throw .holdsRecords(purpose, number, left) }
        } catch {
            throw KeyFailure(error)
        }
    }

    /// Ends a retiring version that nothing needs any more: looks at every entry first, then takes its key away.
    func destroy(_ purpose: KeyPurpose, _ number: UInt32, by authority: KeyAuthority) throws(KeyFailure) {
        guard let keyring = host.keyring else { throw .sealed }
        try requireDestroyable(purpose, number, keyring)
        // There is no table to look through: the segments were just counted.
        if purpose == .audit { return try takeAway(purpose, number, by: authority) }
        rotations[purpose, default: Rotation(purpose)].authorities[number] = authority
        startProof(purpose, [number])
    }

    /// Takes up a rotation that the keyring says is under way.
    func resumeRotation(_ purpose: KeyPurpose) {
        guard purpose != .audit, let keyring = host.keyring, !keyring.retiring(purpose).isEmpty,
            rotations[purpose] == nil
        else { return }
        rotations[purpose] = Rotation(purpose)
        refreshTotals(purpose)
    }

    // MARK: Slices

    /// The slice that is due now, if any.
    func nextSlice(_ now: UInt64) -> SliceOrder? {
        guard host.state == .writing, mayEncrypt else { return nil }
        for purpose in [KeyPurpose.data, .index] {
            guard let rotation = rotations[purpose], rotation.state == .moving, now >= rotation.nextSlice else {
                continue
            }
            // Index entries go to other pages all over the table: each costs about as much to write as eight records.
            let slice = configuration.keys.moveSlice
            return SliceOrder(purpose: purpose, limit: purpose == .index ? max(1, slice / 8) : slice)
        }
        return nil
    }

    /// Nanoseconds until a slice is due; `nil` where none will be.
    func untilNextSlice(_ now: UInt64) -> UInt64? {
        guard host.state == .writing, mayEncrypt else { return nil }
        return rotations.values.filter { $0.state == .moving }.map { $0.nextSlice > now ? $0.nextSlice - now : 0 }.min()
    }

    /// A slice is on disk. It took `elapsed` nanoseconds; where requests are about, as long a rest follows, so that one that
    /// comes finds the writer free half of the time at least.
    func moved(_ order: SliceOrder, _ slice: MoveSlice, elapsed: UInt64, isBusy: Bool, now: UInt64) {
        guard var rotation = rotations[order.purpose] else { return }
        rotation.meter.add(slice.moved, at: now)
        rotation.done += UInt64(slice.moved)
        board.update { $0.moved += UInt64(slice.moved) }
        if let rate = configuration.keys.moveRate {
            // A pause that came from elsewhere is not caught up.
            let earliest = now > 100_000_000 ? now - 100_000_000 : 0
            rotation.nextSlice =
                max(rotation.nextSlice, earliest) + UInt64(Double(max(slice.moved, 1)) / Double(rate) * 1e9)
        }
        if isBusy { rotation.nextSlice = max(rotation.nextSlice, now + elapsed) }
        rotations[order.purpose] = rotation
        if slice.isAtEnd { walkEnded(order.purpose, slice, now) }
        publish()
    }

    /// A slice was not written.
    func notMoved(_ order: SliceOrder, _ result: WriteResult, now: UInt64) {
        switch result {
        case .full: hold(order.purpose, .paused, "storage_full: no room for a transaction", now + Self.retry)
        case .damaged:
            hold(
                order.purpose, .blocked, "a page of the database cannot be read: run 'strongroom verify'",
                now + Self.longRetry)
        default: hold(order.purpose, .paused, "write_stopped: the store does not take writes", now + Self.retry)
        }
    }

    func hold(_ purpose: KeyPurpose, _ state: JobStatus.State, _ reason: String, _ wakes: UInt64) {
        guard var rotation = rotations[purpose] else { return }
        if rotation.state != state || rotation.reason != reason {
            logger.warning(
                "rotation_held",
                metadata: ["purpose": "\(purpose.name)", "state": "\(state.rawValue)", "reason": "\(reason)"])
        }
        rotation.state = state
        rotation.reason = reason
        rotation.wakes = wakes
        rotations[purpose] = rotation
        publish()
    }

    private func walkEnded(_ purpose: KeyPurpose, _ slice: MoveSlice, _ now: UInt64) {
        refreshTotals(purpose)
        guard var rotation = rotations[purpose] else { return }
        let left = rotation.total - min(rotation.done, rotation.total)
        if left == 0 { return startProof(purpose, host.keyring?.retiring(purpose).map(\.number) ?? []) }
        if slice.passedOver > 0 || rotation.vainWalks > 0 {
            rotation.vainWalks = 0
            rotations[purpose] = rotation
            return hold(
                purpose, .blocked,
                "\(left) of the old version cannot be moved (\(slice.passedOver) do not open): run 'strongroom verify'",
                now + Self.longRetry)
        }
        rotation.vainWalks += 1
        rotations[purpose] = rotation
    }

    /// Looks again at what waits.
    func wakeRotations(_ now: UInt64) {
        for (purpose, rotation) in rotations where now >= rotation.wakes {
            switch rotation.state {
            case .awaitingApproval:
                guard !isPending(rotation.pendingID) else {
                    rotations[purpose]?.wakes = now + Self.retry
                    continue
                }
                rotations[purpose]?.pendingID = 0
                hold(
                    purpose, .blocked, "the destruction was not approved: 'strongroom keys destroy' asks again",
                    now + 24 * 3600 * Self.retry)
            case .waiting:
                guard let keyring = host.keyring else { continue }
                let versions = keyring.retiring(purpose).map(\.number)
                if mustWait(for: versions, keyring) {
                    rotations[purpose]?.wakes = now + 60 * Self.retry
                } else {
                    startProof(purpose, versions)
                }
            case .paused, .blocked:
                rotations[purpose]?.state = .moving
                rotations[purpose]?.reason = ""
            case .moving, .proving: break
            }
            refreshTotals(purpose)
        }
        publish()
    }

    // MARK: What others see

    /// Takes done and total from the counters: they are right after any crash.
    func refreshTotals(_ purpose: KeyPurpose) {
        guard let keyring = host.keyring, let store = host.currentStore else { return }
        var (left, moved): (UInt64, UInt64) = (0, 0)
        for version in keyring.retiring(purpose) {
            guard let usage = try? store.usage(purpose, version.number) else { return }
            left += usage.left
            moved += usage.moved
        }
        rotations[purpose]?.done = moved
        rotations[purpose]?.total = moved + left
    }

    func refreshBoard() {
        for purpose in rotations.keys { refreshTotals(purpose) }
        publish()
    }

    /// The rotations under way. Any thread. A version that retired a moment ago is one, published or not.
    var jobs: [JobStatus] {
        guard let keyring = host.keyring else { return [] }
        let published = board.current.jobs
        return published
            + [KeyPurpose.data, .index].compactMap { purpose in
                let retiring = keyring.retiring(purpose)
                guard !retiring.isEmpty, !published.contains(where: { $0.purpose == purpose }) else { return nil }
                return JobStatus(
                    purpose: purpose, from: retiring.map(\.number), to: keyring.active(purpose)?.number ?? 0,
                    state: .moving, started: retiring.map(\.retired).min() ?? 0)
            }
    }

    /// Lets other threads see the rotations. One whose last version is gone is over, a moment before it is taken off.
    func publish() {
        let keyring = host.keyring
        let jobs: [JobStatus] = rotations.values.sorted { $0.purpose.rawValue < $1.purpose.rawValue }.compactMap {
            rotation in
            let retiring = keyring?.retiring(rotation.purpose) ?? []
            guard !retiring.isEmpty else { return nil }
            return JobStatus(
                purpose: rotation.purpose, from: retiring.map(\.number),
                to: keyring?.active(rotation.purpose)?.number ?? 0, state: rotation.state, reason: rotation.reason,
                done: rotation.done, total: rotation.total, rate: rotation.state == .moving ? rotation.meter.rate : 0,
                started: retiring.map(\.retired).min() ?? 0, pendingID: rotation.pendingID)
        }
        board.update { $0.jobs = jobs }
    }
}
