import Glibc
import StrongroomClient
import Synchronization

/// Standard input in chunks, read on a thread of its own.
final class StandardInput: Sendable {
    static let chunkBytes = 64 << 10

    /// Bytes in all where standard input is a regular file; nil elsewhere.
    let total: UInt64?
    private let thread = BlockingThread()
    private let slot = Mutex(SecureBuffer())
    private let consumed = Atomic<UInt64>(0)

    /// - Parameter noun: of what people are to type, where standard input is a terminal.
    init(_ noun: String) {
        var status = stat()
        let isFile = unsafe fstat(0, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        let position = isFile ? lseek(0, 0, SEEK_CUR) : 0
        total = isFile ? UInt64(max(0, Int(status.st_size) - max(0, position))) : nil
        if Terminal.isInputTerminal, Terminal.isErrorTerminal {
            Terminal.complain("Type \(noun)s, one a line; Ctrl-D ends.")
        }
    }

    /// Bytes read until now.
    var bytesRead: UInt64 { consumed.load(ordering: .relaxed) }

    /// Puts the next chunk in place of what `buffer` held; false at the end.
    func read(into buffer: inout SecureBuffer) async throws(Failure) -> Bool {
        slot.withLock { swap(&$0, &buffer) }
        let count = await thread.run { [slot = self] in
            slot.slot.withLock { buffer in
                // `read` writes at most the room it is given.
                unsafe buffer.fill(Self.chunkBytes) { memory in
                    while true {
                        let count = unsafe Glibc.read(0, memory.baseAddress, memory.count)
                        if count >= 0 { return count }
                        if errno != EINTR { return -Int(errno) }
                    }
                }
            }
        }
        slot.withLock { swap(&$0, &buffer) }
        guard count >= 0 else { throw Failure(.inputOutput, "standard input: \(systemText(Int32(-count)))") }
        consumed.add(UInt64(count), ordering: .relaxed)
        return count > 0
    }
}

/// Standard output, written on a thread of its own.
final class StandardOutput: Sendable {
    private let thread = BlockingThread()
    private let slot = Mutex(SecureBuffer())

    init() {}

    /// Writes all of `buffer` and empties it.
    func write(_ buffer: inout SecureBuffer) async throws(Failure) {
        if buffer.isEmpty { return }
        slot.withLock { swap(&$0, &buffer) }
        let code = await thread.run { [slot = self] in
            slot.slot.withLock { buffer in Self.writeAll(buffer.span) }
        }
        slot.withLock { swap(&$0, &buffer) }
        buffer.removeAll()
        guard code == 0 else { throw Terminal.outputFailure(Int32(code)) }
    }

    /// 0, or the `errno`.
    private static func writeAll(_ bytes: Span<UInt8>) -> Int {
        unsafe bytes.withUnsafeBytes { memory in
            var done = 0
            while done < memory.count {
                let count = unsafe Glibc.write(1, memory.baseAddress! + done, memory.count - done)
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { return Int(errno) }
                done += count
            }
            return 0
        }
    }
}
