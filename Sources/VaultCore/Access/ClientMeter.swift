/// What one client does, held against its limits. A value: whoever owns it lets one thread at a time at it.
///
/// What is asked for counts, granted or not: a client that goes on past a soft limit comes to the hard one.
package struct ClientMeter: Sendable {
    package private(set) var limits: ClientLimits
    private var revealsMinute = SlidingWindow(.minute)
    private var revealsHour = SlidingWindow(.hour)
    private var revealsDay = SlidingWindow(.day)
    private var missesMinute = SlidingWindow(.minute)
    private var buckets: CardBuckets

    package init(_ limits: ClientLimits = ClientLimits()) {
        self.limits = limits
        buckets = CardBuckets(listMax: Self.listMax(limits), keepFrom: Self.keepFrom(limits))
    }

    /// Takes up other limits; what was counted stays.
    package mutating func adopt(_ limits: ClientLimits) {
        self.limits = limits
        buckets.listMax = Self.listMax(limits)
        buckets.keepFrom = Self.keepFrom(limits)
    }

    /// Forgets all that was counted.
    package mutating func clear() {
        revealsMinute.clear()
        revealsHour.clear()
        revealsDay.clear()
        missesMinute.clear()
        buckets.clear()
    }

    /// The client asks to reveal so many tokens.
    package mutating func reveal(_ asked: Int, now: UInt32) -> LimitVerdict {
        let amount = UInt64(clamping: asked)
        revealsMinute.add(amount, now: now)
        revealsHour.add(amount, now: now)
        revealsDay.add(amount, now: now)
        if let hard = limits.revealsMinute.hard, revealsMinute.total > hard { return .exceeded(.revealsMinute) }
        if let hard = limits.revealsHour.hard, revealsHour.total > hard { return .exceeded(.revealsHour) }
        if let hard = limits.revealsDay.hard, revealsDay.total > hard { return .exceeded(.revealsDay) }
        var verdict = lookUp(asked, now: now)
        if case .exceeded = verdict { return verdict }
        verdict = verdict.stricter(Self.soften(&revealsMinute, limits.revealsMinute, amount, now))
        verdict = verdict.stricter(Self.soften(&revealsHour, limits.revealsHour, amount, now))
        return verdict.stricter(Self.soften(&revealsDay, limits.revealsDay, amount, now))
    }

    /// The client names so many tokens, to reveal them or for anything else that tells whether they exist.
    ///
    /// At the soft limit of misses nothing more is looked up, and what is asked counts as missed.
    package mutating func lookUp(_ asked: Int, now: UInt32) -> LimitVerdict {
        guard let soft = limits.missesMinute.soft else { return .allowed }
        missesMinute.advance(to: now)
        guard missesMinute.total >= soft else { return .allowed }
        if let kind = missed(asked, now: now) { return .exceeded(kind) }
        return .throttled(granted: 0, retryAfter: max(1, missesMinute.wait(for: 1, within: soft, now: now)))
    }

    /// So many of the tokens it named did not exist for it; the limit that this went past, if it is a hard one.
    package mutating func missed(_ count: Int, now: UInt32) -> LimitKind? {
        guard count > 0, limits.missesMinute.isSet else { return nil }
        missesMinute.add(UInt64(clamping: count), now: now)
        guard let hard = limits.missesMinute.hard, missesMinute.total > hard else { return nil }
        return .missesMinute
    }

    /// The client names a card.
    package mutating func name(_ mark: CardMark, now: UInt32) -> LimitVerdict {
        guard limits.bucketPANsHour.isSet else { return .allowed }
        let size = buckets.add(mark, now: now)
        if let hard = limits.bucketPANsHour.hard, size > hard { return .exceeded(.bucketPANsHour) }
        guard let soft = limits.bucketPANsHour.soft, size > soft else { return .allowed }
        // There has to be room for one more.
        return .throttled(granted: 0, retryAfter: buckets.wait(mark.bucket, limit: Int(clamping: soft), now: now))
    }

    /// What is counted now under each limit that is set.
    package mutating func usage(now: UInt32) -> [(kind: LimitKind, used: UInt64, limit: ClientLimit)] {
        revealsMinute.advance(to: now)
        revealsHour.advance(to: now)
        revealsDay.advance(to: now)
        missesMinute.advance(to: now)
        return LimitKind.allCases.compactMap { kind in
            guard limits[kind].isSet else { return nil }
            let used =
                switch kind {
                case .revealsMinute: revealsMinute.total
                case .revealsHour: revealsHour.total
                case .revealsDay: revealsDay.total
                case .missesMinute: missesMinute.total
                case .bucketPANsHour: UInt64(buckets.fullest(now: now))
                }
            return (kind, used, limits[kind])
        }
    }

    private static func soften(
        _ window: inout SlidingWindow, _ limit: ClientLimit, _ amount: UInt64, _ now: UInt32
    ) -> LimitVerdict {
        guard let soft = limit.soft, window.total > soft else { return .allowed }
        let excess = min(amount, window.total - soft)
        return .throttled(
            granted: Int(clamping: amount - excess),
            retryAfter: max(1, window.wait(for: min(amount, soft), within: soft, now: now)))
    }

    private static func listMax(_ limits: ClientLimits) -> Int {
        let limit = limits.bucketPANsHour
        return Int(clamping: max(limit.soft ?? 0, limit.hard ?? 0).saturatingSum(1))
    }

    /// A quarter of the limit that stops the client.
    private static func keepFrom(_ limits: ClientLimits) -> Int {
        let limit = limits.bucketPANsHour
        return max(1, Int(clamping: ((limit.soft ?? limit.hard ?? 0) + 3) / 4))
    }
}

extension LimitVerdict {
    /// The one that allows less and makes wait longer.
    fileprivate func stricter(_ other: LimitVerdict) -> LimitVerdict {
        switch (self, other) {
        case (.exceeded, _): self
        case (_, .exceeded), (.allowed, _): other
        case (_, .allowed): self
        case (.throttled(let granted, let wait), .throttled(let otherGranted, let otherWait)):
            .throttled(granted: min(granted, otherGranted), retryAfter: max(wait, otherWait))
        }
    }
}

// How a meter is stored. The limits are the configuration's and are not.
extension ClientMeter {
    /// What is counted, as bytes: the windows, and of buckets at most `bucketBytesMax` bytes.
    package func image(bucketBytesMax: Int) -> MeterImage {
        var (windows, cards) = (StateWriter(), StateWriter())
        for window in [revealsMinute, revealsHour, revealsDay, missesMinute] { window.write(to: &windows) }
        buckets.write(to: &cards, bytesMax: bucketBytesMax)
        return MeterImage(windows: windows.bytes, buckets: cards.bytes)
    }

    mutating func readWindows(_ reader: inout StateReader) throws(StateDamaged) {
        try revealsMinute.read(&reader)
        try revealsHour.read(&reader)
        try revealsDay.read(&reader)
        try missesMinute.read(&reader)
    }

    mutating func readBuckets(_ reader: inout StateReader) throws(StateDamaged) { try buckets.read(&reader) }
}

/// What a meter has counted, as it is stored.
package struct MeterImage: Equatable, Sendable {
    let windows: [UInt8]
    let buckets: [UInt8]
}
