/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/net/record_cipher.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define SLOTS     256 /* 1.2 KiB each once used: more busy directions pay 0.1 us a record */
#define LABEL_MAX 16

static const struct record_suite suites[] = {
    {0x1301, "TLS_AES_128_GCM_SHA256", "AES-128-GCM", "SHA2-256", 16, 32},
    {0x1302, "TLS_AES_256_GCM_SHA384", "AES-256-GCM", "SHA2-384", 32, 48},
    {0x1303, "TLS_CHACHA20_POLY1305_SHA256", "ChaCha20-Poly1305", "SHA2-256", 32, 32},
};
#define SUITES (sizeof suites / sizeof *suites)

struct slot {
    EVP_CIPHER_CTX *ctx;
    const struct record_suite *suite;     /* that ctx is made for */
    const struct record_direction *owner; /* whose key it has; NULL: nobody's */
};

struct record_pool {
    EVP_KDF *hkdf;
    EVP_CIPHER *ciphers[SUITES]; /* fetched when first needed: fetching takes locks */
    unsigned next;               /* slot to be taken away next */
    struct slot slots[SLOTS];
};

struct record_pool *record_pool_new(void)
{
    return mem_alloc(1, sizeof(struct record_pool));
}

void record_pool_free(struct record_pool *pool)
{
    if (pool == NULL)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        EVP_CIPHER_CTX_free(pool->slots[i].ctx);
    for (size_t i = 0; i < SUITES; i++)
        EVP_CIPHER_free(pool->ciphers[i]);
    EVP_KDF_free(pool->hkdf);
    free(pool);
}

const struct record_suite *record_suite_find(uint16_t id)
{
    for (size_t i = 0; i < SUITES; i++) {
        if (suites[i].id == id)
            return &suites[i];
    }
    return NULL;
}

static EVP_CIPHER *cipher_of(struct record_pool *pool, const struct record_suite *suite)
{
    EVP_CIPHER **cipher = &pool->ciphers[suite - suites];

    if (*cipher == NULL)
        *cipher = EVP_CIPHER_fetch(NULL, suite->cipher, NULL);
    return *cipher;
}

/* --- Keys ----------------------------------------------------------------------------------- */

/* HKDF-Expand-Label with an empty context (RFC 8446 7.1). */
static bool expand(struct record_pool *pool, const struct record_suite *suite,
                   const uint8_t *secret, const char *label, uint8_t *out, size_t n)
{
    uint8_t info[4 + 6 + LABEL_MAX] = {(uint8_t)(n >> 8), (uint8_t)n};
    size_t len = strlen(label);
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)suite->digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret, suite->secret),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, 4 + 6 + len),
        OSSL_PARAM_construct_end(),
    };
    EVP_KDF_CTX *ctx;
    bool ok;

    info[2] = (uint8_t)(6 + len);
    memcpy(info + 3, "tls13 ", 6);
    memcpy(info + 9, label, len);
    if (pool->hkdf == NULL)
        pool->hkdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_HKDF, NULL);
    ctx = EVP_KDF_CTX_new(pool->hkdf);
    ok = ctx != NULL && EVP_KDF_derive(ctx, out, n, params) == 1;
    EVP_KDF_CTX_free(ctx);
    if (!ok)
        ERR_clear_error();
    return ok;
}

static void release(struct record_pool *pool, const struct record_direction *d)
{
    struct slot *s = &pool->slots[d->slot];

    if (s->owner != d)
        return;
    EVP_CIPHER_CTX_reset(s->ctx); /* wipes the key */
    s->suite = NULL;
    s->owner = NULL;
}

static bool derive_keys(struct record_pool *pool, const struct record_suite *suite,
                        struct record_direction *d)
{
    return expand(pool, suite, d->secret, "key", d->key, suite->key) &&
           expand(pool, suite, d->secret, "iv", d->iv, RECORD_IV);
}

bool record_direction_init(struct record_pool *pool, const struct record_suite *suite,
                           struct record_direction *d, const uint8_t *secret)
{
    memcpy(d->secret, secret, suite->secret);
    return cipher_of(pool, suite) != NULL && derive_keys(pool, suite, d);
}

bool record_direction_next(struct record_pool *pool, const struct record_suite *suite,
                           const struct record_direction *d, struct record_direction *next)
{
    *next = (struct record_direction){.seals = d->seals};
    if (expand(pool, suite, d->secret, "traffic upd", next->secret, suite->secret) &&
        derive_keys(pool, suite, next))
        return true;
    mem_wipe(next, sizeof *next);
    return false;
}

void record_direction_replace(struct record_pool *pool, struct record_direction *d,
                              struct record_direction *next)
{
    release(pool, d);
    *d = *next;
    mem_wipe(next, sizeof *next);
}

void record_direction_wipe(struct record_pool *pool, struct record_direction *d)
{
    release(pool, d);
    mem_wipe(d, sizeof *d);
}

/* --- Records -------------------------------------------------------------------------------- */

/* Gives d a cipher state with its key; the one whose turn it is loses it. */
static struct slot *claim(struct record_pool *pool, const struct record_suite *suite,
                          struct record_direction *d)
{
    unsigned at = pool->next++ % SLOTS;
    struct slot *s = &pool->slots[at];
    EVP_CIPHER *cipher = s->suite == suite ? NULL : cipher_of(pool, suite);

    s->owner = NULL;
    s->suite = NULL;
    if (s->ctx == NULL)
        s->ctx = EVP_CIPHER_CTX_new();
    if (s->ctx == NULL ||
        EVP_CipherInit_ex2(s->ctx, cipher, d->key, d->iv, d->seals ? 1 : 0, NULL) != 1)
        return NULL;
    s->suite = suite;
    s->owner = d;
    d->slot = (uint16_t)at;
    return s;
}

/* A cipher that is ready for d's next record: key, and the nonce of its number (RFC 8446 5.3). */
static EVP_CIPHER_CTX *ready(struct record_pool *pool, const struct record_suite *suite,
                             struct record_direction *d, const OSSL_PARAM *params)
{
    struct slot *s = &pool->slots[d->slot];
    uint8_t nonce[RECORD_IV];

    if (s->owner != d)
        s = claim(pool, suite, d);
    if (s == NULL)
        return NULL;
    memcpy(nonce, d->iv, sizeof nonce);
    for (size_t i = 0; i < 8; i++)
        nonce[RECORD_IV - 1 - i] ^= (uint8_t)(d->count >> (8 * i));
    return EVP_CipherInit_ex2(s->ctx, NULL, NULL, nonce, d->seals ? 1 : 0, params) == 1 ? s->ctx
                                                                                        : NULL;
}

static bool run(EVP_CIPHER_CTX *ctx, const uint8_t *header, const uint8_t *in, size_t n,
                uint8_t *out)
{
    int len, rest;

    return ctx != NULL && EVP_CipherUpdate(ctx, NULL, &len, header, RECORD_HEADER) == 1 &&
           EVP_CipherUpdate(ctx, out, &len, in, (int)n) == 1 &&
           EVP_CipherFinal_ex(ctx, out + len, &rest) == 1 && (size_t)(len + rest) == n;
}

bool record_protect(struct record_pool *pool, const struct record_suite *suite,
                    struct record_direction *d, const uint8_t header[RECORD_HEADER],
                    const uint8_t *in, size_t n, uint8_t *out)
{
    EVP_CIPHER_CTX *ctx = ready(pool, suite, d, NULL);
    OSSL_PARAM tag[] = {
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, out + n, RECORD_TAG),
        OSSL_PARAM_construct_end(),
    };

    d->count++; /* whatever becomes of it: a nonce is never used twice */
    if (run(ctx, header, in, n, out) && EVP_CIPHER_CTX_get_params(ctx, tag) == 1)
        return true;
    ERR_clear_error();
    return false;
}

bool record_unprotect(struct record_pool *pool, const struct record_suite *suite,
                      struct record_direction *d, const uint8_t header[RECORD_HEADER],
                      const uint8_t *in, size_t n, uint8_t *out)
{
    const uint8_t *tag = in + n - RECORD_TAG;
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, (void *)tag, RECORD_TAG),
        OSSL_PARAM_construct_end(),
    };
    EVP_CIPHER_CTX *ctx = ready(pool, suite, d, params);

    d->count++;
    if (run(ctx, header, in, n - RECORD_TAG, out))
        return true;
    ERR_clear_error();
    return false;
}
