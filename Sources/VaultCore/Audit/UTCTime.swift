internal import Glibc

/// Moments as the audit log writes them: `2026-11-28T11:22:33.123Z`.
package enum UTCTime {
    package static func text(seconds: UInt64, milliseconds: UInt32) -> String {
        var moment = time_t(clamping: min(seconds, 253_402_300_799))
        var parts = unsafe tm()
        unsafe gmtime_r(&moment, &parts)
        let year = unsafe padded(parts.tm_year + 1900, 4)
        let date = unsafe "\(year)-\(padded(parts.tm_mon + 1, 2))-\(padded(parts.tm_mday, 2))"
        let time = unsafe "\(padded(parts.tm_hour, 2)):\(padded(parts.tm_min, 2)):\(padded(parts.tm_sec, 2))"
        return "\(date)T\(time).\(padded(Int32(milliseconds % 1000), 3))Z"
    }

    private static func padded(_ number: Int32, _ digits: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
    }

    /// Unix seconds of a text that `text` made; `nil` for any other.
    package static func seconds(_ text: [UInt8]) -> UInt64? {
        let shape = Array("0000-00-00T00:00:00.000Z".utf8)
        guard text.count == shape.count else { return nil }
        for (byte, expected) in zip(text, shape) {
            guard expected == 0x30 ? (0x30...0x39).contains(byte) : byte == expected else { return nil }
        }
        func number(_ range: Range<Int>) -> Int32 { text[range].reduce(0) { $0 * 10 + Int32($1 - 0x30) } }
        var parts = unsafe tm()
        unsafe parts.tm_year = number(0..<4) - 1900
        unsafe parts.tm_mon = number(5..<7) - 1
        unsafe parts.tm_mday = number(8..<10)
        unsafe parts.tm_hour = number(11..<13)
        unsafe parts.tm_min = number(14..<16)
        unsafe parts.tm_sec = number(17..<19)
        let seconds = unsafe timegm(&parts)
        return seconds < 0 ? nil : UInt64(seconds)
    }
}
