import Testing

@testable import VaultCore

@Suite("Base 64 and hexadecimal")
struct TextCodingTests {
    @Test("the vectors of RFC 4648")
    func rfc4648() {
        let vectors = [
            "": "", "f": "Zg==", "fo": "Zm8=", "foo": "Zm9v", "foob": "Zm9vYg==", "fooba": "Zm9vYmE=",
            "foobar": "Zm9vYmFy",
        ]
        for (plain, coded) in vectors {
            #expect(Base64.encode(Array(plain.utf8)) == coded)
            #expect(Base64.decode(coded.utf8) == Array(plain.utf8))
        }
    }

    @Test("bytes come back, of every length and value")
    func roundTrip() {
        for count in 0...70 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ count &* 31) }
            #expect(Base64.decode(Base64.encode(bytes).utf8) == bytes)
            #expect(Hexadecimal.decode(Hexadecimal.encode(bytes).utf8) == bytes)
        }
    }

    @Test("a text that is not the one form of some bytes is refused")
    func strict() {
        for text in [
            "Zg=", "Zg", "Zg===", "Z===", "====", "Zh==", "Zm9=", "Zm8=Zm8=", "Zm 9", "Zm9v\n", "Zm9-", "Zm9_", "=Zm9",
            "Zm=v",
        ] {
            #expect(Base64.decode(text.utf8) == nil, "\(text)")
        }
        for text in ["0", "0g", "AB", "0x00", " 00"] { #expect(Hexadecimal.decode(text.utf8) == nil, "\(text)") }
    }
}
