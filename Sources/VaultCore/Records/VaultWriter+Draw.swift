internal import LMDB
internal import OpenSSLCrypto

extension VaultWriter {
    /// Most tokens looked at in one walk, about a second of the writer's time: it covers every 16-digit bucket that keeps
    /// a BIN whole (at most 900,000 tokens), and gives up on far larger ones that are as good as full.
    static let walkMax: UInt64 = 1_000_000

    /// Draws a token that is neither taken nor a stored card; `nil` where the bucket is full.
    mutating func drawToken(
        for pan: PAN, format: TokenFormat, _ transaction: inout WriteTransaction
    ) throws(StoreError) -> UInt64? {
        let bucket: TokenBucket
        do throws(TokenBucketError) {
            bucket = try TokenBucket(format, pan: pan)
        } catch {
            throw .damaged("a request of the writer")
        }
        let draw = try TokenGenerator.draw(
            from: bucket, for: pan, walkLimit: Self.walkMax,
            uniformBelow: { (bound: UInt64) throws(StoreError) -> UInt64 in random.uniform(below: bound) },
            isTaken: { (token: Token) throws(StoreError) -> Bool in
                try isTaken(token, length: pan.length, &transaction)
            })
        switch draw {
        case .token(let token, let tries):
            draws += tries
            return token.value
        case .bucketFull(let tries), .walkLimitReached(let tries):
            draws += tries
            fullBuckets += 1
            return nil
        }
    }

    /// Whether a token is live, or its digits are those of a card on file.
    private mutating func isTaken(
        _ token: Token, length: UInt8, _ transaction: inout WriteTransaction
    ) throws(StoreError) -> Bool {
        if try exists(token.value, &transaction) { return true }
        guard let asCard = PAN(value: token.value, length: length) else { return false }
        for index in indexes {
            let presence = try crypto { () throws(CryptoError) in try index.value.presence(of: asCard) }
            if try lmdb({ () throws(LMDBError) in
                try BlindIndex.holds(presence: presence.span, in: &transaction, store.tables)
            }) {
                return true
            }
        }
        return false
    }
}
