import OpenSSLCrypto
import Testing

@testable import VaultCore

@Suite("Audit log: reading")
struct AuditReadingTests {
    private func records(_ log: SampleLog, _ set: (inout AuditFilter) -> Void) throws -> [UInt64] {
        let directory = TemporaryDirectory()
        log.write(to: directory)
        var filter = AuditFilter()
        set(&filter)
        var found: [UInt64] = []
        try AuditScan.run(try AuditListing(directory.path), filter) { line throws(AuditReadError) in
            found.append(line.seq)
            return true
        }
        return found
    }

    @Test("each condition lets through what it names, and all of them together")
    func filters() throws {
        var log = try SampleLog()
        try log.beginSegment()
        let certificate = String(repeating: "ab", count: 32)
        try log.add(
            #""op":"detokenize","client":"billing","certificate":"\#(certificate)","purpose":"charge","outcome":"partial","#
                + #""tokens":["991","992"],"denied":["993"]"#)
        try log.add(#""op":"detokenize","client":"billing","purpose":"refund","outcome":"ok","tokens":["992"]"#)
        try log.add(#""op":"tokenize","client":"checkout","outcome":"ok","tokens":["9"]"#)
        try log.add(#""op":"seal","operator":"anna (1000)","approved_by":"ben (1001)","outcome":"ok""#)
        #expect(try records(log) { _ in } == [1, 2, 3, 4, 5])
        #expect(try records(log) { $0.client = "billing" } == [2, 3])
        #expect(try records(log) { $0.client = "bill" } == [])
        #expect(try records(log) { $0.certificate = certificate } == [2])
        #expect(try records(log) { $0.purpose = "refund" } == [3])
        #expect(try records(log) { $0.operations = ["seal", "tokenize"] } == [4, 5])
        #expect(try records(log) { $0.outcome = "ok" } == [3, 4, 5])
        #expect(try records(log) { $0.tokens = [992] } == [2, 3])
        #expect(try records(log) { $0.tokens = [993, 9] } == [2, 4])
        #expect(try records(log) { $0.tokens = [] } == [])
        for name in ["anna", "anna (1000)", "ben"] { #expect(try records(log) { $0.person = name } == [5]) }
        #expect(try records(log) { $0.person = "ann" } == [])
        let third = AuditTime(milliseconds: SampleLog.start + 2000)
        #expect(try records(log) { $0.since = third } == [3, 4, 5])
        #expect(try records(log) { $0.until = third } == [1, 2])
        #expect(
            try records(log) {
                $0.client = "billing"
                $0.tokens = [992]
                $0.until = third
            } == [2])
    }

    @Test("a scan from a moment on begins in its segment, finds the same, and counts what it cannot read")
    func scan() throws {
        var log = try SampleLog.sample()
        for second in [0, 11, 12, 13, 30, 43, 60] {
            let moment = AuditTime(milliseconds: SampleLog.start + UInt64(second) * 1000)
            #expect(try records(log) { $0.since = moment } == (1...44).filter { $0 > second }.map { UInt64($0) })
        }
        log.edit { $0[4] = "{}" }
        let directory = TemporaryDirectory()
        log.write(to: directory)
        let summary = try AuditScan.run(try AuditListing(directory.path), AuditFilter()) { _ in true }
        #expect(summary.unreadable == 1 && summary.records == 43)
        var count = 0
        try AuditScan.run(try AuditListing(directory.path), AuditFilter()) { _ throws(AuditReadError) in
            count += 1
            return count < 3
        }
        #expect(count == 3)
    }

    @Test("proofs from the files hold against the checkpoints, also where old segments are gone")
    func proofs() throws {
        let log = try SampleLog.sample()
        let directory = TemporaryDirectory()
        log.write(to: directory)
        let files = try AuditListing(directory.path)
        let checkpoints = try log.checkpoints.map { try #require(Checkpoint.parse(Array($0.utf8))).checkpoint }
        #expect(try files.lastCheckpoint()?.checkpoint == checkpoints.last)
        for checkpoint in checkpoints {
            for record in 1...checkpoint.size {
                let answer = try AuditProver.inclusion(of: record, size: checkpoint.size, in: files)
                var leaf = MerkleFrontier()
                try leaf.append(leaf: answer.line)
                #expect(AuditLine(answer.line)?.seq == record && answer.root == checkpoint.root)
                #expect(
                    try answer.proof.includes(
                        leafHash: leaf.root(), index: record - 1, size: checkpoint.size, root: checkpoint.root))
            }
        }
        let last = try #require(checkpoints.last)
        for old in checkpoints {
            let answer = try AuditProver.consistency(from: old.size, to: last.size, in: files)
            #expect(answer.oldRoot == old.root && answer.root == last.root)
            #expect(try answer.proof.extends(size: old.size, root: old.root, to: last.size, root: last.root))
        }
        var rest = log
        rest.segments.removeFirst(2)
        let archived = TemporaryDirectory()
        rest.write(to: archived)
        let left = try AuditListing(archived.path)
        #expect(
            try AuditProver.inclusion(of: 30, size: 44, in: left)
                == AuditProver.inclusion(of: 30, size: 44, in: files))
        #expect(
            try AuditProver.consistency(from: 24, to: 44, in: left)
                == AuditProver.consistency(from: 24, to: 44, in: files))
        #expect(throws: AuditReadError.self) { try AuditProver.inclusion(of: 24, size: 44, in: left) }
        #expect(throws: AuditReadError.self) { try AuditProver.consistency(from: 5, to: 44, in: left) }
        #expect(throws: AuditReadError.self) { try AuditProver.inclusion(of: 1, size: 45, in: files) }
        #expect(throws: AuditReadError.self) { try AuditProver.inclusion(of: 45, size: 44, in: files) }
        #expect(throws: AuditReadError.self) { try AuditProver.consistency(from: 0, to: 44, in: files) }
    }

    @Test("the last checkpoint is the last whole one")
    func lastCheckpoint() throws {
        let log = try SampleLog.sample()
        let directory = TemporaryDirectory()
        log.write(to: directory)
        let path = directory.path + "/checkpoints"
        let bytes = try AtomicFile.read(path)
        let last = try #require(Checkpoint.parse(Array(log.checkpoints[log.checkpoints.count - 1].utf8))).checkpoint
        let before = try #require(Checkpoint.parse(Array(log.checkpoints[log.checkpoints.count - 2].utf8))).checkpoint
        for cut in 0...log.checkpoints[log.checkpoints.count - 1].utf8.count {
            write(Array(bytes.dropLast(cut)), to: path)
            let found = try AuditListing(directory.path).lastCheckpoint()?.checkpoint
            #expect(found == (cut == 0 ? last : before), "cut by \(cut)")
        }
        write([], to: path)
        #expect(try AuditListing(directory.path).lastCheckpoint() == nil)
    }

    @Test("an event for a SIEM escapes what its format asks for, and nothing else")
    func commonEventFormat() throws {
        let hash = String(repeating: "0a", count: 32)
        let text =
            #"{"seq":7,"time":"2026-11-28T11:22:33.123Z","boot":"0f","op":"operator|denied\\","client":"a=b|c\\d\ne\u0001","#
            + #""peer":"127.0.0.1","purpose":"charge","outcome":"denied","code":"not_found","asked":2,"tokens":["991","992"],"#
            + #""chain":1,"prev":"\#(hash)","mac":"\#(hash)"}"#
        let line = try #require(AuditLine(Array(text.utf8)))
        #expect(
            CommonEventFormat.event(line, version: "1|2") == #"CEF:0|Strongroom|strongroomd|1\|2|operator\|denied\\|"#
                + #"operator\|denied\\|6|rt=1795864953123 externalId=7 act=operator|denied\\ outcome=denied "#
                + #"reason=not_found suser=a\=b|c\\d\ne  src=127.0.0.1 cs1=charge cs1Label=purpose cs4=991,992 "#
                + "cs4Label=tokens cn1=2 cn1Label=asked cn3=2 cn3Label=tokenCount")
        let many = (0..<1_000).map { "\"99\(1_000_000 + $0)\"" }.joined(separator: ",")
        let batch = try #require(
            AuditLine(Array(text.replacing("\"991\",\"992\"", with: many).replacing("127.0.0.1", with: "::1").utf8)))
        let event = CommonEventFormat.event(batch, version: "1")
        #expect(event.contains("cn3=1000 ") && event.contains("c6a2=::1 ") && event.utf8.count < 4_600)
    }
}
