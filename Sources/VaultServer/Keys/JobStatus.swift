internal import Synchronization
internal import VaultCore

/// How far a rotation is, for `jobs`, `status` and metrics.
struct JobStatus: Sendable {
    enum State: String, Sendable {
        /// Moving records or entries to the active version.
        case moving
        /// Nothing is left by the counters; every entry is being looked at.
        case proving
        /// Nothing is left; request ids remembered under the old index key have to age first.
        case waiting
        /// The destruction of the old version needs a second person.
        case awaitingApproval = "awaiting_approval"
        /// Cannot go on now, and goes on by itself.
        case paused
        /// Cannot go on: somebody has to look.
        case blocked
    }

    let purpose: KeyPurpose
    /// The retiring versions.
    var from: [UInt32]
    /// The active version.
    var to: UInt32
    var state: State
    /// Why it is paused, blocked or waiting.
    var reason = ""
    /// Moved so far, and moved and left together.
    var done: UInt64 = 0
    var total: UInt64 = 0
    /// Moved in a second, over the last seconds.
    var rate: Double = 0
    /// Unix seconds when the oldest of the versions was retired.
    var started: UInt64 = 0
    /// The pending request that it waits for; 0 for none.
    var pendingID: UInt32 = 0

    /// Seconds left at this rate; `nil` where nobody knows.
    var secondsLeft: Double? { rate > 0 && total > done ? Double(total - done) / rate : nil }

    var json: JSONText {
        .object([
            ("job", .string("rotate_\(purpose.name)")), ("purpose", .string("\(purpose.name)")),
            ("from", .array(from.map { .number(UInt64($0)) })), ("to", .number(UInt64(to))),
            ("state", .string(state.rawValue)), ("reason", .string(reason)), ("done", .number(done)),
            ("total", .number(total)), ("rate", .decimal(rate)),
            ("seconds_left", secondsLeft.map { .decimal($0) } ?? .null), ("started", .number(started)),
            ("pending", pendingID == 0 ? .null : .number(UInt64(pendingID))),
        ])
    }
}

/// What is known of jobs and limits, readable on any thread.
final class KeyBoard: Sendable {
    struct Facts: Sendable {
        var jobs: [JobStatus] = []
        var data = KeyUse()
        var index = KeyUse()
        var audit = KeyUse()
        /// Records that rotations moved since start.
        var moved: UInt64 = 0
        var rotations: UInt64 = 0
        var destroyed: UInt64 = 0
        /// Whether the last keyring that was written is surely the one on disk.
        var isKeyringCertain = true
        /// Why the data directory counts as restored or copied, until a new version has begun.
        var displaced: String?
        /// Shares entered, and needed, while sealed by shares.
        var sharesEntered = 0
        var sharesNeeded = 0
    }

    private let facts = Mutex(Facts())
    var current: Facts { facts.withLock { $0 } }
    func update(_ change: (inout Facts) -> Void) { facts.withLock { change(&$0) } }
}
