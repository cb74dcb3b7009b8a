internal import CPKCS11
import Glibc

/// A PKCS#11 module in this process, initialized.
///
/// At its end it is finalized, unless somebody else had initialized it before. It is never unloaded: a module may have
/// started threads, or left handlers for their end, whose code must stay where it is.
///
/// `@safe`, `@unchecked Sendable`: the pointer is to the module's function list, which stays mapped as long as the process
/// lives and does not change; the module was told to lock for threads.
@safe
struct Module: ~Copyable, @unchecked Sendable {
    /// The functions. Tests put others in their place.
    var functions: UnsafePointer<CK_FUNCTION_LIST>
    private let isInitializedHere: Bool

    /// Loads and initializes the module at an absolute `path`.
    ///
    /// The corresponding C functions are `dlopen`, `C_GetFunctionList` and `C_Initialize`.
    init(path: String) throws(PKCS11Error) {
        // A bare name would be searched for in the system's folders: the operator says which file runs in this process.
        guard path.hasPrefix("/"), unsafe access(path, R_OK) == 0 else { throw .moduleNotFound }
        guard let library = unsafe dlopen(path, RTLD_NOW | RTLD_LOCAL) else { throw .moduleNotLoadable }
        guard let symbol = unsafe dlsym(library, "C_GetFunctionList") else {
            unsafe dlclose(library)
            throw .notAModule
        }
        var list: UnsafePointer<CK_FUNCTION_LIST>?
        // Safe: the standard says what a function of this name takes and writes.
        try check(unsafe strongroom_function_list(symbol, &list), .getFunctionList)
        // Later versions begin with the functions of version 2 in the same order.
        guard let list = unsafe list, unsafe 2...3 ~= list.pointee.version.major else { throw .notAModule }
        let code = unsafe strongroom_initialize(list)
        guard code == CKR_OK || code == CKR_CRYPTOKI_ALREADY_INITIALIZED else {
            throw .callFailed(.initialize, code: code)
        }
        isInitializedHere = code == CKR_OK
        unsafe functions = unsafe list
    }

    /// The slot whose token has the label; a slot that cannot be asked is an error only when no other has it.
    ///
    /// The corresponding C functions are `C_GetSlotList` and `C_GetTokenInfo`.
    func slot(token label: String) throws(PKCS11Error) -> CK_SLOT_ID {
        let wanted = try Self.padded(label)
        var found: CK_SLOT_ID?
        var failure: PKCS11Error?
        for slot in try slots() {
            var label = [UInt8](repeating: 0, count: wanted.count)
            // Safe: the shim writes the 32 bytes that a token's label has.
            let code = unsafe strongroom_token_label(functions, slot, &label)
            if code != CKR_OK {
                failure = .callFailed(.getTokenInfo, code: code)
            } else if label == wanted {
                guard found == nil else { throw .tokenAmbiguous }
                found = slot
            }
        }
        guard let found else { throw failure ?? .tokenNotFound }
        return found
    }

    /// The slots that have a token.
    private func slots() throws(PKCS11Error) -> [CK_SLOT_ID] {
        var count: CK_ULONG = 0
        // Safe: without a place for them the slots are only counted.
        try check(unsafe strongroom_slots(functions, nil, &count), .getSlotList)
        // Room for some that come between the two calls.
        var slots = [CK_SLOT_ID](repeating: 0, count: Int(min(count, 4096)) + 16)
        count = CK_ULONG(slots.count)
        // Safe: the module writes at most `count` of them.
        try check(unsafe strongroom_slots(functions, &slots, &count), .getSlotList)
        return Array(slots.prefix(Int(clamping: count)))
    }

    /// A token's label as the token gives it: 32 bytes, with spaces at the end.
    private static func padded(_ label: String) throws(PKCS11Error) -> [UInt8] {
        let bytes = Array(label.utf8)
        guard 1...32 ~= bytes.count else { throw .badLabel }
        return bytes + [UInt8](repeating: UInt8(ascii: " "), count: 32 - bytes.count)
    }

    deinit {
        // Safe: no session of ours is left, and nothing refers to the list's answers.
        if isInitializedHere { _ = unsafe strongroom_finalize(functions) }
    }
}

/// Throws unless `code` is `CKR_OK`.
func check(_ code: CK_RV, _ call: PKCS11Call) throws(PKCS11Error) {
    if code != CKR_OK { throw .callFailed(call, code: code) }
}
