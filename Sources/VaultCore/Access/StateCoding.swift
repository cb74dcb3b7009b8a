// How what the vault knows of its clients lies in a file: integers big-endian, texts with a 16-bit count before them,
// counts of lists before the lists.

/// The bytes are not what `StateWriter` wrote.
package struct StateDamaged: Error {}

struct StateWriter {
    private(set) var bytes: [UInt8] = []

    mutating func append<Value: FixedWidthInteger & UnsignedInteger>(_ value: Value) { bytes.append(bigEndian: value) }

    /// At most 65,535 bytes of it.
    mutating func append(_ text: String) {
        let part = Array(text.utf8.prefix(Int(UInt16.max)))
        append(UInt16(part.count))
        bytes += part
    }

    mutating func append(_ more: [UInt8]) { bytes += more }
}

struct StateReader {
    private let source: ArraySlice<UInt8>
    private var position: Int

    init(_ bytes: ArraySlice<UInt8>) {
        source = bytes
        position = bytes.startIndex
    }

    var isAtEnd: Bool { position == source.endIndex }

    mutating func integer<Value: FixedWidthInteger & UnsignedInteger>() throws(StateDamaged) -> Value {
        var value: Value = 0
        for byte in try take(MemoryLayout<Value>.size) { value = value << 8 | Value(truncatingIfNeeded: byte) }
        return value
    }

    mutating func text() throws(StateDamaged) -> String {
        let count: UInt16 = try integer()
        // What was cut may end inside a character.
        return String(decoding: try take(Int(count)), as: UTF8.self)
    }

    mutating func take(_ count: Int) throws(StateDamaged) -> ArraySlice<UInt8> {
        guard count >= 0, count <= source.endIndex - position else { throw StateDamaged() }
        defer { position += count }
        return source[position..<position + count]
    }
}
