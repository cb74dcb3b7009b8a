import OpenSSLTLS
import TLSTestSupport
import Testing

@Suite("TLS session")
struct SessionTests {
    @Test("both ends finish, agree on TLS 1.3 with AES-256-GCM, and the server learns who the client is")
    func handshake() throws {
        let wire = try Wire(client: Shared.client(), server: Shared.server())
        wire.run()
        let (client, server) = (wire.client.established, wire.server.established)
        #expect(client && server)
        let suite = wire.server.session.cipherSuite
        #expect(suite == "TLS_AES_256_GCM_SHA384")
        let peer = try #require(wire.server.peer)
        #expect(peer.dnsNames == ["checkout.internal"])
        #expect(peer.uris.isEmpty)
        #expect(peer.publicKeySHA256.count == 32)
        #expect(peer.notAfter > TLSContext.clock())
        let serial = run([
            "openssl", "x509", "-noout", "-serial", "-in", Shared.certificates.pair("checkout").certificate,
        ])
        #expect(serial.output == "serial=\(peer.serial)\n")
        #expect(wire.client.peer?.dnsNames == ["localhost", "vault.internal"])
    }

    @Test("the public key hash is that of openssl pkey")
    func publicKeyHash() throws {
        let wire = try Wire(client: Shared.client("billing"), server: Shared.server())
        wire.run()
        let file = Shared.certificates.pair("billing").certificate
        let command = "openssl x509 -in \(file) -pubkey -noout | openssl pkey -pubin -outform der | sha256sum"
        let expected = run(["sh", "-c", command]).output.prefix(64)
        let hash = try #require(wire.server.peer).publicKeySHA256
        let hex = hash.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        #expect(hex == expected)
    }

    @Test("data passes both ways whatever the pieces it arrives in", arguments: [1, 2, 7, 100, 16_406, Int.max])
    func dripFed(piece: Int) throws {
        let wire = try Wire(client: Shared.client(), server: Shared.server())
        wire.run(piece: piece)
        #expect(wire.server.established)
        let request = (0..<18_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let answer = [UInt8]("answer".utf8)
        try wire.clientSends(request)
        try wire.serverSends(answer)
        wire.run(piece: piece)
        #expect(wire.server.received == request)
        #expect(wire.client.received == answer)
        #expect(wire.server.error == nil && wire.client.error == nil)
    }

    @Test("little room for plaintext loses nothing", arguments: [1, 100, 16_384])
    func littleRoom(room: Int) throws {
        let wire = try Wire(client: Shared.client(), server: Shared.server())
        wire.run()
        wire.server.room = room
        let request = (0..<40_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try wire.clientSends(request)
        wire.run()
        #expect(wire.server.received == request)
    }

    @Test(
        "a write becomes filled records and its ciphertext fits the promised room",
        arguments: [1, 16_384, 16_385, 1_000_000])
    func filledRecords(bytes: Int) throws {
        let wire = try Wire(client: Shared.client(), server: Shared.server())
        wire.run()
        let sealed = try wire.client.seal([UInt8](repeating: 7, count: bytes))
        let records = (bytes + 16_383) / 16_384
        #expect(sealed.count == bytes + records * TLSPolicy.recordOverheadBytes)
        #expect(wire.client.pendingBytes == 0)
        #expect(sealed.count <= TLSSession.ciphertextRoom(forPlaintext: bytes))
        wire.server.inbox += sealed
        wire.run()
        #expect(wire.server.received.count == bytes)
    }

    @Test("ciphertext that does not fit the lent room is not lost")
    func spilled() throws {
        let wire = try Wire(client: Shared.client(), server: Shared.server())
        wire.run()
        let message = [UInt8](repeating: 9, count: 50_000)
        let first = try collecting(20_000) { out throws(TLSError) in
            try wire.client.session.encrypt(message.span, into: &out)
        }
        #expect(wire.client.pendingBytes == 50_000 + 4 * 22 - first.count)
        let part = try collecting(10) { out throws(TLSError) in wire.client.session.drain(into: &out) }
        wire.server.inbox += first + part + wire.client.drain()
        wire.run()
        #expect(wire.server.received == message)
    }

    @Test("keys are renewed after the agreed number of records, in both directions, without a lost byte")
    func keyUpdate() throws {
        let wire = try Wire(client: Shared.client(), server: Shared.server(), recordsPerKey: 10)
        wire.run()
        for round in 0..<100 {
            try wire.clientSends([UInt8(round)])
            wire.run()
            try wire.serverSends([UInt8(round)])
            wire.run()
        }
        #expect(wire.server.received == (0..<100).map { UInt8($0) })
        #expect(wire.client.received == (0..<100).map { UInt8($0) })
        let updates = wire.client.session.keyUpdates
        #expect(updates >= 10)
    }

    @Test("close_notify closes one direction and the other still carries data")
    func halfClose() throws {
        let wire = try Wire(client: Shared.client(), server: Shared.server())
        wire.run()
        wire.client.session.close()
        wire.run()
        #expect(wire.server.peerClosed)
        try wire.serverSends([1, 2, 3])
        wire.run()
        #expect(wire.client.received == [1, 2, 3])
        wire.server.session.close()
        wire.server.session.close()
        wire.run()
        #expect(wire.client.peerClosed)
    }

    @Test("no ticket is sent and no early data offered: the server's flight ends with the handshake")
    func noTickets() throws {
        let wire = try Wire(client: Shared.client(), server: Shared.server())
        wire.run()
        let handshakeBytes = wire.fromServer.count
        try wire.clientSends([1])
        wire.run()
        try wire.clientSends([2])
        wire.run()
        #expect(wire.fromServer.count == handshakeBytes)
        #expect(wire.server.received == [1, 2])
    }

    @Test("every flipped byte of a record is refused", arguments: [0, 1, 3, 4, 5, 100, 516, 526])
    func tampered(position: Int) throws {
        let wire = try Wire(client: Shared.client(), server: Shared.server())
        wire.run()
        var sealed = try wire.client.seal([UInt8](repeating: 1, count: 505))
        #expect(sealed.count == 527)
        sealed[position] ^= 0x40
        wire.server.inbox += sealed
        wire.run()
        // A larger length only makes the record incomplete; what follows it then breaks it.
        if wire.server.error == nil {
            wire.server.inbox += [UInt8](repeating: 0x17, count: 20_000)
            wire.run()
        }
        #expect(wire.server.error != nil)
        #expect(wire.server.received.isEmpty)
    }

    @Test("a record replayed or left out is refused")
    func replayed() throws {
        let replay = try Wire(client: Shared.client(), server: Shared.server())
        replay.run()
        let sealed = try replay.client.seal([1])
        for _ in 0..<2 {
            replay.server.inbox += sealed
            replay.run()
        }
        #expect(replay.server.received == [1])
        #expect(replay.server.error != nil)

        let gap = try Wire(client: Shared.client(), server: Shared.server())
        gap.run()
        _ = try gap.client.seal([1])
        try gap.clientSends([2])
        gap.run()
        #expect(gap.server.received.isEmpty)
        #expect(gap.server.error != nil)
    }

    @Test("key updates without end do not make the session ask for more and more room")
    func boundedRoom() throws {
        let wire = try Wire(client: Shared.client(), server: Shared.server(), recordsPerKey: 1)
        wire.run()
        for _ in 0..<2_000 {
            try wire.clientSends([1])
            wire.run()
        }
        #expect(wire.server.received.count == 2_000)
        let room = wire.server.session.plaintextRoom(forCiphertext: 0)
        #expect(room <= 17_000)
    }
}
