internal import VaultCore

/// Why a command about keys was not done, for the control plane: a stable code, an HTTP status, and a sentence.
struct KeyFailure: Error, Sendable {
    let status: Int
    let code: String
    let title: String
    /// What the store said, where it did.
    private(set) var store: StoreError?

    init(_ status: Int, _ code: String, _ title: String) {
        self.status = status
        self.code = code
        self.title = title
    }

    init(_ error: KeyChangeError) { self.init(409, error.code, error.message) }

    init(_ error: KeyringError) {
        switch error {
        case .tooLarge: self.init(507, "keyring_full", error.message)
        case .file(let cause) where StoreError.file(cause).isFull: self.init(507, "storage_full", error.message)
        case .wrongRootKey: self.init(422, "wrong_root_key", error.message)
        default: self.init(503, "keyring_failed", error.message)
        }
    }

    init(_ error: StoreError) {
        self.init(error.isFull ? 507 : 503, error.isFull ? "storage_full" : "store_failed", error.message)
        store = error
    }

    init(_ error: ShareError) { self.init(422, error.code.rawValue, error.message) }

    static let sealed = KeyFailure(503, "sealed", "the vault is sealed: 'strongroom unseal' opens it")
    static func notFrozen(_ scope: FreezeScope) -> KeyFailure {
        KeyFailure(409, "not_frozen", scope == .all ? "reveals are not frozen" : "\(scope.text) is not frozen")
    }

    static let stopping = KeyFailure(503, "stopping", "the vault is stopping")
    static let writeStopped = KeyFailure(
        503, "write_stopped", "the vault has stopped writing; it goes on by itself when its disk does")

    var answer: PlainAnswer {
        .json(.object([("code", .string(code)), ("title", .string(title))]), status: status)
    }
}
