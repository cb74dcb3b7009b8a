import NIOCore
import Testing

@testable import VaultTransport

@Suite("Wiping plaintext")
struct WipeTests {
    /// All memory behind a buffer, the part past its content too.
    private func memory(of buffer: ByteBuffer) -> [UInt8] {
        unsafe buffer.withVeryUnsafeBytes { unsafe Array($0) }
    }

    @Test("a buffer nobody else holds is overwritten where its content was")
    func own() {
        var buffer = ByteBuffer(repeating: 0xaa, count: 1_000)
        buffer.moveReaderIndex(forwardBy: 300)
        wipe(&buffer)
        #expect(buffer.readableBytes == 0)
        #expect(memory(of: buffer).count >= 1_000)
        #expect(memory(of: buffer).allSatisfy { $0 != 0xaa })
    }

    @Test("a slice that is the last holder of its memory is overwritten in place")
    func slice() {
        var whole = ByteBuffer(repeating: 0xaa, count: 1_000)
        whole.moveReaderIndex(forwardBy: 500)
        guard var slice = whole.readSlice(length: 100) else { return }
        whole = ByteBuffer()
        wipe(&slice)
        #expect(memory(of: slice).prefix(600).allSatisfy { $0 == 0 })
    }

    @Test("memory that somebody else holds is left alone")
    func shared() {
        var buffer = ByteBuffer(repeating: 0xaa, count: 1_000)
        let other = buffer
        wipe(&buffer)
        #expect(buffer.readableBytes == 0)
        #expect(other == ByteBuffer(repeating: 0xaa, count: 1_000))
    }

    @Test("pending writes that fail are wiped and fail their promises")
    func pending() {
        var pending = PendingWrites()
        pending.append(ByteBuffer(repeating: 0xaa, count: 10), nil)
        pending.markFlushed()
        pending.append(ByteBuffer(repeating: 0xaa, count: 5), nil)
        #expect(pending.bytes == 15 && pending.flushed == 1 && pending.bytes(ofFirst: 1) == 10)
        pending.fail(ChannelError.ioOnClosedChannel)
        #expect(pending.bytes == 0 && pending.flushed == 0 && pending.count == 0)
    }
}
