@testable import VaultWire

/// Runs `body` over a mutable copy of a document, and gives back what is left in the copy.
@discardableResult
func withDocument<R>(_ text: [UInt8], _ body: (inout MutableSpan<UInt8>) throws -> R) rethrows -> (R, [UInt8]) {
    var copy = text
    var span = copy.mutableSpan
    let result = try body(&span)
    return (result, copy)
}

/// The text of a range, for assertions.
func text(_ range: ByteRange, _ buffer: [UInt8]) -> String {
    String(decoding: buffer[range.positions], as: UTF8.self)
}

func text(_ range: ByteRange?, _ buffer: [UInt8]) -> String? { range.map { text($0, buffer) } }

/// What an encoder writes into a span of `capacity` bytes.
func written(capacity: Int, _ body: (inout OutputRawSpan) -> Void) -> [UInt8] {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(capacity, 1), alignment: 8)
    defer { unsafe memory.deallocate() }
    // The span does not outlive the allocation, and exactly its first `count` bytes are initialized.
    var span = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
    body(&span)
    let count = unsafe span.finalize(for: memory)
    return unsafe [UInt8](memory[0..<count])
}

func verdict(_ document: [UInt8]) -> JSONDocument.Verdict {
    withDocument(document) { JSONDocument.validate(&$0) }.0
}

func verdict(_ document: String) -> JSONDocument.Verdict { verdict(Array(document.utf8)) }

/// The code a closure throws, or nil.
func problem(_ body: () throws -> Void) -> ProblemCode? {
    do {
        try body()
        return nil
    } catch {
        return error as? ProblemCode
    }
}

/// A small generator with a fixed seed (SplitMix64), so that a failing case comes back.
struct SeededRandom: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
