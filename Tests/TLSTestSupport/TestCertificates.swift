import Glibc

/// A directory of certificates made by `certs/make-certs`, removed when the process ends.
package struct TestCertificates: Sendable {
    package let directory: String

    /// - Parameters:
    ///   - clients: names besides `checkout` and `billing`.
    ///   - options: of `make-certs`.
    package init(clients: [String] = [], options: [String] = []) {
        var template = Array("\(TestDirectory.root)/certs-XXXXXX".utf8CString)
        directory = unsafe String(cString: mkdtemp(&template))
        make(options, clients: clients)
    }

    /// Calls `make-certs` again on the same directory, as in `["--revoke", "billing"]`.
    package func make(_ options: [String], clients: [String] = []) {
        let result = run([Self.script] + options + [directory] + clients)
        precondition(result.status == 0, result.output)
    }

    package func path(_ file: String) -> String { "\(directory)/\(file)" }

    package var server: String { path("server.crt") }
    package var serverKey: String { path("server.key") }
    package var authority: String { path("ca.crt") }

    package func pair(_ client: String) -> (certificate: String, key: String) {
        (path("\(client).crt"), path("\(client).key"))
    }

    /// Writes a file into the directory.
    package func write(_ file: String, _ text: String, mode: UInt32 = 0o600) -> String {
        let path = path(file)
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC, mode)
        precondition(descriptor >= 0, "cannot write \(path)")
        let bytes = Array(text.utf8)
        precondition(unsafe Glibc.write(descriptor, bytes, bytes.count) == bytes.count)
        close(descriptor)
        return path
    }

    package static func read(_ path: String) -> String { run(["cat", path]).output }

    /// `certs/make-certs` of this checkout.
    package static let script: String = {
        let here = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        return here.dropLast(3).joined(separator: "/") + "/certs/make-certs"
    }()
}

/// One temporary directory for the process.
package enum TestDirectory {
    package static let root: String = {
        let base = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/tmp"
        var template = Array("\(base)/strongroom-tls-XXXXXX".utf8CString)
        let path = unsafe String(cString: mkdtemp(&template))
        atexit { _ = run(["rm", "-rf", TestDirectory.root]) }
        return path
    }()
}
