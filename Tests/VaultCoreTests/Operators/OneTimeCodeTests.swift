import SecretMemory
import Testing

@testable import VaultCore

@Suite("One-time codes")
struct OneTimeCodeTests {
    static let secret = Array("12345678901234567890".utf8)

    private func match(_ text: String, at seconds: UInt64, after last: UInt64 = 0) throws -> UInt64? {
        try TOTP.match(try #require(OneTimeCode(text)), secret: Self.secret.span, at: seconds, after: last)
    }

    @Test(
        "RFC 6238, appendix B",
        arguments: [
            (59, 94_287_082), (1_111_111_109, 7_081_804), (1_111_111_111, 14_050_471), (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037), (20_000_000_000, 65_353_130),
        ] as [(UInt64, UInt32)])
    func rfc6238(seconds: UInt64, code: UInt32) throws {
        let value = try TOTP.value(secret: Self.secret.span, step: TOTP.step(at: seconds))
        #expect(value % 100_000_000 == code)
        let digits = String(code % 1_000_000)
        let text = String(repeating: "0", count: 6 - digits.count) + digits
        #expect(try match(text, at: seconds) == seconds / 30)
    }

    @Test("RFC 4226, appendix D")
    func rfc4226() throws {
        let values: [UInt32] = [
            1_284_755_224, 1_094_287_082, 137_359_152, 1_726_969_429, 1_640_338_314, 868_254_676, 1_918_287_922,
            82_162_583, 673_399_871, 645_520_489,
        ]
        for (step, value) in values.enumerated() {
            #expect(try TOTP.value(secret: Self.secret.span, step: UInt64(step)) == value)
        }
    }

    @Test("a code is good one step before and after its own, and no further")
    func window() throws {
        // The code of step 37037037, which is 1111111110 to 1111111139.
        let code = "050471"
        for (seconds, isGood) in [
            (1_111_111_079, false), (1_111_111_080, true), (1_111_111_110, true), (1_111_111_169, true),
            (1_111_111_170, false),
        ] as [(UInt64, Bool)] {
            #expect(try match(code, at: seconds) == (isGood ? 37_037_037 : nil), "\(seconds)")
        }
    }

    @Test("a code is good once, and the ones before it are gone with it")
    func replay() throws {
        #expect(try match("050471", at: 1_111_111_111, after: 37_037_036) == 37_037_037)
        #expect(try match("050471", at: 1_111_111_111, after: 37_037_037) == nil)
        #expect(try match("081804", at: 1_111_111_111, after: 37_037_037) == nil)
        #expect(try match("081804", at: 1_111_111_111) == 37_037_036)
    }

    @Test("the first seconds of the clock have no step before them")
    func start() throws {
        #expect(try match("755224", at: 0) == nil, "step 0 counts as used")
        #expect(try match("287082", at: 29) == 1)
    }

    @Test(
        "what is not six digits is no code",
        arguments: ["", "12345", "1234567", "12345a", "１２３４５６", "+12345", " 12345"])
    func notCodes(text: String) {
        let isRefused = OneTimeCode(text) == nil
        #expect(isRefused)
    }

    @Test("an address has the secret in base 32 and names percent-encoded")
    func address() {
        func text(_ secret: [UInt8], _ account: String, _ issuer: String) -> String {
            let address = OTPAuth.address(secret: secret.span, account: account, issuer: issuer)
            return String(decoding: (0..<address.count).map { address.span[$0] }, as: UTF8.self)
        }
        #expect(
            text(Self.secret, "anna", "strongroom")
                == "otpauth://totp/strongroom:anna?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=strongroom")
        #expect(
            text([0xFF], "anna", "a b&ß:") == "otpauth://totp/a%20b%26%C3%9F%3A:anna?secret=74&issuer=a%20b%26%C3%9F%3A"
        )
        // The longest of everything still fits the largest code, and a character is never cut in two.
        let longest = text(Self.secret, String(repeating: "n", count: 64), String(repeating: "ß", count: 64))
        #expect(longest.utf8.count == 15 + 60 + 1 + 64 + 8 + 32 + 8 + 60)
        #expect(longest.hasSuffix("issuer=" + String(repeating: "%C3%9F", count: 10)))
    }
}
