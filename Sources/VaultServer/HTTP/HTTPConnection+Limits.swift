internal import NIOCore
internal import SecretMemory
internal import VaultCore
internal import VaultWire

// What a client may do beyond its rights: where, when and how much it may ask, and whether it is frozen.
extension HTTPConnection {
    /// Why a client may not call at all, here and now; nil where it may.
    func refusal(of client: Policy.Client) -> ProblemCode? {
        retryAfter = 1
        if client.guard.isFrozen { return .frozen }
        return client.mayCall(from: callerAddress, now: WallClock.seconds) ? nil : .denied
    }

    private var callerAddress: CallerAddress {
        if let knownCaller { return knownCaller }
        let found = context.map { CallerAddress($0.channel) } ?? .unknown
        knownCaller = found
        return found
    }

    /// Turns what a limit says into the answer.
    func admit(_ verdict: LimitVerdict) throws(ProblemCode) {
        switch verdict {
        case .allowed: return
        case .throttled(_, let wait):
            retryAfter = wait
            throw .throttled
        case .exceeded: throw .frozen
        }
    }

    /// Leave to reveal so many tokens, to be asked again before cards are sent.
    func permitReveals(_ client: Policy.Client, _ count: Int) throws(ProblemCode) -> RevealPermit {
        guard let permit = RevealPermit(client, loop.guards) else { throw .frozen }
        try admit(client.guard.reveal(count, now: WallClock.seconds))
        return permit
    }

    /// Counts tokens that were not there, and holds the answer back where that was one guess too many. One that met a trap
    /// has no card in it, and must not tell of the trap.
    func noteMissed(_ client: Policy.Client, _ count: Int, isTrapped: Bool = false) throws(ProblemCode) {
        guard count > 0 else { return }
        client.guard.missed(count, now: WallClock.seconds)
        if client.guard.isFrozen, !isTrapped { throw .frozen }
    }

    /// Holds a card that is asked about to the client's limit.
    func admitCard(_ pan: PAN, _ client: Policy.Client) throws(ProblemCode) {
        guard client.guard.isCountingCards else { return }
        try admit(client.guard.name([try loop.mark(of: pan)], now: WallClock.seconds).verdict)
    }
}

extension CallerAddress {
    /// The other end of a connection.
    init(_ channel: any Channel) {
        if channel.localAddress?.protocol == .unix {
            self = .unix
        } else {
            let text = channel.remoteAddress?.ipAddress
            self = text.flatMap { IPAddress($0) }.map { .network($0) } ?? .unknown
        }
    }
}

extension Policy.Client {
    /// The most cards or tokens of a JSON request, where everybody may send `general`.
    func batchMax(_ general: Int) -> Int { min(general, batchMax ?? general) }
}

extension WriteBatch {
    /// Forgets of tokens that were not there.
    var missed: Int {
        var count = 0
        for index in 0..<items.count where items[index].kind == .forget && items[index].outcome == .missing {
            count += 1
        }
        return count
    }
}
