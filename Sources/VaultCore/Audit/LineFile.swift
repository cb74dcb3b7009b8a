internal import Glibc

/// Reads a file line by line, without ever holding more than a line and a chunk. One thread.
package struct LineFile: ~Copyable {
    /// One step through a file.
    package enum Step: Equatable {
        /// A whole line; it is in `line`, without its newline.
        case line
        /// The file ends in a line without a newline; it is in `line`.
        case torn
        /// The line is longer than any that was ever written.
        case overlong
        case end
    }

    /// Bytes of the longest record: ten thousand tokens and then some.
    package static let lineBytesMax = 1 << 20
    private static let chunkBytes = 256 << 10

    package let path: String
    private let descriptor: Int32
    private var chunk: [UInt8]
    private var position = 0
    private var count = 0
    /// The line of the last step.
    package private(set) var line: [UInt8] = []
    /// Bytes up to the end of the last whole line.
    package private(set) var offset = 0

    package init(_ path: String) throws(FileError) {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw FileError(operation: "open", path: path, code: errno) }
        self.path = path
        self.descriptor = descriptor
        chunk = [UInt8](repeating: 0, count: Self.chunkBytes)
    }

    deinit { close(descriptor) }

    package mutating func next() throws(FileError) -> Step {
        line.removeAll(keepingCapacity: true)
        while true {
            if position == count {
                count = try fill()
                position = 0
                if count == 0 { return line.isEmpty ? .end : .torn }
            }
            let start = position
            while position < count, chunk[position] != 0x0A { position += 1 }
            line.append(contentsOf: chunk[start..<position])
            if line.count > Self.lineBytesMax { return .overlong }
            if position < count {
                position += 1
                offset += line.count + 1
                return .line
            }
        }
    }

    private mutating func fill() throws(FileError) -> Int {
        while true {
            let got = unsafe chunk.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
            if got >= 0 { return got }
            if errno != EINTR { throw FileError(operation: "read", path: path, code: errno) }
        }
    }
}
