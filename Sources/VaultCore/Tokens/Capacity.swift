/// How many tokens one bucket of a format holds for card numbers of one length, and the arithmetic behind it as text.
///
/// A bucket is all tokens that share the digits a format keeps or leads with. The free digits between them give 10^n
/// combinations; the first digit of a token is never 0; of every ten values of one free digit exactly one makes a number
/// pass the Luhn check, whatever the others are, so a rule leaves nine tenths or one tenth exactly.
///
/// Thread rule: a value, any thread.
package struct BucketCapacity: Sendable, Equatable {
    /// The length of card number and token, 12 to 19 digits.
    package let length: Int
    /// The digits that are neither kept nor lead; 0 when those already fill the length.
    package let freeDigits: Int
    /// The number of tokens in one bucket.
    package let tokens: UInt64
    /// The arithmetic as one line for an operator, naming the format.
    package let arithmetic: String

    /// The fewest tokens a bucket may hold: with fewer, guessing and filling up are too easy.
    package static let tokensMin: UInt64 = 10_000

    /// True when the bucket is big enough for the format to take card numbers of this length.
    package var isAllowed: Bool { tokens >= Self.tokensMin }

    init(_ name: String, keep: TokenFormat.Keep, luhn: TokenFormat.LuhnRule, lead: Lead, length: Int) {
        let shape = BucketShape(
            prefixDigits: keep.binDigits + lead.digits, suffixDigits: keep.lastDigits, length: length, luhn: luhn)
        self.length = length
        freeDigits = max(0, shape.freeDigits)
        tokens = shape.capacity

        var text = "format \(name): \(length)-digit PANs: keep \(keep.rawValue)"
        if lead.digits > 0 { text += " with lead \(lead.text)" }
        if freeDigits == 0 {
            text += " leaves no free digit: 0 tokens"
        } else {
            text += " leaves \(freeDigits) free digit\(freeDigits == 1 ? "" : "s"): "
            text += shape.prefixDigits == 0 ? "9 x 10^\(freeDigits - 1)" : "10^\(freeDigits)"
            text += " = \(shape.combinations) combinations"
            switch luhn {
            case .invalid: text += ", \(tokens) of them Luhn-invalid"
            case .valid: text += ", \(tokens) of them Luhn-valid"
            case .any: break
            }
        }
        arithmetic = text + (tokens < Self.tokensMin ? ", fewer than \(Self.tokensMin)" : "")
    }
}

extension TokenFormat {
    /// The capacity of one bucket for card numbers of `length` digits, 12 to 19.
    package func capacity(forLength length: Int) -> BucketCapacity {
        precondition(Digits.lengths.contains(length), "card numbers have 12 to 19 digits")
        return BucketCapacity(name, keep: keep, luhn: luhn, lead: lead, length: length)
    }

    /// The lengths this format refuses because their buckets are too small, shortest first, with the arithmetic.
    package var refusedLengths: [BucketCapacity] {
        Digits.lengths.map(capacity(forLength:)).filter { !$0.isAllowed }
    }
}

/// The counts that a bucket's size follows from.
struct BucketShape: Sendable, Equatable {
    /// The digits fixed at the front: a kept BIN or a lead.
    let prefixDigits: Int
    /// The digits fixed at the end.
    let suffixDigits: Int
    /// All digits of a token.
    let length: Int
    let luhn: TokenFormat.LuhnRule

    /// The digits between prefix and suffix; negative when those overlap.
    var freeDigits: Int { length - prefixDigits - suffixDigits }

    /// The values the free digits can take when the first digit of the token must not be 0.
    var combinations: UInt64 {
        guard freeDigits > 0 else { return 0 }
        return prefixDigits == 0 ? 9 * Digits.power(freeDigits - 1) : Digits.power(freeDigits)
    }

    /// The number of tokens. Exact where the last free digit is not also the first of the token (`freeDigits` 2 or more,
    /// or a prefix), which every 12-digit number without a prefix satisfies.
    var capacity: UInt64 {
        switch luhn {
        case .any: combinations
        case .invalid: combinations / 10 * 9
        case .valid: combinations / 10
        }
    }
}
