import Foundation
import Testing

@testable import PKCS11

/// The tests of tokens, one at a time: SoftHSM reads its folder from the environment, and a module is initialized once a
/// process.
@Suite("PKCS#11 tokens", .serialized, .enabled(if: SoftHSM.isPresent))
enum TokenTests {}

/// A PKCS#11 module that keeps its tokens in files.
enum SoftHSM {
    static let path = "/usr/lib/softhsm/libsofthsm2.so"

    /// Whether the module and its tool are installed; says so if they are not.
    static let isPresent: Bool = {
        let present = FileManager.default.fileExists(atPath: path) && FileManager.default.fileExists(atPath: tool)
        if !present { print("!!! softhsm2 absent: \(path) or \(tool) is missing; no PKCS#11 token was tested") }
        return present
    }()

    static let tool = "/usr/bin/softhsm2-util"
}

/// A folder with tokens for one test, removed afterwards.
final class TokenFolder {
    static let pin = Array("4711".utf8)
    let folder: URL

    /// Makes the folder, points SoftHSM to it and puts a token into it for each label.
    init(tokens labels: String...) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "strongroom-pkcs11-\(UUID().uuidString)")
        let tokens = folder.appending(path: "tokens")
        try FileManager.default.createDirectory(at: tokens, withIntermediateDirectories: true)
        let configuration = folder.appending(path: "softhsm2.conf")
        let text = """
            directories.tokendir = \(tokens.path)
            objectstore.backend = file
            log.level = ERROR
            slots.removable = false

            """
        try text.write(to: configuration, atomically: true, encoding: .utf8)
        // Safe: the tests of tokens run one at a time, and `make test` runs all suites so.
        unsafe setenv("SOFTHSM2_CONF", configuration.path, 1)
        for label in labels { try add(label) }
    }

    private func add(_ label: String) throws {
        let process = Process()
        process.executableURL = URL(filePath: SoftHSM.tool)
        process.arguments = ["--init-token", "--free", "--label", label, "--pin", "4711", "--so-pin", "12345678"]
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
    }

    /// A session with one of the tokens.
    func open(_ label: String = "vault", pin: [UInt8] = TokenFolder.pin) throws(PKCS11Error) -> TokenSession {
        try TokenSession(module: SoftHSM.path, token: label, pin: pin.span)
    }

    deinit {
        try? FileManager.default.removeItem(at: folder)
    }
}

/// What `body` throws, since a macro's arguments cannot change a noncopyable value.
func failure(_ body: () throws(PKCS11Error) -> Void) -> PKCS11Error? {
    do throws(PKCS11Error) {
        try body()
        return nil
    } catch {
        return error
    }
}

extension TokenSession {
    /// Unwraps into an array, for comparing.
    mutating func unwrapped(_ wrapped: [UInt8], keyLabel: String) throws(PKCS11Error) -> [UInt8] {
        var secret = [UInt8](repeating: 0x5A, count: Self.secretBytes)
        var room = secret.mutableSpan
        try unwrap(wrapped.span, keyLabel: keyLabel, into: &room)
        return secret
    }
}
