import OpenSSLCrypto
import Testing

@Suite("AES-256-GCM")
struct AESGCM256Tests {
    private struct Case: Decodable {
        var id: Int
        var keySize: Int, ivSize: Int
        var key: Hex, iv: Hex, aad: Hex, msg: Hex, ct: Hex, tag: Hex
        var result: Verdict
    }

    @Test("agrees with Wycheproof on every 256-bit key and 96-bit nonce, and refuses the rest by size")
    func wycheproof() throws {
        guard let file = try VectorFile<Case>.load("wycheproof_aes_gcm.json") else { return }
        var counts = (opened: 0, rejected: 0, keyRefused: 0, nonceRefused: 0)
        for vector in file.cases {
            let opened = open(vector)
            let sealed = seal(vector)
            switch (vector.keySize, vector.ivSize) {
            case (256, 96):
                if vector.result == .valid {
                    #expect(opened == .success(vector.msg.bytes), "case \(vector.id)")
                    #expect(sealed == .success(vector.ct.bytes + vector.tag.bytes), "case \(vector.id)")
                    counts.opened += 1
                } else {
                    #expect(opened == .failure(.authenticationFailed), "case \(vector.id)")
                    #expect(sealed != .success(vector.ct.bytes + vector.tag.bytes), "case \(vector.id)")
                    counts.rejected += 1
                }
            case (256, _):
                #expect(opened == .failure(.badNonceLength), "case \(vector.id)")
                #expect(sealed == .failure(.badNonceLength), "case \(vector.id)")
                counts.nonceRefused += 1
            default:
                #expect(opened == .failure(.badKeyLength), "case \(vector.id)")
                #expect(sealed == .failure(.badKeyLength), "case \(vector.id)")
                counts.keyRefused += 1
            }
        }
        print("AES-GCM vectors:", counts)
        #expect(counts.opened > 0 && counts.rejected > 0 && counts.keyRefused > 0 && counts.nonceRefused > 0)
    }

    private func open(_ vector: Case) -> Result<[UInt8], CryptoError> {
        do {
            var cipher = try AESGCM256(key: vector.key.bytes.span)
            return try .success(
                opening(
                    &cipher, nonce: vector.iv.bytes, aad: vector.aad.bytes, ciphertext: vector.ct.bytes,
                    tag: vector.tag.bytes))
        } catch {
            return .failure(error)
        }
    }

    private func seal(_ vector: Case) -> Result<[UInt8], CryptoError> {
        do {
            var cipher = try AESGCM256(key: vector.key.bytes.span)
            return try .success(
                sealing(
                    &cipher, nonce: vector.iv.bytes, aad: vector.aad.bytes, plaintext: vector.msg.bytes))
        } catch {
            return .failure(error)
        }
    }
}

/// Ciphertext and tag of one message.
func sealing(
    _ cipher: inout AESGCM256, nonce: [UInt8], aad: [UInt8], plaintext: [UInt8]
) throws(CryptoError) -> [UInt8] {
    var ciphertext = [UInt8](repeating: 0xEE, count: plaintext.count)
    var tag = [UInt8](repeating: 0xEE, count: 16)
    var ciphertextBytes = ciphertext.mutableSpan
    var tagBytes = tag.mutableSpan
    try cipher.seal(
        nonce: nonce.span, aad: aad.span, plaintext: plaintext.span, into: &ciphertextBytes, tag: &tagBytes)
    return ciphertext + tag
}

/// Plaintext of one message.
func opening(
    _ cipher: inout AESGCM256, nonce: [UInt8], aad: [UInt8], ciphertext: [UInt8], tag: [UInt8]
) throws(CryptoError) -> [UInt8] {
    var plaintext = [UInt8](repeating: 0xEE, count: ciphertext.count)
    var bytes = plaintext.mutableSpan
    try cipher.open(nonce: nonce.span, aad: aad.span, ciphertext: ciphertext.span, tag: tag.span, into: &bytes)
    return plaintext
}
