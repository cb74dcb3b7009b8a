import VaultCore
import VaultServer

/// Where the root key of a new vault comes from.
enum RootPlan {
    /// A file, which is made where it is missing.
    case file(String)
    /// A systemd credential that this process was given.
    case credential(String)
    /// A key inside a token, which is made where it is missing.
    case token(Configuration.Token)
    /// Shares for custodians, handed out before there is a keyring.
    case shares(ShareDistribution)

    /// Lends the root key, with what the keyring says of it. Files are made before.
    func withRoot(
        now: UInt64, _ body: (borrowing RootKey, RootDescription) throws(Failure) -> Void
    ) throws(Failure) {
        switch self {
        case .file(let path): try body(try Self.load(path), RootDescription(kind: .file, since: now))
        case .credential(let name):
            try body(try Self.credential(name), RootDescription(kind: .credential, since: now))
        case .token(let token):
            let source = try Self.wrapped(token, now)
            try body(source.root, source.description)
        case .shares: try body(try Self.drawn(), RootDescription(kind: .shares, since: now))
        }
    }

    /// The file of the root key; nil where it is in none.
    var file: String? {
        if case .file(let path) = self { return path }
        return nil
    }

    static func load(_ path: String) throws(Failure) -> RootKey {
        do throws(RootKeyError) {
            return try RootKey.load(from: path)
        } catch {
            throw Failure(.cannotCreate, "\(error.message); nothing was changed")
        }
    }

    static func drawn() throws(Failure) -> RootKey {
        do throws(RootKeyError) {
            return try RootKey.drawn()
        } catch {
            throw Failure(.osError, error.message)
        }
    }

    private static func credential(_ name: String) throws(Failure) -> RootKey {
        guard let directory = Terminal.environment("CREDENTIALS_DIRECTORY") else {
            throw Failure(
                .configuration,
                "root_key.credential: this process was given no credentials ($CREDENTIALS_DIRECTORY is not set)\n"
                    + advice(name))
        }
        do throws(RootKeyError) {
            return try RootKey.load(from: "\(directory)/\(name)")
        } catch {
            let isMissing = if case .file(let file) = error { file.isMissing } else { false }
            throw Failure(
                .configuration, "root_key.credential: \(error.message)" + (isMissing ? "\n" + advice(name) : ""))
        }
    }

    private static func wrapped(_ token: Configuration.Token, _ now: UInt64) throws(Failure) -> RootSource {
        do throws(StartupError) {
            return try RootSource.wrapped(token, since: now)
        } catch {
            throw Failure(ExitStatus(rawValue: error.exitCode) ?? .inputOutput, error.message)
        }
    }

    /// How such a credential is made, and given to `init`.
    static func advice(_ name: String) -> String {
        """

        Make a root key that only this machine can decrypt, and run init with it:

          head -c 32 /dev/urandom | systemd-creds encrypt --name=\(name) - /etc/strongroom/\(name).cred
          systemd-run --pipe --wait --uid=strongroom \\
            --property=LoadCredentialEncrypted=\(name):/etc/strongroom/\(name).cred \\
            strongroom init --config /etc/strongroom/strongroom.yaml

        The daemon's unit needs the same LoadCredentialEncrypted= line. Keep a copy of the 32 bytes elsewhere: without
        this machine nobody else can decrypt the credential.
        """
    }
}
