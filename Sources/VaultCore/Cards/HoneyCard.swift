/// Card numbers for honey tokens: they look like cards that are in use and were made at random, so that they belong to
/// nobody's account but by chance.
///
/// Thread rule: pure functions, any thread.
enum HoneyCard {
    /// A range of leading digits of cards that are about, and the digits a number of it has.
    private struct Kind {
        let prefixes: ClosedRange<UInt64>
        let prefixDigits: Int
        let length: Int

        init(_ prefixes: ClosedRange<UInt64>, _ length: Int) {
            self.prefixes = prefixes
            prefixDigits = Digits.count(of: prefixes.lowerBound)
            self.length = length
        }
    }

    /// What most vaults hold most of. Visa stands twice: it is that common.
    private static let common = [
        Kind(40...49, 16), Kind(40...49, 16), Kind(51...55, 16), Kind(2221...2720, 16), Kind(34...34, 15),
        Kind(37...37, 15), Kind(6011...6011, 16), Kind(3528...3589, 16),
    ]

    /// For formats that take none of those lengths.
    private static let rare =
        [Kind(40...49, 13), Kind(36...36, 14), Kind(40...49, 19), Kind(62...62, 19)]
        + Digits.lengths.map { Kind(5018...5018, $0) }

    /// A random number that passes Luhn, of a length that is allowed; `nil` where none is.
    ///
    /// - Parameter uniformBelow: a secure random number from 0 to below its argument, each equally likely.
    static func draw<Failure: Error>(
        lengths: PANLengths, uniformBelow: (UInt64) throws(Failure) -> UInt64
    ) throws(Failure) -> PAN? {
        let allowed = { (kind: Kind) in lengths.contains(PANLengths(kind.length)) }
        let usual = common.filter(allowed)
        let kinds = usual.isEmpty ? rare.filter(allowed) : usual
        guard !kinds.isEmpty else { return nil }
        let kind = kinds[Int(try uniformBelow(UInt64(kinds.count)))]
        let prefix = kind.prefixes.lowerBound + (try uniformBelow(UInt64(kind.prefixes.count)))
        // Between the prefix and the check digit.
        let free = Digits.power(kind.length - kind.prefixDigits - 1)
        let body = (prefix * free + (try uniformBelow(free))) * 10
        // The check digit is the one of ten that makes the number pass.
        guard let value = (body...body + 9).first(where: { Digits.passesLuhn($0) }) else { return nil }
        return PAN(value: value, length: UInt8(kind.length))
    }
}
