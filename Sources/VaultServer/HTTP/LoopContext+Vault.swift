internal import LMDB
internal import Logging
internal import SecretMemory
internal import VaultCore
internal import VaultWire

// Reads of the vault as requests make them: the loop's own reader, the time of now, and problem codes for faults.
extension LoopContext {
    /// Reveals the tokens in `tokens` into `reveals`; true where one of them is a honey token, and then no card is.
    func revealSlice(_ access: Access) throws(ProblemCode) -> Bool {
        guard reader != nil else { throw unavailable }
        let honeyMet: Int
        do throws(StoreError) {
            honeyMet = try Self.reveal(&reader!, tokens, access, &reveals)
        } catch {
            throw problem(error)
        }
        if honeyMet > 0 { conceal() }
        return honeyMet > 0
    }

    /// Takes the cards back out of `reveals`: those that would have been revealed are frozen, the rest is as it is.
    func conceal() {
        for index in 0..<tokens.count where reveals[index].status == .revealed { reveals[index] = Reveal(.frozen) }
    }

    /// Which of `tokens` are honey tokens.
    var honeyTokens: [UInt64] {
        (0..<tokens.count).filter { reveals[$0].status == .honey }.map { tokens[$0] }
    }

    private static func reveal(
        _ reader: inout VaultReader, _ tokens: [UInt64], _ access: Access, _ reveals: inout WipedArray<Reveal>
    ) throws(StoreError) -> Int {
        var results = reveals.mutableSpan
        return try reader.reveal(tokens.span, access: access, now: WallClock.seconds, into: &results)
    }

    func reveal(_ token: Token, _ access: Access) throws(ProblemCode) -> Reveal {
        tokens.removeAll(keepingCapacity: true)
        tokens.append(token.value)
        _ = try revealSlice(access)
        let reveal = reveals[0]
        wipeReveals()
        return reveal
    }

    /// Tokens among the first `count` of the last slice that were not there. A line that is no token is none.
    func missed(of count: Int) -> Int {
        var missed = 0
        for index in 0..<count where reveals[index].status == .missing && tokens[index] != 0 && tokens[index] != .max {
            missed += 1
        }
        return missed
    }

    /// Clears the cards of the last slice.
    func wipeReveals() {
        for index in 0..<tokens.count { reveals[index] = Reveal(.missing) }
    }

    func inspect(_ token: UInt64, _ access: Access) throws(ProblemCode) -> Inspection? {
        guard reader != nil else { throw unavailable }
        do throws(StoreError) {
            return try reader!.inspect(token, access: access, now: WallClock.seconds)
        } catch {
            throw problem(error)
        }
    }

    func find(_ pan: PAN, format: UInt16, subject: Span<UInt8>) throws(ProblemCode) -> UInt64? {
        guard reader != nil else { throw unavailable }
        do throws(StoreError) {
            return try reader!.find(pan, format: format, subject: subject, now: WallClock.seconds)
        } catch {
            throw problem(error)
        }
    }

    /// A card's fingerprint, and the version of the index key it is made under.
    func fingerprint(of pan: PAN) throws(ProblemCode) -> ([32 of UInt8], UInt32) {
        guard reader != nil else { throw unavailable }
        do throws(StoreError) {
            let hash = try reader!.fingerprint(of: pan)
            return (hash, reader?.fingerprintVersion ?? 0)
        } catch {
            throw problem(error)
        }
    }

    private func problem(_ error: StoreError) -> ProblemCode {
        if case .damaged = error { return .damagedRecord }
        // The store is about to be reopened, or every reader slot is taken: later is better than never.
        if case .lmdb(let cause) = error, cause.kind == .panic || cause.kind == .readersFull { return .busy }
        logger.error("read_failed", metadata: ["reason": "\(error.message)"])
        return .internalError
    }
}
