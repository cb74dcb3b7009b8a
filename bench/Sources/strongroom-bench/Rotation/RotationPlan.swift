/// What is asked of the vault, and for how long.
struct RotationPlan: Sendable {
    /// Seconds of the windows before and after; the one between lasts as long as the rotation.
    var seconds: Double
    /// Seconds thrown away before the first window.
    var warmUp = 3.0
    /// Cards handed in a second, one a request.
    var checkoutRate: Double
    /// Share of cards the vault has not seen, 0 to 1.
    var newShare: Double
    /// Cards revealed a second, one a request.
    var billingRate: Double
    /// Batches revealed a second.
    var batchRate: Double
    /// Cards of a batch.
    var batchItems = 100
    /// Cards of a bulk stream; 0 for none.
    var bulkLines: Int
    /// Seconds from the beginning of one stream to that of the next.
    var bulkEvery: Double
    /// Seconds after which a rotation that has not ended never will.
    var patience: Double

    static let checkoutConnections = 32
    static let billingConnections = 16
    static let batchConnections = 8
}

/// The vault's own settings, which the report names and a run cannot see.
struct MoveSettings: Sendable {
    /// `keys.move_rate`: records a second, or `none`.
    var rate: String
    /// `keys.move_slice`: records in a transaction.
    var slice: String

    static let usual = Self(rate: "20000", slice: "200")

    var isUsual: Bool { rate == Self.usual.rate && slice == Self.usual.slice }
}
