/// Why a token was refused or failed. Carries a call's name and its code, and never a byte of a PIN or a key.
package enum PKCS11Error: Error, Equatable, Sendable {
    /// The module's path is not absolute, or no file that can be read is there.
    case moduleNotFound
    /// The file is no shared library for this machine, or a library that it needs is missing.
    case moduleNotLoadable
    /// The shared library does not offer version 2 or 3 of PKCS#11.
    case notAModule
    /// A label that no token (1 to 32 bytes) or no key (1 to 255 bytes) can have.
    case badLabel
    /// No slot has a token of the label.
    case tokenNotFound
    /// More than one slot has a token of the label.
    case tokenAmbiguous
    /// The token does not wrap and unwrap by AES key wrap (`CKM_AES_KEY_WRAP`).
    case mechanismMissing
    /// The PIN is not that of the token's user. A token locks itself after a few of these.
    case wrongPIN
    /// Too many wrong PINs: the security officer must set a new one.
    case pinLocked
    /// The token has no secret key of the label.
    case keyNotFound
    /// The token has more than one secret key of the label.
    case keyAmbiguous
    /// The token has a secret key of the label already.
    case keyExists
    /// The key is not what a root key must be.
    case keyUnfit(KeyFault)
    /// A secret, or the room for one, that is not ``TokenSession/secretBytes`` long.
    case badLength
    /// The wrapped secret was altered, or wrapped under another key.
    case authenticationFailed
    /// The module answered with a code of its own (`CKR_...`).
    case callFailed(PKCS11Call, code: UInt)

    /// One sentence for the operator.
    package var message: String {
        switch self {
        case .moduleNotFound: "the PKCS#11 module is not a readable file at an absolute path"
        case .moduleNotLoadable: "the PKCS#11 module cannot be loaded: no shared library, or one it needs is missing"
        case .notAModule: "the shared library is no PKCS#11 module of version 2 or 3"
        case .badLabel: "a token's label has 1 to 32 bytes, a key's label 1 to 255"
        case .tokenNotFound: "no slot has a token of this label"
        case .tokenAmbiguous: "more than one slot has a token of this label"
        case .mechanismMissing: "the token does not offer AES key wrap (CKM_AES_KEY_WRAP)"
        case .wrongPIN: "the token refused the PIN; it locks itself after a few wrong ones"
        case .pinLocked: "the token has locked the PIN after too many wrong ones"
        case .keyNotFound: "the token has no secret key of this label"
        case .keyAmbiguous: "the token has more than one secret key of this label"
        case .keyExists: "the token has a secret key of this label already"
        case .keyUnfit(let fault): "the token's key is refused: \(fault.rawValue)"
        case .badLength: "a secret to wrap has \(TokenSession.secretBytes) bytes"
        case .authenticationFailed: "the wrapped secret was altered, or wrapped under another key"
        case .callFailed(let call, let code): "\(call.rawValue) failed with CKR 0x\(String(code, radix: 16))"
        }
    }
}

/// What is wrong with a key.
package enum KeyFault: String, Sendable {
    case notAES256 = "it is not an AES key of 256 bits"
    case notSensitive = "its value can be read (CKA_SENSITIVE is false)"
    case extractable = "it can leave the token (CKA_EXTRACTABLE is true)"
    case onceExtractable = "it could have left the token before (CKA_NEVER_EXTRACTABLE is false)"
}

/// The functions of a module that can fail.
package enum PKCS11Call: String, Sendable {
    case getFunctionList = "C_GetFunctionList"
    case initialize = "C_Initialize"
    case getSlotList = "C_GetSlotList"
    case getTokenInfo = "C_GetTokenInfo"
    case getMechanismInfo = "C_GetMechanismInfo"
    case openSession = "C_OpenSession"
    case login = "C_Login"
    case findObjects = "C_FindObjects"
    case getAttributeValue = "C_GetAttributeValue"
    case generateKey = "C_GenerateKey"
    case createObject = "C_CreateObject"
    case destroyObject = "C_DestroyObject"
    case wrapKey = "C_WrapKey"
    case unwrapKey = "C_UnwrapKey"
}
