import OpenSSLTLS
import TLSTestSupport
import Testing

@Suite("TLS revocation")
struct RevocationTests {
    private let day: Int64 = 86_400

    private func problem(_ files: TestCertificates, _ list: String) -> TLSConfigurationError.Problem? {
        do throws(TLSConfigurationError) {
            _ = try TLSContext(
                serverCertificate: files.server, key: files.serverKey, clientAuthorities: files.authority,
                revocations: list)
            return nil
        } catch {
            return error.problem
        }
    }

    @Test("a revoked client is refused, another is not")
    func revoked() throws {
        let files = TestCertificates()
        files.make(["--revoke", "billing"])
        let server = try Shared.server(files, revocations: files.path("ca.crl"))
        #expect(server.revocationLists.map(\.revoked) == [1])
        #expect(server.revocationEnd == server.revocationLists.first?.nextUpdate)

        let bad = try Wire(client: Shared.client("billing", of: files), server: server)
        bad.run()
        #expect(bad.server.error == .certificateRejected(code: 23, reason: "certificate revoked"))
        #expect(bad.client.error == .alert(44))

        let good = try Wire(client: Shared.client("checkout", of: files), server: server)
        good.run()
        #expect(good.server.established)
    }

    @Test("a new context judges the peers of live connections")
    func judged() throws {
        let files = TestCertificates()
        let before = try Shared.server(files)
        let wire = try Wire(client: Shared.client("billing", of: files), server: before)
        wire.run()
        let peer = try #require(wire.server.peer)
        #expect(before.revocationEnd == nil)
        // The authority outlives its clients.
        #expect(peer.chainNotAfter == peer.notAfter)
        #expect(peer.chainNotAfter < before.authorities[0].notAfter)
        #expect(throws: Never.self) { try before.judge(peer) }

        files.make(["--revoke", "billing"])
        let after = try Shared.server(files, revocations: files.path("ca.crl"))
        #expect(throws: TLSError.certificateRejected(code: 23, reason: "certificate revoked")) { try after.judge(peer) }

        let rogue = try Shared.server(TestCertificates())
        #expect(throws: TLSError.self) { try rogue.judge(peer) }
    }

    @Test("a list that is missing, outdated, doubled, of another CA or forged does not load")
    func badLists() throws {
        let files = TestCertificates()
        let authority = "/CN=Strongroom throwaway CA"
        #expect(problem(files, files.path("ca.crl")) == .missing)
        #expect(problem(files, files.authority) == .notPEM(expected: "revocation list"))

        files.make(["--crl", "--crl-days", "-1"])
        #expect(problem(files, files.path("ca.crl")) == .revocationListOutdated(authority: authority))

        files.make(["--crl"])
        #expect(problem(files, files.path("ca.crl")) == nil)
        let text = TestCertificates.read(files.path("ca.crl"))
        let twice = files.write("twice.crl", text + text)
        #expect(problem(files, twice) == .revocationListDuplicate(authority: authority))

        // Of the same name, signed by another key.
        let rogue = TestCertificates()
        rogue.make(["--crl"])
        #expect(problem(files, rogue.path("ca.crl")) == .revocationListForged(authority: authority))
    }

    @Test("a list that goes out of date while in use stops every new connection")
    func outdatedInUse() throws {
        let files = TestCertificates()
        files.make(["--crl", "--crl-days", "-1"])
        let now = TLSContext.clock() - day - 3600
        let server = try Shared.server(files, revocations: files.path("ca.crl"), now: now)
        let wire = try Wire(client: Shared.client("checkout", of: files), server: server)
        wire.run()
        #expect(!wire.server.established)
        #expect(wire.server.error == .certificateRejected(code: 12, reason: "CRL has expired"))
    }
}
