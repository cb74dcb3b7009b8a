import OpenSSLCrypto
import Testing

@testable import VaultCore

@Suite("Audit log: tampering")
struct AuditTamperTests {
    /// What a verifier may know, from the most to the least.
    enum Knowledge: String, CaseIterable, Sendable {
        /// The daemon: chain keys, its own verifier keys, the database's head.
        case daemon
        /// An auditor with a copy of the log and the first verifier key.
        case auditor
    }

    private func options(_ log: SampleLog, _ knowledge: Knowledge, _ options: inout AuditVerifier.Options) throws {
        options.trusted = [try log.verifierKey(1)]
        guard knowledge == .daemon else { return }
        options.chainKeys = try log.chainKeys()
        options.head = (log.size, log.mac)
    }

    private func finding(_ log: SampleLog, of original: SampleLog, _ knowledge: Knowledge) throws -> AuditFinding? {
        let report = try log.verify { try options(original, knowledge, &$0) }
        #expect(report.isComplete)
        return report.finding
    }

    /// A small log that ends with a checkpoint.
    private static func small() throws -> SampleLog {
        var log = try SampleLog.sample(records: 9, perSegment: 5)
        try log.announceKey()
        try log.add(#""op":"stop","outcome":"ok""#)
        try log.checkpoint()
        return log
    }

    @Test("a flipped bit in any byte of any file is found, and where it is a record's, that record is named")
    func everyByte() throws {
        let log = try Self.small()
        let directory = TemporaryDirectory()
        log.write(to: directory)
        var options = (daemon: AuditVerifier.Options(), auditor: AuditVerifier.Options())
        try self.options(log, .daemon, &options.daemon)
        try self.options(log, .auditor, &options.auditor)
        var flips = 0
        for (name, bytes) in log.files {
            let path = directory.path + "/" + name
            let first = AuditSegment.number(of: name)
            for index in bytes.indices {
                var altered = bytes
                altered[index] ^= 1 << UInt8(index % 8)
                write(altered, to: path)
                let found = try AuditVerifier.run(AuditListing(directory.path), options.daemon).finding
                #expect(found != nil, "\(name), byte \(index)")
                if let first {
                    let record = first + UInt64(bytes[..<index].count { $0 == 0x0A })
                    // Which audit key a log begins with, only its second record can tell.
                    let named = record == 1 && found?.kind == .version ? 2 : record
                    #expect(found?.seq == named, "\(name), byte \(index): \(String(describing: found))")
                    #expect(found?.file == name && found?.line == named - first + 1)
                }
                let open = try AuditVerifier.run(AuditListing(directory.path), options.auditor).finding
                #expect(open != nil, "\(name), byte \(index), without keys")
                flips += 1
            }
            write(bytes, to: path)
        }
        #expect(try AuditVerifier.run(AuditListing(directory.path), options.daemon).isSound)
        print("flipped bits found:", flips)
    }

    @Test("every bit of one record's every byte is covered")
    func everyBit() throws {
        let log = try Self.small()
        let directory = TemporaryDirectory()
        log.write(to: directory)
        var options = AuditVerifier.Options()
        try self.options(log, .auditor, &options)
        let (name, bytes) = log.files[0]
        let lines = log.segments[0].lines
        for index in (lines[0].utf8.count + 1)..<(lines[0].utf8.count + lines[1].utf8.count + 2) {
            for bit: UInt8 in 0..<8 {
                var altered = bytes
                altered[index] ^= 1 << bit
                write(altered, to: directory.path + "/" + name)
                #expect(try AuditVerifier.run(AuditListing(directory.path), options).finding != nil)
            }
        }
    }

    @Test("an edited record is named by the daemon, and put between two checkpoints by an auditor")
    func edited() throws {
        let original = try SampleLog.sample()
        var log = original
        log.edit { $0[16] = $0[16].replacing("billing", with: "checkout") }
        let daemon = try finding(log, of: original, .daemon)
        #expect(daemon?.kind == .mac && daemon?.seq == 17 && daemon?.file == original.segments[1].name)
        #expect(daemon?.line == 5)
        let auditor = try finding(log, of: original, .auditor)
        #expect(auditor?.kind == .root && auditor?.seq == 16)
        #expect(auditor?.detail.contains("records 16 to 20 ") == true)
    }

    @Test("a deleted record is a gap", arguments: Knowledge.allCases)
    func deleted(knowledge: Knowledge) throws {
        let original = try SampleLog.sample()
        var log = original
        log.edit { $0.remove(at: 16) }
        let found = try finding(log, of: original, knowledge)
        #expect(found?.kind == .gap && found?.seq == 17 && found?.line == 5)
    }

    @Test("a deleted record with all later ones renumbered breaks the chain", arguments: Knowledge.allCases)
    func renumbered(knowledge: Knowledge) throws {
        let original = try SampleLog.sample()
        var log = original
        log.edit { lines in
            lines.remove(at: 16)
            for index in 16..<20 {
                lines[index] = lines[index].replacing("{\"seq\":\(index + 2),", with: "{\"seq\":\(index + 1),")
            }
        }
        let found = try finding(log, of: original, knowledge)
        #expect(found?.kind == .link && found?.seq == 17)
    }

    @Test("repeated and exchanged records are out of order", arguments: Knowledge.allCases)
    func reordered(knowledge: Knowledge) throws {
        let original = try SampleLog.sample()
        var log = original
        log.edit { $0.insert($0[15], at: 17) }
        let repeated = try finding(log, of: original, knowledge)
        #expect(repeated?.kind == .order && repeated?.seq == 18)
        log = original
        log.edit { $0.swapAt(16, 17) }
        let exchanged = try finding(log, of: original, knowledge)
        #expect(exchanged?.kind == .gap && exchanged?.seq == 17)
    }

    @Test("a record that was put in shows, whatever number and link it has")
    func inserted() throws {
        let original = try SampleLog.sample()
        for linksOn in [false, true] {
            var log = original
            log.edit { lines in
                var line = lines[16].replacing("billing", with: "checkout")
                if linksOn {
                    // Carries the link on: the next record's link is to it.
                    let mac = String(lines[16].suffix(66).prefix(64))
                    line = line.replacing(
                        "\"prev\":\"\(String(lines[15].suffix(66).prefix(64)))", with: "\"prev\":\"\(mac)")
                }
                lines.insert(line.replacing("{\"seq\":17,", with: "{\"seq\":18,"), at: 17)
            }
            for knowledge in Knowledge.allCases {
                let found = try finding(log, of: original, knowledge)
                #expect(found != nil && (17...19).contains(found!.seq), "\(String(describing: found))")
            }
        }
    }

    @Test("a log cut behind its last checkpoint is found by the database's head, and by a witness")
    func truncatedTail() throws {
        var original = try SampleLog.sample()
        for _ in 0..<3 { try original.add(#""op":"inspect","client":"billing","outcome":"ok""#) }
        let last = original.size
        var log = original
        log.edit { $0.removeLast() }
        let daemon = try finding(log, of: original, .daemon)
        #expect(daemon?.kind == .truncated && daemon?.seq == last)
        // Nobody else can know: the report says how far signatures go.
        let auditor = try log.verify { try options(original, .auditor, &$0) }
        #expect(auditor.isSound && auditor.signedThrough < auditor.last)
        try original.checkpoint()
        let witness = try original.witness
        let witnessed = try log.verify { options in
            options.trusted = [try original.verifierKey(1)]
            options.witness = [witness]
        }
        #expect(witnessed.finding?.kind == .truncated && witnessed.finding?.seq == last)
    }

    @Test("a log cut before a checkpoint is found by anybody, at a record or inside one", arguments: Knowledge.allCases)
    func truncated(knowledge: Knowledge) throws {
        let original = try SampleLog.sample()
        for count in [1, 3, 8] {
            var log = original
            log.edit { $0.removeLast(count) }
            if log.segments.last?.lines.isEmpty == true { log.segments.removeLast() }
            let found = try finding(log, of: original, knowledge)
            #expect(found?.kind == .truncated && found?.seq == original.size - UInt64(count) + 1)
        }
        let directory = TemporaryDirectory()
        original.write(to: directory)
        let (name, bytes) = original.files[original.segments.count - 1]
        var options = AuditVerifier.Options()
        try self.options(original, knowledge, &options)
        for cut in [1, 2, 70] {
            write(Array(bytes.dropLast(cut)), to: directory.path + "/" + name)
            let found = try AuditVerifier.run(AuditListing(directory.path), options).finding
            #expect(found?.kind == .torn && found?.seq == original.size)
            // A torn line of a growing log is no excuse for what was acknowledged.
            options.isGrowing = true
            #expect(try AuditVerifier.run(AuditListing(directory.path), options).finding?.kind == .truncated)
            options.isGrowing = false
        }
    }

    @Test("checkpoints that were cut with their records leave the head and the witness", arguments: Knowledge.allCases)
    func truncatedWhole(knowledge: Knowledge) throws {
        let original = try SampleLog.sample()
        var log = original
        log.edit { $0.removeLast(4) }
        log.checkpoints.removeLast()
        log.segments.removeAll(where: \.lines.isEmpty)
        let found = try finding(log, of: original, knowledge)
        #expect(knowledge == .daemon ? found?.kind == .truncated : found == nil)
        let witness = try original.witness
        #expect(try log.verify { $0.witness = [witness] }.finding?.kind == .truncated)
    }

    @Test("deleted, exchanged, renamed and emptied segments are found", arguments: Knowledge.allCases)
    func segments(knowledge: Knowledge) throws {
        let original = try SampleLog.sample()
        for index in original.segments.indices {
            var log = original
            log.segments.remove(at: index)
            let found = try finding(log, of: original, knowledge)
            #expect(found?.kind == (index == 3 ? .truncated : .gap), "\(index): \(String(describing: found))")
            #expect(found?.seq == original.first(index))
            log = original
            log.segments[index].lines = []
            #expect(try finding(log, of: original, knowledge)?.kind == .truncated)
            log = original
            log.segments[index].name = "0" + log.segments[index].name
            #expect(try finding(log, of: original, knowledge)?.kind == .segment)
            log = original
            log.segments[index].name = AuditSegment.name(first: original.first(index) + 1)
            #expect(try finding(log, of: original, knowledge) != nil)
        }
        var log = original
        (log.segments[1].lines, log.segments[2].lines) = (log.segments[2].lines, log.segments[1].lines)
        #expect(try finding(log, of: original, knowledge) != nil)
        // Two segments made one.
        log = original
        log.segments[1].lines += log.segments[2].lines
        log.segments.remove(at: 2)
        #expect(try finding(log, of: original, knowledge)?.kind == .segment)
    }

    @Test("removed, exchanged and foreign checkpoints", arguments: Knowledge.allCases)
    func checkpoints(knowledge: Knowledge) throws {
        let original = try SampleLog.sample()
        var log = original
        log.checkpoints.swapAt(2, 3)
        #expect(try finding(log, of: original, knowledge)?.kind == .checkpoint)
        log = original
        let other = try SampleLog.sample(salt: 0x40)
        log.checkpoints[2] = other.checkpoints[2]
        #expect(try finding(log, of: original, knowledge)?.kind == .unsigned)
        log = original
        log.checkpoints[2] = log.checkpoints[2].replacing("strongroom.0", with: "strongroom.1")
        #expect(try finding(log, of: original, knowledge)?.kind == .unsigned)
        log = original
        log.checkpoints[2] += "\n"
        #expect(try finding(log, of: original, knowledge) != nil)
        log = original
        log.checkpoints = []
        #expect(try finding(log, of: original, knowledge)?.kind == (knowledge == .daemon ? nil : .unsigned))
    }

    @Test("a log rewritten whole with other keys is known by a key from elsewhere, by the head and by a witness")
    func rewritten() throws {
        let original = try SampleLog.sample()
        let log = try SampleLog.sample(salt: 0x40)
        // By itself it is as sound as the first one.
        #expect(try log.verify().isSound)
        for knowledge in Knowledge.allCases {
            #expect(try finding(log, of: original, knowledge)?.kind == .key)
        }
        let witness = try original.witness
        #expect(try log.verify { $0.witness = [witness] }.finding?.kind == .witness)
        let head = (original.size, original.mac)
        #expect(try log.verify { $0.head = head }.finding?.kind == .head)
    }

    @Test("a log rewritten whole with the vault's own keys is known by the head and by a witness")
    func forged() throws {
        let original = try SampleLog.sample()
        var log = try SampleLog()
        for index in 0..<43 {
            if index == 0 { try log.beginSegment() }
            try log.add(#""op":"inspect","client":"billing","outcome":"ok""#)
            if log.size % 5 == 0 { try log.checkpoint() }
        }
        let chain = try log.chainKeys()
        let key = try log.verifierKey(1)
        #expect(
            try log.verify {
                $0.chainKeys = chain
                $0.trusted = [key]
            }.isSound)
        #expect(try finding(log, of: original, .daemon)?.kind == .head)
        let witness = try original.witness
        let found = try log.verify {
            $0.trusted = [key]
            $0.witness = [witness]
        }.finding
        #expect(found?.kind == .witness && found?.file == "witness")
    }

    @Test("a witness's copy that was itself changed, or is of another log, is refused")
    func falseWitness() throws {
        let log = try SampleLog.sample()
        let key = try log.verifierKey(1)
        var note = try log.witness
        note.signatures[0] = .init(
            name: note.signatures[0].name, keyHash: note.signatures[0].keyHash,
            bytes: note.signatures[0].bytes.map { $0 ^ 1 })
        let forged = note
        #expect(try log.verify { $0.witness = [forged] }.finding?.kind == .forged)
        let text = try log.witness.text.replacing("strongroom.0", with: "strongroom.1")
        let foreign = try #require(SignedNote(Array((text + "\n\u{2014} a AAAAAAA=\n").utf8)))
        #expect(try log.verify { $0.witness = [foreign] }.finding?.kind == .witness)
        #expect(
            try log.verify {
                $0.witness = [try log.witness]
                $0.trusted = [
                    key, try #require(try VerifierKey(name: "w", kind: .cosignature, publicKey: key.publicKey)),
                ]
            }.finding?.kind == .unsigned)
    }
}
