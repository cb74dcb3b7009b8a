import CPKCS11
import Testing

@testable import PKCS11

/// The module's own functions, the same with replacements, and the flag that is told wrongly. Here rather than in the
/// type, because a C function can refer to globals only; allocated, because Swift 6.3 gives a global of this imported
/// structure the two bytes of its first field (found by the address sanitizer).
nonisolated(unsafe) private let own = UnsafeMutablePointer<CK_FUNCTION_LIST>.allocate(capacity: 1)
nonisolated(unsafe) private let list = UnsafeMutablePointer<CK_FUNCTION_LIST>.allocate(capacity: 1)
nonisolated(unsafe) private var lie: (type: CK_ATTRIBUTE_TYPE, value: UInt8) = (0, 0)

/// A token that answers wrongly: SoftHSM with one function replaced. One at a time.
enum FaultyToken {
    /// A session with a token of the label, after `change` has replaced functions.
    private static func open(
        _ label: String, _ change: (inout CK_FUNCTION_LIST) -> Void
    ) throws -> TokenSession {
        var module = try Module(path: SoftHSM.path)
        // Safe: both places have room for one list and live as long as the process.
        unsafe own.initialize(to: module.functions.pointee)
        unsafe list.initialize(to: module.functions.pointee)
        unsafe change(&list.pointee)
        unsafe module.functions = unsafe UnsafePointer(list)
        let pin = TokenFolder.pin
        return try TokenSession(module: module, token: label, pin: pin.span)
    }

    /// A token that says `value` for a flag, whatever the key's is.
    static func lying(_ label: String, about type: CK_ATTRIBUTE_TYPE, as value: UInt8) throws -> TokenSession {
        unsafe lie = (type, value)
        return try unsafe open(label) { list in
            unsafe list.C_GetAttributeValue = { session, object, attributes, count in
                let call = unsafe own.pointee.C_GetAttributeValue
                let code = unsafe call?(session, object, attributes, count) ?? CKR_GENERAL_ERROR
                if let attributes = unsafe attributes, unsafe attributes.pointee.type == lie.type {
                    unsafe attributes.pointee.pValue.storeBytes(of: lie.value, as: UInt8.self)
                }
                return code
            }
        }
    }

    /// A token that fails to unwrap anything with the code that SoftHSM has for a wrong blob.
    static func notUnwrapping(_ label: String) throws -> TokenSession {
        try unsafe open(label) { list in
            unsafe list.C_UnwrapKey = { _, _, _, _, _, _, _, _ in CKR_GENERAL_ERROR }
        }
    }

    /// A token that destroys objects and says that it did not.
    static func notDestroying(_ label: String) throws -> TokenSession {
        try unsafe open(label) { list in
            unsafe list.C_DestroyObject = { session, object in
                _ = unsafe own.pointee.C_DestroyObject?(session, object)
                return CKR_FUNCTION_FAILED
            }
        }
    }

    /// A token that does not offer AES key wrap.
    static func notWrapping(_ label: String) throws -> TokenSession {
        try unsafe open(label) { list in
            unsafe list.C_GetMechanismInfo = { _, _, _ in CKR_MECHANISM_INVALID }
        }
    }

    /// A module that leaves a function out.
    static func incomplete(_ label: String) throws -> TokenSession {
        try unsafe open(label) { list in unsafe list.C_WrapKey = nil }
    }
}
