package import OpenSSLCrypto

/// What must be kept of an RFC 6962 tree so that it can grow: the roots of its complete subtrees, one for each bit that
/// is set in its size, largest first.
///
/// A leaf costs one node hash on average, a root at most 63; at most 64 hashes are held, however many leaves there were.
package struct MerkleFrontier: Sendable, Equatable {
    /// Number of leaves.
    package private(set) var size: UInt64
    /// The hashes behind each other, 32 bytes each.
    private var nodes: [UInt8]

    /// A tree without a leaf.
    package init() {
        size = 0
        nodes = []
    }

    /// A tree of which only the hashes of its complete subtrees are known, largest first; `nil` where there are not as
    /// many as its size asks for, or one has another length.
    package init?(size: UInt64, hashes: [[UInt8]]) {
        guard hashes.count == size.nonzeroBitCount, hashes.allSatisfy({ $0.count == MerkleHash.byteCount }) else {
            return nil
        }
        self.size = size
        nodes = hashes.flatMap { $0 }
    }

    /// The hashes of the complete subtrees, largest first.
    package var hashes: [[UInt8]] {
        stride(from: 0, to: nodes.count, by: MerkleHash.byteCount).map { start in
            Array(nodes[start..<start + MerkleHash.byteCount])
        }
    }

    /// Adds a leaf. After an error the tree is as it was.
    package mutating func append(leafHash: [32 of UInt8]) throws(CryptoError) {
        precondition(size < .max, "a tree has at most 2^64 - 1 leaves")
        let before = nodes
        push(leafHash)
        do throws(CryptoError) {
            // Each low bit that is set in the old size is a subtree as large as the one that was just made.
            for _ in 0..<(~size).trailingZeroBitCount { try foldLastTwo() }
        } catch {
            nodes = before
            throw error
        }
        size += 1
    }

    /// The root of the whole tree.
    package func root() throws(CryptoError) -> [UInt8] {
        guard size > 0 else { return try MerkleHash.empty() }
        var folded = self
        while folded.nodes.count > MerkleHash.byteCount { try folded.foldLastTwo() }
        return folded.nodes
    }

    private mutating func push(_ hash: [32 of UInt8]) {
        for index in hash.indices { nodes.append(hash[index]) }
    }

    /// Replaces the last two subtrees by the node above them.
    private mutating func foldLastTwo() throws(CryptoError) {
        let start = nodes.count - 2 * MerkleHash.byteCount
        let parent = try MerkleHash.node(nodes.span.extracting(start..<nodes.count))
        nodes.removeSubrange(start...)
        push(parent)
    }
}
