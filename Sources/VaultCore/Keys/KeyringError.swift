/// Why a keyring could not be used. The daemon then refuses to start (sysexits 78 or 74) and touches nothing.
package enum KeyringError: Error, Equatable, Sendable {
    case missing(path: String)
    case file(FileError)
    case notAKeyring
    case unsupportedFormat(UInt32)
    case wrongRootKey
    case damaged
    /// More versions, receipts or custodians than a keyring holds.
    case tooLarge
    /// The new file is in place, and whether it stays there after a power cut is not known.
    case switchUnknown(FileError)
    case crypto

    package var message: String {
        switch self {
        case .missing(let path): "keyring: \(path) is missing; 'strongroom init' makes the first one"
        case .file(let error): "keyring: \(error.message)"
        case .notAKeyring: "keyring: the file is not a keyring"
        case .unsupportedFormat(let version):
            "keyring: format \(version) was written by another version of strongroom; this one reads formats 1 and 2"
        case .wrongRootKey: "keyring: the root key is not the one this keyring was wrapped under"
        case .damaged: "keyring: damaged or altered (its authentication code does not match)"
        case .tooLarge: "keyring: more versions, receipts or custodians than it can hold"
        case .switchUnknown(let error): "keyring: written, but not surely kept: \(error.message)"
        case .crypto: "keyring: libcrypto failed"
        }
    }
}
