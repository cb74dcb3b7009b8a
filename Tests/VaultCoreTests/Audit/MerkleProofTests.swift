import OpenSSLCrypto
import Testing

@testable import VaultCore

@Suite("Merkle tree: proofs")
struct MerkleProofTests {
    private struct Tree {
        var hashes: [[32 of UInt8]] = []
        var roots: [[UInt8]] = []
        /// The frontier before each leaf.
        var frontiers: [MerkleFrontier] = []

        init(_ leaves: [[UInt8]]) throws {
            var frontier = MerkleFrontier()
            roots = [try frontier.root()]
            for leaf in leaves {
                frontiers.append(frontier)
                hashes.append(try MerkleHash.leaf(leaf.span))
                try frontier.append(leaf: leaf)
                roots.append(try frontier.root())
            }
        }

        func proof(_ ranges: [Range<UInt64>], from start: Int = 0) throws -> MerkleProof? {
            guard var builder = MerkleProofBuilder(ranges, start: frontiers[start]) else { return nil }
            for index in start..<hashes.count { try builder.append(leafHash: hashes[index], index: UInt64(index)) }
            return try builder.proof()
        }

        func leafHash(_ index: Int) throws -> [UInt8] {
            var frontier = MerkleFrontier()
            try frontier.append(leafHash: hashes[index])
            return try frontier.root()
        }
    }

    private static func published() throws -> Tree {
        try Tree(MerkleFrontierTests.leaves.map(MerkleFrontierTests.bytes))
    }

    /// Proofs of the reference tests of Certificate Transparency; leaves counted from 0 here.
    @Test("the published inclusion proofs are made and hold")
    func publishedInclusion() throws {
        let tree = try Self.published()
        let known: [(index: UInt64, size: UInt64, hashes: [String])] = [
            (0, 1, []),
            (
                0, 8,
                [
                    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
                ]
            ),
            (
                5, 8,
                [
                    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                ]
            ),
            (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
            (
                1, 5,
                [
                    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                ]
            ),
        ]
        for (index, size, hashes) in known {
            let proof = try #require(
                try tree.proof(MerkleProof.inclusionRanges(index: index, size: size)))
            #expect(proof.hashes.map { Hexadecimal.encode($0) } == hashes)
            #expect(
                try proof.includes(
                    leafHash: tree.leafHash(Int(index)), index: index, size: size, root: tree.roots[Int(size)]))
        }
    }

    @Test("the published consistency proofs are made and hold")
    func publishedConsistency() throws {
        let tree = try Self.published()
        let known: [(from: UInt64, to: UInt64, hashes: [String])] = [
            (1, 1, []),
            (
                1, 8,
                [
                    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
                ]
            ),
            (
                6, 8,
                [
                    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                ]
            ),
            (
                2, 5,
                [
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                ]
            ),
        ]
        for (from, to, hashes) in known {
            let proof = try #require(try tree.proof(MerkleProof.consistencyRanges(from: from, to: to)))
            #expect(proof.hashes.map { Hexadecimal.encode($0) } == hashes)
            #expect(
                try proof.extends(size: from, root: tree.roots[Int(from)], to: to, root: tree.roots[Int(to)]))
        }
    }

    @Test("every leaf and every pair of sizes to 33 is proved, and by no other leaf, size, root or altered proof")
    func all() throws {
        let tree = try Tree((0..<33).map { [UInt8]("record \($0)".utf8) })
        for size in UInt64(1)...33 {
            for index in 0..<size {
                let proof = try #require(try tree.proof(MerkleProof.inclusionRanges(index: index, size: size)))
                let leaf = try tree.leafHash(Int(index))
                let root = tree.roots[Int(size)]
                #expect(try proof.includes(leafHash: leaf, index: index, size: size, root: root))
                #expect(try !proof.includes(leafHash: leaf, index: index, size: size, root: tree.roots[Int(size) - 1]))
                let other = try tree.leafHash((Int(index) + 1) % 33)
                #expect(try !proof.includes(leafHash: other, index: index, size: size, root: root))
                #expect(try !proof.includes(leafHash: leaf, index: size, size: size, root: root))
                if index + 1 < size {
                    #expect(try !proof.includes(leafHash: leaf, index: index + 1, size: size, root: root))
                }
                let longer = MerkleProof(hashes: proof.hashes + [root])
                #expect(try !longer.includes(leafHash: leaf, index: index, size: size, root: root))
                guard !proof.hashes.isEmpty else { continue }
                let shorter = MerkleProof(hashes: proof.hashes.dropLast())
                #expect(try !shorter.includes(leafHash: leaf, index: index, size: size, root: root))
            }
            for old in 1...size {
                let proof = try #require(try tree.proof(MerkleProof.consistencyRanges(from: old, to: size)))
                let (before, after) = (tree.roots[Int(old)], tree.roots[Int(size)])
                #expect(try proof.extends(size: old, root: before, to: size, root: after))
                #expect(try !proof.extends(size: old, root: tree.roots[Int(old) - 1], to: size, root: after))
                #expect(try !proof.extends(size: old, root: before, to: size, root: tree.roots[Int(size) - 1]))
                for position in proof.hashes.indices {
                    var altered = proof
                    altered.hashes[position][31] ^= 1
                    #expect(try !altered.extends(size: old, root: before, to: size, root: after))
                }
            }
        }
        #expect(try !MerkleProof(hashes: []).extends(size: 0, root: tree.roots[0], to: 5, root: tree.roots[5]))
    }

    @Test("a pass that begins behind archived records proves what their hashes allow, and says so where they do not")
    func archived() throws {
        let tree = try Tree((0..<40).map { [UInt8]("record \($0)".utf8) })
        var counts = (made: 0, refused: 0)
        for start in 1..<40 {
            for index in UInt64(start)..<40 {
                let ranges = MerkleProof.inclusionRanges(index: index, size: 40)
                // What is before a leaf of the pass is whole subtrees.
                #expect(try tree.proof(ranges, from: start) == tree.proof(ranges))
            }
            for old in UInt64(1)...40 {
                let ranges = MerkleProof.consistencyRanges(from: old, to: 40)
                guard let proof = try tree.proof(ranges, from: start) else {
                    #expect(old < UInt64(start))
                    counts.refused += 1
                    continue
                }
                #expect(try proof == tree.proof(ranges))
                counts.made += 1
            }
        }
        #expect(counts.made > 0 && counts.refused > 0)
    }

    @Test("leaves that are missing make no proof")
    func short() throws {
        let tree = try Tree((0..<5).map { [UInt8]("record \($0)".utf8) })
        #expect(try tree.proof(MerkleProof.inclusionRanges(index: 0, size: 6)) == nil)
    }
}
