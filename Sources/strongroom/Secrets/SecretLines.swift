import Glibc
import SecretMemory
import VaultCore

/// Standard input as lines that are secret: read into locked memory, lent, and wiped before the next one.
struct SecretLines: ~Copyable {
    enum Next: Equatable {
        /// These bytes, until the next call.
        case line(Range<Int>)
        /// More bytes than any share has; they are gone.
        case overlong
        case end
    }

    private static let bufferBytes = 4096
    /// A line that is longer is none.
    static let lineBytesMax = ShareText.inputBytesMax

    private let descriptor: Int32
    private var buffer = SecretBytes(count: bufferBytes)
    /// Read, and not given out.
    private var waiting = 0..<0
    private var isAtEnd = false
    private var isSkipping = false

    init(_ descriptor: Int32 = 0) { self.descriptor = descriptor }

    /// The next line, without its end. Waits for input, and throws where a signal comes meanwhile.
    mutating func next() throws(Failure) -> Next {
        let given = 0..<waiting.lowerBound
        wipe(given)
        while true {
            if let line = takeLine() {
                guard !isSkipping, line.count <= Self.lineBytesMax else {
                    isSkipping = false
                    wipe(line)
                    return .overlong
                }
                return .line(line)
            }
            if isAtEnd { return .end }
            if waiting.count > Self.lineBytesMax {
                let surplus = waiting
                wipe(surplus)
                waiting = 0..<0
                isSkipping = true
            }
            try fill()
        }
    }

    /// The bytes of a line.
    @_lifetime(borrow self)
    borrowing func bytes(_ range: Range<Int>) -> Span<UInt8> { buffer.span.extracting(range) }

    private mutating func takeLine() -> Range<Int>? {
        let all = waiting
        if let end = Self.lineEnd(buffer.span, all) {
            waiting = end + 1..<all.upperBound
            return all.lowerBound..<end
        }
        guard isAtEnd, !all.isEmpty || isSkipping else { return nil }
        waiting = all.upperBound..<all.upperBound
        return all
    }

    private static func lineEnd(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Int? {
        for index in range where bytes[index] == 0x0A { return index }
        return nil
    }

    private mutating func fill() throws(Failure) {
        moveToFront()
        try Interruption.wait(for: descriptor)
        let (source, start) = (descriptor, waiting.upperBound)
        var span = buffer.mutableSpan
        // `read` writes at most the room it is given, and the memory is lent for the call alone.
        let count = unsafe span.withUnsafeMutableBytes { memory in
            unsafe read(source, memory.baseAddress! + start, memory.count - start)
        }
        if count < 0 && errno == EINTR { return }
        guard count >= 0 else { throw Failure(.inputOutput, "standard input: \(systemText(errno))") }
        if count == 0 { isAtEnd = true }
        waiting = 0..<start + count
    }

    private mutating func moveToFront() {
        guard waiting.lowerBound > 0 else { return }
        let (from, count) = (waiting.lowerBound, waiting.count)
        var span = buffer.mutableSpan
        for index in 0..<count { span[index] = span[from + index] }
        wipe(count..<waiting.upperBound)
        waiting = 0..<count
    }

    private mutating func wipe(_ range: Range<Int>) {
        var span = buffer.mutableSpan
        for index in range { span[index] = 0 }
    }
}
