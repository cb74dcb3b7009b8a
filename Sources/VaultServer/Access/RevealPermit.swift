internal import VaultCore
internal import VaultWire

/// Leave to reveal, as it was when the records were read. Whoever has cards ready to be sent asks whether it still
/// `holds`, in the turn of the loop in which they are handed to the network: an operator's freeze waits for that turn, and
/// is answered only then.
struct RevealPermit {
    private let client: ClientGuard
    private let guards: GuardBook
    private let formats: UInt64
    /// Formats that were frozen, for `Access`.
    let frozenFormats: UInt64

    /// Nil where the client, or everything, is frozen.
    init?(_ client: Policy.Client, _ guards: GuardBook) {
        self.client = client.guard
        self.guards = guards
        formats = client.formats
        frozenFormats = guards.frozenFormats
        guard !guards.isAllFrozen, !client.guard.isFrozen else { return nil }
    }

    /// Whether nothing was frozen since that concerns it.
    var holds: Bool {
        !guards.isAllFrozen && !client.isFrozen && guards.frozenFormats & formats & ~frozenFormats == 0
    }
}

/// What limits, hours and freezes leave of a slice of a bulk request.
struct SlicePermit {
    /// Lines, from the first, that may be revealed.
    private(set) var granted: Int
    /// Why the others may not.
    private(set) var refusal = ProblemCode.frozen
    /// Nil where none may.
    let reveal: RevealPermit?

    /// Asks for `count` lines.
    init(_ client: Policy.Client, _ guards: GuardBook, count: Int) {
        let now = WallClock.seconds
        granted = 0
        reveal = RevealPermit(client, guards)
        guard reveal != nil else { return }
        guard client.mayCall(now: now) else {
            refusal = .denied
            return
        }
        switch client.guard.reveal(count, now: now) {
        case .allowed: granted = count
        case .exceeded: break
        case .throttled(let within, _):
            granted = within
            refusal = .throttled
        }
    }

    /// Why line `index` is not answered; nil where it may be.
    func problem(_ index: Int) -> ProblemCode? { index < granted ? nil : refusal }

    /// Counts tokens that were not there; the whole slice is refused where something was frozen since, or by that. One that
    /// met a trap has no card in it, and must not tell of the trap.
    mutating func settle(missed: Int, _ client: Policy.Client, isTrapped: Bool) {
        client.guard.missed(missed, now: WallClock.seconds)
        if !isTrapped, reveal?.holds != true {
            granted = 0
            refusal = .frozen
        }
    }
}
