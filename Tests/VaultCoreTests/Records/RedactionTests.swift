import Testing

@testable import VaultCore

@Suite("Redaction")
struct RedactionTests {
    @Test("no way of printing work for the writer, an answer or what may be shown gives a card number or a token")
    func redacted() throws {
        let vault = try TestVault()
        let pan: UInt64 = 4_111_111_111_111_111
        let item = try vault.tokenize(Order(pan: pan, format: 1))
        let reveal = try vault.reveal(item.token)
        let inspection = try #require(try vault.inspect(item.token))
        var dumped = ""
        dump(item, to: &dumped)
        dump(reveal, to: &dumped)
        dump(inspection, to: &dumped)
        dump(inspection.card, to: &dumped)
        let texts = [
            "\(item) \(reveal) \(inspection) \(inspection.card)", String(reflecting: (item, reveal, inspection)),
            dumped,
        ]
        for text in texts {
            #expect(!text.contains("4111111"))
            #expect(!text.contains(String(item.token)))
        }
    }
}
