// Calls of a PKCS#11 module for Swift, which cannot write a template, an array of untyped pointers, readably. A module
// is loaded at run time, so nothing is linked. Every shim returns the code of its call.
#pragma once
#include "cryptoki.h"

/// A function that the module left out, which the standard forbids, must not become a jump to address zero.
#define STRONGROOM_CALL(functions, name, ...) \
    ((functions)->name == NULL ? CKR_FUNCTION_NOT_SUPPORTED : (functions)->name(__VA_ARGS__))

/// Calls `C_GetFunctionList`, given what `dlsym` found: C casts data pointers to functions, Swift does not.
static inline CK_RV strongroom_function_list(void *symbol, const CK_FUNCTION_LIST **functions) {
    CK_RV (*get)(const CK_FUNCTION_LIST **) = (CK_RV (*)(const CK_FUNCTION_LIST **))symbol;
    *functions = NULL;
    return get(functions);
}

/// `C_Initialize` for threads that use the system's locks, because the arguments are a structure behind `void *`.
static inline CK_RV strongroom_initialize(const CK_FUNCTION_LIST *functions) {
    CK_C_INITIALIZE_ARGS arguments = {.flags = CKF_OS_LOCKING_OK};
    return STRONGROOM_CALL(functions, C_Initialize, &arguments);
}

/// `C_Finalize`, whose argument must be null.
static inline CK_RV strongroom_finalize(const CK_FUNCTION_LIST *functions) {
    return STRONGROOM_CALL(functions, C_Finalize, NULL);
}

/// `C_GetSlotList` of the slots that have a token; guarded against a missing entry.
static inline CK_RV strongroom_slots(const CK_FUNCTION_LIST *functions, CK_SLOT_ID *slots, CK_ULONG *count) {
    return STRONGROOM_CALL(functions, C_GetSlotList, CK_TRUE, slots, count);
}

/// The label of a slot's token, because Swift imports an array in a structure as a tuple.
static inline CK_RV strongroom_token_label(const CK_FUNCTION_LIST *functions, CK_SLOT_ID slot, CK_BYTE *label) {
    CK_TOKEN_INFO information = {0};
    CK_RV code = STRONGROOM_CALL(functions, C_GetTokenInfo, slot, &information);
    for (size_t index = 0; index < sizeof information.label; index++) {
        label[index] = information.label[index];
    }
    return code;
}

/// What a slot's token can do by a mechanism; guarded against a missing entry.
static inline CK_RV strongroom_mechanism_flags(
    const CK_FUNCTION_LIST *functions, CK_SLOT_ID slot, CK_MECHANISM_TYPE mechanism, CK_FLAGS *flags) {
    CK_MECHANISM_INFO information = {0};
    CK_RV code = STRONGROOM_CALL(functions, C_GetMechanismInfo, slot, mechanism, &information);
    *flags = information.flags;
    return code;
}

/// `C_OpenSession` for reading and writing, with no callbacks.
static inline CK_RV strongroom_open_session(
    const CK_FUNCTION_LIST *functions, CK_SLOT_ID slot, CK_SESSION_HANDLE *session) {
    return STRONGROOM_CALL(functions, C_OpenSession, slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, session);
}

/// `C_CloseSession`; guarded against a missing entry.
static inline CK_RV strongroom_close_session(const CK_FUNCTION_LIST *functions, CK_SESSION_HANDLE session) {
    return STRONGROOM_CALL(functions, C_CloseSession, session);
}

/// `C_Login` as the user; the interface knows no `const`, and a module only reads the PIN.
static inline CK_RV strongroom_login(
    const CK_FUNCTION_LIST *functions, CK_SESSION_HANDLE session, const CK_BYTE *pin, CK_ULONG pin_length) {
    return STRONGROOM_CALL(functions, C_Login, session, CKU_USER, (CK_BYTE *)pin, pin_length);
}

/// The first `count` secret keys of a label among the token's objects: one search, always ended, since a session has
/// room for one. `count` comes back as how many there were.
static inline CK_RV strongroom_find_keys(
    const CK_FUNCTION_LIST *functions, CK_SESSION_HANDLE session, const CK_BYTE *label, CK_ULONG label_length,
    CK_OBJECT_HANDLE *keys, CK_ULONG *count) {
    CK_ULONG class = CKO_SECRET_KEY, most = *count;
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE attributes[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_LABEL, (void *)label, label_length},
    };
    *count = 0;
    CK_RV code = STRONGROOM_CALL(
        functions, C_FindObjectsInit, session, attributes, sizeof attributes / sizeof attributes[0]);
    if (code != CKR_OK) {
        return code;
    }
    // A module may hand out fewer at a time than were asked for; none at all is the end.
    for (CK_ULONG got = 1; code == CKR_OK && got > 0 && *count < most; *count += got) {
        got = 0;
        code = STRONGROOM_CALL(functions, C_FindObjects, session, keys + *count, most - *count, &got);
        if (got > most - *count) {
            code = CKR_GENERAL_ERROR;
            break;
        }
    }
    CK_RV ended = STRONGROOM_CALL(functions, C_FindObjectsFinal, session);
    return code != CKR_OK ? code : ended;
}

/// `C_GetAttributeValue` of one attribute of a fixed size; anything of another size is CKR_BUFFER_TOO_SMALL.
static inline CK_RV strongroom_attribute(
    const CK_FUNCTION_LIST *functions, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
    void *value, CK_ULONG length) {
    CK_ATTRIBUTE attribute = {type, value, length};
    CK_RV code = STRONGROOM_CALL(functions, C_GetAttributeValue, session, object, &attribute, 1);
    return code == CKR_OK && attribute.ulValueLen != length ? CKR_BUFFER_TOO_SMALL : code;
}

/// `C_GenerateKey` of an AES-256 key that stays in the token and only wraps: the template is what makes it so.
static inline CK_RV strongroom_generate_key(
    const CK_FUNCTION_LIST *functions, CK_SESSION_HANDLE session, const CK_BYTE *label, CK_ULONG label_length,
    CK_OBJECT_HANDLE *key) {
    CK_ULONG class = CKO_SECRET_KEY, type = CKK_AES, length = 32;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_ATTRIBUTE attributes[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_VALUE_LEN, &length, sizeof length},
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_SENSITIVE, &yes, sizeof yes},
        {CKA_EXTRACTABLE, &no, sizeof no},
        {CKA_WRAP, &yes, sizeof yes},
        {CKA_UNWRAP, &yes, sizeof yes},
        {CKA_ENCRYPT, &no, sizeof no},
        {CKA_DECRYPT, &no, sizeof no},
        {CKA_LABEL, (void *)label, label_length},
        {CKA_ID, (void *)label, label_length},
    };
    return STRONGROOM_CALL(
        functions, C_GenerateKey, session, &mechanism, attributes, sizeof attributes / sizeof attributes[0], key);
}

/// `C_CreateObject` of a secret that can be wrapped, for this session only; a template of pointers to its parts.
static inline CK_RV strongroom_create_secret(
    const CK_FUNCTION_LIST *functions, CK_SESSION_HANDLE session, const CK_BYTE *value, CK_ULONG length,
    CK_OBJECT_HANDLE *secret) {
    CK_ULONG class = CKO_SECRET_KEY, type = CKK_GENERIC_SECRET;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_ATTRIBUTE attributes[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_TOKEN, &no, sizeof no},
        {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_SENSITIVE, &no, sizeof no},
        {CKA_EXTRACTABLE, &yes, sizeof yes},
        {CKA_VALUE, (void *)value, length},
    };
    return STRONGROOM_CALL(
        functions, C_CreateObject, session, attributes, sizeof attributes / sizeof attributes[0], secret);
}

/// `C_WrapKey` by RFC 3394 into a known number of bytes; any other number is CKR_WRAPPED_KEY_LEN_RANGE.
static inline CK_RV strongroom_wrap_key(
    const CK_FUNCTION_LIST *functions, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE wrapping_key,
    CK_OBJECT_HANDLE secret, CK_BYTE *wrapped, CK_ULONG wrapped_length) {
    CK_MECHANISM mechanism = {CKM_AES_KEY_WRAP, NULL, 0};
    CK_ULONG length = wrapped_length;
    CK_RV code = STRONGROOM_CALL(
        functions, C_WrapKey, session, &mechanism, wrapping_key, secret, wrapped, &length);
    return code == CKR_OK && length != wrapped_length ? CKR_WRAPPED_KEY_LEN_RANGE : code;
}

/// `C_UnwrapKey` by RFC 3394 into a secret that can be read, for this session only; the template says so.
static inline CK_RV strongroom_unwrap_key(
    const CK_FUNCTION_LIST *functions, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE unwrapping_key,
    const CK_BYTE *wrapped, CK_ULONG wrapped_length, CK_OBJECT_HANDLE *secret) {
    CK_ULONG class = CKO_SECRET_KEY, type = CKK_GENERIC_SECRET;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_MECHANISM mechanism = {CKM_AES_KEY_WRAP, NULL, 0};
    CK_ATTRIBUTE attributes[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_TOKEN, &no, sizeof no},
        {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_SENSITIVE, &no, sizeof no},
        {CKA_EXTRACTABLE, &yes, sizeof yes},
    };
    return STRONGROOM_CALL(
        functions, C_UnwrapKey, session, &mechanism, unwrapping_key, (CK_BYTE *)wrapped, wrapped_length, attributes,
        sizeof attributes / sizeof attributes[0], secret);
}

/// `C_DestroyObject`; guarded against a missing entry.
static inline CK_RV strongroom_destroy(
    const CK_FUNCTION_LIST *functions, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object) {
    return STRONGROOM_CALL(functions, C_DestroyObject, session, object);
}
