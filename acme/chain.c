/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/chain.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "acme/identifier.h"
#include "acme/key.h"
#include "base/text.h"

#define BEGIN       "-----BEGIN CERTIFICATE-----"
#define END         "-----END CERTIFICATE-----"
#define START_SLACK 3900 /* our clock may be an hour behind the CA's (client.c) */

/* --- Reading ---------------------------------------------------------------------------------- */

/* Counts the blocks; false when anything but white space stands around them. */
static bool only_certificates(const char *s, size_t n, size_t *count)
{
    const char *end = s + n;
    *count = 0;
    for (;;) {
        while (s < end && strchr(" \t\r\n", *s) && *s)
            s++;
        if (s == end)
            return *count > 0;
        if ((size_t)(end - s) < strlen(BEGIN) || memcmp(s, BEGIN, strlen(BEGIN)) != 0)
            return false;
        s = memmem(s, (size_t)(end - s), END, strlen(END));
        if (!s)
            return false;
        s += strlen(END);
        ++*count;
    }
}

/* A block may claim to be encrypted; OpenSSL would ask on the terminal. */
static int no_password(char *text, int size, int write, void *arg)
{
    (void)text, (void)size, (void)write, (void)arg;
    return -1;
}

bool chain_parse(const void *pem, size_t n, struct chain *c, struct fault *f)
{
    size_t count;
    *c = (struct chain){0};
    if (n > CHAIN_BYTES_MAX)
        return fault_set(f, "the certificate chain has %zu bytes; that is too large", n);
    if (!only_certificates(pem, n, &count))
        return fault_set(f, "the certificate chain has something else than certificates in PEM");
    if (count > CHAIN_MAX)
        return fault_set(f, "the certificate chain has %zu certificates; that is too many", count);

    BIO *bio = BIO_new_mem_buf(pem, (int)n);
    while (bio && c->count < count) {
        X509 *cert = PEM_read_bio_X509(bio, NULL, no_password, NULL);
        if (!cert)
            break;
        c->list[c->count++] = cert;
    }
    BIO_free(bio);
    if (c->count == count)
        return true;
    char what[64];
    snprintf(what, sizeof what, "certificate %zu of the chain is malformed", c->count + 1);
    chain_free(c);
    return key_fault(f, what);
}

void chain_free(struct chain *c)
{
    for (size_t i = 0; i < c->count; i++)
        X509_free(c->list[i]);
    *c = (struct chain){0};
}

bool chain_to_pem(const struct chain *c, struct buf *out, struct fault *f)
{
    char *data;
    BIO *bio = BIO_new(BIO_s_mem());
    bool ok = bio != NULL;
    for (size_t i = 0; ok && i < c->count; i++)
        ok = PEM_write_bio_X509(bio, c->list[i]) == 1;
    long n = ok ? BIO_get_mem_data(bio, &data) : 0;
    ok = (ok && buf_append(out, data, (size_t)n)) || key_fault(f, "cannot write a chain as PEM");
    BIO_free(bio);
    return ok;
}

/* --- Facts ------------------------------------------------------------------------------------ */

static bool to_time(const ASN1_TIME *asn1, time_t *t)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(asn1, &tm) != 1)
        return false;
    *t = timegm(&tm);
    return true;
}

/* A name in one line of printable ASCII, cut to cap. */
static void print_name(const X509_NAME *name, char *text, size_t cap)
{
    char *data;
    BIO *bio = BIO_new(BIO_s_mem());
    text[0] = '\0';
    if (bio && X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB) >= 0) {
        long n = BIO_get_mem_data(bio, &data);
        text_printable(data, (size_t)n, text, cap);
    }
    BIO_free(bio);
}

static void print_serial(const X509 *cert, char *text, size_t cap)
{
    /* Signed by ASN.1, at most 20 bytes by RFC 5280. */
    const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
    size_t n = (size_t)ASN1_STRING_length(serial);
    if (2 * n + 1 > cap)
        n = (cap - 1) / 2;
    text_hex(ASN1_STRING_get0_data(serial), n, text);
}

bool chain_read_facts(const X509 *cert, struct chain_facts *facts)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    *facts = (struct chain_facts){0};
    if (!to_time(X509_get0_notBefore(cert), &facts->not_before) ||
        !to_time(X509_get0_notAfter(cert), &facts->not_after) ||
        X509_digest(cert, EVP_sha256(), digest, NULL) != 1) {
        ERR_clear_error();
        return false;
    }
    text_hex(digest, (CHAIN_FINGERPRINT - 1) / 2, facts->fingerprint);
    print_serial(cert, facts->serial, sizeof facts->serial);
    print_name(X509_get_issuer_name(cert), facts->issuer, sizeof facts->issuer);
    print_name(X509_get_subject_name(cert), facts->subject, sizeof facts->subject);
    return true;
}

static bool is_common_name(const X509_NAME *subject, const char *name)
{
    int at = X509_NAME_get_index_by_NID((X509_NAME *)subject, NID_commonName, -1);
    unsigned char *text = NULL;
    if (at < 0)
        return false;
    const X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, at);
    int n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry));
    bool same = n >= 0 && (size_t)n == strlen(name) && memcmp(text, name, (size_t)n) == 0;
    OPENSSL_free(text);
    ERR_clear_error();
    return same;
}

bool chain_has_issuer(const struct chain *c, const char *name)
{
    for (size_t i = 0; i < c->count; i++) {
        if (is_common_name(X509_get_issuer_name(c->list[i]), name))
            return true;
    }
    return false;
}

char *chain_leaf_der(const struct chain *c)
{
    unsigned char *der = NULL;
    int n = c->count ? i2d_X509(c->list[0], &der) : -1;
    char *text = n > 0 ? text_base64url(der, (size_t)n) : NULL;
    OPENSSL_free(der);
    return text;
}

/* --- Judging ---------------------------------------------------------------------------------- */

bool chain_fits(const struct chain *c, const EVP_PKEY *key, const char *name, struct fault *f)
{
    X509 *leaf = c->list[0];
    if (!key_same(X509_get0_pubkey(leaf), key))
        return fault_set(f, "the certificate does not belong to our key");
    unsigned flags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_WILDCARDS;
    bool named = identifier_is_ip(name) ? X509_check_ip_asc(leaf, name, 0) == 1
                                        : X509_check_host(leaf, name, 0, flags, NULL) == 1;
    if (!named)
        return fault_set(f, "the certificate does not name %s", name);
    return true;
}

/* Trusts what is asked for: the system's CAs, or whatever stands at the chain's upper end. */
static bool add_trust(X509_STORE *store, const struct chain *c, bool public_root)
{
    if (public_root)
        return X509_STORE_set_default_paths(store) == 1;
    return X509_STORE_add_cert(store, c->list[c->count - 1]) == 1 &&
           X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1;
}

/* OpenSSL looks for its own way through what it is given; the order must be right for clients. */
static bool in_order(const struct chain *c, struct fault *f)
{
    for (size_t i = 0; i + 1 < c->count; i++) {
        if (X509_check_issued(c->list[i + 1], c->list[i]) != X509_V_OK ||
            X509_verify(c->list[i], X509_get0_pubkey(c->list[i + 1])) != 1) {
            ERR_clear_error();
            return fault_set(f, "certificate %zu of the chain is not signed by the next one",
                             i + 1);
        }
    }
    return true;
}

static bool verify(X509_STORE_CTX *ctx, X509_STORE *store, const struct chain *c,
                   STACK_OF(X509) * others, const time_t *now, struct fault *f)
{
    if (X509_STORE_CTX_init(ctx, store, c->list[0], others) != 1)
        return key_fault(f, "cannot verify the certificate chain");
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    if (now)
        X509_VERIFY_PARAM_set_time(param, *now);
    else
        X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_NO_CHECK_TIME);
    X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER);
    if (X509_verify_cert(ctx) == 1)
        return true;
    int error = X509_STORE_CTX_get_error(ctx);
    int depth = X509_STORE_CTX_get_error_depth(ctx);
    ERR_clear_error();
    return fault_set(f, "the certificate chain does not verify: certificate %d: %s", depth + 1,
                     X509_verify_cert_error_string(error));
}

/* now NULL: at any time. */
static bool check(const struct chain *c, const time_t *now, bool public_root, struct fault *f)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *others = sk_X509_new_null();
    bool ready = store && ctx && others && add_trust(store, c, public_root);
    for (size_t i = 1; ready && i < c->count; i++)
        ready = sk_X509_push(others, c->list[i]) > 0;
    bool ok = ready ? verify(ctx, store, c, others, now, f)
                    : key_fault(f, "cannot verify the certificate chain");
    sk_X509_free(others);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    return ok;
}

bool chain_whole(const struct chain *c, struct fault *f)
{
    if (c->count == 0)
        return fault_set(f, "the certificate chain is empty");
    return in_order(c, f) && check(c, NULL, false, f);
}

bool chain_verify(const struct chain *c, time_t now, bool public_root, struct fault *f)
{
    time_t begin;
    /* What is taken here must not be refused when it is read back. */
    if (!chain_whole(c, f))
        return false;
    /* A CA's clock may be ahead of ours. */
    if (to_time(X509_get0_notBefore(c->list[0]), &begin) && begin > now &&
        begin - now <= START_SLACK)
        now = begin;
    return check(c, &now, public_root, f);
}
