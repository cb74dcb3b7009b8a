internal import OpenSSLCrypto

/// What one segment holds: read from its first line on, as far as its links hold.
struct SegmentScan {
    /// Why a line is not a record of this log.
    enum Fault: Equatable, CustomStringConvertible {
        /// The file ends in the middle of it.
        case torn
        case malformed
        case sequence(UInt64)
        case previous
        case link
        case firstRecord

        var description: String {
            switch self {
            case .torn: "it ends in the middle of a record"
            case .malformed: "it is no record"
            case .sequence(let found): "it is record \(found), which is out of order"
            case .previous: "it does not follow the record before it"
            case .link: "its code is wrong: it was changed, or is not ours"
            case .firstRecord: "it is not the first record of its segment"
            }
        }
    }

    let first: UInt64
    /// Records that hold, and bytes of them.
    private(set) var lines = 0
    private(set) var bytes = 0
    private(set) var fileBytes = 0
    private(set) var head: AuditHead
    private(set) var frontier = MerkleFrontier()
    /// Key version behind the last record.
    private(set) var chain: UInt32 = 0
    /// Why the line behind them does not; `nil` where the file ends there.
    private(set) var fault: Fault?
    /// Link of the record that the database knows, where it is in this segment.
    private(set) var knownLink: [UInt8] = []
    /// Unix seconds when the segment was begun; `nil` where its file does not say.
    private(set) var begun: UInt64?

    /// Reads a segment. Links are proved under the keys of the opening, as far as those have the version.
    init(_ opening: AuditLog.Opening, _ first: UInt64) throws(FileError) {
        self.first = first
        head = AuditHead(sequence: first - 1, link: [])
        let path = opening.directory.segment(first)
        fileBytes = try AtomicFile.size(of: path)
        var file = try AuditFileReader(path, byteCount: fileBytes)
        let keys = Dictionary(opening.keys.map { ($0.version, $0) }) { first, _ in first }
        reading: while fault == nil {
            switch try file.next() {
            case .end: break reading
            case .torn: fault = .torn
            case .line(let line):
                fault = take(line, keys)
                if fault != nil { break }
                lines += 1
                bytes = file.done
                if head.sequence == opening.known?.sequence { knownLink = head.link }
            }
        }
        if lines == 0, fault == nil { fault = .torn }
    }

    private mutating func take(_ line: [UInt8], _ keys: [UInt32: AuditKey]) -> Fault? {
        guard let seal = AuditSeal(line.span) else { return .malformed }
        guard seal.sequence == head.sequence + 1 else { return .sequence(seal.sequence) }
        if lines == 0 {
            guard let frontier = Self.frontier(line, size: first - 1) else { return .firstRecord }
            self.frontier = frontier
            begun = Self.seconds(line)
        } else if seal.previous != head.link {
            return .previous
        }
        if let key = keys[seal.chain] {
            var expected = [UInt8](repeating: 0, count: 32)
            let covered = line.span.extracting(0..<AuditSeal.covered(of: line.span))
            guard (try? key.link(covered, into: &expected)) != nil, expected == seal.link else { return .link }
        }
        do throws(CryptoError) {
            try frontier.append(leafHash: try MerkleHash.leaf(line.span))
        } catch {
            return .link
        }
        head = AuditHead(sequence: seal.sequence, link: seal.link)
        chain = seal.chain
        return nil
    }

    /// The tree before a segment, as its first record has it.
    private static func frontier(_ line: [UInt8], size: UInt64) -> MerkleFrontier? {
        guard line.firstRange(of: [UInt8]("\"op\":\"segment\"".utf8)) != nil,
            let found = line.firstRange(of: [UInt8]("\"tree\":[".utf8))
        else { return nil }
        var hashes: [[UInt8]] = []
        var position = found.upperBound
        while position < line.count, line[position] != 0x5D {
            if line[position] == 0x2C { position += 1 }
            guard position + 66 <= line.count, line[position] == 0x22, line[position + 65] == 0x22,
                let hash = line.span.hexadecimal(at: position + 1)
            else { return nil }
            hashes.append(hash)
            position += 66
        }
        return MerkleFrontier(size: size, hashes: hashes)
    }

    /// The moment of a record in Unix seconds, from its `time`.
    private static func seconds(_ line: [UInt8]) -> UInt64? {
        guard let found = line.firstRange(of: [UInt8]("\"time\":\"".utf8)) else { return nil }
        let text = line[found.upperBound...].prefix { $0 != 0x22 }
        return AuditTime(text).map { $0.milliseconds / 1000 }
    }
}
