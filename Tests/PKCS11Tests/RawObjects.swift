import CPKCS11
import Testing

@testable import PKCS11

/// What the tests do to a token behind the module's back.
extension TokenSession {
    /// Puts a key into the token that need not be what a root key must be.
    func importKey(
        _ label: String, value: [UInt8] = [UInt8](repeating: 0x42, count: 32), type: CK_ULONG = CKK_AES,
        sensitive: Bool = true, extractable: Bool = false
    ) throws {
        var key: CK_OBJECT_HANDLE = 0
        let attributes: [(CK_ATTRIBUTE_TYPE, [UInt8])] = [
            (CKA_CLASS, bytes(of: CKO_SECRET_KEY)), (CKA_KEY_TYPE, bytes(of: type)), (CKA_TOKEN, [1]),
            (CKA_PRIVATE, [1]), (CKA_SENSITIVE, [sensitive ? 1 : 0]), (CKA_EXTRACTABLE, [extractable ? 1 : 0]),
            (CKA_WRAP, [1]), (CKA_UNWRAP, [1]), (CKA_LABEL, Array(label.utf8)), (CKA_VALUE, value),
        ]
        let create = unsafe module.functions.pointee.C_CreateObject
        // Safe: the template is valid during the call.
        let code = unsafe withTemplate(attributes) { list, count in unsafe create?(session, list, count, &key) }
        try #require(code == CKR_OK)
    }

    /// How many objects this session sees, its own secrets among them.
    func countObjects() throws -> Int {
        let functions = unsafe module.functions.pointee
        var objects = [CK_OBJECT_HANDLE](repeating: 0, count: 64)
        var count: CK_ULONG = 0
        // Safe: without a template every object is found, and there is room for as many as are asked for.
        let begun = unsafe functions.C_FindObjectsInit?(session, nil, 0)
        let found = unsafe functions.C_FindObjects?(session, &objects, 64, &count)
        let ended = unsafe functions.C_FindObjectsFinal?(session)
        try #require([begun, found, ended] == [CKR_OK, CKR_OK, CKR_OK])
        return Int(count)
    }

    /// The value of an attribute of the one object that has the label, or nil where the token does not tell.
    mutating func attribute(_ type: CK_ATTRIBUTE_TYPE, ofKey label: String, count: Int) throws -> [UInt8]? {
        var value = [UInt8](repeating: 0, count: count)
        let key = try key(label)
        // Safe: the shim writes at most the bytes that it is told of.
        let code = unsafe strongroom_attribute(module.functions, session, key, type, &value, CK_ULONG(count))
        return code == CKR_OK ? value : nil
    }
}

/// A number as the module reads it.
private func bytes(of number: CK_ULONG) -> [UInt8] {
    (0..<MemoryLayout<CK_ULONG>.size).map { UInt8(truncatingIfNeeded: number >> CK_ULONG(8 * $0)) }
}

/// Calls `body` with a template; every value begins at a multiple of eight.
private func withTemplate(
    _ attributes: [(CK_ATTRIBUTE_TYPE, [UInt8])], _ body: (UnsafeMutablePointer<CK_ATTRIBUTE>?, CK_ULONG) -> CK_RV?
) -> CK_RV? {
    var values: [UInt64] = []
    var places: [Int] = []
    for (_, value) in attributes {
        places.append(values.count * 8)
        for start in stride(from: 0, to: value.count, by: 8) {
            values.append(value[start...].prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) })
        }
    }
    // Safe: the pointers are used within the closure only.
    return unsafe values.withUnsafeMutableBytes { values in
        var list: [CK_ATTRIBUTE] = unsafe []
        for (index, attribute) in attributes.enumerated() {
            let place = unsafe values.baseAddress.map { unsafe $0 + places[index] }
            unsafe list.append(
                CK_ATTRIBUTE(type: attribute.0, pValue: place, ulValueLen: CK_ULONG(attribute.1.count)))
        }
        return unsafe list.withUnsafeMutableBufferPointer { list in
            unsafe body(list.baseAddress, CK_ULONG(list.count))
        }
    }
}
