import OpenSSLTLS
import TLSTestSupport
import Testing

/// What a server or a client does not accept, each with the reason it gives and the alert it sends.
@Suite("TLS refusals")
struct RefusalTests {
    /// Runs a handshake, and sends a byte both ways if it went through.
    private func meet(_ client: TLSContext, _ server: TLSContext, name: String = "localhost") throws -> (
        TLSError?, TLSError?
    ) {
        let wire = try Wire(client: client, server: server, name: name)
        wire.run()
        return (wire.server.error, wire.client.error)
    }

    @Test("a client without a certificate is refused, and told so")
    func noCertificate() throws {
        let (server, client) = try meet(Shared.client(nil), Shared.server())
        #expect(server == .noCertificate)
        #expect(client == .alert(116))
    }

    @Test("a client of another CA of the same name is refused")
    func wrongAuthority() throws {
        let rogue = TestCertificates()
        let context = try TLSContext(
            clientPair: rogue.pair("checkout"), serverAuthorities: Shared.certificates.authority)
        let (server, client) = try meet(context, Shared.server())
        guard case .certificateRejected = server else {
            Issue.record("\(String(describing: server))")
            return
        }
        #expect(client == .alert(48))
    }

    @Test("an expired client certificate is refused")
    func expiredClient() throws {
        // The client itself would not start with it today.
        let context = try Shared.client("lapsed", now: TLSContext.clock() - 2 * 86_400)
        let (server, client) = try meet(context, Shared.server())
        #expect(server == .certificateRejected(code: 10, reason: "certificate has expired"))
        #expect(client == .alert(45))
    }

    @Test(
        "the client checks the server's name and address",
        arguments: [
            ("localhost", true), ("vault.internal", true), ("VAULT.internal", true), ("127.0.0.1", true), ("::1", true),
            ("other.internal", false), ("127.0.0.2", false), ("server", false), ("internal", false),
        ])
    func serverName(name: String, accepted: Bool) throws {
        let (_, client) = try meet(Shared.client(), Shared.server(), name: name)
        if accepted {
            #expect(client == nil)
        } else if case .certificateRejected(let code, _) = client {
            #expect(code == (name.hasPrefix("127") ? 64 : 62))
        } else {
            Issue.record("\(name) gave \(String(describing: client))")
        }
    }

    @Test("the client refuses a server of another CA, and a client certificate posing as a server")
    func wrongServer() throws {
        let rogue = TestCertificates()
        let server = try Shared.server(rogue)
        let (_, client) = try meet(Shared.client(), server)
        guard case .certificateRejected = client else {
            Issue.record("\(String(describing: client))")
            return
        }
    }

    @Test(
        "what is not a TLS 1.3 handshake is refused by name",
        arguments: [
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", TLSError.plaintextHTTP),
            ("POST /v1/tokenize HTTP/1.1\r\n", .plaintextHTTP),
            ("garbage that is no record at all", .notTLS), ("SSH-2.0-OpenSSH_9.2\r\n", .notTLS),
        ])
    func notTLS(text: String, expected: TLSError) throws {
        let server = try End(Shared.server())
        server.inbox = Array(text.utf8)
        _ = server.turn()
        #expect(server.error == expected)
        #expect(!server.established)
    }

    @Test("every flipped byte of a ClientHello is an error or a wait, never a crash")
    func flippedHello() throws {
        let context = try Shared.server()
        let client = try End(Shared.client(), serverName: "localhost")
        let hello = client.turn()
        #expect(hello.count > 100)
        for position in hello.indices {
            let server = try End(context)
            server.inbox = hello
            server.inbox[position] ^= 0xff
            _ = server.turn()
            #expect(!server.established)
        }
    }

    @Test("every truncated ClientHello is a wait")
    func truncatedHello() throws {
        let context = try Shared.server()
        let client = try End(Shared.client(), serverName: "localhost")
        let hello = client.turn()
        for length in 0..<hello.count {
            let server = try End(context)
            server.inbox = Array(hello.prefix(length))
            let answer = server.turn()
            #expect(server.error == nil && answer.isEmpty)
        }
    }
}
