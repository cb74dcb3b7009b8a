/// Draws a free token from a bucket: at random while that is quick, then by walking the whole bucket, so that the last free
/// token is found and a full bucket is known to be full.
///
/// Of a bucket filled to 50 %, one search in 2^32 gets past the random draws; at 90 % one in 29; see
/// `randomDrawsMax`. Thread rule: pure; the caller runs it on the thread that owns the write transaction, so that no one
/// takes the token between the look-up and the insert.
package enum TokenGenerator {
    /// The random draws before the walk.
    package static let randomDrawsMax = 32

    /// Finds a free token.
    ///
    /// - Parameters:
    ///   - bucket: where to look.
    ///   - pan: the card number the token is for; a token never equals it.
    ///   - walkLimit: the most tokens to look at in the walk, so that one search cannot hold the writer for long. The
    ///     default walks the whole bucket.
    ///   - uniformBelow: a secure random number from 0 to below its argument (1 or more), each equally likely.
    ///   - isTaken: whether a token must not be used: live, or equal to a stored card number.
    /// - Throws: what `isTaken` or `uniformBelow` throws; nothing of its own.
    @inline(__always)
    package static func draw<Failure: Error>(
        from bucket: TokenBucket, for pan: PAN, walkLimit: UInt64 = .max,
        uniformBelow: (UInt64) throws(Failure) -> UInt64, isTaken: (Token) throws(Failure) -> Bool
    ) throws(Failure) -> TokenDraw {
        let capacity = bucket.capacity
        let forbidden = Token(digitsOf: pan)
        for draw in 1...randomDrawsMax {
            let token = bucket.token(at: try uniformBelow(capacity))
            if token != forbidden, try !isTaken(token) { return .token(token, tries: UInt64(draw)) }
        }

        // A step without a common factor with the capacity passes through every number once before it returns.
        var walk = BucketWalk(
            capacity: capacity, start: try uniformBelow(capacity), stepSeed: try uniformBelow(capacity))
        let limit = min(capacity, walkLimit)
        for walked in 0..<limit {
            let token = bucket.token(at: walk.next())
            if token != forbidden, try !isTaken(token) {
                return .token(token, tries: UInt64(randomDrawsMax) + walked + 1)
            }
        }
        let tries = UInt64(randomDrawsMax) + limit
        return limit == capacity ? .bucketFull(tries: tries) : .walkLimitReached(tries: tries)
    }
}

/// How a search for a free token ended. `tries` counts the tokens looked at: a measure of how full the bucket is.
package enum TokenDraw: Sendable, Equatable {
    /// A free token.
    case token(Token, tries: UInt64)
    /// Every token of the bucket was looked at and none is free.
    case bucketFull(tries: UInt64)
    /// The walk was cut short by its limit without finding a free token: answered as a full bucket.
    case walkLimitReached(tries: UInt64)
}

/// A walk over 0..<capacity that visits every number once, in steps of a fixed size.
struct BucketWalk {
    private let capacity: UInt64
    private let step: UInt64
    private var position: UInt64

    /// Starts at `start`; the step is the first number from `stepSeed` on, wrapping at `capacity`, that is coprime to it.
    init(capacity: UInt64, start: UInt64, stepSeed: UInt64) {
        precondition(start < capacity, "a walk starts inside its bucket")
        self.capacity = capacity
        position = start
        var step = max(1, stepSeed % capacity)
        while Self.greatestCommonDivisor(step, capacity) != 1 {
            step = step + 1 < capacity ? step + 1 : 1
        }
        self.step = step
    }

    /// The current number; moves on.
    mutating func next() -> UInt64 {
        let current = position
        // Written so that no sum exceeds the capacity: 9 x 10^18 twice is close to the end of 64 bits.
        let room = capacity - position
        position = step < room ? position + step : step - room
        return current
    }

    private static func greatestCommonDivisor(_ left: UInt64, _ right: UInt64) -> UInt64 {
        var (left, right) = (left, right)
        while right != 0 { (left, right) = (right, left % right) }
        return left
    }
}
