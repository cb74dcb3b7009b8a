import Testing

@testable import VaultCore

@Suite("Text that could hold a card number")
struct CardLikeTextTests {
    @Test(
        "is masked, digit by digit, and nothing else is",
        arguments: [
            ("4111111111111111", "################"), ("credential:4111111111111111", "credential:################"),
            ("4111 1111 1111 1111 was stolen", "#### #### #### #### was stolen"),
            ("4111-1111-1111-1111", "####-####-####-####"), ("at 03:12, ticket 4711", "at 03:12, ticket 4711"),
            ("12345678901", "12345678901"), ("123456789012", "############"), ("", ""),
            ("é4111111111111111é", "é################é"),
            ("2026-11-28T11:22:33Z", "2026-11-28T11:22:33Z"), ("anna (1000)", "anna (1000)"),
            ("4111  1111 1111 1111", "4111  #### #### ####"), ("a1b2c3d4e5f6a7b8c9d0", "a1b2c3d4e5f6a7b8c9d0"),
        ])
    func masks(text: String, masked: String) {
        #expect(CardLikeText.masked(text) == masked)
        #expect(CardLikeText.isIn(text) == (text != masked))
    }

    @Test("never stands in an audit record, whoever typed it")
    func records() {
        var entry = AuditEntry(.command)
        entry.add("what", "rewrap under credential:4111111111111111")
        entry.add("names", texts: ["5500000000000004", "anna"])
        entry.add("previous", verbatim: "00000000000000000001.jsonl")
        let masked = String(repeating: "#", count: 16)
        #expect(
            String(decoding: entry.bytes, as: UTF8.self)
                == "\"op\":\"command\",\"what\":\"rewrap under credential:\(masked)\",\"names\":[\"\(masked)\",\"anna\"],"
                + "\"previous\":\"00000000000000000001.jsonl\"")
        #expect(!Freeze.isReason("card 4111 1111 1111 1111 was seen"))
    }
}
