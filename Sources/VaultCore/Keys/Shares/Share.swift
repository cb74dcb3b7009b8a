package import SecretMemory

/// One share of a split secret, as a custodian holds it.
///
/// Set, threshold and index say what it claims to be; whether that fits is for ``ShareCollector`` to judge. It is
/// noncopyable, so that the one who takes it is the last to have it, and the bytes are wiped there. It cannot be
/// interpolated into a string, and its `description` has none of the bytes. Reading is safe on any thread.
package struct Share: ~Copyable, Sendable {
    /// Size of the share's own bytes: that of the secret.
    package static let byteCount = Shamir.secretBytes

    /// The set that the share belongs to.
    package let setID: UInt32
    /// How many shares of the set give the secret.
    package let threshold: UInt8
    /// Which share of the set it is; 0 is none.
    package let index: UInt8
    private let bytes: SecretBytes

    /// Takes ownership of share bytes; `nil` where they are not `byteCount` long.
    package init?(setID: UInt32, threshold: UInt8, index: UInt8, _ bytes: consuming SecretBytes) {
        guard bytes.count == Self.byteCount else { return nil }
        self.setID = setID
        self.threshold = threshold
        self.index = index
        self.bytes = bytes
    }

    /// The 32 bytes, lent.
    package var span: Span<UInt8> {
        @_lifetime(borrow self)
        borrowing get { bytes.span }
    }

    /// `share 2 of set 1a2b3c4d`: what may be shown and logged.
    package var description: String { "share \(index) of set \(Self.text(ofSet: setID))" }

    /// A set identifier as people see it: eight hexadecimal digits.
    package static func text(ofSet setID: UInt32) -> String {
        let digits = String(setID, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}
