internal import Glibc

/// Reads a file line by line in large pieces, up to a number of bytes.
struct AuditFileReader: ~Copyable {
    /// What comes next.
    enum Line {
        /// Without its newline.
        case line([UInt8])
        /// Bytes at the end without a newline, or more of them than a line may have.
        case torn
        case end
    }

    private static let chunkBytes = 256 << 10

    private let file: Descriptor
    /// Bytes of the file that have not been read.
    private var left: Int
    private var buffer: [UInt8] = []
    private var position = 0
    /// Number of the line that was read last, from 1.
    private(set) var number: UInt64 = 0
    /// Bytes of the lines that were read.
    private(set) var done = 0

    init(_ path: String, byteCount: Int) throws(FileError) {
        file = try Descriptor.open(path, O_RDONLY | O_CLOEXEC)
        left = byteCount
    }

    mutating func next() throws(FileError) -> Line {
        var searched = position
        while true {
            if let newline = buffer[searched...].firstIndex(of: 0x0A) {
                let line = Array(buffer[position..<newline])
                done += newline + 1 - position
                position = newline + 1
                number += 1
                return .line(line)
            }
            guard buffer.count - position <= AuditLine.byteCountMax else { return torn() }
            buffer.removeFirst(position)
            position = 0
            searched = buffer.count
            guard try fill() else { return buffer.isEmpty ? .end : torn() }
        }
    }

    private mutating func torn() -> Line {
        number += 1
        buffer = []
        position = 0
        left = 0
        return .torn
    }

    /// False at the end.
    private mutating func fill() throws(FileError) -> Bool {
        let wanted = min(Self.chunkBytes, left)
        guard wanted > 0 else { return false }
        var chunk = [UInt8](repeating: 0, count: wanted)
        var span = chunk.mutableSpan
        let count = try file.readAll(into: &span)
        guard count > 0 else { return false }
        buffer += chunk[..<count]
        left -= count
        return true
    }
}

/// Reads signed notes that lie behind each other in a file, each with an empty line after it.
struct AuditNoteReader: ~Copyable {
    enum Note {
        /// A note, and the number of its first line.
        case note([UInt8], line: UInt64)
        /// Something at the end that is not a whole note.
        case torn(line: UInt64)
        case end
    }

    private var reader: AuditFileReader

    init(_ path: String, byteCount: Int) throws(FileError) {
        reader = try AuditFileReader(path, byteCount: byteCount)
    }

    mutating func next() throws(FileError) -> Note {
        var bytes: [UInt8] = []
        var hasText = false
        let first = reader.number + 1
        while true {
            switch try reader.next() {
            case .line(let line):
                // The first empty line stands before the signatures, the second behind them.
                if line.isEmpty, hasText { return .note(bytes, line: first) }
                if line.isEmpty { hasText = true }
                bytes += line + [0x0A]
                guard bytes.count <= SignedNote.byteCountMax else { return .torn(line: first) }
            case .torn: return .torn(line: first)
            case .end: return bytes.isEmpty ? .end : .torn(line: first)
            }
        }
    }
}
