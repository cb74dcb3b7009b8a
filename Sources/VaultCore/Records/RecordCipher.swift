package import OpenSSLCrypto
internal import SecretMemory

/// What a record hides: the card number and its expiry.
package struct Card: Sendable {
    package var pan: PAN
    package var expiry: CardExpiry?

    package init(pan: PAN, expiry: CardExpiry?) {
        self.pan = pan
        self.expiry = expiry
    }
}

/// Why a record did not open.
package enum RecordError: Error, Equatable, Sendable {
    /// Its bytes, its place or its key are not those it was sealed with.
    case damaged
    /// It names a data key version that the keyring does not have.
    case keyMissing(UInt32)
    case crypto
}

/// Seals and opens records under the data keys of one keyring generation. One per thread; never shared.
///
/// A context with its key schedule is kept for each version, so that a record costs one GCM operation and no allocation.
package struct RecordCipher: ~Copyable {
    /// The version new records are sealed under.
    package let activeVersion: UInt32
    private var contexts: [DataKeyContext] = []
    private var random: RandomPool

    package init(_ keyring: Keyring) throws(CryptoError) {
        random = RandomPool()
        for version in keyring.usable(.data) {
            contexts.append(
                DataKeyContext(
                    number: version.number,
                    cipher: try version.withKey { (key) throws(CryptoError) in try AESGCM256(key: key) }))
        }
        activeVersion = contexts[0].number
    }

    /// Seals a card into `record` (64 bytes) under the active version; `header.keyVersion` is set here.
    ///
    /// Spends one encryption of the version's budget (SP 800-38D: 2^32 with random nonces; ours is 2^30).
    package mutating func seal(
        _ card: borrowing Card, header: RecordHeader, token: UInt64, into record: inout MutableSpan<UInt8>
    ) throws(RecordError) {
        var header = header
        header.keyVersion = activeVersion
        header.write(to: &record)
        do throws(CryptoError) {
            var nonce = [12 of UInt8](repeating: 0)
            var nonceSpan = nonce.mutableSpan
            random.fill(&nonceSpan)
            var associated = [28 of UInt8](repeating: 0)
            Self.fillAssociated(&associated, token: token, record: record.span)
            var block = [16 of UInt8](repeating: 0)
            Self.pack(card, into: &block)
            for index in 0..<RecordLayout.nonceBytes { record[RecordLayout.nonceOffset + index] = nonce[index] }
            var ciphertext = [16 of UInt8](repeating: 0)
            var tag = [16 of UInt8](repeating: 0)
            var ciphertextSpan = ciphertext.mutableSpan
            var tagSpan = tag.mutableSpan
            try contexts[0].cipher.seal(
                nonce: nonce.span, aad: associated.span, plaintext: block.span, into: &ciphertextSpan, tag: &tagSpan)
            var blockSpan = block.mutableSpan
            wipe(&blockSpan)
            for index in 0..<16 {
                record[RecordLayout.ciphertextOffset + index] = ciphertext[index]
                record[RecordLayout.tagOffset + index] = tag[index]
            }
        } catch {
            throw .crypto
        }
    }

    /// Opens a stored record. The header must already have been read from the same bytes.
    package mutating func open(
        _ record: borrowing Span<UInt8>, header: RecordHeader, token: UInt64
    ) throws(RecordError) -> Card {
        guard let position = position(of: header.keyVersion) else { throw .keyMissing(header.keyVersion) }
        var associated = [28 of UInt8](repeating: 0)
        Self.fillAssociated(&associated, token: token, record: record)
        var block = [16 of UInt8](repeating: 0)
        var blockSpan = block.mutableSpan
        do throws(CryptoError) {
            try contexts[position].cipher.open(
                nonce: record.extracting(RecordLayout.nonceOffset..<RecordLayout.ciphertextOffset),
                aad: associated.span,
                ciphertext: record.extracting(RecordLayout.ciphertextOffset..<RecordLayout.tagOffset),
                tag: record.extracting(RecordLayout.tagOffset..<RecordLayout.byteCount), into: &blockSpan)
        } catch {
            throw error == .authenticationFailed ? .damaged : .crypto
        }
        let card = Self.unpack(blockSpan.span)
        wipe(&blockSpan)
        guard let card else { throw .damaged }
        return card
    }

    /// Seals what a stored record holds under the active version, with the rest of its header as it is; false where it does
    /// not open.
    mutating func reseal(
        _ record: borrowing Span<UInt8>, header: RecordHeader, token: UInt64, into new: inout MutableSpan<UInt8>
    ) -> Bool {
        do throws(RecordError) {
            let card = try open(record, header: header, token: token)
            try seal(card, header: header, token: token, into: &new)
            return true
        } catch {
            return false
        }
    }

    /// Does the work of `open` on nothing, so that a miss takes as long as a hit.
    package mutating func openNothing() {
        var block = [16 of UInt8](repeating: 0)
        let zeros = [28 of UInt8](repeating: 0)
        var blockSpan = block.mutableSpan
        try? contexts[0].cipher.open(
            nonce: zeros.span.extracting(0..<12), aad: zeros.span, ciphertext: zeros.span.extracting(0..<16),
            tag: zeros.span.extracting(0..<16), into: &blockSpan)
    }

    /// Longest text that is sealed, in bytes; subjects are far shorter.
    package static let textBytesMax = 1_024

    /// Seals bytes that belong to a token (its subject) as `key version (4) | nonce (12) | ciphertext | tag (16)`.
    package mutating func sealText(_ text: borrowing Span<UInt8>, token: UInt64) throws(RecordError) -> [UInt8] {
        do throws(CryptoError) {
            var nonce = [12 of UInt8](repeating: 0)
            var nonceSpan = nonce.mutableSpan
            random.fill(&nonceSpan)
            var ciphertext = [UInt8](repeating: 0, count: text.count)
            var tag = [16 of UInt8](repeating: 0)
            var ciphertextSpan = ciphertext.mutableSpan
            var tagSpan = tag.mutableSpan
            let associated = Self.textAssociated(token: token, keyVersion: activeVersion)
            try contexts[0].cipher.seal(
                nonce: nonce.span, aad: associated.span, plaintext: text, into: &ciphertextSpan, tag: &tagSpan)
            var sealed: [UInt8] = []
            sealed.reserveCapacity(32 + text.count)
            sealed.append(bigEndian: activeVersion)
            for index in 0..<12 { sealed.append(nonce[index]) }
            sealed += ciphertext
            for index in 0..<16 { sealed.append(tag[index]) }
            return sealed
        } catch {
            throw .crypto
        }
    }

    /// Opens what `sealText` made; the caller wipes the result.
    ///
    /// A value longer than any that was sealed is refused unread: a damaged page may claim gigabytes, past the end of the file.
    package mutating func openText(_ sealed: borrowing Span<UInt8>, token: UInt64) throws(RecordError) -> [UInt8] {
        guard 32...32 + Self.textBytesMax ~= sealed.count else { throw .damaged }
        let version = UInt32(bigEndian: sealed, at: 0)
        guard let position = position(of: version) else { throw .keyMissing(version) }
        let end = sealed.count - 16
        var text = [UInt8](repeating: 0, count: end - 16)
        var textSpan = text.mutableSpan
        let associated = Self.textAssociated(token: token, keyVersion: version)
        do throws(CryptoError) {
            try contexts[position].cipher.open(
                nonce: sealed.extracting(4..<16), aad: associated.span, ciphertext: sealed.extracting(16..<end),
                tag: sealed.extracting(end..<sealed.count), into: &textSpan)
        } catch {
            throw error == .authenticationFailed ? .damaged : .crypto
        }
        return text
    }

    private func position(of version: UInt32) -> Int? {
        for index in contexts.indices where contexts[index].number == version { return index }
        return nil
    }

    private static func fillAssociated(
        _ associated: inout [28 of UInt8], token: UInt64, record: borrowing Span<UInt8>
    ) {
        for index in 0..<8 { associated[index] = UInt8(truncatingIfNeeded: token >> UInt64(56 - 8 * index)) }
        for index in 0..<RecordLayout.headerBytes { associated[8 + index] = record[index] }
    }

    /// Label, token and key version: no sealed subject can pass for a record or for another token's subject.
    private static func textAssociated(token: UInt64, keyVersion: UInt32) -> [UInt8] {
        var bytes = [UInt8]("subject v1")
        bytes.append(bigEndian: token)
        bytes.append(bigEndian: keyVersion)
        return bytes
    }

    private static func pack(_ card: borrowing Card, into block: inout [16 of UInt8]) {
        var span = block.mutableSpan
        span.store(bigEndian: card.pan.value, at: 0)
        span[8] = card.pan.length
        span.store(bigEndian: card.expiry?.packed ?? 0, at: 10)
    }

    private static func unpack(_ block: borrowing Span<UInt8>) -> Card? {
        guard block[9] == 0, block[12] | block[13] | block[14] | block[15] == 0 else { return nil }
        guard let pan = PAN(value: UInt64(bigEndian: block, at: 0), length: block[8]) else { return nil }
        let packed = UInt16(bigEndian: block, at: 10)
        if packed == 0 { return Card(pan: pan, expiry: nil) }
        guard let expiry = CardExpiry(packed: packed) else { return nil }
        return Card(pan: pan, expiry: expiry)
    }
}

/// One data key version with its reused GCM contexts; owned by the `RecordCipher` of one thread.
final class DataKeyContext {
    let number: UInt32
    var cipher: AESGCM256

    init(number: UInt32, cipher: consuming AESGCM256) {
        self.number = number
        self.cipher = cipher
    }
}
