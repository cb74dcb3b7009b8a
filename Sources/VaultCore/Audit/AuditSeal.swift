/// The frame of a record's line: where it stands in the log, and how it hangs together with the one before.
///
/// ```
/// {"seq":42,"time":"…","boot":"…", members ,"chain":1,"prev":"<64 hex>","mac":"<64 hex>"}
/// ```
/// The MAC covers every byte before `,"mac":"`.
package struct AuditSeal: Equatable, Sendable {
    package let sequence: UInt64
    /// Audit key version.
    package let chain: UInt32
    package let previous: [UInt8]
    package let link: [UInt8]

    /// Bytes of `,"mac":"…"}`.
    static let tailBytes = 8 + 64 + 2
    /// Bytes of `,"prev":"…"`.
    static let previousBytes = 9 + 64 + 1

    /// Reads the frame of a line; `nil` for what this code does not write.
    package init?(_ line: borrowing Span<UInt8>) {
        let count = line.count
        guard count > Self.tailBytes + Self.previousBytes + 24, line.has("{\"seq\":", at: 0) else { return nil }
        var position = 7
        guard let sequence = line.decimal(at: &position), sequence > 0, line[position] == 0x2C else { return nil }
        let tail = count - Self.tailBytes
        guard line.has(",\"mac\":\"", at: tail), line.has("\"}", at: count - 2),
            let link = line.hexadecimal(at: tail + 8)
        else { return nil }
        let before = tail - Self.previousBytes
        guard line.has(",\"prev\":\"", at: before), line[tail - 1] == 0x22,
            let previous = line.hexadecimal(at: before + 9)
        else { return nil }
        // `,"chain":` and up to ten digits in front of it.
        var start = before
        while start > 0, (0x30...0x39).contains(line[start - 1]), before - start < 10 { start -= 1 }
        guard start >= 9, line.has(",\"chain\":", at: start - 9), start < before else { return nil }
        guard let number = line.decimal(at: &start), start == before, let chain = UInt32(exactly: number) else {
            return nil
        }
        self.sequence = sequence
        self.chain = chain
        self.previous = previous
        self.link = link
    }

    /// Bytes of a line that its MAC covers.
    package static func covered(of line: borrowing Span<UInt8>) -> Int { max(0, line.count - tailBytes) }

    /// Appends chain and previous link to an unfinished line.
    static func appendPrevious(chain: UInt32, previous: [UInt8], to line: inout [UInt8]) {
        line.append(ascii: ",\"chain\":")
        line.append(decimal: UInt64(chain))
        line.append(ascii: ",\"prev\":\"")
        line.append(hexadecimal: previous.span)
        line.append(0x22)
    }

    /// Ends a line, without a newline.
    static func appendLink(_ link: [UInt8], to line: inout [UInt8]) {
        line.append(ascii: ",\"mac\":\"")
        line.append(hexadecimal: link.span)
        line.append(ascii: "\"}")
    }
}

extension Span<UInt8> {
    /// Whether a text stands at a place.
    func has(_ text: StaticString, at offset: Int) -> Bool {
        let size = text.utf8CodeUnitCount
        guard offset >= 0, offset + size <= count else { return false }
        for index in 0..<size {
            // A static string's bytes live as long as the program.
            if unsafe self[offset + index] != text.utf8Start[index] { return false }
        }
        return true
    }

    /// Reads a number without leading zeros, and moves behind it.
    func decimal(at position: inout Int) -> UInt64? {
        let start = position
        var value: UInt64 = 0
        while position < count, (0x30...0x39).contains(self[position]) {
            let (product, over) = value.multipliedReportingOverflow(by: 10)
            let (sum, beyond) = product.addingReportingOverflow(UInt64(self[position] - 0x30))
            guard !over, !beyond else { return nil }
            value = sum
            position += 1
        }
        guard position > start, position - start == 1 || self[start] != 0x30 else { return nil }
        return value
    }

    /// Reads 32 bytes in lower-case hexadecimal.
    func hexadecimal(at offset: Int) -> [UInt8]? {
        guard offset + 64 <= count else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(32)
        for index in 0..<32 {
            guard let high = Self.nibble(self[offset + 2 * index]), let low = Self.nibble(self[offset + 2 * index + 1])
            else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    private static func nibble(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x61...0x66: byte - 0x57
        default: nil
        }
    }
}
