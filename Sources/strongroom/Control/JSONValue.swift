import VaultServer

/// A JSON document from the control socket as a tree. Not for anything that carries cards.
enum JSONValue: Equatable {
    case null
    case bool(Bool)
    case number(Double)
    /// A whole number that a `Double` might round.
    case integer(UInt64)
    case string(String)
    case array([JSONValue])
    case object([Member])

    struct Member: Equatable {
        let name: String
        let value: JSONValue
    }

    /// Reads one document; nil where it is none.
    init?(_ bytes: [UInt8]) {
        var reader = Reader(bytes: bytes)
        guard let value = reader.value(depth: 0), reader.isAtEnd else { return nil }
        self = value
    }

    /// A member of an object.
    subscript(_ name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    var text: String? {
        if case .string(let text) = self { return text }
        return nil
    }

    var integer: UInt64? {
        if case .integer(let value) = self { return value }
        return nil
    }

    /// Any number.
    var decimal: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }

    var flag: Bool? {
        if case .bool(let flag) = self { return flag }
        return nil
    }

    var items: [JSONValue] {
        if case .array(let items) = self { return items }
        return []
    }

    var members: [Member] {
        if case .object(let members) = self { return members }
        return []
    }
}

extension JSONValue {
    /// As one line again.
    var json: String { writable.text }

    private var writable: JSONText {
        switch self {
        case .null: .null
        case .bool(let flag): .bool(flag)
        case .number(let number): .decimal(number)
        case .integer(let number): .number(number)
        case .string(let text): .string(text)
        case .array(let items): .array(items.map(\.writable))
        case .object(let members): .object(members.map { ($0.name, $0.value.writable) })
        }
    }
}

/// Reads JSON from bytes, to a depth that leaves the stack alone.
private struct Reader {
    let bytes: [UInt8]
    private var position = 0
    private static let depthMax = 32

    init(bytes: [UInt8]) { self.bytes = bytes }

    private var current: UInt8 { position < bytes.count ? bytes[position] : 0 }

    var isAtEnd: Bool {
        mutating get {
            skipSpace()
            return position == bytes.count
        }
    }

    mutating func value(depth: Int) -> JSONValue? {
        guard depth < Self.depthMax else { return nil }
        skipSpace()
        switch current {
        case 0x7B: return object(depth)
        case 0x5B: return array(depth)
        case 0x22: return string().map { .string($0) }
        case 0x74: return literal("true", .bool(true))
        case 0x66: return literal("false", .bool(false))
        case 0x6E: return literal("null", .null)
        default: return number()
        }
    }

    private mutating func object(_ depth: Int) -> JSONValue? {
        var members: [JSONValue.Member] = []
        position += 1
        if take(0x7D) { return .object([]) }
        repeat {
            skipSpace()
            guard let name = string(), take(0x3A), let value = value(depth: depth + 1) else { return nil }
            members.append(.init(name: name, value: value))
        } while take(0x2C)
        return take(0x7D) ? .object(members) : nil
    }

    private mutating func array(_ depth: Int) -> JSONValue? {
        var items: [JSONValue] = []
        position += 1
        if take(0x5D) { return .array([]) }
        repeat {
            guard let value = value(depth: depth + 1) else { return nil }
            items.append(value)
        } while take(0x2C)
        return take(0x5D) ? .array(items) : nil
    }

    private mutating func string() -> String? {
        guard current == 0x22 else { return nil }
        position += 1
        var text: [UInt8] = []
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            switch byte {
            case 0x22: return String(decoding: text, as: UTF8.self)
            case 0x5C:
                guard let scalar = escape() else { return nil }
                text += Array(String(scalar).utf8)
            case 0..<0x20: return nil
            default: text.append(byte)
            }
        }
        return nil
    }

    private mutating func escape() -> Unicode.Scalar? {
        let kind = current
        position += 1
        switch kind {
        case 0x22, 0x5C, 0x2F: return Unicode.Scalar(kind)
        case 0x62: return "\u{8}"
        case 0x66: return "\u{C}"
        case 0x6E: return "\n"
        case 0x72: return "\r"
        case 0x74: return "\t"
        case 0x75:
            guard position + 4 <= bytes.count else { return nil }
            let digits = String(decoding: bytes[position..<(position + 4)], as: UTF8.self)
            position += 4
            // The daemon writes escapes for control characters alone; halves of pairs are not worth keeping.
            return UInt32(digits, radix: 16).map { Unicode.Scalar($0) ?? "\u{FFFD}" }
        default: return nil
        }
    }

    private mutating func number() -> JSONValue? {
        let start = position
        while [0x2B, 0x2D, 0x2E, 0x45, 0x65].contains(current) || (0x30...0x39).contains(current) { position += 1 }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if let integer = UInt64(text), text.utf8.first != 0x2B { return .integer(integer) }
        return Double(text).map { .number($0) }
    }

    private mutating func literal(_ text: String, _ value: JSONValue) -> JSONValue? {
        let end = position + text.utf8.count
        guard end <= bytes.count, bytes[position..<end].elementsEqual(text.utf8) else { return nil }
        position = end
        return value
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        skipSpace()
        guard current == byte else { return false }
        position += 1
        return true
    }

    private mutating func skipSpace() {
        while [0x20, 0x0A, 0x0D, 0x09].contains(current) { position += 1 }
    }
}
