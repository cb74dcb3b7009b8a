import SecretMemory
import Testing

@testable import VaultCore

@Suite("Operators' codes at rest")
struct CodeLedgerTests {
    private func keyring() throws -> Keyring { try Keyring.create(now: 1).withOperatorsKey(now: 2) }

    private func secret(_ enrolment: OperatorEnrolment, _ keyring: Keyring) throws -> [UInt8] {
        guard let secret = try enrolment.secret(keyring) else { return [] }
        return (0..<secret.count).map { secret.span[$0] }
    }

    @Test("the key of the codes is made once, and a keyring without it has none")
    func key() throws {
        let plain = try Keyring.create(now: 1)
        #expect(plain.active(.operators) == nil)
        let keyring = try plain.withOperatorsKey(now: 2)
        #expect(keyring.active(.operators)?.number == 1 && keyring.generation == plain.generation + 1)
        #expect(try keyring.withOperatorsKey(now: 3) === keyring)
        let enrolment = try OperatorEnrolment(name: "anna", since: 3)
        #expect(try secret(enrolment, plain) == [])
    }

    @Test("a secret is the operator's, the enrolment's and the vault's own, and always the same")
    func secrets() throws {
        let keyring = try keyring()
        let enrolment = OperatorEnrolment(name: "anna", nonce: Array(0..<16), since: 3)
        let first = try secret(enrolment, keyring)
        #expect(first.count == 20)
        #expect(try secret(enrolment, keyring) == first)
        #expect(try secret(OperatorEnrolment(name: "ben", nonce: Array(0..<16), since: 3), keyring) != first)
        #expect(try secret(OperatorEnrolment(name: "anna", nonce: Array(1..<17), since: 3), keyring) != first)
        #expect(try secret(enrolment, try self.keyring()) != first)
        #expect(
            try secret(OperatorEnrolment(name: "anna", since: 3), keyring)
                != secret(OperatorEnrolment(name: "anna", since: 3), keyring))
    }

    @Test("an annex keeps enrolments, and one without any is as it was before there were any")
    func annex() throws {
        var annex = KeyringAnnex()
        let before = annex.encoded
        annex.enrolments = [
            OperatorEnrolment(name: "anna", nonce: Array(0..<16), since: 7),
            OperatorEnrolment(name: "ben", nonce: Array(1..<17), since: 8),
        ]
        let encoded = annex.encoded
        #expect(try KeyringAnnex(decoding: encoded) == annex)
        #expect(encoded.starts(with: before))
        for size in before.count + 1..<encoded.count {
            #expect(throws: KeyringError.self) { _ = try KeyringAnnex(decoding: Array(encoded[..<size])) }
        }
        annex.enrolments[1] = annex.enrolments[0]
        #expect(throws: KeyringError.self) { _ = try KeyringAnnex(decoding: annex.encoded) }
    }

    @Test("a ledger comes back as it was, and any changed byte is noticed")
    func roundTrip() throws {
        let keyring = try keyring()
        var ledger = CodeLedger()
        #expect(try CodeLedger(ledger.encoded(keyring), keyring) == ledger)
        var entry = CodeLedger.Entry(lastStep: 37_037_037)
        _ = entry.countWrong(now: 5)
        ledger.entries = ["anna": entry, "ben": .init(lastStep: 1)]
        let bytes = try ledger.encoded(keyring)
        #expect(try CodeLedger(bytes, keyring) == ledger)
        for index in bytes.indices {
            var damaged = bytes
            damaged[index] ^= 1
            #expect(throws: KeyringError.self) { _ = try CodeLedger(damaged, keyring) }
        }
        for size in 0..<bytes.count {
            #expect(throws: KeyringError.self) { _ = try CodeLedger(Array(bytes[..<size]), keyring) }
        }
        #expect(throws: KeyringError.self) { _ = try CodeLedger(bytes, try self.keyring()) }
    }

    @Test("a file is read back, and one that is not there is none")
    func file() throws {
        let directory = TemporaryDirectory()
        let keyring = try keyring()
        var ledger = CodeLedger()
        ledger.entries["anna"] = .init(lastStep: 9)
        let path = directory.path + "/codes"
        #expect(CodeLedger.read(path, keyring) == nil)
        try ledger.write(to: path, keyring)
        #expect(CodeLedger.read(path, keyring) == ledger)
    }

    @Test("the tenth wrong code in a row locks for half an hour, and a right one begins anew")
    func locking() {
        var entry = CodeLedger.Entry(lastStep: 1)
        for _ in 0..<9 {
            let isLocked = entry.countWrong(now: 1000)
            #expect(!isLocked)
        }
        entry.take(5)
        #expect(entry.lastStep == 5 && entry.wrong == 0)
        for _ in 0..<9 { _ = entry.countWrong(now: 1000) }
        #expect(entry.lockLeft(now: 1000) == 0)
        let isLocked = entry.countWrong(now: 1000)
        #expect(isLocked)
        #expect(entry.lockLeft(now: 1000) == 1800 && entry.lockLeft(now: 2799) == 1 && entry.lockLeft(now: 2800) == 0)
        #expect(entry.lockLeft(now: 0) == 1800, "a clock that went back")
        entry.take(3)
        #expect(entry.lastStep == 5, "a code that was used stays used")
    }
}
