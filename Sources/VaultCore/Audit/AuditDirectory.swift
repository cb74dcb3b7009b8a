internal import Glibc

/// Names of the files below `audit/`.
package struct AuditDirectory: Sendable {
    package let path: String

    package init(_ path: String) { self.path = path }

    /// Signed checkpoints, one after the other.
    package var checkpoints: String { path + "/" + AuditListing.checkpoints }
    /// What verifies their signatures, a line for each key version.
    package var verifierKeys: String { path + "/" + AuditListing.verifierKeys }

    /// A segment's file by its first sequence number.
    package func segment(_ first: UInt64) -> String { path + "/" + Self.name(first) }

    static func name(_ first: UInt64) -> String { AuditSegment.name(first: first) }

    /// First sequence numbers of the segments there are, in order.
    package func segments() throws(FileError) -> [UInt64] {
        try AuditListing.names(path).compactMap { AuditSegment.number(of: $0) }.sorted()
    }

    /// Segments that need a key version, by the first record of each.
    package func segments(under version: UInt32) throws(FileError) -> Int {
        var chains: [UInt32] = []
        for first in try segments() {
            let path = segment(first)
            var file = try AuditFileReader(path, byteCount: AtomicFile.size(of: path))
            guard case .line(let line) = try file.next(), let seal = AuditSeal(line.span) else { continue }
            chains.append(seal.chain)
        }
        // A segment may go over to later versions, up to the one that the next begins with.
        return chains.indices.filter { index in
            let last = index + 1 < chains.count ? chains[index + 1] : .max
            return (chains[index]...max(last, chains[index])).contains(version)
        }.count
    }

    /// Makes the directory where it is missing, mode 0700.
    package func make() throws(FileError) {
        if unsafe mkdir(path, 0o700) == 0 { return try AtomicFile.syncDirectory(of: path) }
        guard errno == EEXIST else { throw FileError(operation: "mkdir", path: path, code: errno) }
    }
}
