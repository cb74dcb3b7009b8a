// What libssl offers only as macros, unions or STACK_OF types, as functions Swift can call.
// Each is named after the C macro it stands for, with the prefix `strongroom_`. Nothing here decides anything.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <string.h>

// Macros over SSL_CTX_ctrl.
static inline int strongroom_SSL_CTX_set_min_proto_version(SSL_CTX *context, int version) {
    return (int)SSL_CTX_set_min_proto_version(context, version);
}
static inline int strongroom_SSL_CTX_set_max_proto_version(SSL_CTX *context, int version) {
    return (int)SSL_CTX_set_max_proto_version(context, version);
}
static inline int strongroom_SSL_CTX_set1_groups_list(SSL_CTX *context, const char *list) {
    return (int)SSL_CTX_set1_groups_list(context, list);
}
static inline void strongroom_SSL_CTX_set_mode(SSL_CTX *context, long mode) { SSL_CTX_set_mode(context, mode); }
static inline void strongroom_SSL_CTX_set_session_cache_mode(SSL_CTX *context, long mode) {
    SSL_CTX_set_session_cache_mode(context, mode);
}
static inline void strongroom_SSL_CTX_set_max_cert_list(SSL_CTX *context, long bytes) {
    SSL_CTX_set_max_cert_list(context, bytes);
}
static inline int strongroom_SSL_CTX_add1_chain_cert(SSL_CTX *context, X509 *certificate) {
    return (int)SSL_CTX_add1_chain_cert(context, certificate);
}

// A macro over SSL_ctrl.
static inline int strongroom_SSL_set_tlsext_host_name(SSL *ssl, const char *name) {
    return (int)SSL_set_tlsext_host_name(ssl, name);
}

// The options are wide constants built by a macro with an argument, which Swift does not import.
static inline void strongroom_SSL_CTX_set_strict_options(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_NO_COMPRESSION
                                     | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
}

// Error codes are split by inline functions; the reason constants are macros Swift sees.
static inline int strongroom_ERR_GET_LIB(unsigned long code) { return ERR_GET_LIB(code); }
static inline int strongroom_ERR_GET_REASON(unsigned long code) { return ERR_GET_REASON(code); }

// Macros over BIO_set_flags.
static inline void strongroom_BIO_set_retry_read(BIO *bio) { BIO_set_retry_read(bio); }
static inline void strongroom_BIO_clear_retry_flags(BIO *bio) { BIO_clear_retry_flags(bio); }

// STACK_OF(X509) has type-checking macros for accessors.
static inline int strongroom_sk_X509_num(const STACK_OF(X509) *stack) { return sk_X509_num(stack); }
static inline X509 *strongroom_sk_X509_value(const STACK_OF(X509) *stack, int index) {
    return sk_X509_value(stack, index);
}
static inline STACK_OF(X509) *strongroom_sk_X509_new_null(void) { return sk_X509_new_null(); }
static inline int strongroom_sk_X509_push(STACK_OF(X509) *stack, X509 *certificate) {
    return sk_X509_push(stack, certificate);
}
static inline void strongroom_sk_X509_free(STACK_OF(X509) *stack) { sk_X509_free(stack); }

// Subject alternative names: a STACK_OF of a struct with a union inside.
static inline GENERAL_NAMES *strongroom_X509_get_subject_alt_names(const X509 *certificate) {
    return (GENERAL_NAMES *)X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
}
static inline int strongroom_sk_GENERAL_NAME_num(const GENERAL_NAMES *names) { return sk_GENERAL_NAME_num(names); }

// The text of a DNS name or URI and its kind (GEN_DNS, GEN_URI), or 0 for every other kind of name.
static inline int strongroom_general_name_text(
    const GENERAL_NAMES *names, int index, const unsigned char **text, int *length) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
    if (name->type != GEN_DNS && name->type != GEN_URI) return 0;
    *text = ASN1_STRING_get0_data(name->d.ia5);
    *length = ASN1_STRING_length(name->d.ia5);
    return name->type;
}

// How many certificates a revocation list revokes: STACK_OF(X509_REVOKED).
static inline int strongroom_X509_CRL_revoked_count(X509_CRL *list) {
    return sk_X509_REVOKED_num(X509_CRL_get_REVOKED(list));
}
