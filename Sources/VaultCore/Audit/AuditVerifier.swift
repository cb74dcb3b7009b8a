internal import OpenSSLCrypto

/// Checks an audit log from end to end in one pass: every record's form, number, link and MAC, every segment's place, and
/// every checkpoint's signature and root, ours and a witness's. Names the first thing that is wrong and ends there.
///
/// It needs no secret. Without chain keys the links show what was cut, moved or put in, and the signed roots show any
/// change of any byte before the last checkpoint; with them, each record is proved by itself.
///
/// A log that grows meanwhile is read up to where it ended when the check began. Memory is bounded: one line, one
/// checkpoint, one frontier. One thread.
package struct AuditVerifier: ~Copyable {
    /// What is known from elsewhere, and how far to go.
    package struct Options {
        /// MACs are checked with these.
        package var chainKeys: AuditChainKeys?
        /// Keys that checkpoints must be signed with; `nil`: those that the log itself names, which whoever can write the
        /// whole log can replace.
        package var trusted: [VerifierKey]?
        /// Checkpoints that a witness kept; their signatures are checked too.
        package var witness: [SignedNote] = []
        /// The last record that the database knows of, and its MAC.
        package var head: (seq: UInt64, mac: [UInt8])?
        /// Begin with the segment in which this moment lies.
        package var since: AuditTime?
        /// Older segments have gone to an archive: begin with the oldest that is here.
        package var isArchived = false
        /// The log is being written: an unfinished line at its end is no finding.
        package var isGrowing = false

        package init() {}
    }

    package struct Progress: Sendable {
        package let doneBytes: UInt64
        package let totalBytes: UInt64
        package let records: UInt64
    }

    /// Between two calls of `progress`.
    private static let recordsPerStep: UInt64 = 1_000

    let directory: AuditListing
    let options: Options
    var report = AuditReport()
    /// Over all records so far.
    var frontier = MerkleFrontier()
    /// The MAC of the last record, and its key version; nothing before the first.
    var last: (mac: [UInt8], chain: UInt32, announced: UInt32?)?
    var keys: AuditTrust
    /// Where an operator went on behind a log that did not fit its database.
    var chainBreak: (found: UInt64, known: UInt64)?
    /// What is wrong with a segment's first record, unless the next one says that an operator knows of it.
    var deferred: (fault: AuditReadError, seq: UInt64)?
    /// Whether the last record is the first of its segment.
    var isSegmentHead = false
    var checkpoints: AuditCheckpoints
    var witness: AuditWitness
    private var doneBytes: UInt64 = 0

    /// Throws where a file cannot be read, or is so wrong that nothing can be checked by it.
    package init(_ directory: AuditListing, _ options: Options) throws(AuditReadError) {
        let keys = try AuditTrust(directory, options)
        let witness = try AuditWitness(options.witness)
        let checkpoints = try AuditCheckpoints(directory)
        self.init(directory, options, keys, witness, checkpoints)
    }

    private init(
        _ directory: AuditListing, _ options: Options, _ keys: AuditTrust, _ witness: AuditWitness,
        _ checkpoints: consuming AuditCheckpoints
    ) {
        self.directory = directory
        self.options = options
        self.keys = keys
        self.witness = witness
        self.checkpoints = checkpoints
    }

    /// Checks a directory. Calls `progress` now and then; where it answers false the check ends there. Blocks on the
    /// disk; not for event loops. Throws only where files cannot be read.
    package static func run(
        _ directory: AuditListing, _ options: Options, progress: (Progress) -> Bool = { _ in true }
    ) throws(AuditReadError) -> AuditReport {
        do throws(AuditReadError) {
            var verifier = try AuditVerifier(directory, options)
            return try verifier.report(progress)
        } catch {
            guard case .finding(let finding) = error else { throw error }
            var report = AuditReport()
            report.finding = finding
            report.isComplete = true
            return report
        }
    }

    private mutating func report(_ progress: (Progress) -> Bool) throws(AuditReadError) -> AuditReport {
        do throws(AuditReadError) {
            try check(progress)
            report.isComplete = true
        } catch {
            switch error {
            case .finding(let finding):
                report.finding = finding
                report.isComplete = true
            case .cancelled: break
            default: throw error
            }
        }
        if report.finding == nil { report.root = try hashing { () throws(CryptoError) in try frontier.root() } }
        return report
    }

    private mutating func check(_ progress: (Progress) -> Bool) throws(AuditReadError) {
        if let stray = directory.strays.first {
            throw .finding(.init(.segment, stray, "is named like a segment, but no segment has such a name"))
        }
        try judgeWitness()
        guard !directory.segments.isEmpty else {
            throw .finding(.init(.empty, directory.path, "there is no audit log here"))
        }
        let start = try startPosition()
        for position in start..<directory.segments.count {
            try check(segment: position, isFirst: position == start, progress)
        }
        if let deferred { throw deferred.fault }
        try finishCheckpoints()
        try finishWitness()
        try checkHead(reached: nil)
        guard report.signedThrough > 0 || report.authenticated == report.records else {
            throw .finding(
                .init(
                    .unsigned, AuditListing.checkpoints,
                    "no checkpoint covers any of the records, and there are no keys: nothing proves them"))
        }
    }

    // MARK: Records

    private mutating func check(
        segment position: Int, isFirst: Bool, _ progress: (Progress) -> Bool
    ) throws(AuditReadError) {
        let segment = directory.segments[position]
        var reader = try reading { () throws(FileError) in
            try AuditFileReader(directory.file(segment.name), byteCount: segment.byteCount)
        }
        let isLast = position == directory.segments.count - 1
        let before = doneBytes
        report.segments += 1
        reading: while true {
            switch try reading({ () throws(FileError) in try reader.next() }) {
            case .line(let bytes):
                let place = AuditPlace(file: segment.name, line: reader.number)
                if reader.number == 1 {
                    try check(first: bytes, of: segment, isFirst: isFirst, place)
                }
                try check(record: bytes, place)
            case .torn:
                // What a crash or a copy of a growing file leaves; the writer itself cuts it off before it goes on.
                if isLast && options.isGrowing { break reading }
                throw .finding(
                    .init(
                        .torn, segment.name, line: reader.number, seq: frontier.size + 1,
                        "the line has no end: the file was cut, or copied while it was written"))
            case .end: break reading
            }
            if frontier.size.isMultiple(of: Self.recordsPerStep) {
                doneBytes = before + UInt64(reader.done)
                guard progress(step) else { throw .cancelled }
            }
        }
        guard reader.number > 0 || (isLast && options.isGrowing) else {
            throw .finding(.init(.truncated, segment.name, seq: segment.first, "the segment has no record"))
        }
        doneBytes = before + UInt64(segment.byteCount)
        guard progress(step) else { throw .cancelled }
    }

    private var step: Progress {
        Progress(doneBytes: doneBytes, totalBytes: UInt64(directory.byteCount), records: report.records)
    }

    private mutating func check(record bytes: [UInt8], _ place: AuditPlace) throws(AuditReadError) {
        let expected = frontier.size + 1
        guard let line = AuditLine(bytes) else {
            throw place.finding(.malformed, expected, "this is no record in the form that records have")
        }
        try check(number: line, expected, place)
        try check(links: line, place)
        try check(mac: line, place)
        try hashing { () throws(CryptoError) in
            try frontier.append(leafHash: MerkleHash.leaf(bytes.span))
        }
        report.last = line.seq
        if report.first == 0 { report.first = line.seq }
        try take(breakIn: line)
        var announced: UInt32?
        if line.operation == "audit_key" { announced = try keys.announce(line, place) }
        last = (line.mac, line.chain, announced)
        try checkHead(reached: (line, place))
        try checkCheckpoints()
        try checkWitness()
    }

    private func check(number line: AuditLine, _ expected: UInt64, _ place: AuditPlace) throws(AuditReadError) {
        if line.seq > expected {
            let missing = line.seq - expected
            throw place.finding(
                .gap, expected,
                "record \(line.seq) stands here in the place of record \(expected): "
                    + "\(missing == 1 ? "one is" : "\(missing) are") missing, or moved")
        }
        if line.seq < expected {
            throw place.finding(
                .order, expected, "record \(line.seq) stands here in the place of record \(expected): repeated or moved"
            )
        }
        if line.seq == 1, let vault = line.text("vault"), let name = keys.name, name != "strongroom.\(vault)" {
            throw place.finding(.key, 1, "the log is of vault \(vault), and the keys are of \(name)")
        }
    }

    private mutating func check(links line: AuditLine, _ place: AuditPlace) throws(AuditReadError) {
        guard let last else {
            guard line.seq > 1 || line.previous.allSatisfy({ $0 == 0 }) else {
                throw place.finding(.link, 1, "the first record names one before it")
            }
            return
        }
        guard line.previous == last.mac else {
            throw place.finding(
                .link, line.seq,
                "record \(line.seq) does not follow record \(line.seq - 1) as it stands: one of them was changed")
        }
        guard line.chain == last.announced ?? last.chain else {
            let fault = place.finding(
                .version, line.seq,
                "record \(line.seq) is of audit key \(line.chain), and audit key \(last.announced ?? last.chain) is in force"
            )
            guard line.operation == "segment" else { throw fault }
            deferred = (fault, line.seq)
            return
        }
    }

    /// A break that an operator has put on record excuses what it is about, and stands in the report.
    private mutating func take(breakIn line: AuditLine) throws(AuditReadError) {
        if line.operation == "chain_break" {
            deferred = nil
            chainBreak = (line.number("found") ?? 0, line.number("known") ?? 0)
            report.breaks.append(line.seq)
        } else if let deferred, deferred.seq < line.seq {
            throw deferred.fault
        }
        isSegmentHead = line.operation == "segment"
    }

    private mutating func check(mac line: AuditLine, _ place: AuditPlace) throws(AuditReadError) {
        guard let chains = options.chainKeys else { return }
        let made = try hashing { () throws(CryptoError) in
            try chains.mac(of: line.bytes.span.extracting(first: line.authenticatedCount), version: line.chain)
        }
        guard let made else { return }
        guard made == line.mac else {
            throw place.finding(.mac, line.seq, "record \(line.seq) is not what was written: its MAC is of other bytes")
        }
        report.authenticated += 1
    }

    /// The database's head: at its record, and at the end of the log.
    private func checkHead(reached: (line: AuditLine, place: AuditPlace)?) throws(AuditReadError) {
        guard let head = options.head, head.seq > 0 else { return }
        if let (line, place) = reached {
            guard line.seq == head.seq, line.mac != head.mac else { return }
            throw place.finding(
                .head, head.seq, "the database knows record \(head.seq) with another MAC: the log was replaced")
        }
        guard head.seq > frontier.size else { return }
        throw .finding(
            .init(
                .truncated, directory.segments.last?.name ?? directory.path, seq: frontier.size + 1,
                "the database knows of record \(head.seq), and the log ends with record \(frontier.size)"))
    }
}

/// A line of a file in the log.
struct AuditPlace {
    let file: String
    let line: UInt64

    func finding(_ kind: AuditFinding.Kind, _ seq: UInt64, _ detail: String) -> AuditReadError {
        .finding(AuditFinding(kind, file, line: line, seq: seq, detail))
    }
}
