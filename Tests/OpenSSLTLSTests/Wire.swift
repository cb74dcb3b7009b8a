import OpenSSLTLS
import TLSTestSupport

/// Gives `body` so much room and returns what it wrote there.
func collecting(_ room: Int, _ body: (inout OutputRawSpan) throws(TLSError) -> Void) throws(TLSError) -> [UInt8] {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: room, alignment: 1)
    defer { unsafe memory.deallocate() }
    var out = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
    try body(&out)
    let count = unsafe out.finalize(for: memory)
    return unsafe [UInt8](memory[..<count])
}

/// One end of a connection in memory: its session, the ciphertext on the way to it, and what came of it.
final class End {
    var session: TLSSession
    var inbox: [UInt8] = []
    var received: [UInt8] = []
    var established = false
    var peerClosed = false
    var error: TLSError?
    /// Room lent to each `decrypt`; nil for as much as is needed.
    var room: Int?

    init(_ context: TLSContext, serverName: String? = nil, recordsPerKey: UInt64 = 1 << 23) throws {
        session = try TLSSession(context, serverName: serverName, recordsPerKey: recordsPerKey)
    }

    var peer: PeerIdentity? { session.peer }
    var pendingBytes: Int { session.pendingBytes }

    /// Works through up to `limit` bytes of the inbox and returns the ciphertext this gave rise to.
    func turn(limit: Int = .max) -> [UInt8] {
        var now = Array(inbox.prefix(limit))
        inbox.removeFirst(now.count)
        do throws(TLSError) {
            if error == nil && !established {
                var used = 0
                established = try session.handshake(now.span, consumed: &used)
                now.removeFirst(used)
            }
            if error == nil && established && !peerClosed { try read(now) }
        } catch {
            self.error = error
        }
        return drain()
    }

    private func read(_ ciphertext: [UInt8]) throws(TLSError) {
        var rest = ciphertext
        var outcome = TLSSession.ReadOutcome.needsRoom
        while outcome == .needsRoom {
            var used = 0
            // One byte more, so that room never runs out just when everything was read.
            let size = room ?? session.plaintextRoom(forCiphertext: rest.count) + 1
            received += try collecting(size) { out throws(TLSError) in
                outcome = try session.decrypt(rest.span, consumed: &used, into: &out)
            }
            rest.removeFirst(used)
        }
        peerClosed = outcome == .peerClosed
    }

    func drain() -> [UInt8] {
        (try? collecting(session.pendingBytes) { out throws(TLSError) in session.drain(into: &out) }) ?? []
    }

    func seal(_ plaintext: [UInt8]) throws(TLSError) -> [UInt8] {
        try collecting(TLSSession.ciphertextRoom(forPlaintext: plaintext.count)) { out throws(TLSError) in
            try session.encrypt(plaintext.span, into: &out)
        }
    }
}

/// A client and a server session joined in memory.
final class Wire {
    let client: End
    let server: End
    /// Every byte the server sent.
    var fromServer: [UInt8] = []

    init(client: TLSContext, server: TLSContext, name: String = "localhost", recordsPerKey: UInt64 = 1 << 23) throws {
        self.client = try End(client, serverName: name, recordsPerKey: recordsPerKey)
        self.server = try End(server, recordsPerKey: recordsPerKey)
    }

    /// Carries ciphertext back and forth until nothing moves, in pieces of at most `piece` bytes.
    func run(piece: Int = .max) {
        server.inbox += client.turn(limit: piece)
        while true {
            let answer = server.turn(limit: piece)
            fromServer += answer
            client.inbox += answer
            server.inbox += client.turn(limit: piece)
            if server.inbox.isEmpty && client.inbox.isEmpty { return }
        }
    }

    func clientSends(_ plaintext: [UInt8]) throws { server.inbox += try client.seal(plaintext) }
    func serverSends(_ plaintext: [UInt8]) throws { client.inbox += try server.seal(plaintext) }
}

/// Contexts over one set of certificates that all tests share; tests that change files make their own.
enum Shared {
    static let certificates = TestCertificates(clients: ["ops"], options: ["--expired", "lapsed"])

    static func server(revocations: String? = nil, now: Int64 = TLSContext.clock()) throws -> TLSContext {
        try server(certificates, revocations: revocations, now: now)
    }

    static func server(
        _ certificates: TestCertificates, revocations: String? = nil, now: Int64 = TLSContext.clock()
    ) throws -> TLSContext {
        try TLSContext(
            serverCertificate: certificates.server, key: certificates.serverKey,
            clientAuthorities: certificates.authority, revocations: revocations, now: now)
    }

    static func client(
        _ name: String? = "checkout", of certificates: TestCertificates = certificates,
        now: Int64 = TLSContext.clock()
    ) throws -> TLSContext {
        try TLSContext(
            clientPair: name.map { certificates.pair($0) }, serverAuthorities: certificates.authority, now: now)
    }
}
