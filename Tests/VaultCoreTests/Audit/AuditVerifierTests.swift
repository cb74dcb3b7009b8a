import OpenSSLCrypto
import Testing

@testable import VaultCore

@Suite("Audit log: verification")
struct AuditVerifierTests {
    @Test("a sound log is sound, with keys and without")
    func sound() throws {
        let log = try SampleLog.sample()
        let open = try log.verify()
        #expect(open.isSound)
        #expect(open.first == 1 && open.last == log.size && open.records == log.size)
        #expect(open.segments == UInt64(log.segments.count) && open.authenticated == 0)
        #expect(open.checkpoints == UInt64(log.checkpoints.count))
        #expect(try open.signedThrough == #require(Checkpoint(text: log.witness.text)).size)
        let keyed = try log.verify { options in
            options.chainKeys = try log.chainKeys()
            options.trusted = [try log.verifierKey(1), try log.verifierKey(2)]
            options.head = (log.size, log.mac)
            options.witness = [try log.witness]
        }
        #expect(keyed.isSound)
        #expect(keyed.authenticated == log.size && keyed.witnesses == 1 && keyed.root == open.root)
    }

    @Test("the first key is enough: it vouches for the next ones")
    func vouching() throws {
        let log = try SampleLog.sample()
        #expect(try log.verify { $0.trusted = [try log.verifierKey(1)] }.isSound)
        // Who only knows the second key cannot tell what the first one signed.
        #expect(try log.verify { $0.trusted = [try log.verifierKey(2)] }.finding?.kind == .unsigned)
    }

    @Test("without the old key's word for it, a new key has to be known")
    func noVouching() throws {
        var log = try SampleLog.sample()
        let lines = log.segments.flatMap(\.lines)
        let announced = try #require(lines.firstIndex { $0.contains("audit_key") }) + 1
        log.checkpoints.removeAll { Checkpoint.parse(Array($0.utf8))?.checkpoint.size == UInt64(announced) }
        #expect(try log.verify { $0.trusted = [try log.verifierKey(1)] }.finding?.kind == .unsigned)
        #expect(try log.verify { $0.trusted = [try log.verifierKey(1), try log.verifierKey(2)] }.isSound)
        // With the chain key the announcement itself is proved.
        #expect(
            try log.verify {
                $0.trusted = [try log.verifierKey(1)]
                $0.chainKeys = try log.chainKeys()
            }.isSound)
    }

    @Test("MACs of a destroyed key version are passed over, and said to be")
    func destroyedKey() throws {
        let log = try SampleLog.sample()
        let report = try log.verify { $0.chainKeys = try log.chainKeys([2]) }
        #expect(report.isSound)
        #expect(report.authenticated > 0 && report.authenticated < log.size)
    }

    @Test("a log whose old segments are archived is checked from any segment on")
    func archived() throws {
        let whole = try SampleLog.sample()
        let root = try whole.verify().root
        for count in 1..<whole.segments.count {
            var log = whole
            log.segments.removeFirst(count)
            let report = try log.verify { options in
                options.isArchived = true
                options.trusted = [try whole.verifierKey(1), try whole.verifierKey(2)]
            }
            #expect(report.isSound, "\(String(describing: report.finding))")
            #expect(report.root == root && report.last == whole.size)
            let gone = try log.verify()
            #expect(gone.finding?.kind == .gap && gone.finding?.seq == 1)
            // A change of what is left shows all the same.
            log.edit { $0[3] = $0[3].replacing("\"seq\"", with: "\"Seq\"") }
            #expect(try log.verify { $0.isArchived = true }.finding != nil)
        }
    }

    @Test("--since begins with the segment of that moment, or as early as the witness needs")
    func since() throws {
        let log = try SampleLog.sample()
        let begin = try #require(AuditLine(Array(log.segments[2].lines[0].utf8)))
        let report = try log.verify { $0.since = begin.time }
        #expect(report.isSound && report.first == begin.seq && report.last == log.size)
        let early = try log.verify { $0.since = AuditTime(milliseconds: begin.time.milliseconds - 1) }
        #expect(early.isSound && early.first == log.first(1))
        #expect(try log.verify { $0.since = AuditTime(milliseconds: 0) }.first == 1)
        #expect(try log.verify { $0.since = .max }.first == log.first(3))
        let old = try #require(SignedNote(Array(log.checkpoints[2].utf8)))
        let witnessed = try log.verify { options in
            options.since = .max
            options.witness = [old]
        }
        #expect(witnessed.isSound && witnessed.witnesses == 1 && witnessed.first == log.first(1))
    }

    @Test("a log that an operator went on with says so, and is held to everything but what was lost")
    func chainBreak() throws {
        let kept = try SampleLog.sample()
        for lost in [1, 2, 6] {
            var full = kept
            for _ in 0..<lost {
                try full.add(#""op":"inspect","client":"billing","outcome":"ok""#)
                try full.checkpoint()
            }
            var log = kept
            log.checkpoints = full.checkpoints
            #expect(try log.verify().finding?.kind == .truncated)
            try log.beginSegment()
            let unsaid = log
            try log.add(#""op":"chain_break","operator":"anna","known":\#(full.size),"found":\#(kept.size)"#)
            let seq = log.size
            for _ in 0..<9 { try log.add(#""op":"inspect","client":"billing","outcome":"ok""#) }
            try log.checkpoint()
            let report = try log.verify { $0.chainKeys = try log.chainKeys() }
            #expect(report.isSound, "\(String(describing: report.finding))")
            #expect(report.breaks == [seq] && report.signedThrough == log.size)
            // Without that record it is a log with other records than were signed, or fewer.
            #expect(try unsaid.verify { $0.chainKeys = try log.chainKeys() }.finding != nil)
            // The witness saw what was lost.
            let witness = try full.witness
            #expect(try log.verify { $0.witness = [witness] }.finding?.kind == .witness)
            // What came before is no less bound.
            log.edit { $0[16] = $0[16].replacing("billing", with: "checkout") }
            #expect(try log.verify().finding?.kind == .root)
            log = unsaid
            log.edit { $0[20] = $0[20].replacing("billing", with: "checkout") }
            // By the hashes that the next segment begins with, before any checkpoint.
            #expect(try log.verify().finding?.kind == .tree)
        }
    }

    @Test("records behind the last checkpoint are told apart")
    func tail() throws {
        var log = try SampleLog.sample()
        try log.add(#""op":"stop""#)
        let report = try log.verify()
        #expect(report.isSound && report.signedThrough < report.last)
    }

    @Test("an unfinished line at the end of a growing log is none; anywhere else it is a finding")
    func growing() throws {
        let log = try SampleLog.sample()
        let directory = TemporaryDirectory()
        log.write(to: directory)
        let name = try #require(log.segments.last).name
        for torn in [name, "checkpoints"] {
            let bytes = try AtomicFile.read(directory.path + "/" + torn)
            try AtomicFile.replace(directory.path + "/" + torn, with: bytes + Array("{\"seq\":41".utf8))
            var options = AuditVerifier.Options()
            #expect(try AuditVerifier.run(AuditListing(directory.path), options).finding?.kind == .torn)
            options.isGrowing = true
            #expect(try AuditVerifier.run(AuditListing(directory.path), options).isSound)
            try AtomicFile.replace(directory.path + "/" + torn, with: bytes)
        }
    }

    @Test("who asks can end it")
    func cancelled() throws {
        let log = try SampleLog.sample()
        let directory = TemporaryDirectory()
        log.write(to: directory)
        let report = try AuditVerifier.run(AuditListing(directory.path), .init()) { _ in false }
        #expect(!report.isComplete && !report.isSound && report.finding == nil)
    }

    @Test("no log, no keys and no checkpoints prove nothing")
    func nothing() throws {
        let directory = TemporaryDirectory()
        #expect(try AuditVerifier.run(AuditListing(directory.path), .init()).finding?.kind == .empty)
        var log = try SampleLog.sample()
        log.checkpoints = []
        #expect(try log.verify().finding?.kind == .unsigned)
        #expect(try log.verify { $0.chainKeys = try log.chainKeys() }.isSound)
    }
}
