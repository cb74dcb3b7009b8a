package import OpenSSLCrypto
internal import SecretMemory

/// The keyed hash that finds a card without storing it in clear: HMAC-SHA-256 under one index key version
/// (PCI DSS 3.5.1.1 asks for keyed hashes of the whole PAN). One per thread; never shared.
///
/// ```
///  index key, 32 bytes:
///       0   16  presence   HMAC(lookup key, 1 | digits | PAN)                             is this card in the vault?
///      16    8  selector   HMAC(lookup key, 2 | digits | PAN | format | subject), first 8  ... for this format and subject?
///      24    8  token      big-endian
///  value: index key version (4, big-endian)
/// ```
/// One table serves both questions, since "no token may equal a stored card" has to be asked for every token drawn.
/// A truncated hash only proposes: whoever follows an entry opens the record and compares the card.
package struct BlindIndex: ~Copyable {
    package static let presenceBytes = 16
    package static let selectorEnd = 24
    package static let keyBytes = 32
    package static let fingerprintBytes = 32

    package let version: UInt32
    private var lookup: HMACSHA256
    private var fingerprints: HMACSHA256
    private var marks: HMACSHA256

    package init(_ key: KeyVersion) throws(CryptoError) {
        let lookup = try key.derived("strongroom blind index key v1")
        let fingerprints = try key.derived("strongroom fingerprint key v1")
        let marks = try key.derived("strongroom card mark key v1")
        self.init(
            version: key.number, lookup: try HMACSHA256(key: lookup.span),
            fingerprints: try HMACSHA256(key: fingerprints.span), marks: try HMACSHA256(key: marks.span))
    }

    private init(
        version: UInt32, lookup: consuming HMACSHA256, fingerprints: consuming HMACSHA256, marks: consuming HMACSHA256
    ) {
        self.version = version
        self.lookup = lookup
        self.fingerprints = fingerprints
        self.marks = marks
    }

    /// Bytes 0..<16 of an index key: says whether any record holds this card.
    package mutating func presence(of pan: PAN) throws(CryptoError) -> [16 of UInt8] {
        var result = [16 of UInt8](repeating: 0)
        var message = Self.message(domain: 1, pan: pan)
        var output = result.mutableSpan
        try lookup.begin()
        try lookup.update(message.span)
        try lookup.finish(into: &output)
        var messageSpan = message.mutableSpan
        wipe(&messageSpan)
        return result
    }

    /// A whole index key with the token part zero: the first 24 bytes select this card in this format for this subject.
    package mutating func key(
        pan: PAN, format: UInt16, subject: borrowing Span<UInt8>
    ) throws(CryptoError) -> [32 of UInt8] {
        var key = [32 of UInt8](repeating: 0)
        let presence = try presence(of: pan)
        for index in 0..<16 { key[index] = presence[index] }

        var message = Self.message(domain: 2, pan: pan)
        var scope = [4 of UInt8](repeating: 0)
        var scopeSpan = scope.mutableSpan
        scopeSpan.store(bigEndian: format, at: 0)
        scopeSpan.store(bigEndian: UInt16(truncatingIfNeeded: subject.count), at: 2)
        var digest = [32 of UInt8](repeating: 0)
        var output = digest.mutableSpan
        try lookup.begin()
        try lookup.update(message.span)
        try lookup.update(scopeSpan.span)
        try lookup.update(subject)
        try lookup.finish(into: &output)
        for index in 0..<8 { key[Self.presenceBytes + index] = digest[index] }
        var messageSpan = message.mutableSpan
        wipe(&messageSpan)
        return key
    }

    /// The hash that callers may keep to recognise a card: 32 bytes, its own key, no relation to the blind index.
    package mutating func fingerprint(of pan: PAN) throws(CryptoError) -> [32 of UInt8] {
        var result = [32 of UInt8](repeating: 0)
        var message = Self.message(domain: 3, pan: pan)
        var output = result.mutableSpan
        try fingerprints.begin()
        try fingerprints.update(message.span)
        try fingerprints.finish(into: &output)
        var messageSpan = message.mutableSpan
        wipe(&messageSpan)
        return result
    }

    /// A card and its bucket, first six and last four digits, as limits know them: eight bytes of a hash each, its own key.
    package mutating func mark(of pan: PAN) throws(CryptoError) -> CardMark {
        var card = Self.message(domain: 5, pan: pan)
        var bucket = [7 of UInt8](repeating: 0)
        var ends = bucket.mutableSpan
        ends[0] = 6
        ends.store(bigEndian: pan.leadingDigits(6), at: 1)
        ends.store(bigEndian: pan.last4, at: 5)
        let mark = CardMark(card: try Self.half(&marks, card.span), bucket: try Self.half(&marks, bucket.span))
        var cardSpan = card.mutableSpan
        wipe(&cardSpan)
        var bucketSpan = bucket.mutableSpan
        wipe(&bucketSpan)
        return mark
    }

    /// The first eight bytes of a message's hash.
    private static func half(
        _ context: inout HMACSHA256, _ message: borrowing Span<UInt8>
    ) throws(CryptoError) -> UInt64 {
        var digest = [16 of UInt8](repeating: 0)
        var output = digest.mutableSpan
        try context.begin()
        try context.update(message)
        try context.finish(into: &output)
        return UInt64(bigEndian: digest.span, at: 0)
    }

    /// A caller's request id, hashed with its client's name: what is remembered for a retry tells nothing by itself.
    package mutating func requestKey(
        client: borrowing Span<UInt8>, requestID: borrowing Span<UInt8>
    ) throws(CryptoError) -> [32 of UInt8] {
        var result = [32 of UInt8](repeating: 0)
        let scope: [4 of UInt8] = [4, 0, 0, UInt8(truncatingIfNeeded: client.count)]
        var output = result.mutableSpan
        try lookup.begin()
        try lookup.update(scope.span)
        try lookup.update(client)
        try lookup.update(requestID)
        try lookup.finish(into: &output)
        return result
    }

    private static func message(domain: UInt8, pan: PAN) -> [10 of UInt8] {
        var bytes = [10 of UInt8](repeating: 0)
        var span = bytes.mutableSpan
        span[0] = domain
        span[1] = pan.length
        span.store(bigEndian: pan.value, at: 2)
        return bytes
    }
}
