import Testing

@testable import VaultCore

@Suite("Keyring annex")
struct KeyringAnnexTests {
    private static func text(_ random: inout SeededRandom) -> String {
        let pieces = ["", "anna (1000)", "ß", "日本", "x", "\u{1F511}", "a longer line for people", "\0"]
        return (0..<Int.random(in: 0...4, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }
            .joined()
    }

    private static func authority(_ random: inout SeededRandom) -> KeyAuthority {
        KeyAuthority(requestedBy: text(&random), approvedBy: text(&random))
    }

    /// An annex with up to `limit` of everything.
    static func random(_ random: inout SeededRandom, limit: Int = 6) throws -> KeyringAnnex {
        var annex = KeyringAnnex()
        for number in 0..<Int.random(in: 0...limit, using: &random) {
            let purpose = KeyPurpose.allCases.randomElement(using: &random) ?? .data
            let version = KeyVersion(
                purpose: purpose, number: UInt32(number + 1), state: .retiring, created: random.next(),
                retired: random.next(), key: RootKeyBytes.empty())
            let note = RotationNote(
                purpose: purpose, version: UInt32(number + 1),
                reason: RotationReason.allCases.randomElement(using: &random) ?? .age, authority: authority(&random))
            annex.receipts.append(
                try DestructionReceipt(
                    of: version, destroyed: random.next(), recordsMoved: random.next(), generation: random.next(),
                    rotation: Bool.random(using: &random) ? note : nil, authority: authority(&random),
                    after: annex.receipts.last))
        }
        for _ in 0..<Int.random(in: 0...limit, using: &random) {
            annex.rotations.append(
                RotationNote(
                    purpose: KeyPurpose.allCases.randomElement(using: &random) ?? .data,
                    version: .random(in: 0 ... .max, using: &random),
                    reason: RotationReason.allCases.randomElement(using: &random) ?? .age,
                    authority: authority(&random)))
        }
        for _ in 0..<Int.random(in: 0...limit, using: &random) {
            var command = PendingCommand(
                id: .random(in: 0 ... .max, using: &random), command: text(&random), argument: text(&random),
                description: text(&random), requestedBy: .random(in: 0 ... .max, using: &random),
                requesterName: text(&random), created: random.next(), expires: random.next())
            command.approverName = text(&random)
            annex.pending.append(command)
        }
        annex.nextPendingID = .random(in: 0 ... .max, using: &random)
        for _ in 0..<Int.random(in: 0...limit, using: &random) {
            var custodian = Custodian(
                name: text(&random), setID: .random(in: 0 ... .max, using: &random),
                index: .random(in: 0 ... .max, using: &random), since: random.next())
            custodian.until = random.next()
            custodian.acknowledged = random.next()
            custodian.acknowledgedBy = text(&random)
            annex.custodians.append(custodian)
        }
        for number in 0..<Int.random(in: 0...limit, using: &random) {
            let nonce = (0..<16).map { _ in UInt8.random(in: 0 ... .max, using: &random) }
            annex.enrolments.append(
                OperatorEnrolment(name: "\(number)" + text(&random), nonce: nonce, since: random.next()))
        }
        return annex
    }

    private func refused(_ bytes: [UInt8]) -> Bool { (try? KeyringAnnex(decoding: bytes)) == nil }

    @Test("an annex of anything comes back as it was, 300 times")
    func roundTrip() throws {
        var random = SeededRandom(41)
        for _ in 0..<300 {
            let annex = try Self.random(&random)
            #expect(try KeyringAnnex(decoding: annex.encoded) == annex)
        }
        #expect(try KeyringAnnex(decoding: KeyringAnnex().encoded) == KeyringAnnex())
        #expect(try KeyringAnnex(decoding: []) == KeyringAnnex())
    }

    @Test("every prefix but none at all is refused, and every longer annex")
    func truncation() throws {
        var random = SeededRandom(42)
        for _ in 0..<20 {
            var annex = try Self.random(&random)
            // Enrolments may be left out: `CodeLedgerTests` cuts them short.
            annex.enrolments = []
            let bytes = annex.encoded
            for count in 1..<bytes.count { #expect(refused(Array(bytes[0..<count])), "\(count) bytes") }
            #expect(refused(bytes + [0]))
        }
    }

    @Test("40,000 random edits are refused, or decode to exactly what they say")
    func edits() throws {
        var random = SeededRandom(43)
        var taken = 0
        for _ in 0..<400 {
            let bytes = try Self.random(&random, limit: 3).encoded
            for _ in 0..<100 {
                var edited = bytes
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    let position = Int.random(in: 0..<edited.count, using: &random)
                    switch Int.random(in: 0..<4, using: &random) {
                    case 0: edited[position] = .random(in: 0 ... .max, using: &random)
                    case 1: edited[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                    case 2: edited.insert(.random(in: 0...4, using: &random), at: position)
                    default: if edited.count > 1 { edited.remove(at: position) }
                    }
                }
                guard let annex = try? KeyringAnnex(decoding: edited) else { continue }
                taken += 1
                #expect(annex.encoded == edited)
            }
        }
        #expect(taken > 1_000)
    }

    /// A keyring with three receipts and nothing else in its annex.
    private func threeReceipts() throws -> Keyring {
        var keyring = try Keyring.create(now: 1)
        for _ in 0..<3 { keyring = try keyring.rotated(.data).destroyingRetired(.data) }
        return keyring
    }

    @Test("a removed, repeated or reordered receipt is refused even under a right MAC")
    func chain() throws {
        let keyring = try threeReceipts()
        let file = try encoded(keyring)
        let receipts = keyring.annex.receipts
        func refusal(of order: [Int]) throws -> KeyringError? {
            var annex = keyring.annex
            annex.receipts = order.map { receipts[$0] }
            return VaultCoreTests.refusal(try replacingAnnex(of: file, with: annex.encoded))
        }
        #expect(try refusal(of: [0, 1, 2]) == nil)
        let broken = [[1, 2], [0, 2], [2], [1, 0, 2], [0, 2, 1], [2, 1, 0], [0, 0, 1, 2], [0, 1, 1, 2]]
        for order in broken { #expect(try refusal(of: order) == .damaged, "\(order)") }
    }

    @Test("every byte of a receipt changed is refused even under a right MAC")
    func editedReceipts() throws {
        let keyring = try threeReceipts()
        let file = try encoded(keyring)
        let annex = keyring.annex.encoded
        // What follows the receipts: three empty lists and the id of the next command.
        for position in 0..<annex.count - 10 {
            var altered = annex
            altered[position] ^= 1
            #expect(refusal(try replacingAnnex(of: file, with: altered)) == .damaged, "byte \(position)")
        }
    }

    @Test("a text that is no text, an unknown purpose and an unknown reason are refused")
    func values() throws {
        var annex = KeyringAnnex()
        annex.rotations = [
            RotationNote(purpose: .data, version: 1, reason: .age, authority: KeyAuthority(requestedBy: "x"))
        ]
        let bytes = annex.encoded
        // receipts (2), rotations (2), purpose (1), version (4), reason (1), size (2), text.
        #expect(!refused(bytes))
        for (position, value) in [(4, 0), (4, 5), (9, 0), (9, 5), (12, 0xFF), (12, 0x80)] as [(Int, UInt8)] {
            var altered = bytes
            altered[position] = value
            #expect(refused(altered), "byte \(position)")
        }
    }

    @Test("more than an annex or a keyring holds is refused when it is written, and the file stays")
    func tooLarge() throws {
        let directory = TemporaryDirectory()
        let path = directory.path + "/keyring"
        let keyring = try Keyring.create(now: 1)
        try KeyringFile.store(keyring, at: path, root: RootKey.test())
        let before = try AtomicFile.read(path)
        func refusal(_ keyring: Keyring) -> KeyringError? {
            do throws(KeyringError) {
                try KeyringFile.store(keyring, at: path, root: RootKey.test())
                return nil
            } catch {
                return error
            }
        }
        let name = String(repeating: "n", count: 100)
        let custodian = Custodian(name: name, setID: 1, index: 1, since: 1)
        // 135 bytes each.
        #expect(refusal(keyring.annotated { $0.custodians = Array(repeating: custodian, count: 8_000) }) == .tooLarge)
        #expect(try AtomicFile.read(path) == before)
        var versions = keyring.versions
        for number in 2...4_097 { versions.append(try .made(.data, UInt32(number), .retiring)) }
        #expect(
            refusal(Keyring(generation: 2, vaultID: keyring.vaultID, versions: versions)) == .tooLarge)
        // Longer than its size can say, and more of them than their count can: never cut.
        let long = Custodian(name: String(repeating: "n", count: 65_536), setID: 1, index: 1, since: 1)
        #expect(refusal(keyring.annotated { $0.custodians = [long] }) != nil)
        let note = RotationNote(
            purpose: .data, version: 1, reason: .age, authority: KeyAuthority(requestedBy: ""))
        #expect(refusal(keyring.annotated { $0.rotations = Array(repeating: note, count: 65_536) }) != nil)
        #expect(try AtomicFile.read(path) == before)
        #expect(directory.names == ["keyring"])
        // Just below.
        let many = keyring.annotated { $0.custodians = Array(repeating: custodian, count: 7_000) }
        #expect(refusal(many) == nil)
        #expect(try KeyringFile.load(from: path, root: RootKey.test()).annex == many.annex)
    }
}
