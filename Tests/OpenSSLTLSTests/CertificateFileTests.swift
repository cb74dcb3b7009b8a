import Glibc
import OpenSSLTLS
import TLSTestSupport
import Testing

/// Mistakes in files: each is refused when the context is made, and the error names the file.
@Suite("TLS files")
struct CertificateFileTests {
    private func problem(
        certificate: String? = nil, key: String? = nil, authority: String? = nil, now: Int64 = TLSContext.clock()
    ) -> TLSConfigurationError? {
        let files = Shared.certificates
        do throws(TLSConfigurationError) {
            _ = try TLSContext(
                serverCertificate: certificate ?? files.server, key: key ?? files.serverKey,
                clientAuthorities: authority ?? files.authority, now: now)
            return nil
        } catch {
            return error
        }
    }

    @Test("good files load, and the context tells what is in them")
    func good() throws {
        let context = try Shared.server()
        #expect(context.certificates.map(\.file) == [Shared.certificates.server])
        #expect(context.certificates[0].dnsNames == ["localhost", "vault.internal"])
        #expect(context.certificates[0].notAfter - context.certificates[0].notBefore == 92 * 86_400)
        #expect(context.authorities.map(\.subject) == ["/CN=Strongroom throwaway CA"])
        #expect(context.revocationLists.isEmpty)
    }

    @Test("a file that is missing is named, whichever it is")
    func missing() {
        for (found, file) in [
            (problem(certificate: "/nowhere/a.crt"), "/nowhere/a.crt"),
            (problem(key: "/nowhere/a.key"), "/nowhere/a.key"),
            (problem(authority: "/nowhere/ca.crt"), "/nowhere/ca.crt"),
        ] {
            #expect(found == TLSConfigurationError(file: file, problem: .missing))
            #expect(found?.description == "\(file): does not exist")
        }
    }

    @Test("a directory, an empty file and one that is not PEM are refused")
    func notPEM() {
        let files = Shared.certificates
        #expect(problem(certificate: files.directory)?.problem == .unreadable(errno: EISDIR))
        let empty = files.write("empty", "")
        #expect(problem(certificate: empty)?.problem == .notPEM(expected: "certificate"))
        #expect(problem(key: empty)?.problem == .notPEM(expected: "private key"))
        #expect(problem(authority: empty)?.problem == .notPEM(expected: "certificate"))
        let text = files.write("text", "this is not a certificate\n")
        #expect(problem(certificate: text)?.problem == .notPEM(expected: "certificate"))
        #expect(problem(key: text)?.problem == .notPEM(expected: "private key"))
        #expect(problem(key: files.server)?.problem == .readableByEverybody)
    }

    @Test("a certificate where the key should be, and the other way round")
    func swapped() {
        let files = Shared.certificates
        let certificate = files.write("as-key", TestCertificates.read(files.server))
        #expect(problem(key: certificate)?.problem == .notPEM(expected: "private key"))
        #expect(problem(certificate: files.serverKey)?.problem == .notPEM(expected: "certificate"))
    }

    @Test("a damaged certificate is damaged, also when good ones precede it")
    func damaged() {
        let files = Shared.certificates
        let good = TestCertificates.read(files.authority)
        let bad = good.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
            .map { $0.offset == 3 ? String($0.element.reversed()) : String($0.element) }.joined(separator: "\n")
        for text in [bad, good + bad] {
            let file = files.write("damaged-\(text.utf8.count)", text)
            guard case .malformed = problem(authority: file)?.problem else {
                Issue.record("not noticed: \(String(describing: problem(authority: file)))")
                continue
            }
        }
    }

    @Test("a key of another certificate is refused")
    func mismatch() {
        let files = Shared.certificates
        let other = files.pair("billing").key
        #expect(
            problem(key: other) == TLSConfigurationError(file: other, problem: .keyMismatch(certificate: files.server)))
    }

    @Test("a key behind a passphrase is refused without a prompt")
    func encrypted() {
        let files = Shared.certificates
        let file = files.path("encrypted.key")
        let made = run(["openssl", "pkey", "-in", files.serverKey, "-aes256", "-passout", "pass:x", "-out", file])
        #expect(made.status == 0)
        #expect(problem(key: file)?.problem == .encryptedKey)
    }

    @Test("a key that everybody may read is refused")
    func openKey() {
        let files = Shared.certificates
        let file = files.write("open.key", TestCertificates.read(files.serverKey))
        #expect(problem(key: file) == nil)
        unsafe chmod(file, 0o644)
        #expect(problem(key: file)?.problem == .readableByEverybody)
        unsafe chmod(file, 0o640)
        #expect(problem(key: file) == nil)
    }

    @Test("a certificate expired or not yet valid is refused at start")
    func dates() {
        let now = TLSContext.clock()
        #expect(problem(now: now + 91 * 86_400)?.problem == .expired)
        #expect(problem(now: now - 3 * 86_400)?.problem == .notYetValid)
    }

    @Test("a client certificate cannot be a server's, and the other way round")
    func purpose() {
        let files = Shared.certificates
        let pair = files.pair("billing")
        #expect(problem(certificate: pair.certificate, key: pair.key)?.problem == .wrongPurpose(role: "server"))
        #expect(throws: TLSConfigurationError(file: files.server, problem: .wrongPurpose(role: "client"))) {
            _ = try Shared.client("server")
        }
    }

    @Test("a leaf among the authorities is refused")
    func notAuthority() {
        let found = problem(authority: Shared.certificates.pair("billing").certificate)
        #expect(found?.problem == .notAnAuthority(subject: "/CN=billing"))
    }

    @Test("a key too weak for the policy is refused")
    func weak() {
        let files = Shared.certificates
        let (certificate, key) = (files.path("weak.crt"), files.path("weak.key"))
        let made = run([
            "openssl", "req", "-x509", "-newkey", "rsa:1024", "-nodes", "-keyout", key, "-out", certificate,
            "-subj", "/CN=weak", "-addext", "subjectAltName=DNS:weak",
        ])
        #expect(made.status == 0, "\(made.output)")
        #expect(problem(certificate: certificate, key: key)?.problem == .refused(reason: "ee key too small"))
    }
}
