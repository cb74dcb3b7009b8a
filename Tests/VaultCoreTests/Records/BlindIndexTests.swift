import Testing

@testable import OpenSSLCrypto
@testable import VaultCore

/// One blind index, with arrays for answers.
private final class Indexer {
    private var index: BlindIndex

    init(_ version: KeyVersion) throws { index = try BlindIndex(version) }

    func presence(_ pan: PAN) throws -> [UInt8] { try index.presence(of: pan).span.copied }

    func key(_ pan: PAN, _ format: UInt16, _ subject: String = "") throws -> [UInt8] {
        let bytes = Array(subject.utf8)
        return try index.key(pan: pan, format: format, subject: bytes.span).span.copied
    }

    func fingerprint(_ pan: PAN) throws -> [UInt8] { try index.fingerprint(of: pan).span.copied }

    func requestKey(_ client: String, _ id: String) throws -> [UInt8] {
        let (client, id) = (Array(client.utf8), Array(id.utf8))
        return try index.requestKey(client: client.span, requestID: id.span).span.copied
    }
}

@Suite("Blind index")
struct BlindIndexTests {
    private let version: KeyVersion
    private let index: Indexer
    private let pan: PAN

    init() throws {
        version = try KeyVersion.made(.index, 1)
        index = try Indexer(version)
        pan = try #require(PAN(digits: 4_111_111_111_111_111))
    }

    @Test("the same question gives the same key, from another context too")
    func stable() throws {
        let key = try index.key(pan, 1, "s")
        #expect(key.count == 32)
        #expect(key == (try index.key(pan, 1, "s")))
        #expect(key == (try Indexer(version).key(pan, 1, "s")))
        #expect(key[24...].allSatisfy { $0 == 0 })
        #expect(Array(key[0..<16]) == (try index.presence(pan)))
    }

    @Test("the selector depends on card, format, subject and key, the presence on card and key alone")
    func selectors() throws {
        var keys: Set<[UInt8]> = []
        for value in [4_111_111_111_111_111, 4_111_111_111_111_112, 411_111_111_111] as [UInt64] {
            let pan = try #require(PAN(digits: value))
            let presence = try index.presence(pan)
            for format in [1, 2, 256, 0x0100 + 1] as [UInt16] {
                for subject in ["", "a", "b", "ab", "a\0", "\0"] {
                    let key = try index.key(pan, format, subject)
                    #expect(Array(key[0..<16]) == presence)
                    #expect(keys.insert(key).inserted)
                }
            }
        }
        let other = try Indexer(try KeyVersion.made(.index, 2))
        #expect(try other.presence(pan) != index.presence(pan))
        #expect(try other.key(pan, 1)[16..<24] != index.key(pan, 1)[16..<24])
    }

    @Test("numbers of another length are other cards although their value is near")
    func lengths() throws {
        let values: [UInt64] = [100_000_000_000, 1_000_000_000_000, 10_000_000_000_000]
        let presences = try values.map { try index.presence(try #require(PAN(digits: $0))) }
        #expect(Set(presences).count == 3)
    }

    @Test("the fingerprint has nothing in common with index keys of the same card")
    func fingerprint() throws {
        let fingerprint = try index.fingerprint(pan)
        #expect(fingerprint.count == 32)
        #expect(fingerprint == (try index.fingerprint(pan)))
        let presence = try index.presence(pan)
        let key = try index.key(pan, 1)
        #expect(!contains(fingerprint, Array(presence[0..<4])))
        #expect(!contains(fingerprint, Array(key[16..<20])))
        let other = try Indexer(try KeyVersion.made(.index, 1))
        #expect(try other.fingerprint(pan) != fingerprint)
    }

    @Test("request keys tell client and id apart, wherever the border between them lies")
    func requests() throws {
        var keys: Set<[UInt8]> = []
        for (client, id) in [("a", "bc"), ("ab", "c"), ("abc", ""), ("", "abc"), ("a", "b"), ("b", "a")] {
            #expect(keys.insert(try index.requestKey(client, id)).inserted)
        }
        #expect(try index.requestKey("a", "bc") == index.requestKey("a", "bc"))
    }

    @Test("the keys are HMAC-SHA-256 under keys derived from the index key")
    func definition() throws {
        var message: [UInt8] = [1, 16]
        message.append(bigEndian: pan.value)
        let lookup = try hmac(try version.derived("strongroom blind index key v1"), message)
        #expect(try index.presence(pan) == Array(lookup[0..<16]))
        message[0] = 2
        message += [0, 7, 0, 1] + Array("s".utf8)
        let selector = try hmac(try version.derived("strongroom blind index key v1"), message)
        #expect(try Array(index.key(pan, 7, "s")[16..<24]) == Array(selector[0..<8]))
        message = [3] + message[1..<10]
        #expect(try index.fingerprint(pan) == hmac(try version.derived("strongroom fingerprint key v1"), message))
    }
}
