// Fixed-size integers in byte buffers, most significant byte first: the order of every stored format here, so that
// files and keys sort and read alike on every machine.

extension UInt64 {
    /// Reads eight bytes; the caller has checked the size.
    init(bigEndian bytes: borrowing Span<UInt8>, at offset: Int) {
        var value: UInt64 = 0
        for index in 0..<8 { value = value << 8 | UInt64(bytes[offset + index]) }
        self = value
    }
}

extension UInt32 {
    /// Reads four bytes; the caller has checked the size.
    init(bigEndian bytes: borrowing Span<UInt8>, at offset: Int) {
        var value: UInt32 = 0
        for index in 0..<4 { value = value << 8 | UInt32(bytes[offset + index]) }
        self = value
    }
}

extension UInt16 {
    /// Reads two bytes; the caller has checked the size.
    init(bigEndian bytes: borrowing Span<UInt8>, at offset: Int) {
        self = UInt16(bytes[offset]) << 8 | UInt16(bytes[offset + 1])
    }
}

extension MutableSpan<UInt8> {
    /// Writes an integer most significant byte first.
    mutating func store<Value: FixedWidthInteger & UnsignedInteger>(bigEndian value: Value, at offset: Int) {
        let size = MemoryLayout<Value>.size
        for index in 0..<size {
            self[offset + index] = UInt8(truncatingIfNeeded: value >> Value(8 * (size - 1 - index)))
        }
    }
}

extension Span<UInt8> {
    /// An array of the same bytes. Not for secrets: the array is not wiped.
    var copied: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        for index in 0..<count { bytes.append(self[index]) }
        return bytes
    }
}

extension [UInt8] {
    /// Appends an integer most significant byte first.
    mutating func append<Value: FixedWidthInteger & UnsignedInteger>(bigEndian value: Value) {
        for shift in stride(from: (MemoryLayout<Value>.size - 1) * 8, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: value >> Value(shift)))
        }
    }
}
