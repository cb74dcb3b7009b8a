import StrongroomClient
import Testing

@Suite("Buffers of cards")
struct SecureBufferTests {
    private func bytes(_ buffer: borrowing SecureBuffer) -> [UInt8] {
        let span = buffer.span
        return span.indices.map { span[$0] }
    }

    @Test("bytes are appended, dropped from the front, and wiped")
    func editing() {
        var buffer = SecureBuffer()
        buffer.append("hello ")
        buffer.append(String("world"))
        buffer.append(0x21)
        #expect(String(decoding: bytes(buffer), as: UTF8.self) == "hello world!")
        buffer.removeFirst(6)
        #expect(String(decoding: bytes(buffer), as: UTF8.self) == "world!")
        buffer.removeFirst(0)
        buffer.removeFirst(6)
        let isEmpty = buffer.isEmpty
        #expect(isEmpty)
    }

    @Test("filling sees nothing of what was there before, and keeps what was read")
    func filling() {
        var buffer = SecureBuffer()
        for _ in 0..<1000 { buffer.append("4111111111111111\n") }
        var seen: [UInt8] = []
        let count = unsafe buffer.fill(65_536) { memory in
            seen = unsafe Array(memory)
            unsafe memory[0] = 7
            return 1
        }
        #expect(count == 1 && seen == [UInt8](repeating: 0, count: 65_536))
        #expect(bytes(buffer) == [7])
        #expect(unsafe buffer.fill(16) { _ in -5 } == -5)
        let isEmpty = buffer.isEmpty
        #expect(isEmpty)
    }
}
