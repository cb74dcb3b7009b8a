internal import SecretMemory
internal import Synchronization
internal import VaultCore

/// Collects the shares that custodians enter, over separate sessions, until there are enough. Any thread.
///
/// What was entered is wiped when it was used, when a share turns out wrong, and when the next one is too long in coming.
final class ShareIntake: Sendable {
    private struct State: ~Copyable {
        var collector: ShareCollector?
        /// Seconds of the monotonic clock.
        var lastEntry: UInt64 = 0
    }

    /// How far the collection is.
    enum Progress: ~Copyable {
        case needsMore(have: Int, need: Int)
        case complete(SecretBytes)
    }

    private let state = Mutex(State())

    /// Takes one share as it was typed.
    func enter(
        _ text: borrowing Span<UInt8>, for root: RootDescription, expirySeconds: UInt64
    ) throws(KeyFailure) -> Progress {
        let share: Share
        do throws(ShareError) {
            share = try ShareText.decode(text)
        } catch {
            throw KeyFailure(error)
        }
        return try take(share, root, expirySeconds)
    }

    private func take(
        _ share: consuming Share, _ root: RootDescription, _ expirySeconds: UInt64
    ) throws(KeyFailure) -> Progress {
        var entered: Share? = share
        return try state.withLock { (state) throws(KeyFailure) in
            guard let share = entered.take() else { throw .stopping }
            let now = MonotonicClock.now / 1_000_000_000
            if now >= state.lastEntry + expirySeconds || state.collector?.setID != root.setID { state.collector = nil }
            if state.collector == nil { state.collector = try Self.collector(root) }
            state.lastEntry = now
            do throws(ShareError) {
                switch try state.collector!.add(share) {
                case .needsMore(let have, let need): return .needsMore(have: have, need: need)
                case .complete:
                    let secret = try state.collector!.combine()
                    state.collector = nil
                    return .complete(secret)
                }
            } catch {
                throw KeyFailure(error)
            }
        }
    }

    private static func collector(_ root: RootDescription) throws(KeyFailure) -> ShareCollector {
        do throws(SplitError) {
            return try ShareCollector(setID: root.setID, threshold: Int(root.threshold), count: Int(root.count))
        } catch {
            throw KeyFailure(503, "keyring_failed", error.message)
        }
    }

    /// How many shares are entered.
    func entered(expirySeconds: UInt64) -> Int {
        state.withLock { state in
            let now = MonotonicClock.now / 1_000_000_000
            if now >= state.lastEntry + expirySeconds { state.collector = nil }
            return state.collector?.indices.count ?? 0
        }
    }

    /// Wipes what was entered.
    func reset() { state.withLock { $0.collector = nil } }
}
