import SecretMemory
import Testing

@testable import VaultCore
@testable import VaultServer

@Suite("The audit record of a batch of writes")
struct WriteRecordTests {
    /// The record as a reader of the log gets it.
    private func line(_ outcomes: [WriteOutcome]) throws -> AuditLine {
        let batch = WriteBatch(access: Access(formats: 1))
        for (number, outcome) in outcomes.enumerated() {
            var item = WriteItem()
            item.outcome = outcome
            item.token = 9_900_000_000_000_000 + UInt64(number)
            batch.items.append(item)
        }
        batch.audit = AuditEntry(.tokenize)
        let entry = try #require(batch.record(keyVersion: 3))
        let zeros = String(repeating: "0", count: 64)
        let text =
            #"{"seq":1,"time":"2026-11-28T11:22:33.123Z","boot":"b",\#(String(decoding: entry.bytes, as: UTF8.self)),"#
            + #""chain":1,"prev":"\#(zeros)","mac":"\#(zeros)"}"#
        return try #require(AuditLine(Array(text.utf8)), "no record: \(text)")
    }

    @Test("has the tokens that were made, and counts the others")
    func outcomes() throws {
        let line = try line([.done, .missing, .done, .missing])
        #expect(line.tokens("tokens") == [9_900_000_000_000_000, 9_900_000_000_000_002])
        #expect(line.number("asked") == 4 && line.number("missed") == 2 && line.number("failed") == nil)
        #expect(line.text("outcome") == "intent" && line.numbers("keys") == [3])
    }

    @Test("is one that readers take where its items failed for different reasons")
    func severalCodes() throws {
        let line = try line([.bucketFull, .invalidPAN, .conflict, .invalidPAN, .done, .missing])
        #expect(line.number("failed") == 4 && line.text("code") == "bucket_full,invalid_pan,malformed")
        #expect(line.number("missed") == 1 && line.tokens("tokens") == [9_900_000_000_000_004])
        #expect(try self.line([.damaged, .damaged]).text("code") == "damaged_record")
    }
}
