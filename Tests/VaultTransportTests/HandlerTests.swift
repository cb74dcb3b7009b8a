import NIOCore
import NIOEmbedded
import OpenSSLTLS
import TLSTestSupport
import Testing
import VaultTransport

@Suite("TLS handler")
struct HandlerTests {
    private let message = (0..<50_000).map { UInt8(truncatingIfNeeded: $0 &* 13) }

    @Test("the pipeline learns who the client is before any data")
    func event() throws {
        let pair = try Shared.pair()
        #expect(pair.server.recorder.completed?.peer.dnsNames == ["checkout.internal"])
        #expect(pair.server.recorder.completed?.cipherSuite == "TLS_AES_256_GCM_SHA384")
        #expect(pair.server.tls.peer == pair.server.recorder.completed?.peer)
        #expect(pair.client.recorder.completed?.peer.dnsNames == ["localhost", "vault.internal"])
    }

    @Test("data passes both ways, whatever the pieces", arguments: [1, 3, 1_000, Int.max])
    func bothWays(piece: Int) throws {
        let pair = try Pair(client: Shared.client(), server: Shared.server())
        try pair.run(piece: piece)
        pair.client.writeAndFlush(message)
        pair.server.writeAndFlush([1, 2, 3])
        try pair.run(piece: piece)
        #expect(pair.server.recorder.received == message)
        #expect(pair.client.recorder.received == [1, 2, 3])
        #expect(pair.server.recorder.errors.isEmpty && pair.client.recorder.errors.isEmpty)
    }

    @Test("one read of ciphertext is one read of plaintext")
    func oneRead() throws {
        let pair = try Shared.pair()
        pair.client.writeAndFlush(message)
        try pair.run()
        #expect(pair.server.recorder.reads == 1)
    }

    @Test("the writes of one flush become filled records in one write to the socket")
    func coalesced() throws {
        let pair = try Shared.pair()
        for _ in 0..<2_000 { pair.client.write("0123456789") }
        #expect(try pair.client.sent().isEmpty)
        pair.client.channel.flush()
        let sent = try pair.client.sent()
        #expect(sent.map(\.readableBytes) == [20_000 + 2 * TLSPolicy.recordOverheadBytes])
        pair.server.receives(sent.flatMap(\.readableBytesView))
        #expect(pair.server.recorder.received == Array(String(repeating: "0123456789", count: 2_000).utf8))
    }

    @Test("writes of all sizes keep their order", arguments: 0..<20)
    func mixedSizes(seed: UInt64) throws {
        let pair = try Shared.pair()
        var random = SplitMix(state: seed)
        var expected: [UInt8] = []
        for _ in 0..<30 {
            let count = Int.random(in: 0...3, using: &random) == 0 ? 40_000 : Int.random(in: 0...3_000, using: &random)
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            expected += bytes
            pair.client.channel.write(ByteBuffer(bytes: bytes), promise: nil)
            if Int.random(in: 0...4, using: &random) == 0 { pair.client.channel.flush() }
        }
        pair.client.channel.flush()
        try pair.run()
        #expect(pair.server.recorder.received == expected)
    }

    @Test("what is written is not sent before its flush, unless it becomes much")
    func unflushed() throws {
        let pair = try Shared.pair()
        pair.client.channel.write(ByteBuffer(bytes: message), promise: nil)
        pair.client.channel.flush()
        pair.client.write("later")
        try pair.run()
        #expect(pair.server.recorder.received == message)
        // From 64 KiB on a write goes to the channel's own queue, where writability counts it.
        pair.client.channel.write(ByteBuffer(repeating: 1, count: 70_000), promise: nil)
        pair.client.channel.flush()
        let sent = try pair.client.sent()
        #expect(sent.reduce(0) { $0 + $1.readableBytes } == 70_005 + 5 * TLSPolicy.recordOverheadBytes)
    }

    @Test("every write's promise is kept, and a failed one fails")
    func promises() throws {
        let pair = try Shared.pair()
        let futures = (0..<5).map { _ in pair.client.channel.write(ByteBuffer(string: "x")) }
        pair.client.channel.flush()
        for future in futures { try future.wait() }
        let lost = pair.client.channel.write(ByteBuffer(string: "never flushed"))
        pair.client.channel.close(promise: nil)
        #expect(throws: ChannelError.ioOnClosedChannel) { try lost.wait() }
        #expect(throws: (any Error).self) { try pair.client.channel.writeAndFlush(ByteBuffer(string: "late")).wait() }
    }

    @Test("what a client writes before the handshake follows it, in order, and only what was flushed")
    func early() throws {
        let pair = try Pair(client: Shared.client(), server: Shared.server())
        pair.client.write("first ")
        pair.client.write("second")
        pair.client.channel.flush()
        pair.client.write(" third")
        try pair.run()
        #expect(pair.server.recorder.received == Array("first second".utf8))
        pair.client.channel.flush()
        try pair.run()
        #expect(pair.server.recorder.received == Array("first second third".utf8))
    }

    @Test("too much before the handshake is refused")
    func tooEarly() throws {
        var settings = TLSSettings()
        settings.earlyBytesMax = 100
        let pair = try Pair(client: Shared.client(), server: Shared.server(), clientSettings: settings)
        let write = pair.client.channel.write(ByteBuffer(repeating: 0, count: 101))
        #expect(throws: TLSError.tooMuchBeforeHandshake) { try write.wait() }
        #expect(pair.client.recorder.errors == [.tooMuchBeforeHandshake])
    }

    @Test("keys are renewed on the way", arguments: [1, 1_000_000])
    func keyUpdate(piece: Int) throws {
        var settings = TLSSettings()
        settings.recordsPerKey = 3
        let pair = try Shared.pair(settings, settings)
        for round in 0..<30 {
            pair.client.writeAndFlush([UInt8(round)])
            try pair.run(piece: piece)
            pair.server.writeAndFlush([UInt8(round)])
            try pair.run(piece: piece)
        }
        #expect(pair.server.recorder.received == (0..<30).map { UInt8($0) })
        #expect(pair.client.recorder.received == (0..<30).map { UInt8($0) })
    }
}

/// A small generator with a seed, so that a failure repeats.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
