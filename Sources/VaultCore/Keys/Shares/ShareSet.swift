internal import SecretMemory

/// All shares of one secret, as they come out of a split: whoever holds it holds the secret.
///
/// The bytes of all shares are in one ``SecretBytes`` and wiped together. It lends a share's bytes or copies them into
/// a ``Share``; it cannot be copied or printed. Reading is safe on any thread.
package struct ShareSet: ~Copyable, Sendable {
    /// Names the set: random, on every share, not secret.
    package let setID: UInt32
    /// How many of the shares give the secret: 2 to `count`.
    package let threshold: Int
    /// How many shares there are: 2 to 255. Their indices are 1 to `count`.
    package let count: Int
    /// `count` shares of equal size, in the order of their indices.
    private let bytes: SecretBytes

    init(setID: UInt32, threshold: Int, count: Int, bytes: consuming SecretBytes) {
        self.setID = setID
        self.threshold = threshold
        self.count = count
        self.bytes = bytes
    }

    /// Lends the bytes of the share with this index, 1 to `count`; traps on any other.
    @_lifetime(borrow self)
    package borrowing func bytes(of index: Int) -> Span<UInt8> {
        precondition(index >= 1 && index <= count, "share set: no share has this index")
        let size = bytes.count / count
        return bytes.span.extracting((index - 1) * size..<index * size)
    }

    /// A copy of the share with this index, 1 to `count`, to be written down; traps on any other.
    package borrowing func share(_ index: Int) -> Share {
        let copy = SecretBytes(copying: bytes(of: index))
        guard
            let share = Share(setID: setID, threshold: UInt8(threshold), index: UInt8(truncatingIfNeeded: index), copy)
        else { preconditionFailure("share set: shares of another size") }
        return share
    }

    /// Stops the process unless every share, combined with others of the set, gives `secret`.
    borrowing func requireSecret(_ secret: borrowing Span<UInt8>) {
        let size = bytes.count / count
        // Windows of `threshold` neighbours; the last one ends with the last share.
        for start in stride(from: 0, to: count, by: threshold) {
            let first = min(start, count - threshold)
            let window = bytes.span.extracting(first * size..<(first + threshold) * size)
            let indices = (first + 1...first + threshold).map { UInt8($0) }
            let combined = Shamir.combine(indices: indices, shares: window)
            precondition(constantTimeEqual(combined.span, secret), "share set: the shares do not give the secret back")
        }
    }
}
