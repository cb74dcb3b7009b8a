internal import SecretMemory
internal import VaultCore
internal import VaultWire

// Cards of a request held to the client's limit on different cards of one bucket.
extension CardIntake {
    /// Takes out what is past the soft limit, each with the problem `throttled`. Says `throttled` where it is all there was,
    /// and `exceeded` where the client is frozen now: then nothing is to be stored.
    mutating func hold(to client: Policy.Client, _ loop: LoopContext) throws(ProblemCode) -> LimitVerdict {
        guard client.guard.isCountingCards, !batch.items.isEmpty else { return .allowed }
        var marks: [CardMark] = []
        marks.reserveCapacity(batch.items.count)
        for index in 0..<batch.items.count {
            let item = batch.items[index]
            guard let pan = PAN(value: item.pan, length: item.panLength) else { throw .internalError }
            marks.append(try loop.mark(of: pan))
        }
        let (verdict, refused) = client.guard.name(marks, now: WallClock.seconds)
        if case .exceeded = verdict { return verdict }
        if !refused.isEmpty { take(out: Set(refused), .throttled) }
        if case .throttled(let granted, _) = verdict, granted > 0 { return .allowed }
        return verdict
    }

    /// The same for the lines of a slice, which are refused one by one.
    mutating func holdLines(to client: Policy.Client, _ loop: LoopContext) {
        let everything = Set(0..<batch.items.count)
        do throws(ProblemCode) {
            if case .exceeded = try hold(to: client, loop) { take(out: Set(0..<batch.items.count), .frozen) }
        } catch {
            take(out: everything, error)
        }
    }
}

extension LoopContext {
    /// A card as limits know it.
    func mark(of pan: PAN) throws(ProblemCode) -> CardMark {
        guard reader != nil else { throw unavailable }
        do throws(StoreError) {
            return try reader!.mark(of: pan)
        } catch {
            throw .internalError
        }
    }
}
