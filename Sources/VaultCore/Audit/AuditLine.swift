/// One record of the audit log as it lies in a file: a line of JSON in the one form that we write.
///
/// Reading is strict, so that no two lines stand for the same record: ASCII, no white space, no member twice, no
/// number with a leading zero, `seq`, `time`, `boot` and `op` first, `chain`, `prev` and `mac` last, nothing nested but
/// an array of strings or numbers. Members are found when they are asked for; the line is walked once.
package struct AuditLine: Sendable {
    /// Longest line in bytes: a batch of 10,000 tokens has less than half of it.
    package static let byteCountMax = 1 << 20
    /// Most members of a record.
    private static let fieldsMax = 64

    /// The line without its newline.
    package let bytes: [UInt8]
    package let seq: UInt64
    package let time: AuditTime
    package let operation: String
    /// Version of the audit key that the record's MAC is made with.
    package let chain: UInt32
    /// The MAC of the record before, 32 bytes.
    package let previous: [UInt8]
    /// 32 bytes.
    package let mac: [UInt8]
    /// How many bytes the MAC is of: all before `,"mac":"`.
    let authenticatedCount: Int

    private let fields: [Field]

    /// Where a member is: its name without quotes, its value with them.
    private struct Field: Sendable {
        var name: Range<Int>
        var value: Range<Int>
    }

    /// Reads a line; `nil` where it is not as we write one.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count <= Self.byteCountMax, let fields = Self.fields(of: bytes), fields.count >= 7 else {
            return nil
        }
        let last = fields.count - 1
        let names =
            ["seq", "time", "boot", "op"].enumerated().map { ($0.offset, $0.element) }
            + [(last - 2, "chain"), (last - 1, "prev"), (last, "mac")]
        for (position, name) in names where !bytes[fields[position].name].elementsEqual(name.utf8) { return nil }
        func value(_ position: Int) -> ArraySlice<UInt8> { bytes[fields[position].value] }
        guard let seq = Self.number(value(0)), seq > 0, let time = AuditTime(Self.inside(value(1))),
            value(2).first == Self.quote, value(3).first == Self.quote, let operation = Self.text(value(3)),
            let version = Self.number(value(last - 2)), let chain = UInt32(exactly: version), chain > 0,
            let previous = Self.hash(value(last - 1)), let mac = Self.hash(value(last))
        else { return nil }
        self.bytes = bytes
        self.fields = fields
        self.seq = seq
        self.time = time
        self.operation = operation
        self.chain = chain
        self.previous = previous
        self.mac = mac
        authenticatedCount = fields[last].name.lowerBound - 2
    }

    // MARK: Members

    /// The value of a member.
    package enum Value: Equatable, Sendable {
        case text(String)
        case number(UInt64)
        case texts([String])
        case numbers([UInt64])
    }

    /// All members in their order.
    package var members: [(name: String, value: Value)] {
        fields.map { field in
            (String(decoding: bytes[field.name], as: UTF8.self), Self.value(bytes[field.value]))
        }
    }

    /// A member that is a string; `nil` where there is none.
    package func text(_ name: StaticString) -> String? {
        guard let value = raw(name), value.first == Self.quote else { return nil }
        return Self.text(value)
    }

    /// A member that is a number.
    package func number(_ name: StaticString) -> UInt64? { raw(name).flatMap { Self.number($0) } }

    /// A member that is an array of strings; empty where there is none.
    package func texts(_ name: StaticString) -> [String] {
        guard let value = raw(name), case .texts(let texts) = Self.value(value) else { return [] }
        return texts
    }

    /// A member that is an array of numbers; empty where there is none.
    package func numbers(_ name: StaticString) -> [UInt64] {
        guard let value = raw(name), case .numbers(let numbers) = Self.value(value) else { return [] }
        return numbers
    }

    /// The numbers in a member that is an array of decimal strings, such as `tokens`; what is no number is left out.
    package func tokens(_ name: StaticString) -> [UInt64] {
        guard let value = raw(name), value.first == UInt8(ascii: "[") else { return [] }
        return value.dropFirst().dropLast().split(separator: UInt8(ascii: ",")).compactMap { item in
            Self.number(Self.inside(item))
        }
    }

    private func raw(_ name: StaticString) -> ArraySlice<UInt8>? {
        let length = name.utf8CodeUnitCount
        for field in fields where field.name.count == length {
            // A static string's bytes live as long as the program.
            let isSame = name.withUTF8Buffer { unsafe bytes[field.name].elementsEqual($0) }
            if isSame { return bytes[field.value] }
        }
        return nil
    }

    // MARK: Values

    private static let quote = UInt8(ascii: "\"")

    private static func value(_ bytes: ArraySlice<UInt8>) -> Value {
        switch bytes.first {
        case quote: return .text(text(bytes) ?? "")
        case UInt8(ascii: "["):
            var scanner = AuditScanner(bytes: Array(bytes.dropFirst().dropLast()))
            let items = scanner.items()
            guard let first = items.first, first.first != quote else { return .texts(items.map { text($0) ?? "" }) }
            return .numbers(items.map { number($0) ?? 0 })
        default: return .number(number(bytes) ?? 0)
        }
    }

    /// What is between the quotes.
    private static func inside(_ value: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard value.count >= 2, value.first == quote, value.last == quote else { return [] }
        return value.dropFirst().dropLast()
    }

    private static func hash(_ value: ArraySlice<UInt8>) -> [UInt8]? {
        guard let bytes = Hexadecimal.decode(inside(value)), bytes.count == 32 else { return nil }
        return bytes
    }

    private static func number(_ value: ArraySlice<UInt8>) -> UInt64? {
        guard !value.isEmpty, value.count <= 20 else { return nil }
        var number: UInt64 = 0
        for digit in value {
            guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= digit else { return nil }
            let (product, isOver) = number.multipliedReportingOverflow(by: 10)
            let (sum, isOverToo) = product.addingReportingOverflow(UInt64(digit - UInt8(ascii: "0")))
            guard !isOver, !isOverToo else { return nil }
            number = sum
        }
        return number
    }

    /// The text of a JSON string with its quotes; surrogate pairs are joined, a lone half is shown as U+FFFD.
    private static func text(_ value: ArraySlice<UInt8>) -> String? {
        let inside = inside(value)
        guard inside.contains(UInt8(ascii: "\\")) else { return String(decoding: inside, as: UTF8.self) }
        var units: [UInt16] = []
        var rest = inside
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\") else {
                units.append(UInt16(byte))
                continue
            }
            guard let kind = rest.popFirst() else { return nil }
            switch kind {
            case UInt8(ascii: "u"):
                guard let unit = UInt16(String(decoding: rest.prefix(4), as: UTF8.self), radix: 16) else { return nil }
                units.append(unit)
                rest = rest.dropFirst(4)
            case UInt8(ascii: "b"): units.append(0x08)
            case UInt8(ascii: "f"): units.append(0x0C)
            case UInt8(ascii: "n"): units.append(0x0A)
            case UInt8(ascii: "r"): units.append(0x0D)
            case UInt8(ascii: "t"): units.append(0x09)
            default: units.append(UInt16(kind))
            }
        }
        return String(decoding: units, as: UTF16.self)
    }

    // MARK: Reading

    private static func fields(of bytes: [UInt8]) -> [Field]? {
        var scanner = AuditScanner(bytes: bytes)
        var fields: [Field] = []
        guard scanner.take(UInt8(ascii: "{")) else { return nil }
        repeat {
            guard let name = scanner.string(), !name.isEmpty, scanner.take(UInt8(ascii: ":")),
                let value = scanner.value(),
                fields.count < fieldsMax
            else { return nil }
            for field in fields where bytes[field.name].elementsEqual(bytes[name]) { return nil }
            fields.append(Field(name: name, value: value))
        } while scanner.take(UInt8(ascii: ","))
        guard scanner.take(UInt8(ascii: "}")), scanner.isAtEnd else { return nil }
        return fields
    }
}
