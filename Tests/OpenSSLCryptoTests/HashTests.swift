import OpenSSLCrypto
import Testing

@Suite("HKDF-SHA-256 and SHA-256")
struct HashTests {
    private struct Case: Decodable {
        var id: Int, size: Int
        var ikm: Hex, salt: Hex, info: Hex, okm: Hex
        var result: Verdict
    }

    @Test("HKDF agrees with Wycheproof, and refuses outputs above 255 blocks")
    func wycheproof() throws {
        guard let file = try VectorFile<Case>.load("wycheproof_hkdf_sha256.json") else { return }
        var counts = (valid: 0, refused: 0)
        for vector in file.cases {
            if vector.result == .valid {
                let derived = try deriving(vector.ikm.bytes, vector.salt.bytes, vector.info.bytes, count: vector.size)
                #expect(derived == vector.okm.bytes, "case \(vector.id)")
                counts.valid += 1
            } else {
                #expect(throws: CryptoError.badOutputLength, "case \(vector.id)") {
                    _ = try deriving(vector.ikm.bytes, vector.salt.bytes, vector.info.bytes, count: vector.size)
                }
                counts.refused += 1
            }
        }
        print("HKDF vectors:", counts)
        #expect(counts.valid > 0)
    }

    @Test("HKDF takes outputs of 1 to 8,160 bytes from a key that is not empty")
    func limits() throws {
        #expect(try deriving([1], [], [], count: 8160).count == hkdfSHA256BytesMax)
        #expect(throws: CryptoError.badOutputLength) { _ = try deriving([1], [], [], count: 8161) }
        #expect(throws: CryptoError.badOutputLength) { _ = try deriving([1], [], [], count: 0) }
        #expect(throws: CryptoError.badKeyLength) { _ = try deriving([], [1], [1], count: 32) }
    }

    @Test("SHA-256 behind a first byte is that of both together")
    func prefixed() throws {
        for count in [0, 1, 63, 64, 65, 1000] {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
            var expected = [UInt8](repeating: 0, count: 32)
            var digest = expected
            var expectedBytes = expected.mutableSpan
            try sha256(([7] + bytes).span, into: &expectedBytes)
            var digestBytes = digest.mutableSpan
            try sha256(prefix: 7, bytes.span, into: &digestBytes)
            #expect(digest == expected)
        }
        var short = [UInt8](repeating: 0, count: 31)
        #expect(throws: CryptoError.badOutputLength) {
            var output = short.mutableSpan
            try sha256(prefix: 0, [UInt8]().span, into: &output)
        }
    }

    @Test("SHA-256 agrees with FIPS 180-4 and writes 32 bytes only")
    func digest() throws {
        let empty: Hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        let abc: Hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        #expect(try hashing([], count: 32) == empty.bytes)
        #expect(try hashing(Array("abc".utf8), count: 32) == abc.bytes)
        for count in [0, 16, 31, 33] {
            #expect(throws: CryptoError.badOutputLength) { _ = try hashing([], count: count) }
        }
    }

    private func deriving(
        _ key: [UInt8], _ salt: [UInt8], _ info: [UInt8], count: Int
    ) throws(CryptoError) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: count)
        var bytes = output.mutableSpan
        try hkdfSHA256(key: key.span, salt: salt.span, info: info.span, into: &bytes)
        return output
    }

    private func hashing(_ message: [UInt8], count: Int) throws(CryptoError) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: count)
        var bytes = digest.mutableSpan
        try sha256(message.span, into: &bytes)
        return digest
    }
}
