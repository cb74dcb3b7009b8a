package import OpenSSLCrypto

/// The hashes of an RFC 6962 tree: SHA-256 with a first byte that keeps leaves and nodes apart.
package enum MerkleHash {
    package static let byteCount = 32
    private static let leafPrefix: UInt8 = 0
    private static let nodePrefix: UInt8 = 1

    /// The hash of a leaf: of a record's line without its newline.
    package static func leaf(_ line: Span<UInt8>) throws(CryptoError) -> [32 of UInt8] {
        var hash = [32 of UInt8](repeating: 0)
        var output = hash.mutableSpan
        try sha256(prefix: leafPrefix, line, into: &output)
        return hash
    }

    /// The hash of the node above two subtrees, which lie behind each other in 64 bytes: left, right.
    static func node(_ children: Span<UInt8>) throws(CryptoError) -> [32 of UInt8] {
        precondition(children.count == 2 * byteCount, "a node has two children")
        var hash = [32 of UInt8](repeating: 0)
        var output = hash.mutableSpan
        try sha256(prefix: nodePrefix, children, into: &output)
        return hash
    }

    /// The same of two hashes that lie apart.
    static func node(_ left: [UInt8], _ right: [UInt8]) throws(CryptoError) -> [UInt8] {
        let hash = try node((left + right).span)
        return hash.span.copied
    }

    /// The root of a tree without a leaf.
    static func empty() throws(CryptoError) -> [UInt8] {
        var hash = [UInt8](repeating: 0, count: byteCount)
        var output = hash.mutableSpan
        try sha256([UInt8]().span, into: &output)
        return hash
    }
}
