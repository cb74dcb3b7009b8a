internal import LMDB
internal import OpenSSLCrypto

// Honey tokens: records of cards that nobody has, told from others by a flag alone. What asks to reveal one has tokens that
// no client was ever given.
extension VaultWriter {
    /// Cards drawn before a format counts as full.
    private static let honeyDrawsMax = 32

    /// Makes a honey token of the item's format.
    ///
    /// Its random subject keeps it out of every search: no client's card of the same number ever gets this token. All other
    /// rules of a record hold, so that moves, verify and forgetting need not know of it.
    mutating func makeHoney(
        _ item: inout WriteItem, now: UInt32, _ transaction: inout WriteTransaction, _ changes: inout Changes
    ) throws(StoreError) {
        guard let format = formats[item.format] else { throw .damaged("a request of the writer") }
        var subject = [UInt8]("honey:")
        for word in [random.next(), random.next()] {
            for shift in stride(from: UInt64(60), through: 0, by: -4) {
                let digit = UInt8(truncatingIfNeeded: word >> shift & 15)
                subject.append(digit < 10 ? 0x30 + digit : 0x57 + digit)
            }
        }
        item.setsExpiry = true
        item.expiry = plausibleExpiry(now)
        item.outcome = .bucketFull
        for _ in 0..<Self.honeyDrawsMax {
            let drawn = try HoneyCard.draw(lengths: format.allowedLengths) {
                (bound: UInt64) throws(StoreError) -> UInt64 in random.uniform(below: bound)
            }
            guard let pan = drawn else {
                item.outcome = .invalidPAN
                return
            }
            // Full is a bucket, not the format: another card may have room. Equal to a token or on file: another card too.
            if try isOnFile(pan, &transaction) { continue }
            try insert(&item, pan: pan, format: format, subject: subject, now: now, &transaction, &changes)
            if item.outcome == .done { return }
        }
    }

    /// A month from a quarter to four years ahead.
    private mutating func plausibleExpiry(_ now: UInt32) -> UInt16 {
        let months = CardExpiry.monthsSince2000(atUnixSeconds: Int64(now))
        return UInt16(clamping: min(1_200, months + 4 + Int64(random.uniform(below: 45))))
    }

    private mutating func isOnFile(_ pan: PAN, _ transaction: inout WriteTransaction) throws(StoreError) -> Bool {
        for index in indexes {
            let presence = try crypto { () throws(CryptoError) in try index.value.presence(of: pan) }
            let isThere = try lmdb { () throws(LMDBError) in
                try BlindIndex.holds(presence: presence.span, in: &transaction, store.tables)
            }
            if isThere { return true }
        }
        return false
    }
}
