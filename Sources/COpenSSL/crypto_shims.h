// libcrypto for Swift. Only what Swift cannot import by itself is here: parameter lists with string-macro names, and
// call sequences whose order matters and that must not allocate. Every shim returns 1 for success and 0 for failure,
// except where it says otherwise. Lengths are checked by the caller to fit `int`.
#pragma once

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

// Seals one message with the key that `ctx` already holds: the nonce is set without a new key schedule.
// Empty parts are skipped, since EVP_EncryptUpdate reads a null output as "this is associated data".
static inline int strongroom_gcm_seal(
    EVP_CIPHER_CTX *ctx, const uint8_t *nonce, const uint8_t *aad, int aad_length, const uint8_t *plaintext,
    int length, uint8_t *ciphertext, uint8_t *tag)
{
    uint8_t none[1];
    int written = 0;
    OSSL_PARAM params[2];

    if (EVP_EncryptInit_ex2(ctx, NULL, NULL, nonce, NULL) != 1)
        return 0;
    if (aad_length > 0 && EVP_EncryptUpdate(ctx, NULL, &written, aad, aad_length) != 1)
        return 0;
    if (length > 0 && (EVP_EncryptUpdate(ctx, ciphertext, &written, plaintext, length) != 1 || written != length))
        return 0;
    if (EVP_EncryptFinal_ex(ctx, none, &written) != 1 || written != 0)
        return 0;
    params[0] = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, 16);
    params[1] = OSSL_PARAM_construct_end();
    return EVP_CIPHER_CTX_get_params(ctx, params) == 1;
}

// Opens one message: nonce and expected tag go in with one call, which is the cheapest sequence OpenSSL 3.0 has.
// Returns 1 for an authentic message, 0 for a failed tag, -1 when the library failed before the tag was compared.
// The caller wipes `plaintext` on anything but 1.
static inline int strongroom_gcm_open(
    EVP_CIPHER_CTX *ctx, const uint8_t *nonce, const uint8_t *aad, int aad_length, const uint8_t *ciphertext,
    int length, const uint8_t *tag, uint8_t *plaintext)
{
    uint8_t none[1];
    int written = 0;
    OSSL_PARAM params[2];

    params[0] = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, (void *)tag, 16);
    params[1] = OSSL_PARAM_construct_end();
    if (EVP_DecryptInit_ex2(ctx, NULL, NULL, nonce, params) != 1)
        return -1;
    if (aad_length > 0 && EVP_DecryptUpdate(ctx, NULL, &written, aad, aad_length) != 1)
        return -1;
    if (length > 0 && (EVP_DecryptUpdate(ctx, plaintext, &written, ciphertext, length) != 1 || written != length))
        return -1;
    return EVP_DecryptFinal_ex(ctx, none, &written) == 1;
}

// Gives a fresh MAC context its key and digest (SHA-256).
static inline int strongroom_hmac_set_key(EVP_MAC_CTX *ctx, const uint8_t *key, size_t key_length)
{
    OSSL_PARAM params[2];

    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0);
    params[1] = OSSL_PARAM_construct_end();
    return EVP_MAC_init(ctx, key, key_length, params) == 1;
}

// Ends a MAC and keeps its first `length` bytes. EVP_MAC_final refuses a buffer smaller than the whole MAC.
static inline int strongroom_hmac_finish(EVP_MAC_CTX *ctx, uint8_t *mac, size_t length)
{
    uint8_t whole[32];
    size_t written = 0;
    int ok = EVP_MAC_final(ctx, whole, &written, sizeof whole) == 1 && written == sizeof whole
        && length <= sizeof whole;

    if (ok)
        memcpy(mac, whole, length);
    OPENSSL_cleanse(whole, sizeof whole);
    return ok;
}

// HMAC-SHA-1 of one message, 20 bytes: one-time codes (RFC 6238) are made with it.
static inline int strongroom_hmac_sha1(
    EVP_MAC *hmac, const uint8_t *key, size_t key_length, const uint8_t *message, size_t length, uint8_t *mac)
{
    OSSL_PARAM params[2];
    size_t written = 0;
    int ok;
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(hmac);

    if (ctx == NULL)
        return 0;
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA1", 0);
    params[1] = OSSL_PARAM_construct_end();
    ok = EVP_MAC_init(ctx, key, key_length, params) == 1 && EVP_MAC_update(ctx, message, length) == 1
        && EVP_MAC_final(ctx, mac, &written, 20) == 1 && written == 20;
    EVP_MAC_CTX_free(ctx);
    return ok;
}

// HKDF-SHA-256, extract then expand (RFC 5869). Empty salt and info are left out of the parameters.
static inline int strongroom_hkdf_sha256(
    EVP_KDF *kdf, const uint8_t *key, size_t key_length, const uint8_t *salt, size_t salt_length,
    const uint8_t *info, size_t info_length, uint8_t *out, size_t length)
{
    OSSL_PARAM params[5];
    int n = 0, ok;
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);

    if (ctx == NULL)
        return 0;
    params[n++] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0);
    params[n++] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)key, key_length);
    if (salt_length > 0)
        params[n++] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, salt_length);
    if (info_length > 0)
        params[n++] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info, info_length);
    params[n] = OSSL_PARAM_construct_end();
    ok = EVP_KDF_derive(ctx, out, length, params) == 1;
    EVP_KDF_CTX_free(ctx);
    return ok;
}
