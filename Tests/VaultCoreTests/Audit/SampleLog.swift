import OpenSSLCrypto
import Testing

@testable import VaultCore

/// A log that a test writes, and then does harm to: the writer's format from its description, written a second time.
struct SampleLog {
    static let vault = "0123456789abcdef0123456789abcdef"
    static let origin = "strongroom.\(vault)"

    /// Names and lines, in order.
    var segments: [(name: String, lines: [String])] = []
    var checkpoints: [String] = []
    var keyLines: [String] = []
    /// The MAC of the last record.
    private(set) var mac = [UInt8](repeating: 0, count: 32)
    private(set) var size: UInt64 = 0
    private(set) var version: UInt32 = 1
    private var frontier = MerkleFrontier()
    /// Makes the keys of one log differ from those of another.
    private let salt: UInt8
    /// Milliseconds of the first record; each is one second later.
    static let start: UInt64 = 1_795_864_953_123

    init(salt: UInt8 = 0) throws {
        self.salt = salt
        keyLines = [try verifierKey(1).text]
    }

    // MARK: Keys

    private func seed(_ version: UInt32, _ use: UInt8) -> [UInt8] {
        [UInt8](repeating: salt &+ UInt8(version) &* 16 &+ use, count: 32)
    }

    func verifierKey(_ version: UInt32) throws -> VerifierKey {
        let signing = try Ed25519SigningKey(seed: seed(version, 1).span)
        let key = try VerifierKey(name: Self.origin, of: signing)
        return try #require(key)
    }

    func chainKeys(_ versions: [UInt32] = [1, 2]) throws -> AuditChainKeys {
        let keys = AuditChainKeys()
        for version in versions { try keys.add(version, key: seed(version, 2).span) }
        return keys
    }

    // MARK: Writing

    /// A log of four segments, with a new audit key in the third, a checkpoint after every fifth record,
    /// and one at the end.
    static func sample(salt: UInt8 = 0, records: Int = 40, perSegment: UInt64 = 12) throws -> SampleLog {
        var log = try SampleLog(salt: salt)
        for index in 0..<records {
            if log.size % perSegment == 0 { try log.beginSegment() }
            switch index {
            case 25: try log.announceKey()
            case _ where index % 7 == 3:
                try log.add(#""op":"tokenize","client":"checkout","format":"cards","outcome":"intent","asked":1"#)
            default:
                try log.add(
                    #""op":"detokenize","client":"billing","certificate":"aa\#(index)","purpose":"charge","outcome":"ok","#
                        + #""asked":2,"tokens":["99\#(1_000_000_000 + index)","4111"],"keys":[1,2]"#)
            }
            if log.size % 5 == 0 { try log.checkpoint() }
        }
        try log.checkpoint()
        return log
    }

    mutating func beginSegment() throws {
        let tree = frontier.hashes.map { "\"\(Hexadecimal.encode($0))\"" }.joined(separator: ",")
        let previous = segments.last?.name ?? ""
        segments.append((AuditSegment.name(first: size + 1), []))
        let vault = size == 0 ? ",\"vault\":\"\(Self.vault)\"" : ""
        try add("\"op\":\"segment\",\"previous\":\"\(previous)\",\"tree\":[\(tree)]\(vault)")
    }

    mutating func announceKey() throws {
        let key = try verifierKey(version + 1)
        try add("\"op\":\"audit_key\",\"version\":\(version + 1),\"public\":\"\(key.text)\"")
        keyLines.append(key.text)
        // Under the old key: it vouches for the new one.
        try checkpoint()
        version += 1
    }

    mutating func add(_ members: String) throws {
        let time = AuditTime(milliseconds: Self.start + size * 1000).text
        let head =
            "{\"seq\":\(size + 1),\"time\":\"\(time)\",\"boot\":\"0f0e\",\(members),\"chain\":\(version),\"prev\":\""
            + "\(Hexadecimal.encode(mac))\""
        let made = try #require(try chainKeys([version]).mac(of: Array(head.utf8).span, version: version))
        mac = made
        let line = head + ",\"mac\":\"\(Hexadecimal.encode(made))\"}"
        segments[segments.count - 1].lines.append(line)
        try frontier.append(leaf: Array(line.utf8))
        size += 1
    }

    mutating func checkpoint() throws {
        let signing = try Ed25519SigningKey(seed: seed(version, 1).span)
        checkpoints.append(
            try Checkpoint(origin: Self.origin, size: size, root: frontier.root()).note(signedBy: signing))
    }

    /// The last checkpoint, as a witness would have kept it.
    var witness: SignedNote {
        get throws {
            let last = try #require(checkpoints.last)
            return try #require(SignedNote(Array(last.utf8)))
        }
    }

    /// The number of a segment's first record.
    func first(_ segment: Int) -> UInt64 { AuditSegment.number(of: segments[segment].name) ?? 0 }

    // MARK: Harm

    /// Changes the lines of the whole log as one list; segments keep their sizes but the last.
    mutating func edit(_ change: (inout [String]) -> Void) {
        var lines = segments.flatMap(\.lines)
        change(&lines)
        for index in segments.indices {
            let count = index == segments.count - 1 ? lines.count : min(segments[index].lines.count, lines.count)
            segments[index].lines = Array(lines.prefix(count))
            lines.removeFirst(count)
        }
    }

    /// File names and contents.
    var files: [(name: String, bytes: [UInt8])] {
        segments.map { ($0.name, Array($0.lines.map { $0 + "\n" }.joined().utf8)) } + [
            ("checkpoints", Array(checkpoints.map { $0 + "\n" }.joined().utf8)),
            ("verifier-keys", Array(keyLines.map { $0 + "\n" }.joined().utf8)),
        ]
    }

    func write(to directory: TemporaryDirectory) {
        for (name, bytes) in files { VaultCoreTests.write(bytes, to: directory.path + "/" + name) }
    }

    /// What a check of this log finds.
    func verify(_ set: (inout AuditVerifier.Options) throws -> Void = { _ in }) throws -> AuditReport {
        let directory = TemporaryDirectory()
        write(to: directory)
        var options = AuditVerifier.Options()
        try set(&options)
        return try AuditVerifier.run(try AuditListing(directory.path), options)
    }
}
