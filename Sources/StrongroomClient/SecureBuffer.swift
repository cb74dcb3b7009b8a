internal import SecretMemory

/// A growable buffer for bytes that carry card numbers: wiped when it grows, when it is emptied and at the end of its
/// life.
///
/// It cannot be copied or printed. One task at a time; sending the whole buffer to another one is fine.
public struct SecureBuffer: ~Copyable, Sendable {
    var bytes: WipedArray<UInt8>

    /// Makes an empty buffer with room for `capacity` bytes.
    public init(capacity: Int = 0) { bytes = WipedArray(capacity: capacity) }

    /// Bytes written.
    public var count: Int { bytes.count }

    /// Whether nothing is written.
    public var isEmpty: Bool { bytes.isEmpty }

    /// Adds one byte at the end.
    public mutating func append(_ byte: UInt8) { bytes.append(byte) }

    /// Adds bytes at the end. Wiping their source is up to the caller.
    public mutating func append(contentsOf source: Span<UInt8>) { bytes.append(contentsOf: source) }

    /// Adds the bytes of a text that holds no card number.
    public mutating func append(_ text: StaticString) {
        unsafe append(contentsOf: Span(_unsafeStart: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Adds the bytes of a text that holds no card number.
    public mutating func append(_ text: String) {
        for byte in text.utf8 { append(byte) }
    }

    /// Wipes all bytes and keeps the room.
    public mutating func removeAll() { bytes.removeAll() }

    /// Makes room for at least `capacity` bytes in all.
    public mutating func reserveCapacity(_ capacity: Int) { bytes.reserveCapacity(capacity) }

    /// The bytes, for reading.
    public var span: Span<UInt8> {
        @_lifetime(borrow self)
        borrowing get { bytes.span }
    }

    /// The bytes, for writing in place.
    public var mutableSpan: MutableSpan<UInt8> {
        @_lifetime(&self)
        mutating get { bytes.mutableSpan }
    }
}
