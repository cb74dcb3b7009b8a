/// The members of an audit record that say what happened, as JSON text. Sequence, time and links are added by the log.
///
/// For names, codes, numbers and tokens of the vault; a card number, a key or bytes of a request are never given to it.
package struct AuditEntry: Sendable {
    /// Members, comma-separated, without braces.
    package private(set) var bytes: [UInt8]

    package init(_ operation: AuditOperation, capacity: Int = 320) {
        bytes = []
        bytes.reserveCapacity(capacity)
        bytes.append(ascii: "\"op\":\"")
        bytes.append(contentsOf: operation.rawValue.utf8)
        bytes.append(0x22)
    }

    /// Adds a text. What is not printable ASCII is escaped, so that a record is one line of ASCII; what could be a card
    /// number is masked, since people type reasons and names.
    package mutating func add(_ name: StaticString, _ text: String) {
        start(name)
        append(CardLikeText.masked(text))
    }

    /// Adds a text that this code made, whatever digits are in it.
    package mutating func add(_ name: StaticString, verbatim text: String) {
        start(name)
        append(text)
    }

    package mutating func add(_ name: StaticString, _ text: StaticString) {
        start(name)
        bytes.append(0x22)
        bytes.append(ascii: text)
        bytes.append(0x22)
    }

    package mutating func add(_ name: StaticString, _ number: UInt64) {
        start(name)
        bytes.append(decimal: number)
    }

    package mutating func add(_ name: StaticString, texts: [String]) {
        start(name)
        bytes.append(0x5B)
        for (index, text) in texts.enumerated() {
            if index > 0 { bytes.append(0x2C) }
            append(CardLikeText.masked(text))
        }
        bytes.append(0x5D)
    }

    /// Adds a list of hashes.
    package mutating func add(_ name: StaticString, hashes: [[UInt8]]) {
        start(name)
        bytes.append(0x5B)
        for (index, hash) in hashes.enumerated() {
            if index > 0 { bytes.append(0x2C) }
            bytes.append(0x22)
            bytes.append(hexadecimal: hash.span)
            bytes.append(0x22)
        }
        bytes.append(0x5D)
    }

    package mutating func add(_ name: StaticString, numbers: [UInt32]) {
        start(name)
        bytes.append(0x5B)
        for (index, number) in numbers.enumerated() {
            if index > 0 { bytes.append(0x2C) }
            bytes.append(decimal: UInt64(number))
        }
        bytes.append(0x5D)
    }

    /// Adds members that were made before: `"name":"value"`, comma-separated.
    package mutating func add(members: [UInt8]) {
        guard !members.isEmpty else { return }
        bytes.append(0x2C)
        bytes.append(contentsOf: members)
    }

    /// Members alone, to be added to records later.
    package static func members(_ body: (inout AuditEntry) -> Void) -> [UInt8] {
        var entry = AuditEntry(.denied)
        let start = entry.bytes.count
        body(&entry)
        return Array(entry.bytes[start...].dropFirst())
    }

    /// Adds bytes in hexadecimal.
    package mutating func add(_ name: StaticString, hex: [UInt8]) {
        start(name)
        bytes.append(0x22)
        bytes.append(hexadecimal: hex.span)
        bytes.append(0x22)
    }

    /// Adds tokens, as texts: JSON readers lose digits of numbers this long.
    ///
    /// - Parameter isIncluded: asked for each index, so that a caller needs no list of its own.
    package mutating func add(_ name: StaticString, tokens: borrowing Span<UInt64>, where isIncluded: (Int) -> Bool) {
        start(name)
        // Room for all at once: in bulk this is most of what a record costs.
        var end = bytes.count
        bytes.append(contentsOf: repeatElement(0, count: 2 + tokens.count * (DecimalText.digitsMax + 3)))
        var output = bytes.mutableSpan
        output[end] = 0x5B
        end += 1
        var isFirst = true
        for index in 0..<tokens.count where isIncluded(index) {
            if !isFirst {
                output[end] = 0x2C
                end += 1
            }
            isFirst = false
            output[end] = 0x22
            end = DecimalText.write(tokens[index], to: &output, at: end + 1)
            output[end] = 0x22
            end += 1
        }
        output[end] = 0x5D
        bytes.removeLast(bytes.count - end - 1)
    }

    package mutating func add(_ name: StaticString, tokens: [UInt64]) {
        add(name, tokens: tokens.span) { _ in true }
    }

    private mutating func start(_ name: StaticString) {
        bytes.append(0x2C)
        bytes.append(0x22)
        bytes.append(ascii: name)
        bytes.append(0x22)
        bytes.append(0x3A)
    }

    private mutating func append(_ text: String) {
        bytes.append(0x22)
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x22, 0x5C:
                bytes.append(0x5C)
                bytes.append(UInt8(scalar.value))
            case 0x20..<0x7F: bytes.append(UInt8(scalar.value))
            default:
                for unit in String(scalar).utf16 {
                    bytes.append(ascii: "\\u")
                    for shift in stride(from: 12, through: 0, by: -4) {
                        bytes.append(hexDigit(UInt8(unit >> UInt16(shift) & 15)))
                    }
                }
            }
        }
        bytes.append(0x22)
    }
}

private func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }

extension [UInt8] {
    mutating func append(ascii text: StaticString) {
        // A static string's bytes live as long as the program.
        let buffer = unsafe UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        unsafe append(contentsOf: buffer)
    }

    /// Appends a number without leading zeros.
    mutating func append(decimal number: UInt64) {
        var digits = [20 of UInt8](repeating: 0)
        var output = digits.mutableSpan
        let count = DecimalText.write(number, to: &output, at: 0)
        for index in 0..<count { append(digits[index]) }
    }

    mutating func append(hexadecimal bytes: borrowing Span<UInt8>) {
        for index in bytes.indices {
            append(hexDigit(bytes[index] >> 4))
            append(hexDigit(bytes[index] & 15))
        }
    }
}
