/// Walks the JSON of a record: checks its form and says where the parts are. Makes no copies.
struct AuditScanner {
    private let bytes: [UInt8]
    private var position = 0

    private static let quote = UInt8(ascii: "\"")

    init(bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }

    /// Steps over one byte where it is the next.
    mutating func take(_ byte: UInt8) -> Bool {
        guard position < bytes.count, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    /// Steps over a string; where it is, without its quotes.
    mutating func string() -> Range<Int>? {
        guard take(Self.quote) else { return nil }
        let start = position
        while position < bytes.count {
            let byte = bytes[position]
            switch byte {
            case Self.quote:
                position += 1
                return start..<(position - 1)
            case UInt8(ascii: "\\"):
                guard escape() else { return nil }
            case 0x20...0x7E: position += 1
            default: return nil
            }
        }
        return nil
    }

    /// Steps over a value: a string, a number, or an array of one of them; where it is, quotes and brackets included.
    mutating func value() -> Range<Int>? {
        let start = position
        guard position < bytes.count else { return nil }
        switch bytes[position] {
        case Self.quote: return string() == nil ? nil : start..<position
        case UInt8(ascii: "["):
            position += 1
            if take(UInt8(ascii: "]")) { return start..<position }
            let isText = position < bytes.count && bytes[position] == Self.quote
            repeat {
                guard isText ? string() != nil : number() else { return nil }
            } while take(UInt8(ascii: ","))
            return take(UInt8(ascii: "]")) ? start..<position : nil
        default: return number() ? start..<position : nil
        }
    }

    /// The items of an array whose form has been checked, without its brackets.
    mutating func items() -> [ArraySlice<UInt8>] {
        var items: [ArraySlice<UInt8>] = []
        while let range = value() {
            items.append(bytes[range])
            guard take(UInt8(ascii: ",")) else { break }
        }
        return items
    }

    /// A whole number that fits 64 bits, without a leading zero.
    private mutating func number() -> Bool {
        let start = position
        var value: UInt64 = 0
        while position < bytes.count, UInt8(ascii: "0")...UInt8(ascii: "9") ~= bytes[position] {
            let (product, isOver) = value.multipliedReportingOverflow(by: 10)
            let (sum, isOverToo) = product.addingReportingOverflow(UInt64(bytes[position] - UInt8(ascii: "0")))
            guard !isOver, !isOverToo else { return false }
            value = sum
            position += 1
        }
        let count = position - start
        return count == 1 || (count > 1 && bytes[start] != UInt8(ascii: "0"))
    }

    /// Steps over a backslash and what belongs to it.
    private mutating func escape() -> Bool {
        guard position + 1 < bytes.count else { return false }
        switch bytes[position + 1] {
        case UInt8(ascii: "u"):
            guard position + 6 <= bytes.count else { return false }
            for digit in bytes[(position + 2)..<(position + 6)] {
                switch digit {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): break
                default: return false
                }
            }
            position += 6
            return true
        case Self.quote, UInt8(ascii: "\\"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"), UInt8(ascii: "r"),
            UInt8(ascii: "t"):
            position += 2
            return true
        default: return false
        }
    }
}
