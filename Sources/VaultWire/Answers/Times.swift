/// The month a card expires in, written `YYYY-MM`.
package struct ExpiryMonth: Equatable, BitwiseCopyable, Sendable {
    /// Bytes as written.
    package static let bytes = 7

    /// The year, 0 to 9999.
    package let year: UInt16
    /// The month, 1 to 12.
    package let month: UInt8

    /// Takes a month as it is; it was checked where it was read.
    package init(year: UInt16, month: UInt8) {
        self.year = year
        self.month = month
    }
}

/// A moment in time as answers carry it, written as RFC 3339 in UTC with whole seconds: `2026-11-23T12:34:56Z`.
package struct Timestamp: Equatable, BitwiseCopyable, Sendable {
    /// Bytes as written.
    package static let bytes = 20
    /// The last second that has a four-digit year; later moments are written as this one.
    package static let latestSeconds: UInt64 = 253_402_300_799

    /// Seconds since 1970-01-01T00:00:00Z, without leap seconds.
    package let seconds: UInt64

    /// Takes Unix seconds.
    package init(seconds: UInt64) {
        self.seconds = seconds
    }

    /// The date and time of day in UTC, by counting days from 1 March of year 0 in the proleptic Gregorian calendar.
    package var civil: (year: UInt64, month: UInt64, day: UInt64, hour: UInt64, minute: UInt64, second: UInt64) {
        let clamped = min(seconds, Self.latestSeconds)
        let (days, time) = clamped.quotientAndRemainder(dividingBy: 86_400)
        let shifted = days + 719_468
        let (era, dayOfEra) = shifted.quotientAndRemainder(dividingBy: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, day, time / 3_600, time / 60 % 60, time % 60)
    }
}

extension OutputRawSpan {
    /// Appends `YYYY-MM`.
    @_lifetime(self: copy self)
    package mutating func append(_ expiry: ExpiryMonth) {
        appendDecimal(UInt64(expiry.year), length: 4)
        append(UInt8(ascii: "-"))
        appendDecimal(UInt64(expiry.month), length: 2)
    }

    /// Appends `YYYY-MM-DDThh:mm:ssZ`.
    @_lifetime(self: copy self)
    package mutating func append(_ moment: Timestamp) {
        let civil = moment.civil
        appendDecimal(civil.year, length: 4)
        append(UInt8(ascii: "-"))
        appendDecimal(civil.month, length: 2)
        append(UInt8(ascii: "-"))
        appendDecimal(civil.day, length: 2)
        append(UInt8(ascii: "T"))
        appendDecimal(civil.hour, length: 2)
        append(UInt8(ascii: ":"))
        appendDecimal(civil.minute, length: 2)
        append(UInt8(ascii: ":"))
        appendDecimal(civil.second, length: 2)
        append(UInt8(ascii: "Z"))
    }
}
