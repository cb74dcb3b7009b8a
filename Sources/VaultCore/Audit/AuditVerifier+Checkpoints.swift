internal import OpenSSLCrypto

/// The checkpoints of a log, one after the other.
struct AuditCheckpoints: ~Copyable {
    struct Entry {
        let checkpoint: Checkpoint
        let note: SignedNote
        let line: UInt64
    }

    private var reader: AuditNoteReader?
    /// The next one to be reached.
    private(set) var next: Entry?
    private(set) var isTorn = false
    /// Records of the largest so far.
    private(set) var largest: UInt64 = 0

    init(_ directory: AuditListing) throws(AuditReadError) {
        guard let count = directory.checkpointBytes else { return }
        reader = try reading { () throws(FileError) in
            try AuditNoteReader(directory.file(AuditListing.checkpoints), byteCount: count)
        }
        try advance()
    }

    /// Steps to the one behind.
    mutating func advance() throws(AuditReadError) {
        next = nil
        let read = try reading { () throws(FileError) in try reader?.next() ?? .end }
        switch read {
        case .end: return
        case .torn: isTorn = true
        case .note(let bytes, let line):
            let place = AuditPlace(file: AuditListing.checkpoints, line: line)
            guard let (checkpoint, note) = Checkpoint.parse(bytes) else {
                throw place.finding(.checkpoint, 0, "this is no signed checkpoint")
            }
            next = Entry(checkpoint: checkpoint, note: note, line: line)
            largest = max(largest, checkpoint.size)
        }
    }
}

/// The checkpoints that a witness kept, by size.
struct AuditWitness {
    struct Entry {
        let checkpoint: Checkpoint
        let note: SignedNote
        /// Its number in what was given, from 1.
        let number: UInt64
    }

    let entries: [Entry]
    /// How many have been passed.
    var passed = 0

    init(_ notes: [SignedNote]) throws(AuditReadError) {
        var entries: [Entry] = []
        for (index, note) in notes.enumerated() {
            guard let checkpoint = Checkpoint(text: note.text) else {
                throw AuditPlace(file: "witness", line: UInt64(index + 1)).finding(
                    .witness, 0, "note \(index + 1) of the witness is no checkpoint")
            }
            entries.append(Entry(checkpoint: checkpoint, note: note, number: UInt64(index + 1)))
        }
        // One of no records says nothing.
        self.entries = entries.filter { $0.checkpoint.size > 0 }.sorted { $0.checkpoint.size < $1.checkpoint.size }
    }

    var smallest: UInt64? { entries.first?.checkpoint.size }

    /// The next one to be reached.
    var next: Entry? { passed < entries.count ? entries[passed] : nil }
}

// Checkpoints, ours and the witness's, at the records they are of.
extension AuditVerifier {
    /// Checks those of exactly as many records as were read; passes over those of records that are not here.
    mutating func checkCheckpoints() throws(AuditReadError) {
        while let entry = checkpoints.next, entry.checkpoint.size <= frontier.size {
            if entry.checkpoint.size == frontier.size {
                try check(entry)
            } else {
                try checkOrder(entry)
            }
            try checkpoints.advance()
        }
    }

    /// A checkpoint of fewer records than the one before is out of order, but where an operator went on behind a log that
    /// had lost records.
    private func checkOrder(_ entry: AuditCheckpoints.Entry) throws(AuditReadError) {
        let size = entry.checkpoint.size
        guard size < checkpoints.largest else { return }
        if let chainBreak, size > chainBreak.found { return }
        throw AuditPlace(file: AuditListing.checkpoints, line: entry.line).finding(
            .checkpoint, size, "the checkpoint is of \(size) records, and one before it of \(checkpoints.largest)")
    }

    private mutating func check(_ entry: AuditCheckpoints.Entry) throws(AuditReadError) {
        let place = AuditPlace(file: AuditListing.checkpoints, line: entry.line)
        let fault = try hashing { () throws(CryptoError) in try keys.check(entry.note, entry.checkpoint) }
        if let fault { throw place.finding(fault.kind, entry.checkpoint.size, fault.detail) }
        let root = try hashing { () throws(CryptoError) in try frontier.root() }
        guard root == entry.checkpoint.root else {
            let size = entry.checkpoint.size
            // Of the records that were lost before an operator went on.
            if let chainBreak, chainBreak.found < size, size <= chainBreak.known { return }
            let fault = place.finding(.root, report.signedThrough + 1, changed(size))
            // Of the first record behind a break: the next one says whether it is.
            guard report.last == size, isSegmentHead, deferred == nil else { throw fault }
            deferred = (fault, size)
            return
        }
        keys.cover(entry.checkpoint.size)
        report.checkpoints += 1
        report.signedThrough = entry.checkpoint.size
    }

    private func changed(_ size: UInt64) -> String {
        let first = max(report.signedThrough + 1, report.first)
        return first == size
            ? "record \(size) is not the one that was signed"
            : "records \(first) to \(size) are not those that were signed: at least one was changed"
    }

    /// Those that are left are of records that the log does not have.
    mutating func finishCheckpoints() throws(AuditReadError) {
        // Of an empty tree, before the first record: nothing to compare.
        let reached = max(frontier.size, chainBreak?.known ?? 0)
        while let entry = checkpoints.next, entry.checkpoint.size <= reached { try checkpoints.advance() }
        if let entry = checkpoints.next {
            throw AuditPlace(file: AuditListing.checkpoints, line: entry.line).finding(
                .truncated, frontier.size + 1,
                "a checkpoint is of \(entry.checkpoint.size) records, and the log ends with record \(frontier.size)")
        }
        if checkpoints.isTorn && !options.isGrowing {
            throw .finding(
                AuditFinding(
                    .torn, AuditListing.checkpoints,
                    "the last checkpoint has no end: the file was cut, or copied "
                        + "while it was written"))
        }
    }

    // MARK: Witness

    /// Names and cosignatures, before anything is read.
    func judgeWitness() throws(AuditReadError) {
        for entry in witness.entries {
            let name = keys.name ?? entry.checkpoint.origin
            guard entry.checkpoint.origin == name else {
                throw finding(
                    entry, .witness, "the witness's checkpoint is of \(entry.checkpoint.origin), not of \(name)")
            }
            for cosigner in keys.cosigners {
                let verdict = try hashing { () throws(CryptoError) in try entry.note.verdict(of: cosigner) }
                if case .signed = verdict { continue }
                throw finding(
                    entry, verdict == .forged ? .forged : .unsigned,
                    "the witness's checkpoint is not cosigned by \(cosigner.name)")
            }
        }
    }

    /// Compares those of exactly as many records as were read.
    mutating func checkWitness() throws(AuditReadError) {
        while let entry = witness.next, entry.checkpoint.size <= frontier.size {
            guard entry.checkpoint.size == frontier.size else {
                throw finding(
                    entry, .witness,
                    "the witness's checkpoint is of \(entry.checkpoint.size) records, which are not here")
            }
            try compare(entry)
            witness.passed += 1
        }
    }

    private mutating func compare(_ entry: AuditWitness.Entry) throws(AuditReadError) {
        let size = entry.checkpoint.size
        let root = try hashing { () throws(CryptoError) in try frontier.root() }
        // Before its signature: where the log was replaced whole, so may have been the keys that are trusted.
        guard root == entry.checkpoint.root else {
            throw finding(
                entry, .witness,
                "the first \(size) records are not those that the witness saw: the log was changed or replaced")
        }
        let fault = try hashing { () throws(CryptoError) in try keys.check(entry.note, entry.checkpoint) }
        if let fault { throw finding(entry, fault.kind, "the witness's copy: \(fault.detail)") }
        keys.cover(size)
        report.witnesses += 1
        report.signedThrough = max(report.signedThrough, size)
    }

    /// The witness saw more than there is.
    func finishWitness() throws(AuditReadError) {
        guard let entry = witness.next else { return }
        throw AuditPlace(file: "witness", line: entry.number).finding(
            .truncated, frontier.size + 1,
            "the witness saw \(entry.checkpoint.size) records, and the log ends with record \(frontier.size)")
    }

    private func finding(_ entry: AuditWitness.Entry, _ kind: AuditFinding.Kind, _ detail: String) -> AuditReadError {
        AuditPlace(file: "witness", line: entry.number).finding(kind, entry.checkpoint.size, detail)
    }
}
