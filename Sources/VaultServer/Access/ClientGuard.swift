internal import Synchronization
package import VaultCore

/// What holds one client to its limits, and stops it where it is frozen. One for each client's name: it outlives reloads
/// of the configuration and every connection. Any thread.
///
/// A lock is taken once for a request or for a slice of a bulk request, and only where the client has limits.
package final class ClientGuard: Sendable {
    package let name: String
    private weak let book: GuardBook?
    private let isFrozenFlag = Atomic<Bool>(false)
    private let hasLimits = Atomic<Bool>(false)
    private let countsCards = Atomic<Bool>(false)
    private let isChanged = Atomic<Bool>(false)
    private let meter: Mutex<ClientMeter>
    /// Requests and slices that a soft limit refused.
    private let throttledCount = Counter()

    /// Bytes of a client's cards in the file.
    private static let bucketBytesMax = 64 << 10

    init(name: String, book: GuardBook, meter: ClientMeter, isFrozen: Bool) {
        self.name = name
        self.book = book
        self.meter = Mutex(meter)
        isFrozenFlag.store(isFrozen, ordering: .relaxed)
    }

    /// Whether everything that the client asks for is refused.
    package var isFrozen: Bool { isFrozenFlag.load(ordering: .acquiring) }

    /// Whether `name` has something to count.
    package var isCountingCards: Bool { countsCards.load(ordering: .relaxed) }

    /// The client asks to reveal so many tokens.
    package func reveal(_ asked: Int, now: UInt32) -> LimitVerdict {
        judged { $0.reveal(asked, now: now) }
    }

    /// The client names so many tokens for something else that tells whether they exist.
    package func lookUp(_ asked: Int, now: UInt32) -> LimitVerdict {
        judged { $0.lookUp(asked, now: now) }
    }

    /// So many of the tokens it named did not exist for it. Past the hard limit it is frozen when this returns: whoever
    /// is about to answer asks `isFrozen` once more.
    package func missed(_ count: Int, now: UInt32) {
        guard count > 0 else { return }
        _ = judged { meter in meter.missed(count, now: now).map { .exceeded($0) } ?? .allowed }
    }

    /// The client names cards. The positions of those that are past the soft limit, and the longest of their waits.
    package func name(_ marks: [CardMark], now: UInt32) -> (verdict: LimitVerdict, refused: [Int]) {
        var refused: [Int] = []
        let verdict = judged { meter in
            var (exceeded, longest): (LimitKind?, UInt32) = (nil, 0)
            for (position, mark) in marks.enumerated() {
                switch meter.name(mark, now: now) {
                case .allowed: break
                case .exceeded(let kind): exceeded = kind
                case .throttled(_, let wait):
                    refused.append(position)
                    longest = max(longest, wait)
                }
            }
            if let exceeded { return .exceeded(exceeded) }
            return refused.isEmpty
                ? .allowed : .throttled(granted: marks.count - refused.count, retryAfter: longest)
        }
        return (verdict, refused)
    }

    /// Freezes the client, with an alarm. Any thread; does not wait for the disk.
    package func freeze(cause: Freeze.Cause, reason: String) {
        book?.freezeByItself(name, cause: cause, reason: reason)
    }

    private func judged(_ body: (inout ClientMeter) -> LimitVerdict) -> LimitVerdict {
        guard hasLimits.load(ordering: .relaxed) else { return .allowed }
        let verdict = meter.withLock { body(&$0) }
        isChanged.store(true, ordering: .relaxed)
        switch verdict {
        case .allowed: break
        case .throttled: throttledCount.add(1)
        case .exceeded(let kind): freeze(cause: .limit, reason: "past the hard limit of \(kind.rawValue)")
        }
        return verdict
    }

    // MARK: For the book

    func adopt(_ limits: ClientLimits) {
        meter.withLock { $0.adopt(limits) }
        countsCards.store(limits.bucketPANsHour.isSet, ordering: .relaxed)
        hasLimits.store(limits.isAnySet, ordering: .relaxed)
    }

    func setFrozen(_ isFrozen: Bool) { isFrozenFlag.store(isFrozen, ordering: .sequentiallyConsistent) }

    /// Forgets what was counted: an unfrozen client begins anew.
    func clear() {
        meter.withLock { $0.clear() }
        isChanged.store(true, ordering: .relaxed)
    }

    /// Whether something was counted since the last call.
    func takeChanged() -> Bool { isChanged.exchange(false, ordering: .relaxed) }

    var image: MeterImage { meter.withLock { $0.image(bucketBytesMax: Self.bucketBytesMax) } }

    func usage(now: UInt32) -> [(kind: LimitKind, used: UInt64, limit: ClientLimit)] {
        meter.withLock { $0.usage(now: now) }
    }

    var throttled: UInt64 { throttledCount.current }
}
