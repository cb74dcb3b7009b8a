import OpenSSLTLS
import TLSTestSupport
import Testing

/// The session against `openssl s_client`, with what our own client would never send.
@Suite("TLS with strangers")
struct StrangerTests {
    private func options(_ client: String) -> [String] {
        let pair = Shared.certificates.pair(client)
        return ["-cert", pair.certificate, "-key", pair.key]
    }

    @Test("s_client with a good certificate is served and sees the session closed properly")
    func served() throws {
        let outcome = try LoopbackServer(Shared.server()).meet(options("billing"))
        #expect(outcome.established)
        #expect(outcome.received == Array("hello\n".utf8))
        #expect(outcome.peer?.dnsNames == ["billing.internal"])
        #expect(outcome.clientOutput.contains("welcome"))
        #expect(outcome.clientOutput.contains("New, TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384"))
        #expect(outcome.clientOutput.contains("Verify return code: 0 (ok)"))
        // A ticket would show here as "New Session Ticket arrived".
        #expect(!outcome.clientOutput.contains("Ticket arrived"))
        #expect(outcome.clientOutput.contains("No ALPN negotiated"))
        // The server names the CA whose clients it takes.
        #expect(outcome.clientOutput.contains("Strongroom throwaway CA"))
    }

    @Test(
        "every allowed suite and group works",
        arguments: [
            ["-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"], ["-ciphersuites", "TLS_AES_128_GCM_SHA256"],
            ["-groups", "P-256"], ["-groups", "P-384"], ["-groups", "X25519"],
        ])
    func allowed(choice: [String]) throws {
        let outcome = try LoopbackServer(Shared.server()).meet(options("billing") + choice)
        #expect(outcome.established)
        #expect(outcome.clientOutput.contains("welcome"))
    }

    @Test(
        "older versions, other suites and other groups are refused",
        arguments: [
            (["-tls1_2"], TLSError.unsupportedVersion),
            (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], .unsupportedVersion),
            (["-ciphersuites", "TLS_AES_128_CCM_SHA256"], .protocolViolation("no shared cipher")),
            (["-groups", "P-521"], .protocolViolation("no suitable key share")),
        ])
    func refused(choice: [String], expected: TLSError) throws {
        let outcome = try LoopbackServer(Shared.server()).meet(options("billing") + choice)
        #expect(outcome.error == expected)
        #expect(!outcome.established && outcome.received.isEmpty)
    }

    @Test("http/1.1 is agreed on when offered, and a client of another protocol only is refused")
    func applicationProtocol() throws {
        let both = try LoopbackServer(Shared.server()).meet(options("billing") + ["-alpn", "h2,http/1.1"])
        #expect(both.clientOutput.contains("ALPN protocol: http/1.1"))
        let other = try LoopbackServer(Shared.server()).meet(options("billing") + ["-alpn", "h2"])
        #expect(other.error == .protocolViolation("no application protocol"))
    }

    @Test("no certificate: the client believes in its handshake until it reads the refusal")
    func noCertificate() throws {
        let outcome = try LoopbackServer(Shared.server()).meet([])
        #expect(outcome.error == .noCertificate)
        #expect(outcome.received.isEmpty)
        #expect(outcome.clientOutput.contains("alert number 116"))
    }

    @Test("an expired certificate and one for servers are refused", arguments: [("lapsed", Int32(10)), ("server", 26)])
    func badCertificate(name: String, code: Int32) throws {
        let outcome = try LoopbackServer(Shared.server()).meet(options(name))
        guard case .certificateRejected(let found, _) = outcome.error else {
            Issue.record("\(name) gave \(String(describing: outcome.error))")
            return
        }
        #expect(found == code)
        #expect(!outcome.established)
    }

    @Test("a session kept by the client is of no use: the second connection is a full handshake")
    func resumption() throws {
        let kept = Shared.certificates.path("session-\(UInt32.random(in: 0 ... .max)).pem")
        let first = try LoopbackServer(Shared.server()).meet(options("billing") + ["-sess_out", kept])
        #expect(first.established)
        #expect(run(["test", "-e", kept]).status != 0 || run(["grep", "-c", "TICKET", kept]).status != 0)
        #expect(!first.clientOutput.contains("Reused"))
    }

}
