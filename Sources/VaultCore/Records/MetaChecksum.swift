internal import OpenSSLCrypto

/// A checksum over key and value of those entries of the meta table that nothing else would show to be wrong: names,
/// their numbers, and masks. A flipped bit in a format's name would otherwise leave its tokens without a format, and
/// the next start would give the name another number.
///
/// Against faults, not against forgers: whoever can write the file can compute it.
enum MetaChecksum {
    static let byteCount = 8

    /// The value with its checksum after it.
    static func appended(to value: [UInt8], key: [UInt8]) throws(StoreError) -> [UInt8] {
        try value + crypto { () throws(CryptoError) in try checksum(key, value) }
    }

    /// The value without its checksum; `nil` where size or checksum is not right.
    static func checked(_ stored: [UInt8], key: [UInt8], valueBytes: Int) -> [UInt8]? {
        guard stored.count == valueBytes + byteCount else { return nil }
        let value = Array(stored[0..<valueBytes])
        guard let expected = try? checksum(key, value), stored[valueBytes...].elementsEqual(expected) else {
            return nil
        }
        return value
    }

    /// The first bytes of SHA-256 over the key's size, the key and the value.
    private static func checksum(_ key: [UInt8], _ value: [UInt8]) throws(CryptoError) -> [UInt8] {
        var message = [UInt8(truncatingIfNeeded: key.count)]
        message += key
        message += value
        var digest = [UInt8](repeating: 0, count: 32)
        var output = digest.mutableSpan
        try sha256(message.span, into: &output)
        return Array(digest[0..<byteCount])
    }
}
