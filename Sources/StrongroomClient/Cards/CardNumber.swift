internal import SecretMemory

/// The text of a card number, in memory of its own that is wiped when the last reference goes.
///
/// Never printed: interpolation and reflection show nothing of it. Whether the text is a card number is for the vault
/// to say.
public final class CardNumber: Sendable {
    private let bytes: WipedArray<UInt8>

    /// The longest text that is taken, in bytes.
    public static let bytesMax = 64

    /// Copies 1 to 64 visible ASCII characters; nil for anything else. Wiping their source is up to the caller.
    public init?(_ ascii: Span<UInt8>) {
        guard (1...Self.bytesMax).contains(ascii.count) else { return nil }
        for index in ascii.indices where !(0x21...0x7E).contains(ascii[index]) { return nil }
        var bytes = WipedArray<UInt8>(capacity: ascii.count)
        bytes.append(contentsOf: ascii)
        self.bytes = bytes
    }

    /// Lends the digits to `body`.
    public func withBytes<Result, Failure: Error>(
        _ body: (borrowing Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try lend(bytes, to: body)
    }
}

/// Borrows the buffer for as long as `body` runs, which access through a stored property does not.
private func lend<Result, Failure: Error>(
    _ bytes: borrowing WipedArray<UInt8>, to body: (borrowing Span<UInt8>) throws(Failure) -> Result
) throws(Failure) -> Result {
    try body(bytes.span)
}

extension CardNumber: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Always `CardNumber(redacted)`.
    public var description: String { "CardNumber(redacted)" }
    /// Always `CardNumber(redacted)`.
    public var debugDescription: String { description }
    /// No children.
    public var customMirror: Mirror { Mirror(self, children: [], displayStyle: .class) }
}
