import Testing

@testable import VaultCore

@Suite("Verify while keys turn over")
struct VerifyRotationTests {
    /// Runs a check of 5,000 records while both keys are rotated, moved and destroyed between its slices, twice.
    private func run(following: Bool) throws -> VerifyReport {
        let vault = try TestVault()
        var random = SeededRandom(31)
        _ = try vault.tokenize(
            (0..<5_000).map { Order(pan: random.pan(), format: 1, subject: $0 % 3 == 0 ? "s" : "") })
        let store = try #require(vault.store)
        var verifier = try Verifier(store: store, keyring: vault.keyring)
        var failure: (any Error)?
        var step = 0
        func current() -> Keyring? { following ? vault.keyring : nil }
        let report = verifier.run(keyring: current) { _ in
            do {
                let purpose: KeyPurpose = step % 2 == 0 ? .data : .index
                // A little is moved before the next slice of the check, and the rest after it.
                if step % 4 < 2 {
                    try vault.adopt(try vault.keyring.rotated(purpose))
                    _ = purpose == .data ? try vault.moveRecords(700) : try vault.moveEntries(700)
                    _ = try vault.tokenize(
                        (0..<50).map { Order(pan: random.pan(), format: 1, subject: $0 % 3 == 0 ? "t" : "") })
                } else {
                    _ = try vault.moveAll(purpose, by: 400)
                    try vault.adopt(try vault.keyring.destroyingRetired(purpose))
                }
                step += 1
            } catch {
                failure = error
            }
            return true
        }
        #expect(failure == nil)
        #expect(step >= 8)
        #expect(vault.keyring.generation > 8)
        #expect(try vault.verify().isSound)
        return report
    }

    @Test("rotations, moves and destructions between slices make no findings where the check follows the keyring")
    func following() throws {
        let report = try run(following: true)
        #expect(report.isSound, "\(report.findings.first?.description ?? "")")
        #expect(report.records >= 5_000)
    }

    @Test("a check that goes on with the keyring it began with finds keys that it does not know")
    func control() throws {
        let report = try run(following: false)
        #expect(report.findings.contains { $0.kind == .keyVersionUnknown })
    }

    @Test("a subject under another version than its record is found")
    func subjectVersion() throws {
        let vault = try TestVault()
        let token = try vault.tokenize(4_111_111_111_111_111, subject: "s")
        try vault.adopt(try vault.keyring.rotated(.data))
        var cipher = try RecordCipher(vault.keyring)
        let text = Array("s".utf8)
        let sealed = try cipher.sealText(text.span, token: token)
        try vault.alter(token, inSubjects: true) { $0 = sealed }
        #expect(try vault.verify().findings.map(\.kind) == [.subjectVersion])
        #expect(try vault.scan(.data, 1) == 1)
        #expect(try vault.moveAll(.data, by: 1) == (1, 0))
        #expect(try vault.verify().isSound)
    }
}
