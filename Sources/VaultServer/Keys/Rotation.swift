internal import VaultCore

/// A rotation under way, as the writer thread sees it. What must survive a crash is elsewhere: which versions retire is in
/// the keyring, how far the move is in the database.
struct Rotation {
    let purpose: KeyPurpose
    var state = JobStatus.State.moving
    var reason = ""
    /// Nanoseconds of the monotonic clock before which no slice is due.
    var nextSlice: UInt64 = 0
    /// When a paused, waiting or blocked rotation is looked at again.
    var wakes: UInt64 = 0
    /// Walks that ended with something left and nothing passed over.
    var vainWalks = 0
    var pendingID: UInt32 = 0
    /// Who asked for the destruction of a version; the rotation's own people where nobody did.
    var authorities: [UInt32: KeyAuthority] = [:]
    var done: UInt64 = 0
    var total: UInt64 = 0
    var meter = RateMeter()

    init(_ purpose: KeyPurpose) { self.purpose = purpose }
}

/// Records a second over the last seconds.
struct RateMeter {
    private var windowStart: UInt64 = 0
    private var count: UInt64 = 0
    private(set) var rate: Double = 0

    mutating func add(_ amount: Int, at now: UInt64) {
        if windowStart == 0 { windowStart = now }
        count += UInt64(amount)
        let seconds = Double(now - windowStart) / 1e9
        guard seconds >= 0.5 else { return }
        let latest = Double(count) / seconds
        rate = rate == 0 ? latest : 0.6 * rate + 0.4 * latest
        windowStart = now
        count = 0
    }
}

/// A slice that is due.
struct SliceOrder {
    let purpose: KeyPurpose
    let limit: Int
}
