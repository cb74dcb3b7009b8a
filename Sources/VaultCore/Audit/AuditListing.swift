internal import Glibc

/// A segment of the audit log: a file of records.
package struct AuditSegment: Sendable, Equatable {
    /// Twenty digits and `.jsonl`: the sequence number of its first record.
    package let name: String
    package let first: UInt64
    /// Bytes when the directory was looked at.
    package let byteCount: Int

    static let suffix = ".jsonl"
    static let digits = 20

    /// The number in a segment's name; `nil` where it is no such name.
    static func number(of name: String) -> UInt64? {
        let bytes = Array(name.utf8)
        guard bytes.count == digits + suffix.utf8.count, name.hasSuffix(suffix),
            bytes.prefix(digits).allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 })
        else { return nil }
        return UInt64(String(decoding: bytes.prefix(digits), as: UTF8.self)).flatMap { $0 > 0 ? $0 : nil }
    }

    /// The name of the segment that begins with a record.
    static func name(first: UInt64) -> String {
        let number = String(first)
        return String(repeating: "0", count: digits - number.utf8.count) + number + suffix
    }
}

/// What lies in an audit directory at one moment: files and how long they are, so that a log that grows meanwhile is read
/// up to a place where all its parts fit together.
package struct AuditListing: Sendable {
    package static let checkpoints = "checkpoints"
    package static let verifierKeys = "verifier-keys"

    package let path: String
    /// In the order of their numbers.
    package let segments: [AuditSegment]
    /// Names that look like a segment's and are none.
    package let strays: [String]
    /// Bytes of the checkpoints; `nil` where there is no such file.
    let checkpointBytes: Int?

    /// Looks at a directory. Checkpoints are measured before segments: what a checkpoint tells of was on disk before it.
    package init(_ path: String) throws(FileError) {
        self.path = path
        checkpointBytes = try Self.size(path + "/" + Self.checkpoints)
        var segments: [AuditSegment] = []
        var strays: [String] = []
        for name in try Self.names(path) where name.hasSuffix(AuditSegment.suffix) {
            guard let first = AuditSegment.number(of: name) else {
                strays.append(name)
                continue
            }
            guard let size = try Self.size(path + "/" + name) else { continue }
            segments.append(AuditSegment(name: name, first: first, byteCount: size))
        }
        self.segments = segments.sorted { $0.first < $1.first }
        self.strays = strays.sorted()
    }

    package var byteCount: Int { segments.reduce(0) { $0 + $1.byteCount } }

    func file(_ name: String) -> String { path + "/" + name }

    /// The position of the segment that a record is in, or would be.
    func position(of record: UInt64) -> Int? { segments.lastIndex { $0.first <= record } }

    /// Lines of the file of verifier keys; `nil` where there is none.
    func keyLines() throws(FileError) -> [String]? {
        do throws(FileError) {
            let bytes = try AtomicFile.read(file(Self.verifierKeys))
            var lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
            if lines.last?.isEmpty == true { lines.removeLast() }
            return lines.map { String(decoding: $0, as: UTF8.self) }
        } catch {
            if error.isMissing { return nil }
            throw error
        }
    }

    /// The verifier keys of the log, oldest first, as they lie in its directory.
    package func verifierKeyTexts() throws(AuditReadError) -> [String] {
        try reading { () throws(FileError) in try keyLines() } ?? []
    }

    private static func size(_ path: String) throws(FileError) -> Int? {
        do throws(FileError) {
            return try AtomicFile.size(of: path)
        } catch {
            if error.isMissing { return nil }
            throw error
        }
    }

    /// Every name in a directory.
    static func names(_ path: String) throws(FileError) -> [String] {
        guard let directory = unsafe opendir(path) else {
            throw FileError(operation: "opendir", path: path, code: errno)
        }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = unsafe readdir(directory) else { break }
            // The name ends with a zero inside the entry, which lives until the next call.
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            names.append(name)
        }
        guard errno == 0 else { throw FileError(operation: "readdir", path: path, code: errno) }
        return names
    }
}
