import Testing

@testable import OpenSSLCrypto
@testable import VaultCore

/// A log in a directory of its own, opened as often as a test likes.
struct OwnLog {
    let home = TemporaryDirectory()
    var keyring: Keyring
    var settings = AuditLog.Settings()
    var known: AuditHead?
    var seconds: UInt64 = 1_800_000_000

    init() throws { keyring = try Keyring.create(now: 1_700_000_000) }

    var directory: AuditDirectory { AuditDirectory(home.path + "/audit") }

    func opening() throws -> AuditLog.Opening {
        AuditLog.Opening(
            directory: directory, vaultID: keyring.vaultID.text, boot: "00000000-0000-4000-8000-000000000000",
            keys: try AuditKey.all(of: keyring), settings: settings, known: known, now: moment)
    }

    var moment: AuditLog.Moment {
        AuditLog.Moment(seconds: seconds, text: AuditTime(milliseconds: seconds * 1000 + 7).text)
    }

    func open() throws -> AuditLog { try AuditLog.open(try opening()) }

    /// Writes records of reveals, one group each.
    @discardableResult
    func write(_ count: Int, to log: AuditLog) throws -> AuditHead {
        for number in 0..<count {
            var entry = AuditEntry(.detokenize)
            entry.add("client", "billing")
            entry.add("tokens", tokens: [9_900_000_000_000_000 + UInt64(number)])
            _ = try log.append([entry], at: moment)
            try log.flush()
        }
        return log.head
    }

    /// Every line of every segment.
    func lines() throws -> [[UInt8]] {
        try directory.segments().flatMap { first in
            try AtomicFile.read(directory.segment(first)).split(separator: 0x0A).map(Array.init)
        }
    }

    func change(_ path: String, _ change: (inout [UInt8]) -> Void) throws {
        var bytes = try AtomicFile.read(path)
        change(&bytes)
        try AtomicFile.replace(path, with: bytes)
    }
}

/// The frame of a line; `nil` for what is none.
private func seal(_ line: [UInt8]) -> AuditSeal? { AuditSeal(line.span) }

@Suite("The audit log")
struct AuditLogTests {
    @Test("every record is one line, numbered without gaps, and names the link of the one before")
    func chain() throws {
        let test = try OwnLog()
        let log = try test.open()
        try test.write(5, to: log)
        var previous = [UInt8](repeating: 0, count: 32)
        let key = try #require(try AuditKey.all(of: test.keyring).first)
        for (index, line) in try test.lines().enumerated() {
            let frame = try #require(seal(line))
            #expect(frame.sequence == UInt64(index + 1) && frame.chain == 1 && frame.previous == previous)
            var link = [UInt8](repeating: 0, count: 32)
            try key.link(line.span.extracting(0..<AuditSeal.covered(of: line.span)), into: &link)
            #expect(link == frame.link)
            previous = link
        }
        #expect(log.head == AuditHead(sequence: 6, link: previous))
        let last = String(decoding: try #require(try test.lines().last), as: UTF8.self)
        #expect(
            last.hasPrefix(
                #"{"seq":6,"time":"2027-01-15T08:00:00.007Z","boot":"00000000-0000-4000-8000-000000000000","#
                    + #""op":"detokenize","client":"billing","tokens":["9900000000000004"],"chain":1,"prev":""#))
    }

    @Test("goes on after a start where it ended, with the same tree")
    func reopening() throws {
        var test = try OwnLog()
        test.known = try test.write(3, to: try test.open())
        test.known = try test.write(3, to: try test.open())
        let log = try test.open()
        #expect(log.head.sequence == 7)
        var frontier = MerkleFrontier()
        for line in try test.lines() { try frontier.append(leafHash: try MerkleHash.leaf(line.span)) }
        #expect(log.durable.frontier == frontier)
    }

    @Test("a segment that is full or old is followed by one that says what went before")
    func segments() throws {
        var test = try OwnLog()
        test.settings.segmentBytes = 2000
        test.known = try test.write(20, to: try test.open())
        let firsts = try test.directory.segments()
        #expect(firsts.count > 3)
        var frontier = MerkleFrontier()
        var previous = ""
        for first in firsts {
            let lines = try AtomicFile.read(test.directory.segment(first)).split(separator: 0x0A)
            let head = String(decoding: lines[0], as: UTF8.self)
            let tree = frontier.hashes.map { "\"\(Hexadecimal.encode($0))\"" }.joined(separator: ",")
            #expect(head.contains("\"op\":\"segment\",\"previous\":\"\(previous)\",\"tree\":[\(tree)]"))
            #expect(seal(Array(lines[0]))?.sequence == first)
            for line in lines { try frontier.append(leafHash: try MerkleHash.leaf(line.span)) }
            previous = AuditDirectory.name(first)
        }
        let log = try test.open()
        #expect(log.durable.frontier == frontier && log.head == test.known)
        test.seconds += 24 * 3600
        try test.write(1, to: log)
        #expect(try test.directory.segments().count == firsts.count + 1)
    }

    @Test("an end that a crash tore is cut off and kept aside, with a record that says so")
    func tornEnd() throws {
        var test = try OwnLog()
        test.known = try test.write(3, to: try test.open())
        let path = test.directory.segment(1)
        let whole = try AtomicFile.read(path)
        for garbage in ["{\"seq\":5,\"time\":", "\0\0\0\0\n", "{}\n{}\n", "\n"] {
            try test.change(path) { $0 = whole + Array(garbage.utf8) }
            let log = try test.open()
            #expect(log.head.sequence == 5)
            let last = String(decoding: try #require(try test.lines().last), as: UTF8.self)
            #expect(last.contains("\"op\":\"log_repaired\",\"bytes\":\(garbage.utf8.count)"))
            #expect(try AtomicFile.read(test.directory.path + "/torn-5") == Array(garbage.utf8))
        }
        // A first record that was never whole leaves the segment before.
        try test.change(path) { $0 = whole }
        try AtomicFile.replace(test.directory.segment(5), with: Array("{\"seq\":5".utf8))
        #expect(try test.open().head.sequence == 4)
        #expect(try test.directory.segments() == [1])
    }

    @Test("a log that is not what was acknowledged is not gone on with")
    func broken() throws {
        var test = try OwnLog()
        let log = try test.open()
        try test.write(5, to: log)
        test.known = log.head
        let path = test.directory.segment(1)
        let whole = try AtomicFile.read(path)
        let lines = whole.split(separator: 0x0A).map { Array($0) + [0x0A] }
        func reason(_ bytes: [UInt8]) throws -> String? {
            try test.change(path) { $0 = bytes }
            do throws(AuditFailure) {
                _ = try AuditLog.open(test.opening2())
                return nil
            } catch {
                guard case .broken(let reason) = error else { return "\(error)" }
                return reason
            }
        }
        let name = AuditDirectory.name(1)
        let edited = String(decoding: whole, as: UTF8.self).replacing("9900000000000002", with: "9900000000000009")
        #expect(
            try reason(Array(edited.utf8)) == "\(name), line 4: its code is wrong: it was changed, or is not ours")
        #expect(
            try reason(Array((lines[0...1] + lines[3...]).joined()))
                == "\(name), line 3: it is record 4, which is out of order")
        #expect(
            try reason(Array(lines[0...4].joined())) == "it ends with record 5, and 6 records were acknowledged")
        #expect(try reason([]) == "\(name), line 1: it ends in the middle of a record")
        AuditLog.remove(path)
        #expect(throws: AuditFailure.broken("it is empty, and the database knows of 6 records")) {
            _ = try AuditLog.open(test.opening2())
        }
        // A checkpoint on this disk says as much as the database.
        try AtomicFile.replace(path, with: whole)
        test.known = nil
        _ = try test.open().checkpoint()
        #expect(
            try reason(Array(lines[0...4].joined())) == "it ends with record 5, and 6 records were acknowledged")
        // Another log of the same vault, of the same length.
        test.known = AuditHead(sequence: 6, link: [UInt8](repeating: 1, count: 32))
        #expect(try reason(whole) == "record 6 is not the one that the database knows")
        #expect(
            try {
                test.known = log.head
                return try reason(whole)
            }() == nil)
    }

    @Test("an operator who has looked lets it go on, and that stays on record")
    func adopted() throws {
        var test = try OwnLog()
        let log = try test.open()
        test.known = try test.write(5, to: log)
        let path = test.directory.segment(1)
        let lines = try AtomicFile.read(path).split(separator: 0x0A).map { Array($0) + [0x0A] }
        for kept in [0, 3] {
            try test.change(path) { $0 = Array(lines[0..<kept].joined()) }
            let next = try AuditLog.adopt(try test.opening(), by: "anna (1000)", reason: "disk \"two\" died")
            #expect(next.head.sequence == UInt64(kept + 2))
            let last = String(decoding: try #require(try test.lines().last), as: UTF8.self)
            #expect(
                last.contains(
                    #""op":"chain_break","operator":"anna (1000)","reason":"disk \"two\" died","known":6,"found":\#(kept)"#
                ))
            try test.write(1, to: next)
            test.known = next.head
            #expect(try test.open().head == next.head)
            // For the next round.
            for first in try test.directory.segments() { AuditLog.remove(test.directory.segment(first)) }
            try AtomicFile.replace(path, with: Array(lines.joined()))
            test.known = log.head
        }
    }

    @Test("another key begins behind a record under the old one that announces it")
    func keyChange() throws {
        var test = try OwnLog()
        let log = try test.open()
        try test.write(1, to: log)
        let authority = KeyAuthority(requestedBy: "anna (1000)")
        test.keyring = try test.keyring.rotating(.audit, now: 1, by: authority, reason: .operatorCommand)
        log.adopt(try AuditKey.all(of: test.keyring))
        test.known = try test.write(2, to: log)
        let seals = try test.lines().map { try #require(seal($0)) }
        #expect(seals.map(\.chain) == [1, 1, 1, 2, 2])
        let announced = String(decoding: try test.lines()[2], as: UTF8.self)
        let key = try #require(try AuditKey.all(of: test.keyring).first?.verifierKey(origin: log.origin))
        #expect(announced.contains("\"op\":\"audit_key\",\"version\":2,\"public\":\"\(key.text)\""))
        let verifiers = String(decoding: try AtomicFile.read(test.directory.verifierKeys), as: UTF8.self)
        #expect(verifiers.split(separator: "\n").count == 2 && verifiers.hasSuffix(key.text + "\n"))
        // A start after a change that the log did not hear of makes up for it.
        test.keyring = try test.keyring.rotating(.audit, now: 2, by: authority, reason: .operatorCommand)
        let next = try test.open()
        try test.write(1, to: next)
        #expect(try test.lines().map { try #require(seal($0)).chain } == [1, 1, 1, 2, 2, 2, 3])
    }

    @Test("a checkpoint is signed over the flushed log, and two of one tree agree")
    func checkpoints() throws {
        let test = try OwnLog()
        let log = try test.open()
        try test.write(3, to: log)
        let (note, head) = try log.checkpoint()
        let (checkpoint, signed) = try #require(Checkpoint.parse(note.utf8))
        #expect(head.sequence == 4 && checkpoint.size == 4)
        #expect(checkpoint.origin == "strongroom.\(test.keyring.vaultID.text)")
        let key = try #require(try AuditKey.all(of: test.keyring).first?.verifierKey(origin: log.origin))
        #expect(try signed.verdict(of: key) == .signed(time: nil))
        var frontier = MerkleFrontier()
        for line in try test.lines() { try frontier.append(leafHash: try MerkleHash.leaf(line.span)) }
        #expect(checkpoint.root == (try frontier.root()))
        let kept = String(decoding: try AtomicFile.read(test.directory.checkpoints), as: UTF8.self)
        #expect(kept == note + "\n")
    }

    @Test("what is no printable ASCII is escaped, so that nobody forges a line")
    func escaping() {
        var entry = AuditEntry(.denied)
        entry.add("client", "a\"b\\c\nd\u{7F}é\u{1F600}")
        #expect(
            String(decoding: entry.bytes, as: UTF8.self)
                == #""op":"denied","client":"a\"b\\c\u000ad\u007f\u00e9\ud83d\ude00""#)
    }

    @Test("numbers and tokens are written with all their digits and no more")
    func numbers() {
        var values: [UInt64] = [0, .max, .max - 1]
        for power in 0..<20 {
            let tens = (0..<power).reduce(UInt64(1)) { value, _ in value &* 10 }
            values += [tens - 1, tens, tens + 1, tens &* 9]
        }
        var generator = SystemRandomNumberGenerator()
        for shift in 0..<64 { values.append(generator.next() >> UInt64(shift)) }
        for value in values {
            var entry = AuditEntry(.detokenize)
            entry.add("asked", value)
            #expect(String(decoding: entry.bytes, as: UTF8.self) == "\"op\":\"detokenize\",\"asked\":\(value)")
        }
        var entry = AuditEntry(.detokenize)
        entry.add("tokens", tokens: values)
        entry.add("none", tokens: [])
        entry.add("some", tokens: [1, 22, 333].span) { $0 != 1 }
        let all = values.map { "\"\($0)\"" }.joined(separator: ",")
        #expect(
            String(decoding: entry.bytes, as: UTF8.self)
                == "\"op\":\"detokenize\",\"tokens\":[\(all)],\"none\":[],\"some\":[\"1\",\"333\"]")
    }

    @Test("a frame that this code does not write is none")
    func frames() throws {
        let test = try OwnLog()
        try test.write(1, to: try test.open())
        let line = try #require(try test.lines().last)
        #expect(seal(line) != nil)
        for cut in [1, 2, 60, 74, 100, line.count] { #expect(seal(line.dropLast(cut)) == nil) }
        for place in [0, 3, 7, line.count - 1, line.count - 3, line.count - 70, line.count - 76, line.count - 150] {
            var changed = line
            changed[place] = UInt8(ascii: "X")
            #expect(seal(changed) == nil, "a change at \(place)")
        }
    }
}

extension OwnLog {
    /// For expectations that throw one kind of error only.
    fileprivate func opening2() throws(AuditFailure) -> AuditLog.Opening {
        guard let opening = try? opening() else { throw .crypto }
        return opening
    }
}
