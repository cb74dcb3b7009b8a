internal import CPKCS11

/// A session of the user with one token, whose AES-256 keys wrap secrets and never leave it.
///
/// One thread at a time; the value may move between threads. Every call may block for as long as the token takes, so
/// none belongs on an event loop. A process has one `TokenSession` of a module at a time, or ends the one it opened
/// first last: that one finalizes the module, after which calls of the others throw. In a child process made by `fork`
/// no call works.
///
/// The module holds a secret in its own memory during a call, where nothing here can lock or wipe it.
package struct TokenSession: ~Copyable, Sendable {
    /// Size in bytes of a secret.
    package static let secretBytes = 32
    /// Size in bytes of a wrapped secret (RFC 3394): eight more.
    package static let wrappedBytes = secretBytes + 8

    let module: Module
    let session: CK_SESSION_HANDLE

    /// Loads the module at an absolute path, finds the token and logs in with `pin`, which stays the caller's to wipe.
    ///
    /// A token that another part of this process has logged in to does not check the PIN. Throws any case that does not
    /// speak of a key. The corresponding C functions are `C_Initialize`, `C_OpenSession` and `C_Login`.
    package init(module path: String, token label: String, pin: Span<UInt8>) throws(PKCS11Error) {
        try self.init(module: Module(path: path), token: label, pin: pin)
    }

    /// Opens a session by a module that is loaded already, and finalizes it if that fails.
    init(module: consuming Module, token label: String, pin: Span<UInt8>) throws(PKCS11Error) {
        // To a module, no PIN at all means one that is typed on the token's own keys.
        guard !pin.isEmpty else { throw .wrongPIN }
        let slot = try module.slot(token: label)
        let functions = unsafe module.functions

        var flags: CK_FLAGS = 0
        // Safe: the shims write one number each.
        let known = unsafe strongroom_mechanism_flags(functions, slot, CKM_AES_KEY_WRAP, &flags)
        guard known != CKR_MECHANISM_INVALID else { throw .mechanismMissing }
        try check(known, .getMechanismInfo)
        guard flags & CKF_WRAP != 0, flags & CKF_UNWRAP != 0 else { throw .mechanismMissing }

        var session: CK_SESSION_HANDLE = 0
        try check(unsafe strongroom_open_session(functions, slot, &session), .openSession)
        // Safe: the module reads exactly the PIN's bytes, and keeps no pointer to them.
        let login = unsafe pin.withUnsafeBufferPointer { pin in
            unsafe strongroom_login(functions, session, pin.baseAddress, CK_ULONG(pin.count))
        }
        guard login == CKR_OK || login == CKR_USER_ALREADY_LOGGED_IN else {
            // Without a value there is no `deinit`. Safe: the handle is the one opened above.
            _ = unsafe strongroom_close_session(functions, session)
            throw Self.refusal(login)
        }
        self.module = module
        self.session = session
    }

    /// The error for a login that failed.
    private static func refusal(_ code: CK_RV) -> PKCS11Error {
        switch code {
        case CKR_PIN_INCORRECT, CKR_PIN_INVALID, CKR_PIN_LEN_RANGE: .wrongPIN
        case CKR_PIN_LOCKED: .pinLocked
        default: .callFailed(.login, code: code)
        }
    }

    deinit {
        // Closing a token's last session logs out. Safe: the handle is this value's own.
        _ = unsafe strongroom_close_session(module.functions, session)
    }
}
