internal import Glibc
internal import PKCS11
internal import SecretMemory
package import VaultCore

/// A root key with what the keyring is to say of it.
package struct RootSource: ~Copyable {
    package let root: RootKey
    package let description: RootDescription

    consuming func takeRoot() -> RootKey { root }

    /// The root key that the configuration names, for a keyring that says what it needs. Shares are not a matter of
    /// files: `ShareCollector` puts them together. Blocks on files and tokens.
    static func load(
        _ configured: Configuration.RootKey, for keyring: KeyringHeader
    ) throws(StartupError) -> RootKey {
        let kind = keyring.root.kind
        switch (configured, kind) {
        case (.file(let path), .file), (.file(let path), .credential): return try file(path.absolute)
        case (.credential(let name), .credential), (.credential(let name), .file): return try credential(name)
        case (.pkcs11(let token), .pkcs11): return try unwrap(keyring.root, token)
        case (.shares, .shares):
            throw .rootSource("root key: is in shares; 'strongroom unseal' takes them", exitCode: 75)
        default:
            throw .rootSource(
                "root_key: the configuration names '\(configured.kindName)', but the keyring is wrapped under a root "
                    + "key of kind '\(keyring.root.text)'; change the configuration to what the last rewrap was given",
                exitCode: 78)
        }
    }

    /// The new root key of a rewrap: a file is made where there is none, and a token's key too.
    static func fresh(
        _ target: RewrapTarget, since now: UInt64, dataDirectory: String
    ) throws(KeyFailure) -> RootSource {
        do throws(StartupError) {
            switch target {
            case .file(let path):
                // As in the configuration, where the next start would refuse it.
                guard !path.hasPrefix(dataDirectory + "/"), !path.contains("/../") else {
                    throw .rootSource(
                        "root key: \(path): is inside the data directory; a key kept with what it wraps protects nothing",
                        exitCode: 78)
                }
                if !exists(path) { try create(path) }
                return RootSource(root: try file(path), description: RootDescription(kind: .file, since: now))
            case .credential(let name):
                return RootSource(
                    root: try credential(name), description: RootDescription(kind: .credential, since: now))
            case .pkcs11(let token):
                try refuseForeignModule(token.module.absolute)
                return try wrapped(token, since: now)
            case .shares: throw .rootSource("root key: shares are split, not loaded", exitCode: 70)
            }
        } catch {
            throw KeyFailure(422, "root_key_unusable", error.message)
        }
    }

    /// A new root key under a token's key, which is made where there is none.
    package static func wrapped(_ token: Configuration.Token, since now: UInt64) throws(StartupError) -> RootSource {
        let root = try drawn()
        var description = RootDescription(kind: .pkcs11, since: now)
        description.wrapped = try wrap(root, token)
        // What the token gives back is what opens the vault at the next start.
        guard try unwrap(description, token).isSame(as: root) else {
            throw .rootSource("root key: the token does not give back what it wrapped", exitCode: 74)
        }
        return RootSource(root: root, description: description)
    }

    private static func drawn() throws(StartupError) -> RootKey {
        do throws(RootKeyError) {
            return try RootKey.drawn()
        } catch {
            throw .rootKey(error)
        }
    }

    private static func wrap(
        _ root: borrowing RootKey, _ token: Configuration.Token
    ) throws(StartupError) -> [UInt8] {
        var copy = SecretBytes(count: RootKey.byteCount)
        root.withBytes { bytes in
            var span = copy.mutableSpan
            for index in bytes.indices { span[index] = bytes[index] }
        }
        return try withSession(token) { (session) throws(PKCS11Error) in
            if try !session.hasKey(label: token.key) { try session.generateKey(label: token.key) }
            return try session.wrap(copy.span, keyLabel: token.key)
        }
    }

    private static func unwrap(
        _ description: RootDescription, _ token: Configuration.Token
    ) throws(StartupError) -> RootKey {
        var bytes = SecretBytes(count: RootKey.byteCount)
        try withSession(token) { (session) throws(PKCS11Error) in
            var span = bytes.mutableSpan
            try session.unwrap(description.wrapped.span, keyLabel: token.key, into: &span)
        }
        guard let root = RootKey(bytes) else { throw .rootSource("root key: of another size", exitCode: 65) }
        return root
    }

    private static func withSession<R>(
        _ token: Configuration.Token, _ body: (inout TokenSession) throws(PKCS11Error) -> R
    ) throws(StartupError) -> R {
        let pin = try pin(token.pinFile.absolute)
        do throws(PKCS11Error) {
            var session = try TokenSession(
                module: token.module.absolute, token: token.token, pin: pin.span.extracting(0..<length(of: pin.span)))
            return try body(&session)
        } catch {
            throw .rootSource("root key: token '\(token.token)': \(error.message)", exitCode: exitCode(error))
        }
    }

    private static func exitCode(_ error: PKCS11Error) -> Int32 {
        switch error {
        case .callFailed: 74
        case .wrongPIN, .pinLocked: 77
        case .authenticationFailed: 65
        default: 78
        }
    }

    private static let pinBytesMax = 256

    /// The first line of a file that only its owner may read, followed by zeros.
    private static func pin(_ path: String) throws(StartupError) -> SecretBytes {
        var bytes = SecretBytes(count: pinBytesMax)
        do throws(FileError) {
            var span = bytes.mutableSpan
            try SecretFile.read(path, into: &span)
        } catch {
            throw .rootSource("root key: PIN: \(error.message)", exitCode: error.code == EACCES ? 77 : 78)
        }
        return bytes
    }

    private static func length(of line: borrowing Span<UInt8>) -> Int {
        for index in line.indices where [0, 0x0A, 0x0D].contains(line[index]) { return index }
        return line.count
    }

    private static func file(_ path: String) throws(StartupError) -> RootKey {
        do throws(RootKeyError) {
            return try RootKey.load(from: path)
        } catch {
            throw .rootKey(error)
        }
    }

    private static func create(_ path: String) throws(StartupError) {
        do throws(RootKeyError) {
            try RootKey.create(at: path)
        } catch {
            throw .rootKey(error)
        }
    }

    /// A credential of the service, which systemd decrypts into memory (`LoadCredentialEncrypted=`).
    static func credential(_ name: String) throws(StartupError) -> RootKey {
        guard let directory = unsafe getenv("CREDENTIALS_DIRECTORY").map({ unsafe String(cString: $0) }) else {
            throw .rootSource(
                "root_key.credential: there are no credentials ($CREDENTIALS_DIRECTORY is not set); the service unit "
                    + "needs LoadCredentialEncrypted=\(name):FILE", exitCode: 78)
        }
        do throws(RootKeyError) {
            return try RootKey.load(from: "\(directory)/\(name)", isCredential: true)
        } catch {
            throw .rootKey(error)
        }
    }

    /// A module runs in this process. One that an operator names must be a thing of the system: nobody but root may have
    /// put it where it is.
    private static func refuseForeignModule(_ path: String) throws(StartupError) {
        guard let resolved = unsafe realpath(path, nil) else {
            throw .rootSource("root key: \(path): \(errorText(errno))", exitCode: 78)
        }
        defer { unsafe free(resolved) }
        var place = unsafe String(cString: resolved)
        while true {
            var status = stat()
            guard unsafe stat(place, &status) == 0 else {
                throw .rootSource("root key: \(place): \(errorText(errno))", exitCode: 78)
            }
            guard status.st_uid == 0, status.st_mode & 0o022 == 0 else {
                throw .rootSource(
                    "root key: \(place): only root may be able to change a PKCS#11 module and the directories above it",
                    exitCode: 77)
            }
            if place == "/" { return }
            place = place.lastIndex(of: "/").map { String(place[..<$0]) } ?? "/"
            if place.isEmpty { place = "/" }
        }
    }

    private static func exists(_ path: String) -> Bool {
        var status = stat()
        return unsafe lstat(path, &status) == 0
    }
}

extension Configuration.RootKey {
    /// As the configuration writes it.
    var kindName: String {
        switch self {
        case .file: "file"
        case .credential: "credential"
        case .shares: "shares"
        case .pkcs11: "pkcs11"
        }
    }
}
