package import OpenSSLCrypto

/// Proofs about an RFC 6962 tree: that a record is in it (inclusion), and that it grew out of a smaller one (consistency).
///
/// A proof is a list of subtree roots. Which ones is arithmetic, so they are computed in one pass over the leaves, with
/// a frontier for each; nothing but the proof is held in memory.
package struct MerkleProof: Sendable, Equatable {
    /// From the leaf or the old tree upwards, as RFC 6962 orders them.
    package var hashes: [[UInt8]]

    package init(hashes: [[UInt8]]) { self.hashes = hashes }

    // MARK: Which subtrees

    /// The subtrees whose roots prove that leaf `index` is in the tree of `size` leaves (RFC 6962, section 2.1.1).
    static func inclusionRanges(index: UInt64, size: UInt64) -> [Range<UInt64>] {
        precondition(index < size, "a leaf is in the tree")
        var ranges: [Range<UInt64>] = []
        var whole = 0..<size
        while whole.count64 > 1 {
            let middle = whole.lowerBound + split(whole.count64)
            if index < middle {
                ranges.append(middle..<whole.upperBound)
                whole = whole.lowerBound..<middle
            } else {
                ranges.append(whole.lowerBound..<middle)
                whole = middle..<whole.upperBound
            }
        }
        return ranges.reversed()
    }

    /// The subtrees whose roots prove that the tree of `size` leaves begins with that of `old` (section 2.1.2).
    static func consistencyRanges(from old: UInt64, to size: UInt64) -> [Range<UInt64>] {
        precondition(0 < old && old <= size, "the old tree has leaves, and no more than the new one")
        var ranges: [Range<UInt64>] = []
        var whole = 0..<size
        var isComplete = true
        while old != whole.upperBound {
            let middle = whole.lowerBound + split(whole.count64)
            if old <= middle {
                ranges.append(middle..<whole.upperBound)
                whole = whole.lowerBound..<middle
            } else {
                ranges.append(whole.lowerBound..<middle)
                whole = middle..<whole.upperBound
                isComplete = false
            }
        }
        if !isComplete { ranges.append(whole) }
        return ranges.reversed()
    }

    /// The largest power of two below `count`.
    private static func split(_ count: UInt64) -> UInt64 { 1 << UInt64(63 - (count - 1).leadingZeroBitCount) }

    // MARK: Checking

    /// Whether this proves that the leaf is in the tree (RFC 9162, section 2.1.3.2).
    package func includes(
        leafHash: [UInt8], index: UInt64, size: UInt64, root: [UInt8]
    ) throws(CryptoError) -> Bool {
        guard index < size, isWellFormed, leafHash.count == MerkleHash.byteCount else { return false }
        var (place, last) = (index, size - 1)
        var hash = leafHash
        for sibling in hashes {
            guard last > 0 else { return false }
            if place & 1 == 1 || place == last {
                hash = try MerkleHash.node(sibling, hash)
                while place & 1 == 0, place > 0 { (place, last) = (place >> 1, last >> 1) }
            } else {
                hash = try MerkleHash.node(hash, sibling)
            }
            (place, last) = (place >> 1, last >> 1)
        }
        return last == 0 && hash == root
    }

    /// Whether this proves that the new tree begins with the old one (RFC 9162, section 2.1.4.2).
    package func extends(
        size old: UInt64, root oldRoot: [UInt8], to size: UInt64, root: [UInt8]
    ) throws(CryptoError) -> Bool {
        guard 0 < old, old <= size, isWellFormed else { return false }
        if old == size { return hashes.isEmpty && oldRoot == root }
        // A complete subtree is its own first node.
        var path = (old.nonzeroBitCount == 1 ? [oldRoot] : []) + hashes
        guard !path.isEmpty else { return false }
        var (place, last) = (old - 1, size - 1)
        while place & 1 == 1 { (place, last) = (place >> 1, last >> 1) }
        var before = path.removeFirst()
        var after = before
        for node in path {
            guard last > 0 else { return false }
            if place & 1 == 1 || place == last {
                before = try MerkleHash.node(node, before)
                after = try MerkleHash.node(node, after)
                while place & 1 == 0, place > 0 { (place, last) = (place >> 1, last >> 1) }
            } else {
                after = try MerkleHash.node(after, node)
            }
            (place, last) = (place >> 1, last >> 1)
        }
        return last == 0 && before == oldRoot && after == root
    }

    private var isWellFormed: Bool {
        hashes.count <= 64 && hashes.allSatisfy { $0.count == MerkleHash.byteCount }
    }
}

/// Computes the roots of some subtrees in one pass over the leaves.
struct MerkleProofBuilder {
    private let ranges: [Range<UInt64>]
    private var frontiers: [MerkleFrontier]

    /// Begins at the first leaf, or behind the leaves that `start` stands for; `nil` where it does not tell what is asked.
    init?(_ ranges: [Range<UInt64>], start: MerkleFrontier = MerkleFrontier()) {
        self.ranges = ranges
        frontiers = []
        for range in ranges {
            guard let part = start.part(range) else { return nil }
            frontiers.append(part)
        }
    }

    /// Takes the next leaf, whose place in the tree is `index`.
    mutating func append(leafHash: [32 of UInt8], index: UInt64) throws(CryptoError) {
        for position in ranges.indices where ranges[position].contains(index) {
            try frontiers[position].append(leafHash: leafHash)
        }
    }

    /// The proof; `nil` where leaves are missing.
    func proof() throws(CryptoError) -> MerkleProof? {
        var hashes: [[UInt8]] = []
        for (range, frontier) in zip(ranges, frontiers) {
            guard frontier.size == range.count64 else { return nil }
            hashes.append(try frontier.root())
        }
        return MerkleProof(hashes: hashes)
    }
}

extension MerkleFrontier {
    /// What this frontier knows of the subtree over a range that begins inside it: the frontier of that subtree's leaves
    /// so far; `nil` where the range cuts through what is one hash here.
    func part(_ range: Range<UInt64>) -> MerkleFrontier? {
        guard range.lowerBound < size else { return MerkleFrontier() }
        var start: UInt64 = 0
        var part: [[UInt8]] = []
        var partSize: UInt64 = 0
        for (hash, width) in zip(hashes, widths) {
            let end = start + width
            if end > range.lowerBound && start < range.upperBound {
                guard start >= range.lowerBound, end <= range.upperBound else { return nil }
                part.append(hash)
                partSize += width
            }
            start = end
        }
        return MerkleFrontier(size: partSize, hashes: part)
    }

    /// Leaves below each hash, largest first.
    private var widths: [UInt64] {
        (0..<64).reversed().map { UInt64(1) << UInt64($0) }.filter { size & $0 != 0 }
    }
}

extension Range<UInt64> {
    /// A count that may be above `Int.max`.
    fileprivate var count64: UInt64 { upperBound - lowerBound }
}
