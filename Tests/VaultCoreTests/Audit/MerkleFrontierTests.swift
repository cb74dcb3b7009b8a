import OpenSSLCrypto
import Testing

@testable import VaultCore

@Suite("Merkle tree: frontier")
struct MerkleFrontierTests {
    /// The eight leaves of the reference tests of Certificate Transparency, and the roots of 0 to 8 of them.
    static let leaves = [
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    ]
    static let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]

    static func bytes(_ hex: String) throws -> [UInt8] { try #require(Hexadecimal.decode(hex.utf8)) }

    @Test("the roots of the published leaves are the published ones, at every size")
    func published() throws {
        var frontier = MerkleFrontier()
        for (size, root) in Self.roots.enumerated() {
            #expect(frontier.size == UInt64(size))
            #expect(try Hexadecimal.encode(frontier.root()) == root)
            #expect(frontier.hashes.count == size.nonzeroBitCount)
            guard size < Self.leaves.count else { break }
            try frontier.append(leaf: Self.bytes(Self.leaves[size]))
        }
    }

    /// The root of a tree of one leaf is its hash.
    private func root(of leaf: [UInt8]) throws -> [UInt8] {
        var frontier = MerkleFrontier()
        try frontier.append(leaf: leaf)
        return try frontier.root()
    }

    /// RFC 6962, section 2.1, word for word.
    private func recursive(_ leaves: ArraySlice<[UInt8]>) throws -> [UInt8] {
        if leaves.isEmpty { return try MerkleHash.empty() }
        if leaves.count == 1 { return try root(of: leaves[leaves.startIndex]) }
        var split = 1
        while split * 2 < leaves.count { split *= 2 }
        let middle = leaves.startIndex + split
        return try MerkleHash.node(recursive(leaves[..<middle]), recursive(leaves[middle...]))
    }

    @Test("a frontier agrees with the definition, and goes on from its own hashes, at every size to 70")
    func definition() throws {
        var leaves: [[UInt8]] = []
        var frontier = MerkleFrontier()
        for index in 0..<70 {
            #expect(try frontier.root() == recursive(leaves[...]))
            let leaf = [UInt8]("record \(index)".utf8)
            leaves.append(leaf)
            // What a segment's first record carries is enough.
            frontier = try #require(MerkleFrontier(size: frontier.size, hashes: frontier.hashes))
            try frontier.append(leaf: leaf)
        }
    }

    @Test("hashes that are too many, too few or too short for a size are refused")
    func shapes() {
        let hash = [UInt8](repeating: 1, count: 32)
        #expect(MerkleFrontier(size: 0, hashes: []) == MerkleFrontier())
        #expect(MerkleFrontier(size: 5, hashes: [hash, hash]) != nil)
        #expect(MerkleFrontier(size: 5, hashes: [hash]) == nil)
        #expect(MerkleFrontier(size: 5, hashes: [hash, hash, hash]) == nil)
        #expect(MerkleFrontier(size: 0, hashes: [hash]) == nil)
        #expect(MerkleFrontier(size: 4, hashes: [Array(hash.dropLast())]) == nil)
        #expect(MerkleFrontier(size: .max, hashes: Array(repeating: hash, count: 64)) != nil)
    }

    @Test("a leaf is never taken for a node")
    func domains() throws {
        let pair = [UInt8](repeating: 7, count: 64)
        let node = try MerkleHash.node(Array(pair[..<32]), Array(pair[32...]))
        #expect(try root(of: pair) != node)
    }
}

extension MerkleFrontier {
    /// Adds a leaf from its bytes.
    mutating func append(leaf: [UInt8]) throws {
        try append(leafHash: MerkleHash.leaf(leaf.span))
    }
}
