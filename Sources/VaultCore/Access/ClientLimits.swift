/// A bound on something a client does: past `soft` it has to wait, past `hard` it is frozen.
package struct ClientLimit: Equatable, Sendable {
    package var soft: UInt64?
    package var hard: UInt64?

    package init(soft: UInt64? = nil, hard: UInt64? = nil) {
        self.soft = soft
        self.hard = hard
    }

    package var isSet: Bool { soft != nil || hard != nil }
}

/// The bounds on one client, by what they count.
package enum LimitKind: String, Sendable, CaseIterable {
    /// Tokens it asks to reveal.
    case revealsMinute = "reveals_minute"
    case revealsHour = "reveals_hour"
    case revealsDay = "reveals_day"
    /// Tokens it names that do not exist for it: guessing.
    case missesMinute = "misses_minute"
    /// Different cards of one issuer range that end alike: trying out the digits between.
    case bucketPANsHour = "bucket_pans_hour"
}

/// All bounds on one client.
package struct ClientLimits: Equatable, Sendable {
    package var revealsMinute = ClientLimit()
    package var revealsHour = ClientLimit()
    package var revealsDay = ClientLimit()
    package var missesMinute = ClientLimit()
    package var bucketPANsHour = ClientLimit()

    package init() {}

    package subscript(_ kind: LimitKind) -> ClientLimit {
        switch kind {
        case .revealsMinute: revealsMinute
        case .revealsHour: revealsHour
        case .revealsDay: revealsDay
        case .missesMinute: missesMinute
        case .bucketPANsHour: bucketPANsHour
        }
    }

    package var countsReveals: Bool { revealsMinute.isSet || revealsHour.isSet || revealsDay.isSet }
    package var isAnySet: Bool { LimitKind.allCases.contains { self[$0].isSet } }
}

/// What a client's limits say to something it asks for.
package enum LimitVerdict: Equatable, Sendable {
    case allowed
    /// Past a soft limit: the first `granted` of what was asked are within it, and all of it will be after `retryAfter`
    /// seconds, if the client asks for nothing else until then.
    case throttled(granted: Int, retryAfter: UInt32)
    /// Past a hard limit: the client is to be frozen.
    case exceeded(LimitKind)
}
