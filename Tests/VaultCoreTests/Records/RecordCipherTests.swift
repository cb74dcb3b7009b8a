import Testing

@testable import OpenSSLCrypto
@testable import VaultCore

/// Seals and opens with one cipher; errors as values, since macros cannot hold a type that is not copyable.
private final class Sealer {
    private var cipher: RecordCipher

    init(_ keyring: Keyring) throws { cipher = try RecordCipher(keyring) }

    var activeVersion: UInt32 { cipher.activeVersion }

    func seal(_ card: Card, _ header: RecordHeader, token: UInt64) throws -> [UInt8] {
        var record = [UInt8](repeating: 0, count: 64)
        var span = record.mutableSpan
        try cipher.seal(card, header: header, token: token, into: &span)
        return record
    }

    enum Opened: Equatable {
        case card(UInt64, UInt8, UInt16)
        case unreadable
        case failed(RecordError)
    }

    /// Header and card, as a reader opens them.
    func open(_ record: [UInt8], token: UInt64) -> Opened {
        guard let header = RecordHeader(record.span) else { return .unreadable }
        do throws(RecordError) {
            let card = try cipher.open(record.span, header: header, token: token)
            return .card(card.pan.value, card.pan.length, card.expiry?.packed ?? 0)
        } catch {
            return .failed(error)
        }
    }

    func sealText(_ text: [UInt8], token: UInt64) throws -> [UInt8] { try cipher.sealText(text.span, token: token) }

    func openText(_ sealed: [UInt8], token: UInt64) -> (text: [UInt8]?, error: RecordError?) {
        do throws(RecordError) {
            return (try cipher.openText(sealed.span, token: token), nil)
        } catch {
            return (nil, error)
        }
    }

    func openNothing() { cipher.openNothing() }
}

@Suite("Record cipher")
struct RecordCipherTests {
    private let keyring: Keyring
    private let sealer: Sealer
    private let token: UInt64 = 9_912_345_678_901_111
    private let header = RecordHeader(
        flags: .subjectLinked, format: 3, keyVersion: 0, created: 1_800_000_000, deadline: 1_900_000_000, purposeSet: 4)

    init() throws {
        keyring = try Keyring.create(now: 1)
        sealer = try Sealer(keyring)
    }

    private func card(_ pan: UInt64, _ expiry: UInt16 = 0) throws -> Card {
        Card(pan: try #require(PAN(digits: pan)), expiry: CardExpiry(packed: expiry))
    }

    @Test("cards of every length, the least and the greatest number of it, read back", arguments: 12...19)
    func lengths(length: Int) throws {
        let least = UInt64("1" + String(repeating: "0", count: length - 1)) ?? 0
        let greatest = UInt64(String(repeating: "9", count: length)) ?? 0
        for pan in [least, least + 1, greatest - 1, greatest] {
            let record = try sealer.seal(try card(pan), header, token: token)
            #expect(sealer.open(record, token: token) == .card(pan, UInt8(length), 0))
        }
    }

    @Test("every expiry, and none, reads back")
    func expiries() throws {
        for packed in 0...1_200 as ClosedRange<UInt16> {
            let record = try sealer.seal(try card(4_111_111_111_111_111, packed), header, token: token)
            #expect(sealer.open(record, token: token) == .card(4_111_111_111_111_111, 16, packed))
        }
    }

    @Test("sealing sets the key version and leaves the rest of the header as given")
    func headerKept() throws {
        let record = try sealer.seal(try card(4_111_111_111_111_111), header, token: token)
        var expected = header
        expected.keyVersion = 1
        #expect(RecordHeader(record.span) == expected)
        #expect(sealer.activeVersion == 1)
    }

    @Test("one card sealed twice shares neither nonce, ciphertext nor tag")
    func fresh() throws {
        var seen: Set<[UInt8]> = []
        for _ in 0..<1_000 {
            let record = try sealer.seal(try card(4_111_111_111_111_111), header, token: token)
            #expect(seen.insert(Array(record[20..<32])).inserted)
            #expect(seen.insert(Array(record[32..<48])).inserted)
            #expect(seen.insert(Array(record[48..<64])).inserted)
        }
    }

    @Test("every flipped bit of the 64 bytes is refused")
    func bitFlips() throws {
        let record = try sealer.seal(try card(4_111_111_111_111_111, 345), header, token: token)
        for position in 0..<64 {
            for bit in 0..<8 {
                var altered = record
                altered[position] ^= 1 << bit
                let opened = sealer.open(altered, token: token)
                if case .card = opened { Issue.record("byte \(position), bit \(bit) opened") }
                if (4..<8).contains(position) {
                    #expect(opened == .failed(.keyMissing(RecordHeader(altered.span)?.keyVersion ?? 0)))
                }
            }
        }
    }

    @Test("a record under any other token is refused")
    func moved() throws {
        let record = try sealer.seal(try card(4_111_111_111_111_111), header, token: token)
        for bit in 0..<64 { #expect(sealer.open(record, token: token ^ 1 << UInt64(bit)) == .failed(.damaged)) }
        #expect(sealer.open(record, token: 0) == .failed(.damaged))
    }

    @Test("a record of another keyring is refused")
    func foreign() throws {
        let record = try sealer.seal(try card(4_111_111_111_111_111), header, token: token)
        #expect(try Sealer(try Keyring.create(now: 1)).open(record, token: token) == .failed(.damaged))
    }

    @Test("after a rotation old records open and new ones use the new version; after destruction old ones name it")
    func rotation() throws {
        let old = try sealer.seal(try card(4_111_111_111_111_111), header, token: token)
        let rotated = try keyring.rotated(.data)
        let both = try Sealer(rotated)
        #expect(both.open(old, token: token) == .card(4_111_111_111_111_111, 16, 0))
        let new = try both.seal(try card(4_111_111_111_111_111), header, token: token)
        #expect(RecordHeader(new.span)?.keyVersion == 2)
        #expect(both.open(new, token: token) == .card(4_111_111_111_111_111, 16, 0))
        #expect(sealer.open(new, token: token) == .failed(.keyMissing(2)))
        let after = try Sealer(try rotated.destroyingRetired(.data))
        #expect(after.open(old, token: token) == .failed(.keyMissing(1)))
        #expect(after.open(new, token: token) == .card(4_111_111_111_111_111, 16, 0))
    }

    @Test("a block that no one packs is refused, even under a right tag")
    func nonsense() throws {
        // Sealed with the bare primitive, so that the tag is right and the block is not.
        let key = try #require(keyring.active(.data)).keyBytes
        var cipher = try AESGCM256(key: key.span)
        let template = try sealer.seal(try card(4_111_111_111_111_111), header, token: token)
        func forged(_ block: [UInt8]) throws -> [UInt8] {
            var associated: [UInt8] = []
            associated.append(bigEndian: token)
            associated += template[0..<20]
            let nonce = Array(template[20..<32])
            var ciphertext = [UInt8](repeating: 0, count: 16)
            var tag = [UInt8](repeating: 0, count: 16)
            var ciphertextSpan = ciphertext.mutableSpan
            var tagSpan = tag.mutableSpan
            try cipher.seal(
                nonce: nonce.span, aad: associated.span, plaintext: block.span, into: &ciphertextSpan, tag: &tagSpan)
            return template[0..<32] + ciphertext + tag
        }
        var good: [UInt8] = []
        good.append(bigEndian: 4_111_111_111_111_111 as UInt64)
        good += [16, 0, 0, 5, 0, 0, 0, 0]
        #expect(sealer.open(try forged(good), token: token) == .card(4_111_111_111_111_111, 16, 5))
        for (position, value) in [
            (8, 15), (8, 17), (8, 0), (9, 1), (10, 0xFF), (12, 1), (13, 1), (14, 1), (15, 1), (0, 0xFF),
        ]
            as [(Int, UInt8)]
        {
            var block = good
            block[position] = value
            #expect(sealer.open(try forged(block), token: token) == .failed(.damaged), "byte \(position)")
        }
    }

    @Test("subjects of every length read back, and only under their token", arguments: [0, 1, 15, 16, 17, 128, 512])
    func texts(count: Int) throws {
        let text = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ 1) }
        let sealed = try sealer.sealText(text, token: token)
        #expect(sealed.count == count + 32)
        #expect(sealer.openText(sealed, token: token).text == text)
        #expect(sealer.openText(sealed, token: token + 1).error == .damaged)
        if count > 8 { #expect(!contains(sealed, text)) }
        for position in sealed.indices {
            var altered = sealed
            altered[position] ^= 0x10
            #expect(sealer.openText(altered, token: token).error != nil, "byte \(position)")
        }
        for shorter in 0..<min(sealed.count, 64) {
            #expect(sealer.openText(Array(sealed[0..<shorter]), token: token).error != nil)
        }
        #expect(sealer.openText(sealed + [0], token: token).error == .damaged)
    }

    @Test("a sealed text of a size that no one seals is refused before anything is made of it")
    func hugeText() {
        // A flipped bit in a page can make LMDB say that a value has gigabytes.
        let huge = [UInt8](repeating: 0, count: RecordCipher.textBytesMax + 33)
        #expect(sealer.openText([0, 0, 0, 1] + huge, token: token).error == .damaged)
    }

    @Test("a record does not open as a subject, nor a subject as a record")
    func kinds() throws {
        let record = try sealer.seal(try card(4_111_111_111_111_111), header, token: token)
        #expect(sealer.openText(record, token: token).text == nil)
        #expect(sealer.openText(Array(record[4..<8] + record[20..<64]), token: token).error == .damaged)
        let text = try sealer.sealText([UInt8](repeating: 1, count: 32), token: token)
        if case .card = sealer.open(text, token: token) { Issue.record("a subject opened as a record") }
        sealer.openNothing()
    }
}
