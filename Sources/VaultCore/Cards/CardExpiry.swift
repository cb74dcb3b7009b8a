/// The month a card expires in, January 2000 to December 2099.
///
/// Two bytes in a record: months counted so that January 2000 is 1, December 2099 is 1,200 and 0 means that no expiry is
/// stored. On the wire it is `YYYY-MM`. Thread rule: a value, any thread.
package struct CardExpiry: Sendable, Equatable, Comparable {
    /// Months with January 2000 as 1: the form kept in a record, 1 to 1,200.
    package let packed: UInt16

    /// The number of bytes of the wire form.
    package static let byteCount = 7

    /// Reads exactly `YYYY-MM`, year 2000 to 2099, month 01 to 12; anything else is refused.
    package init(ascii: Span<UInt8>) throws(CardExpiryError) {
        guard ascii.count == Self.byteCount, ascii[4] == UInt8(ascii: "-") else { throw .invalid }
        var digits: (year: Int, month: Int) = (0, 0)
        for index in 0..<Self.byteCount where index != 4 {
            let byte = ascii[index]
            guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte else { throw .invalid }
            let digit = Int(byte &- UInt8(ascii: "0"))
            if index < 4 { digits.year = digits.year * 10 + digit } else { digits.month = digits.month * 10 + digit }
        }
        guard let expiry = CardExpiry(year: digits.year, month: digits.month) else { throw .invalid }
        self = expiry
    }

    /// A month of a year; nil outside 2000-01 to 2099-12.
    package init?(year: Int, month: Int) {
        guard 2000...2099 ~= year, 1...12 ~= month else { return nil }
        packed = UInt16((year - 2000) * 12 + month)
    }

    /// Restores the form kept in a record; nil for 0 (no expiry stored) and for values above 1,200 (not an expiry).
    package init?(packed: UInt16) {
        guard 1...1_200 ~= packed else { return nil }
        self.packed = packed
    }

    /// The year, 2000 to 2099.
    package var year: Int { 2000 + (Int(packed) - 1) / 12 }

    /// The month, 1 to 12.
    package var month: Int { (Int(packed) - 1) % 12 + 1 }

    /// True once the whole month has gone by in UTC.
    ///
    /// - Parameter unixSeconds: the time to judge at, in seconds since 1970, from the caller's clock.
    package func isPast(atUnixSeconds unixSeconds: Int64) -> Bool {
        Self.monthsSince2000(atUnixSeconds: unixSeconds) >= Int64(packed)
    }

    /// Appends the seven bytes of the wire form; traps when fewer are free.
    package func append(to output: inout OutputRawSpan) {
        Digits.appendSmall(UInt32(year), count: 4, to: &output)
        output.append(UInt8(ascii: "-"))
        Digits.appendSmall(UInt32(month), count: 2, to: &output)
    }

    package static func < (left: CardExpiry, right: CardExpiry) -> Bool { left.packed < right.packed }

    /// The months completed since January 2000 in the proleptic Gregorian calendar, UTC.
    static func monthsSince2000(atUnixSeconds unixSeconds: Int64) -> Int64 {
        // Days counted from 1 March of year 0, so that the leap day is the last of its year; an era is 400 years.
        let secondsPerDay: Int64 = 86_400
        let days = (unixSeconds >= 0 ? unixSeconds : unixSeconds - (secondsPerDay - 1)) / secondsPerDay + 719_468
        let era = (days >= 0 ? days : days - 146_096) / 146_097
        let dayOfEra = days - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        return (era * 400 + yearOfEra - 2000) * 12 + monthFromMarch + 2
    }
}

/// Why bytes are not an expiry. Carries nothing of the input.
package enum CardExpiryError: Error, Equatable {
    /// Not `YYYY-MM`, or outside 2000-01 to 2099-12.
    case invalid
}
