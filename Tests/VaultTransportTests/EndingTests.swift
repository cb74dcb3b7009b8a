import NIOCore
import NIOEmbedded
import OpenSSLTLS
import TLSTestSupport
import Testing
import VaultTransport

/// How connections end, and what both pipelines hear of it.
@Suite("TLS endings")
struct EndingTests {
    @Test("a close is a close_notify for the peer, and not an error")
    func closed() throws {
        let pair = try Shared.pair()
        pair.client.writeAndFlush([1])
        pair.client.channel.close(promise: nil)
        try pair.run()
        #expect(pair.server.recorder.received == [1])
        #expect(pair.server.recorder.errors.isEmpty)
        #expect(pair.server.recorder.inactive && pair.client.recorder.inactive)
    }

    @Test("with half closure the server hears the end of input and can still answer")
    func halfClosed() throws {
        var settings = TLSSettings()
        settings.allowsHalfClosure = true
        let pair = try Shared.pair(TLSSettings(), settings)
        // An embedded channel closes whole, so only the close_notify is carried over.
        pair.client.channel.close(mode: .output, promise: nil)
        for buffer in try pair.client.sent() { pair.server.receives(buffer.readableBytesView) }
        #expect(pair.server.recorder.inputClosed)
        #expect(!pair.server.recorder.inactive)
        pair.server.writeAndFlush([1, 2])
        #expect(try pair.server.sent().count == 1)
        pair.server.channel.close(promise: nil)
        #expect(pair.server.recorder.inactive)
        #expect(pair.server.recorder.errors.isEmpty)
    }

    @Test("a connection cut without close_notify is an error")
    func truncated() throws {
        let pair = try Shared.pair()
        pair.server.channel.close(promise: nil)
        _ = try pair.server.sent()
        pair.client.channel.pipeline.fireChannelInactive()
        #expect(pair.client.recorder.errors == [.truncated])
    }

    @Test("a handshake that does not end in time is refused, whether nothing or something came")
    func deadline() throws {
        for hello in [[], Array("\u{16}\u{3}\u{1}".utf8)] {
            let server = try Side(Shared.server())
            server.receives(hello)
            server.channel.embeddedEventLoop.advanceTime(by: .seconds(9))
            #expect(server.recorder.errors.isEmpty && !server.recorder.inactive)
            server.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
            #expect(server.recorder.errors == [.handshakeDeadline])
            #expect(server.recorder.inactive)
        }
    }

    @Test("no deadline is left behind by a handshake that ended")
    func noDeadlineLeft() throws {
        let pair = try Shared.pair()
        pair.server.channel.embeddedEventLoop.advanceTime(by: .hours(1))
        #expect(pair.server.recorder.errors.isEmpty && !pair.server.recorder.inactive)
    }

    @Test("a connection that ends in the handshake says so")
    func cutInHandshake() throws {
        let server = try Side(Shared.server())
        server.channel.pipeline.fireChannelInactive()
        #expect(server.recorder.errors == [.closedInHandshake])
    }

    @Test("the alert is written before the error is fired and the channel closes", arguments: [true, false])
    func alertFirst(closesOnError: Bool) throws {
        let server = try Side(Shared.server())
        server.recorder.closesOnError = closesOnError
        // A handshake record whose message no client may begin with.
        server.receives([22, 3, 1, 0, 4, 99, 0, 0, 0])
        #expect(server.recorder.errors.map(\.label) == ["protocol_violation"])
        let alert = try server.sent().flatMap(\.readableBytesView)
        #expect(alert.count == 7 && alert[0] == 21 && alert[5] == 2)
    }

    @Test("plain HTTP gets an answer it can read")
    func plainHTTP() throws {
        let server = try Side(Shared.server())
        server.receives(Array("POST /v1/tokenize HTTP/1.1\r\nHost: vault\r\n\r\n{\"pan\":\"4111111111111111\"}".utf8))
        #expect(server.recorder.errors == [.plaintextHTTP])
        let answer = String(decoding: try server.sent().flatMap(\.readableBytesView), as: UTF8.self)
        #expect(answer.hasPrefix("HTTP/1.1 400 Bad Request\r\n"))
        #expect(answer.contains("This port speaks TLS 1.3"))
        #expect(!answer.contains("4111"))
    }

    @Test("a client without a certificate is refused; it hears certificate_required")
    func noCertificate() throws {
        let pair = try Pair(client: Shared.client(nil), server: Shared.server())
        try pair.run()
        #expect(pair.server.recorder.errors == [.noCertificate])
        #expect(pair.server.recorder.completed == nil)
        #expect(pair.client.recorder.errors == [.alert(116)])
    }

    @Test("a client of another authority is refused, and so is a server")
    func rogue() throws {
        let rogue = TestCertificates()
        let client = try TLSContext(
            clientPair: rogue.pair("checkout"), serverAuthorities: Shared.certificates.authority)
        let refused = try Pair(client: client, server: Shared.server())
        try refused.run()
        #expect(refused.server.recorder.errors.first?.label == "certificate_rejected")
        #expect(refused.server.recorder.completed == nil)

        let trusting = try TLSContext(
            clientPair: Shared.certificates.pair("checkout"), serverAuthorities: rogue.authority)
        let distrustful = try Pair(client: trusting, server: Shared.server())
        try distrustful.run()
        #expect(distrustful.client.recorder.errors.first?.label == "certificate_rejected")
        #expect(distrustful.server.recorder.errors == [.alert(48)])
    }

    @Test("a damaged record ends the connection, and nothing of it reaches the pipeline")
    func damaged() throws {
        let pair = try Shared.pair()
        pair.client.writeAndFlush(Array("secret".utf8))
        var sent = try pair.client.sent().flatMap(\.readableBytesView)
        sent[10] ^= 1
        pair.server.receives(sent)
        #expect(pair.server.recorder.received.isEmpty)
        #expect(pair.server.recorder.errors.count == 1)
        try pair.run()
        #expect(pair.client.recorder.errors == [.alert(20)])
    }

    @Test("garbage of all kinds after the handshake never reaches the pipeline", arguments: 0..<50)
    func garbage(seed: UInt64) throws {
        let pair = try Shared.pair()
        var random = SplitMix(state: seed)
        let bytes = (0..<20_000).map { _ in UInt8.random(in: 0...255, using: &random) }
        pair.server.receives([23, 3, 3] + bytes)
        #expect(pair.server.recorder.received.isEmpty)
    }
}
