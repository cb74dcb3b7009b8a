package import LMDB
package import VaultCore

/// Why the daemon did not start.
package enum StartupError: Error, Sendable {
    case configuration(String)
    case dataDirectory(LMDBError, path: String)
    case rootKey(RootKeyError)
    /// A root key that is not in a file, or not the kind that the keyring asks for.
    case rootSource(String, exitCode: Int32)
    case keyring(KeyringError)
    case store(StoreError, path: String)
    case tls(String)
    case listen(String)
    case hardening(String)

    /// What to tell the operator: names the thing that is wrong, never its contents.
    package var message: String {
        switch self {
        case .configuration(let text), .tls(let text), .listen(let text), .hardening(let text): text
        case .dataDirectory(let error, let path): Self.describe(error, path)
        case .rootKey(let error): error.message
        case .rootSource(let text, _): text
        case .keyring(let error): error.message
        case .store(let error, let path): "\(path): \(error.message)"
        }
    }

    /// The exit code, from sysexits.h.
    package var exitCode: Int32 {
        switch self {
        case .configuration, .tls: 78
        case .rootSource(_, let code): code
        case .listen: 69
        case .hardening: 71
        case .dataDirectory(let error, _):
            switch error.kind {
            case .alreadyLocked, .alreadyOpen: 75
            case .networkFileSystem, .unsupportedFileSystem: 78
            default: error.code == 13 ? 77 : 74
            }
        case .rootKey(let error):
            switch error {
            case .file(let file): file.isMissing ? 78 : file.code == 13 || file.code == 1 ? 77 : 74
            case .exposed, .foreign: 77
            case .size: 78
            case .random: 71
            }
        case .keyring(let error):
            switch error {
            case .missing, .wrongRootKey, .unsupportedFormat: 78
            case .notAKeyring, .damaged, .tooLarge: 65
            case .file, .switchUnknown: 74
            case .crypto: 71
            }
        case .store(let error, _):
            switch error {
            case .foreignKeyring, .schema, .registryFull, .olderKeyring, .keyDestroyed: 78
            case .damaged, .missing: 65
            case .lmdb(let error): Self.exitCode(error)
            case .file: 74
            case .crypto: 71
            }
        }
    }

    private static func exitCode(_ error: LMDBError) -> Int32 {
        switch error.kind {
        case .networkFileSystem, .unsupportedFileSystem, .versionMismatch: 78
        case .corrupted, .incompatibleTable: 65
        case .alreadyLocked, .alreadyOpen: 75
        default: error.code == 13 ? 77 : 74
        }
    }

    private static func describe(_ error: LMDBError, _ path: String) -> String {
        switch error.kind {
        case .alreadyLocked(let pid):
            "data directory \(path): another strongroomd" + (pid.map { " (process \($0))" } ?? "") + " is running on it"
        default: "data directory \(path): \(error)"
        }
    }
}
