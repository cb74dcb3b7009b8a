/// All tokens that one card number may get under one format, numbered from 0 without a gap.
///
/// A uniform number below `capacity` gives a uniform token with no draw thrown away, and a walk over the numbers is a walk
/// over the bucket. The digits, for `keep: bin6+last4` and `luhn: invalid`:
///
///     4 1 1 1 1 1   u u u u u   r   1 1 1 1
///     └ prefix  ┘   └ upper ┘   │   └suffix┘
///                               └ last free digit: nine of its ten values fail the Luhn check
///
/// The Luhn check adds each digit through a bijection of 0-9 (the identity, or "double, less nine above nine"), so for any
/// upper digits exactly one value of `r` makes the sum a multiple of ten. `valid` takes that value, `invalid` skips it, and
/// `any` has no such digit: all free digits are the number.
///
/// Thread rule: a value, any thread.
package struct TokenBucket: Sendable, Equatable {
    /// The number of tokens in the bucket, at least 10,000 for a bucket of a format.
    package let capacity: UInt64

    private let shape: BucketShape
    /// The fixed digits in their places, zeros between them.
    private let base: UInt64
    /// The weight of the last free digit.
    private let unit: UInt64

    /// The bucket of a card number under a format.
    ///
    /// - Throws: `.lengthRefused` when the format's buckets are too small for card numbers of this length.
    package init(_ format: TokenFormat, pan: PAN) throws(TokenBucketError) {
        guard format.allowedLengths.contains(PANLengths(Int(pan.length))) else { throw .lengthRefused }
        let bin = format.keep.binDigits
        self.init(
            prefix: bin > 0 ? UInt64(pan.leadingDigits(bin)) : format.lead.value,
            suffix: format.keep.lastDigits > 0 ? UInt64(pan.last4) : 0,
            shape: BucketShape(
                prefixDigits: bin + format.lead.digits, suffixDigits: format.keep.lastDigits, length: Int(pan.length),
                luhn: format.luhn))
    }

    /// A bucket of any shape; `prefix` does not begin with 0 and both fixed parts have no more digits than the shape says.
    init(prefix: UInt64, suffix: UInt64, shape: BucketShape) {
        precondition(shape.freeDigits > (shape.prefixDigits == 0 ? 1 : 0), "a bucket needs free digits")
        precondition(shape.prefixDigits == 0 || Digits.count(of: prefix) == shape.prefixDigits, "prefix begins with 0")
        precondition(prefix > 0 || shape.prefixDigits == 0, "prefix is 0")
        precondition(suffix < Digits.power(shape.suffixDigits), "suffix is too long")
        self.shape = shape
        unit = Digits.power(shape.suffixDigits)
        base = prefix * Digits.power(shape.length - shape.prefixDigits) + suffix
        capacity = shape.capacity
    }

    /// The token with a number below `capacity`; different numbers give different tokens.
    package func token(at index: UInt64) -> Token {
        precondition(index < capacity, "a token number outside its bucket")
        let free: UInt64
        switch shape.luhn {
        case .any:
            free = index + firstFree
        case .valid:
            let upper = (index + firstUpper) * 10
            free = upper + passingDigit(upper)
        case .invalid:
            let upper = (index / 9 + firstUpper) * 10
            let choice = index % 9
            free = upper + (choice < passingDigit(upper) ? choice : choice + 1)
        }
        guard let token = Token(value: base + free * unit) else { preconditionFailure("a bucket made no token") }
        return token
    }

    /// The number of a token in this bucket; nil when it is not in it. The inverse of `token(at:)`.
    package func index(of token: Token) -> UInt64? {
        let free = token.value / unit % Digits.power(shape.freeDigits)
        guard token.length == shape.length, free >= firstFree, base + free * unit == token.value else { return nil }
        let (upper, last) = free.quotientAndRemainder(dividingBy: 10)
        switch shape.luhn {
        case .any:
            return free - firstFree
        case .valid:
            return last == passingDigit(upper * 10) ? upper - firstUpper : nil
        case .invalid:
            let passing = passingDigit(upper * 10)
            guard last != passing else { return nil }
            return (upper - firstUpper) * 9 + (last < passing ? last : last - 1)
        }
    }

    /// The smallest value of the free digits: 0, or without a prefix the one that does not begin with 0.
    private var firstFree: UInt64 { shape.prefixDigits == 0 ? Digits.power(shape.freeDigits - 1) : 0 }

    /// The same for the free digits without the last.
    private var firstUpper: UInt64 { firstFree / 10 }

    /// The last free digit that makes the token pass the Luhn check; `free` has 0 in its place.
    private func passingDigit(_ free: UInt64) -> UInt64 {
        let missing = (10 - Digits.luhnSum(of: base + free * unit) % 10) % 10
        // In an even place from the right a digit counts as itself. In an odd place 0...9 count as 0 2 4 6 8 1 3 5 7 9.
        guard shape.suffixDigits % 2 == 1 else { return missing }
        return missing % 2 == 0 ? missing / 2 : (missing + 9) / 2
    }
}

/// Why a card number has no bucket under a format.
package enum TokenBucketError: Error, Equatable {
    /// The format's buckets are too small for card numbers of this length; `TokenFormat.capacity(forLength:)` says why.
    case lengthRefused
}
