internal import CPKCS11
internal import SecretMemory

extension TokenSession {
    /// Encrypts a secret of ``secretBytes`` under a key of the token by AES key wrap (RFC 3394, `CKM_AES_KEY_WRAP`).
    ///
    /// The result has ``wrappedBytes`` and is the same for the same secret and key. During the call the secret is an
    /// object of this session that others in the process could read. Throws `.badLength`; `.keyNotFound`,
    /// `.keyAmbiguous` and `.keyUnfit`; `.callFailed`. The corresponding C functions are `C_CreateObject`, `C_WrapKey`
    /// and `C_DestroyObject`.
    package mutating func wrap(_ secret: Span<UInt8>, keyLabel: String) throws(PKCS11Error) -> [UInt8] {
        guard secret.count == Self.secretBytes else { throw .badLength }
        return try wrap(secret, under: key(keyLabel))
    }

    /// Checks and decrypts what ``wrap(_:keyLabel:)`` made into `secret`, which has ``secretBytes``.
    ///
    /// Whatever is thrown, `secret` is wiped: `.authenticationFailed` for bytes that were not wrapped under this key,
    /// of any length; `.badLength`; `.keyNotFound`, `.keyAmbiguous` and `.keyUnfit`; `.callFailed`. The corresponding C
    /// functions are `C_UnwrapKey`, `C_GetAttributeValue` and `C_DestroyObject`.
    package mutating func unwrap(
        _ wrapped: Span<UInt8>, keyLabel: String, into secret: inout MutableSpan<UInt8>
    ) throws(PKCS11Error) {
        do throws(PKCS11Error) {
            guard secret.count == Self.secretBytes else { throw .badLength }
            guard wrapped.count == Self.wrappedBytes else { throw .authenticationFailed }
            let key = try key(keyLabel)
            do throws(PKCS11Error) {
                try unwrap(wrapped, under: key, into: &secret)
            } catch {
                throw isForged(error, key) ? .authenticationFailed : error
            }
        } catch {
            wipe(&secret)
            throw error
        }
    }

    private mutating func wrap(
        _ secret: Span<UInt8>, under key: CK_OBJECT_HANDLE
    ) throws(PKCS11Error) -> [UInt8] {
        let functions = unsafe module.functions
        var object: CK_OBJECT_HANDLE = 0
        // Safe: the module reads exactly the secret's bytes, and keeps no pointer to them.
        let created = unsafe secret.withUnsafeBufferPointer { secret in
            unsafe strongroom_create_secret(functions, session, secret.baseAddress, CK_ULONG(secret.count), &object)
        }
        try check(created, .createObject)
        var wrapped = [UInt8](repeating: 0, count: Self.wrappedBytes)
        // Safe: the module writes at most the bytes that it is told of; the object is destroyed once, here.
        let code = unsafe strongroom_wrap_key(
            functions, session, key, object, &wrapped, CK_ULONG(Self.wrappedBytes))
        let destroyed = unsafe strongroom_destroy(functions, session, object)
        try check(code, .wrapKey)
        try check(destroyed, .destroyObject)
        return wrapped
    }

    private mutating func unwrap(
        _ wrapped: Span<UInt8>, under key: CK_OBJECT_HANDLE, into secret: inout MutableSpan<UInt8>
    ) throws(PKCS11Error) {
        let functions = unsafe module.functions
        var object: CK_OBJECT_HANDLE = 0
        // Safe: the module reads exactly the wrapped bytes, and keeps no pointer to them.
        let unwrapped = unsafe wrapped.withUnsafeBufferPointer { wrapped in
            unsafe strongroom_unwrap_key(
                functions, session, key, wrapped.baseAddress, CK_ULONG(wrapped.count), &object)
        }
        try check(unwrapped, .unwrapKey)
        // Safe: the module writes at most the room that it is told of; the object is destroyed once, here.
        let code = unsafe secret.withUnsafeMutableBufferPointer { secret in
            unsafe strongroom_attribute(
                functions, session, object, CKA_VALUE, secret.baseAddress, CK_ULONG(secret.count))
        }
        let destroyed = unsafe strongroom_destroy(functions, session, object)
        try check(code, .getAttributeValue)
        try check(destroyed, .destroyObject)
    }

    /// Whether a failed call means that the wrapped bytes are wrong, and not the token.
    ///
    /// There is a code for that, but SoftHSM and others answer with one that may mean anything. Then a token that still
    /// wraps and unwraps under the same key has nothing to hide.
    private mutating func isForged(_ error: PKCS11Error, _ key: CK_OBJECT_HANDLE) -> Bool {
        guard case .callFailed(.unwrapKey, let code) = error else { return false }
        switch code {
        case CKR_WRAPPED_KEY_INVALID, CKR_WRAPPED_KEY_LEN_RANGE: return true
        case CKR_ENCRYPTED_DATA_INVALID, CKR_ENCRYPTED_DATA_LEN_RANGE: return true
        case CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED:
            let probe = [UInt8](repeating: 0, count: Self.secretBytes)
            var back = probe
            do throws(PKCS11Error) {
                let wrapped = try wrap(probe.span, under: key)
                var room = back.mutableSpan
                try unwrap(wrapped.span, under: key, into: &room)
            } catch {
                return false
            }
            return back == probe
        default: return false
        }
    }
}
