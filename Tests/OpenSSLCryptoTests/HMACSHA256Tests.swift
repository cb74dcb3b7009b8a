import Foundation
import OpenSSLCrypto
import Testing

@Suite("HMAC-SHA-256")
struct HMACSHA256Tests {
    private struct Case: Decodable {
        var id: Int
        var key: Hex, msg: Hex, tag: Hex
        var result: Verdict
    }

    @Test("agrees with Wycheproof, whole and cut to 128 bits, in one piece and byte by byte")
    func wycheproof() throws {
        guard let file = try VectorFile<Case>.load("wycheproof_hmac_sha256.json") else { return }
        var counts = (valid: 0, invalid: 0, keyRefused: 0)
        for vector in file.cases {
            guard vector.key.bytes.count >= HMACSHA256.keyBytesMin else {
                #expect(throws: CryptoError.badKeyLength) { _ = try HMACSHA256(key: vector.key.bytes.span) }
                counts.keyRefused += 1
                continue
            }
            var hmac = try HMACSHA256(key: vector.key.bytes.span)
            let whole = try authenticating(&hmac, vector.msg.bytes, count: vector.tag.bytes.count)
            let pieces = try authenticating(&hmac, vector.msg.bytes.map { [$0] }, count: vector.tag.bytes.count)
            #expect((whole == vector.tag.bytes) == (vector.result == .valid), "case \(vector.id)")
            #expect(pieces == whole, "case \(vector.id)")
            if vector.result == .valid { counts.valid += 1 } else { counts.invalid += 1 }
        }
        print("HMAC vectors:", counts)
        #expect(counts.valid > 0 && counts.invalid > 0)
    }

    @Test("RFC 4231, test case 2 is refused for its 4-byte key; case 6 agrees")
    func rfc4231() throws {
        #expect(throws: CryptoError.badKeyLength) { _ = try HMACSHA256(key: Array("Jefe".utf8).span) }
        var hmac = try HMACSHA256(key: [UInt8](repeating: 0xAA, count: 131).span)
        let message = Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8)
        let mac = try authenticating(&hmac, [message], count: 32)
        let expected: Hex = "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        #expect(mac == expected.bytes)
    }

    @Test("a MAC may be cut to 16 to 32 bytes and no other size, and a refused size keeps the message open")
    func truncation() throws {
        var hmac = try HMACSHA256(key: [UInt8](repeating: 1, count: 32).span)
        let whole = try authenticating(&hmac, [[1, 2, 3]], count: 32)
        for count in 0...40 {
            if (16...32).contains(count) {
                let cut = try authenticating(&hmac, [[1, 2, 3]], count: count)
                #expect(cut == Array(whole.prefix(count)))
            } else {
                #expect(throws: CryptoError.badOutputLength) {
                    _ = try authenticating(&hmac, [[1, 2, 3]], count: count)
                }
                var mac = [UInt8](repeating: 0, count: 32)
                var bytes = mac.mutableSpan
                try hmac.finish(into: &bytes)
                #expect(mac == whole)
            }
        }
    }

    @Test("a message that was begun and dropped leaves nothing in the next one")
    func restart() throws {
        var hmac = try HMACSHA256(key: [UInt8](repeating: 1, count: 32).span)
        let whole = try authenticating(&hmac, [[1, 2, 3]], count: 32)
        try hmac.begin()
        try hmac.update([9, 9, 9].span)
        let again = try authenticating(&hmac, [[1, 2], [], [3]], count: 32)
        #expect(again == whole)
    }

    @Test("a call out of order stops the process")
    func order() async {
        await #expect(processExitsWith: .failure) {
            var hmac = try HMACSHA256(key: [UInt8](repeating: 1, count: 32).span)
            try hmac.update([1].span)
            exit(0)
        }
        await #expect(processExitsWith: .failure) {
            var hmac = try HMACSHA256(key: [UInt8](repeating: 1, count: 32).span)
            _ = try authenticating(&hmac, [[1]], count: 32)
            var mac = [UInt8](repeating: 0, count: 32)
            var bytes = mac.mutableSpan
            try hmac.finish(into: &bytes)
            exit(mac.isEmpty ? 1 : 0)
        }
    }
}

/// The MAC of a message in pieces.
func authenticating(
    _ hmac: inout HMACSHA256, _ pieces: [[UInt8]], count: Int
) throws(CryptoError) -> [UInt8] {
    var mac = [UInt8](repeating: 0xEE, count: count)
    var bytes = mac.mutableSpan
    try hmac.begin()
    for piece in pieces { try hmac.update(piece.span) }
    try hmac.finish(into: &bytes)
    return mac
}

/// The MAC of a message in one piece.
func authenticating(_ hmac: inout HMACSHA256, _ message: [UInt8], count: Int) throws(CryptoError) -> [UInt8] {
    var mac = [UInt8](repeating: 0xEE, count: count)
    var bytes = mac.mutableSpan
    try hmac.authenticate(message.span, into: &bytes)
    return mac
}
