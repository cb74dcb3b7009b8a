internal import CPKCS11

extension TokenSession {
    /// Whether the token has a key of the label.
    ///
    /// Throws `.keyAmbiguous` if there is more than one, and `.keyUnfit` for one that ``wrap(_:keyLabel:)`` would refuse.
    package mutating func hasKey(label: String) throws(PKCS11Error) -> Bool {
        do throws(PKCS11Error) {
            _ = try key(label)
            return true
        } catch .keyNotFound {
            return false
        }
    }

    /// Makes an AES-256 key that can only wrap and unwrap and that can never leave the token.
    ///
    /// The token is asked afterwards what it made; a key that is not so is destroyed, and `.keyUnfit` thrown. Throws
    /// `.keyExists` if the label is taken, even by a key that is unfit. The label, as bytes, is the key's `CKA_ID` too.
    /// The corresponding C function is `C_GenerateKey`.
    package mutating func generateKey(label: String) throws(PKCS11Error) {
        guard try find(label).isEmpty else { throw .keyExists }
        let bytes = Array(label.utf8)
        var key: CK_OBJECT_HANDLE = 0
        // Safe: the label outlives the call, and the shim writes one handle.
        let code = unsafe strongroom_generate_key(
            module.functions, session, bytes, CK_ULONG(bytes.count), &key)
        try check(code, .generateKey)
        do throws(PKCS11Error) {
            try requireFit(key)
            guard try flag(CKA_NEVER_EXTRACTABLE, of: key) else { throw .keyUnfit(.onceExtractable) }
            // Another process may have made one in the meantime.
            guard try find(label).count == 1 else { throw .keyExists }
        } catch {
            // If even this fails, the next search finds the key and refuses it. Safe: the handle is of the new key.
            _ = unsafe strongroom_destroy(module.functions, session, key)
            throw error
        }
    }

    /// The one key of the label, after a look at what it is.
    mutating func key(_ label: String) throws(PKCS11Error) -> CK_OBJECT_HANDLE {
        let keys = try find(label)
        guard let key = keys.first else { throw .keyNotFound }
        guard keys.count == 1 else { throw .keyAmbiguous }
        try requireFit(key)
        return key
    }

    /// The token's secret keys of the label, two at most.
    private mutating func find(_ label: String) throws(PKCS11Error) -> [CK_OBJECT_HANDLE] {
        let bytes = Array(label.utf8)
        guard 1...255 ~= bytes.count else { throw .badLabel }
        var keys: [CK_OBJECT_HANDLE] = [0, 0]
        var count = CK_ULONG(keys.count)
        // Safe: the label outlives the call, and the shim writes at most `count` handles.
        let code = unsafe strongroom_find_keys(
            module.functions, session, bytes, CK_ULONG(bytes.count), &keys, &count)
        try check(code, .findObjects)
        return Array(keys.prefix(Int(count)))
    }

    /// Throws unless the key is an AES-256 key whose value the token neither shows nor lets go.
    private mutating func requireFit(_ key: CK_OBJECT_HANDLE) throws(PKCS11Error) {
        guard try number(CKA_KEY_TYPE, of: key) == CKK_AES, try number(CKA_VALUE_LEN, of: key) == 32 else {
            throw .keyUnfit(.notAES256)
        }
        guard try !flag(CKA_EXTRACTABLE, of: key) else { throw .keyUnfit(.extractable) }
        guard try flag(CKA_SENSITIVE, of: key) else { throw .keyUnfit(.notSensitive) }
    }

    private mutating func flag(
        _ type: CK_ATTRIBUTE_TYPE, of key: CK_OBJECT_HANDLE
    ) throws(PKCS11Error) -> Bool {
        var value: CK_BBOOL = 0
        // Safe: the module writes at most the one byte that it is told of.
        let code = unsafe strongroom_attribute(module.functions, session, key, type, &value, 1)
        try check(code, .getAttributeValue)
        return value != CK_FALSE
    }

    private mutating func number(
        _ type: CK_ATTRIBUTE_TYPE, of key: CK_OBJECT_HANDLE
    ) throws(PKCS11Error) -> CK_ULONG {
        var value: CK_ULONG = 0
        // Safe: the module writes at most the bytes of one number.
        let code = unsafe strongroom_attribute(
            module.functions, session, key, type, &value, CK_ULONG(MemoryLayout<CK_ULONG>.size))
        try check(code, .getAttributeValue)
        return value
    }
}
