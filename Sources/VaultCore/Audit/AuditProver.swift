internal import Glibc
internal import OpenSSLCrypto

/// Makes proofs from a log: that a record is in it, and that it grew out of what a checkpoint told of.
package enum AuditProver {
    /// A proof, and what it is checked against.
    package struct Answer: Sendable, Equatable {
        package var proof: MerkleProof
        /// Of the whole tree.
        package var size: UInt64
        package var root: [UInt8]
        /// The record's line, for a proof of inclusion.
        package var line: [UInt8] = []
        /// The smaller tree's root, for a proof of consistency.
        package var oldRoot: [UInt8] = []
    }

    /// That a record is among the first `size`.
    package static func inclusion(
        of record: UInt64, size: UInt64, in directory: AuditListing
    ) throws(AuditReadError) -> Answer {
        guard record >= 1, record <= size else {
            throw .finding(
                AuditFinding(.gap, directory.path, seq: record, "record \(record) is not among \(size) records"))
        }
        let ranges = MerkleProof.inclusionRanges(index: record - 1, size: size)
        return try prove(ranges, keeping: record, old: nil, size: size, in: directory)
    }

    /// That the first `size` records begin with the first `old`.
    package static func consistency(
        from old: UInt64, to size: UInt64, in directory: AuditListing
    ) throws(AuditReadError) -> Answer {
        guard old >= 1, old <= size else {
            throw .finding(
                AuditFinding(.gap, directory.path, seq: old, "\(size) records do not begin with \(old) records"))
        }
        let ranges = MerkleProof.consistencyRanges(from: old, to: size)
        return try prove(ranges, keeping: nil, old: old, size: size, in: directory)
    }

    /// One pass over the records that are here.
    private static func prove(
        _ ranges: [Range<UInt64>], keeping record: UInt64?, old: UInt64?, size: UInt64, in directory: AuditListing
    ) throws(AuditReadError) -> Answer {
        var frontier = try start(directory)
        guard var builder = MerkleProofBuilder(ranges, start: frontier), record ?? .max > frontier.size else {
            throw .finding(
                AuditFinding(.gap, directory.path, seq: frontier.size, "the records that the proof needs are not here"))
        }
        var answer = Answer(proof: MerkleProof(hashes: []), size: size, root: [])
        if old == frontier.size, old != 0 { answer.oldRoot = try root(frontier) }
        for segment in directory.segments where frontier.size < size {
            var reader = try reading { () throws(FileError) in
                try AuditFileReader(directory.file(segment.name), byteCount: segment.byteCount)
            }
            while frontier.size < size,
                case .line(let bytes) = try reading({ () throws(FileError) in try reader.next() })
            {
                let hash = try hashing { () throws(CryptoError) in try MerkleHash.leaf(bytes.span) }
                let index = frontier.size
                try hashing { () throws(CryptoError) in
                    try builder.append(leafHash: hash, index: index)
                    try frontier.append(leafHash: hash)
                }
                if record == frontier.size { answer.line = bytes }
                if old == frontier.size { answer.oldRoot = try root(frontier) }
            }
        }
        guard frontier.size == size, let proof = try hashing({ () throws(CryptoError) in try builder.proof() }) else {
            throw .finding(
                AuditFinding(
                    .truncated, directory.path, seq: frontier.size + 1, "the log ends with record \(frontier.size)"))
        }
        answer.proof = proof
        answer.root = try root(frontier)
        return answer
    }

    private static func root(_ frontier: MerkleFrontier) throws(AuditReadError) -> [UInt8] {
        try hashing { () throws(CryptoError) in try frontier.root() }
    }

    /// What is known of the records before the oldest segment that is here.
    private static func start(_ directory: AuditListing) throws(AuditReadError) -> MerkleFrontier {
        guard let segment = directory.segments.first else {
            throw .finding(AuditFinding(.empty, directory.path, "there is no audit log here"))
        }
        guard segment.first > 1 else { return MerkleFrontier() }
        var reader = try reading { () throws(FileError) in
            try AuditFileReader(directory.file(segment.name), byteCount: segment.byteCount)
        }
        guard case .line(let bytes) = try reading({ () throws(FileError) in try reader.next() }),
            let line = AuditLine(bytes), line.seq == segment.first,
            let tree = MerkleFrontier(
                size: segment.first - 1, hashes: line.texts("tree").compactMap { Hexadecimal.decode($0.utf8) })
        else {
            throw .finding(AuditFinding(.tree, segment.name, line: 1, "the segment's first record is not readable"))
        }
        return tree
    }
}

extension AuditListing {
    /// The last whole checkpoint; `nil` where there is none.
    package func lastCheckpoint() throws(AuditReadError) -> (checkpoint: Checkpoint, note: SignedNote)? {
        guard let count = checkpointBytes, count > 0 else { return nil }
        let bytes = try reading { () throws(FileError) in
            let file = try Descriptor.open(file(Self.checkpoints), O_RDONLY | O_CLOEXEC)
            let length = min(count, 2 * SignedNote.byteCountMax)
            try file.seek(to: count - length)
            var bytes = [UInt8](repeating: 0, count: length)
            var span = bytes.mutableSpan
            let read = try file.readAll(into: &span)
            return Array(bytes.prefix(read))
        }
        // Text and signatures are two paragraphs; what is behind the last empty line is unfinished.
        var paragraphs = String(decoding: bytes, as: UTF8.self).split(
            separator: "\n\n", omittingEmptySubsequences: false)
        paragraphs.removeLast()
        // An unfinished note may have left its text.
        if let last = paragraphs.last, !last.hasPrefix("\u{2014} ") { paragraphs.removeLast() }
        guard paragraphs.count >= 2 else { return nil }
        return Checkpoint.parse(Array((paragraphs.suffix(2).joined(separator: "\n\n") + "\n").utf8))
    }
}
