internal import OpenSSLCrypto

// Where a check begins, and what the first record of a segment says of those before it.
extension AuditVerifier {
    /// The segment to begin with: the first of all, or a later one where the caller asked for that and no checkpoint to be
    /// compared is before it.
    func startPosition() throws(AuditReadError) -> Int {
        let segments = directory.segments
        let isWhole = segments[0].first == 1
        guard isWhole || options.isArchived || options.since != nil else {
            throw .finding(
                .init(
                    .gap, segments[0].name, line: 1, seq: 1,
                    "records 1 to \(segments[0].first - 1) are not here; say so if they are in an archive"))
        }
        guard let since = options.since else { return 0 }
        var start = 0
        // Time may have been set back, so the newest that begins before is the one, whatever is between.
        for position in segments.indices.reversed() {
            guard let begin = try AuditScan.beginning(of: segments[position], directory) else { continue }
            if begin <= since {
                start = position
                break
            }
            guard position > 0 || isWhole || options.isArchived else {
                throw .finding(
                    .init(
                        .gap, segments[0].name, line: 1, seq: segments[0].first - 1,
                        "the log begins with record \(segments[0].first), of \(begin.text): older segments are not here"
                    ))
            }
        }
        // A witness's smallest checkpoint must be within, or just before, what is read.
        if let smallest = witness.smallest {
            while start > 0, segments[start].first - 1 > smallest { start -= 1 }
        }
        return start
    }

    /// The first record of a segment: its number is the name's, it names the segment before, and it carries the hashes of
    /// all records before it, which are the start where those are not here.
    mutating func check(
        first bytes: [UInt8], of segment: AuditSegment, isFirst: Bool, _ place: AuditPlace
    ) throws(AuditReadError) {
        guard let line = AuditLine(bytes) else {
            throw place.finding(.malformed, segment.first, "this is no record in the form that records have")
        }
        // In the middle of a log it is the record that is out of place, which its number shows.
        guard isFirst || line.seq == frontier.size + 1 else { return }
        guard line.seq == segment.first else {
            throw place.finding(
                .segment, isFirst ? segment.first : line.seq,
                "the segment's name says record \(segment.first), and it begins with record \(line.seq)")
        }
        guard line.operation == "segment" else {
            throw place.finding(.segment, line.seq, "a segment begins with a record of its own, and this one does not")
        }
        let hashes = line.texts("tree").compactMap { Hexadecimal.decode($0.utf8) }
        guard hashes.count == line.texts("tree").count,
            let tree = MerkleFrontier(size: line.seq - 1, hashes: hashes)
        else {
            throw place.finding(.tree, line.seq, "the hashes of the records before are not as many as they must be")
        }
        if isFirst {
            try begin(tree, line, place)
        } else {
            guard tree == frontier else {
                throw place.finding(
                    .tree, line.seq, "the hashes of the records before are not those of the records that stand there")
            }
            let before = directory.segments[directory.segments.firstIndex(of: segment)! - 1].name
            guard line.text("previous") == before else {
                throw place.finding(.segment, line.seq, "this segment follows another one than \(before)")
            }
        }
    }

    private mutating func begin(
        _ tree: MerkleFrontier, _ line: AuditLine, _ place: AuditPlace
    ) throws(AuditReadError) {
        frontier = tree
        guard line.seq == 1 else {
            try checkCheckpoints()
            return try checkWitness()
        }
        guard line.text("previous") == "" else {
            throw place.finding(.segment, 1, "the first segment follows none")
        }
    }
}
