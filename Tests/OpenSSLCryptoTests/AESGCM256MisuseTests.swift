import OpenSSLCrypto
import Testing

@Suite("AES-256-GCM, altered and misused")
struct AESGCM256MisuseTests {
    private let key = [UInt8](repeating: 0x42, count: 32)
    private let nonce = [UInt8](repeating: 0x24, count: 12)
    private let aad: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]

    @Test("every size from 0 to 300 bytes comes back, with and without associated data, through one reused value")
    func roundTrips() throws {
        var cipher = try AESGCM256(key: key.span)
        for count in 0...300 {
            let plaintext = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            for aad in [[], aad] {
                let sealed = try sealing(&cipher, nonce: nonce, aad: aad, plaintext: plaintext)
                let opened = try opening(
                    &cipher, nonce: nonce, aad: aad, ciphertext: Array(sealed.prefix(count)),
                    tag: Array(sealed.suffix(16)))
                #expect(opened == plaintext)
            }
        }
    }

    @Test("a change of any single bit of nonce, data, ciphertext or tag is refused, and the next message still opens")
    func everyBit() throws {
        var cipher = try AESGCM256(key: key.span)
        let plaintext = [UInt8](repeating: 0x77, count: 16)
        let sealed = try sealing(&cipher, nonce: nonce, aad: aad, plaintext: plaintext)
        let parts = [nonce, aad, Array(sealed.prefix(16)), Array(sealed.suffix(16))]
        for part in parts.indices {
            for bit in 0..<(parts[part].count * 8) {
                var altered = parts
                altered[part][bit / 8] ^= 1 << (bit % 8)
                #expect(throws: CryptoError.authenticationFailed) {
                    try opening(
                        &cipher, nonce: altered[0], aad: altered[1], ciphertext: altered[2], tag: altered[3])
                }
            }
        }
        let opened = try opening(&cipher, nonce: nonce, aad: aad, ciphertext: parts[2], tag: parts[3])
        #expect(opened == plaintext)
    }

    @Test("a message that is refused leaves zeros in the output")
    func wipedOutput() throws {
        var cipher = try AESGCM256(key: key.span)
        let ciphertext = [UInt8](repeating: 9, count: 40)
        let tag = [UInt8](repeating: 9, count: 16)
        var plaintext = [UInt8](repeating: 0xEE, count: 40)
        var bytes = plaintext.mutableSpan
        var refusal: CryptoError?
        do {
            try cipher.open(
                nonce: nonce.span, aad: aad.span, ciphertext: ciphertext.span, tag: tag.span, into: &bytes)
        } catch {
            refusal = error
        }
        #expect(refusal == .authenticationFailed)
        #expect(plaintext == [UInt8](repeating: 0, count: 40))
    }

    @Test("another key does not open the message")
    func otherKey() throws {
        var cipher = try AESGCM256(key: key.span)
        var other = try AESGCM256(key: [UInt8](repeating: 0x43, count: 32).span)
        let sealed = try sealing(&cipher, nonce: nonce, aad: aad, plaintext: [1, 2, 3])
        #expect(throws: CryptoError.authenticationFailed) {
            try opening(
                &other, nonce: nonce, aad: aad, ciphertext: Array(sealed.prefix(3)), tag: Array(sealed.suffix(16)))
        }
    }

    @Test("keys, nonces, tags and outputs of any other size are refused by name")
    func sizes() throws {
        for count in [0, 16, 24, 31, 33, 64] {
            let key = [UInt8](repeating: 0, count: count)
            #expect(throws: CryptoError.badKeyLength) { _ = try AESGCM256(key: key.span) }
        }
        var cipher = try AESGCM256(key: key.span)
        for count in [0, 8, 11, 13, 16] {
            let nonce = [UInt8](repeating: 0, count: count)
            #expect(throws: CryptoError.badNonceLength) {
                _ = try sealing(&cipher, nonce: nonce, aad: [], plaintext: [1])
            }
            #expect(throws: CryptoError.badNonceLength) {
                _ = try opening(&cipher, nonce: nonce, aad: [], ciphertext: [1], tag: nonce)
            }
        }
        for count in [0, 4, 12, 15, 17, 32] {
            #expect(throws: CryptoError.badTagLength) {
                _ = try opening(
                    &cipher, nonce: nonce, aad: [], ciphertext: [1], tag: [UInt8](repeating: 0, count: count))
            }
        }
        let tag = [UInt8](repeating: 0, count: 16)
        var short = [UInt8](repeating: 0, count: 3)
        var refusal: CryptoError?
        do {
            var bytes = short.mutableSpan
            try cipher.open(nonce: nonce.span, aad: aad.span, ciphertext: key.span, tag: tag.span, into: &bytes)
        } catch {
            refusal = error
        }
        #expect(refusal == .badOutputLength)
    }

    @Test("values in different threads do not disturb each other")
    func threads() async throws {
        let failures = await withTaskGroup(of: Int.self) { group in
            for task in UInt8(0)..<4 {
                group.addTask {
                    var failures = 0
                    do {
                        var cipher = try AESGCM256(key: [UInt8](repeating: task, count: 32).span)
                        for round in UInt8(0)..<200 {
                            let nonce = [UInt8](repeating: round, count: 12)
                            let sealed = try sealing(&cipher, nonce: nonce, aad: [task], plaintext: [round, task])
                            let opened = try opening(
                                &cipher, nonce: nonce, aad: [task], ciphertext: Array(sealed.prefix(2)),
                                tag: Array(sealed.suffix(16)))
                            if opened != [round, task] { failures += 1 }
                        }
                    } catch {
                        failures += 1
                    }
                    return failures
                }
            }
            return await group.reduce(0, +)
        }
        #expect(failures == 0)
    }
}
