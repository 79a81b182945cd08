/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/key.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

bool key_fault(struct fault *f, const char *text)
{
    char reason[128] = "no reason given";
    unsigned long code = ERR_get_error();
    if (code)
        ERR_error_string_n(code, reason, sizeof reason);
    ERR_clear_error();
    return fault_set(f, "%s: %s", text, reason);
}

EVP_PKEY *key_generate(struct fault *f)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    if (!key)
        key_fault(f, "cannot make a P-256 key");
    return key;
}

bool key_to_pem(EVP_PKEY *key, struct buf *out, struct fault *f)
{
    char *data;
    BIO *bio = BIO_new(BIO_s_secmem());
    bool ok = bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1;
    if (!ok) {
        key_fault(f, "cannot write a key as PEM");
    } else {
        long n = BIO_get_mem_data(bio, &data);
        ok = buf_append(out, data, (size_t)n) || fault_set(f, "a key in PEM is too large");
    }
    BIO_free(bio);
    return ok;
}

/* Encrypted keys would make OpenSSL ask on the terminal. */
static int no_password(char *text, int size, int write, void *arg)
{
    (void)text, (void)size, (void)write, (void)arg;
    return -1;
}

static bool is_p256(EVP_PKEY *key)
{
    char group[64] = "";
    return EVP_PKEY_is_a(key, "EC") &&
           EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

/* A bit of the private part that has changed leaves the public one as it was, and nothing verifies
 * that the key signs. */
static bool is_whole(EVP_PKEY *key)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    bool whole = ctx && EVP_PKEY_pairwise_check(ctx) == 1;
    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
    return whole;
}

EVP_PKEY *key_from_pem(const void *pem, size_t n, struct fault *f)
{
    if (n == 0 || n > 65536) {
        fault_set(f, "not a private key: %zu bytes", n);
        return NULL;
    }
    BIO *bio = BIO_new_mem_buf(pem, (int)n);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    BIO_free(bio);
    if (!key) {
        key_fault(f, "not a private key in PEM");
        return NULL;
    }
    if (is_p256(key) && is_whole(key))
        return key;
    fault_set(f, is_p256(key) ? "its private and its public part do not fit: it is damaged"
                              : "not a P-256 key");
    EVP_PKEY_free(key);
    return NULL;
}

bool key_same(const EVP_PKEY *a, const EVP_PKEY *b)
{
    bool same = a && b && EVP_PKEY_eq(a, b) == 1;
    ERR_clear_error();
    return same;
}
