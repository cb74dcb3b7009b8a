/// The first bytes of a keyring file, as far as they can be told apart from another file's. Unauthenticated.
package struct KeyringHeader: Sendable {
    /// The format that is written.
    static let formatVersion: UInt32 = 2

    let format: UInt32
    let entries: Int
    package let generation: UInt64
    package let vaultID: VaultID
    let checkValue: UInt64
    package let root: RootDescription
    let annexBytes: Int

    /// Bytes of the header itself.
    var byteCount: Int { format == 1 ? 48 : 128 }

    init(_ bytes: [UInt8]) throws(KeyringError) {
        guard bytes.count >= 48, bytes.starts(with: [UInt8]("SRKEYRNG")) else { throw .notAKeyring }
        let span = bytes.span
        format = UInt32(bigEndian: span, at: 8)
        guard format == 1 || format == Self.formatVersion else { throw .unsupportedFormat(format) }
        entries = Int(UInt32(bigEndian: span, at: 12))
        generation = UInt64(bigEndian: span, at: 16)
        vaultID = VaultID(span, at: 24)
        checkValue = UInt64(bigEndian: span, at: 40)
        guard format == Self.formatVersion else {
            root = RootDescription()
            annexBytes = 0
            return
        }
        guard bytes.count >= 128 else { throw .damaged }
        root = try RootDescription(span)
        annexBytes = Int(UInt32(bigEndian: span, at: 124))
    }
}

extension RootDescription {
    /// Bytes 48..<124 of the file.
    var encoded: [UInt8] {
        let size = min(wrapped.count, Self.wrappedBytesMax)
        var bytes = [kind.rawValue, threshold, count, UInt8(size)]
        bytes.append(bigEndian: setID)
        bytes.append(bigEndian: since)
        return bytes + wrapped.prefix(size) + [UInt8](repeating: 0, count: Self.wrappedBytesMax - size)
    }

    init(_ file: borrowing Span<UInt8>) throws(KeyringError) {
        guard let kind = RootKind(rawValue: file[48]), file[51] <= Self.wrappedBytesMax else { throw .damaged }
        self.init(kind: kind, since: UInt64(bigEndian: file, at: 56))
        threshold = file[49]
        count = file[50]
        setID = UInt32(bigEndian: file, at: 52)
        let size = Int(file[51])
        wrapped = file.extracting(64..<64 + size).copied
        for index in 64 + size..<124 where file[index] != 0 { throw .damaged }
    }
}
