/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/jws.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <stdlib.h>
#include <string.h>

#include "acme/key.h"
#include "base/mem.h"
#include "base/text.h"

#define COORDINATE 32

/* One coordinate of the public point, at its fixed width. free() it. */
static char *coordinate(const EVP_PKEY *key, const char *name)
{
    uint8_t bytes[COORDINATE];
    BIGNUM *n = NULL;
    char *text = NULL;
    if (EVP_PKEY_get_bn_param(key, name, &n) == 1 && BN_bn2binpad(n, bytes, COORDINATE) > 0)
        text = text_base64url(bytes, sizeof bytes);
    BN_free(n);
    return text;
}

char *jws_jwk(const EVP_PKEY *key)
{
    char *x = coordinate(key, OSSL_PKEY_PARAM_EC_PUB_X);
    char *y = coordinate(key, OSSL_PKEY_PARAM_EC_PUB_Y);
    char *jwk = NULL;
    if (x && y)
        jwk = mem_printf("{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", x, y);
    free(x);
    free(y);
    return jwk;
}

bool jws_digest(const void *data, size_t n, uint8_t digest[static JWS_DIGEST])
{
    return EVP_Digest(data, n, digest, NULL, EVP_sha256(), NULL) == 1;
}

char *jws_thumbprint(const EVP_PKEY *key)
{
    uint8_t digest[JWS_DIGEST];
    char *jwk = jws_jwk(key);
    char *text = NULL;
    if (jwk && jws_digest(jwk, strlen(jwk), digest))
        text = text_base64url(digest, sizeof digest);
    free(jwk);
    return text;
}

char *jws_key_authorization(const char *token, const EVP_PKEY *key)
{
    char *thumbprint = jws_thumbprint(key);
    char *text = thumbprint ? mem_printf("%s.%s", token, thumbprint) : NULL;
    free(thumbprint);
    return text;
}

/* ECDSA-Sig-Value in DER to r || s. */
static bool raw_signature(const uint8_t *der, size_t n, uint8_t signature[static JWS_SIGNATURE])
{
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)n);
    bool ok =
        pair && BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, COORDINATE) == COORDINATE &&
        BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + COORDINATE, COORDINATE) == COORDINATE;
    ECDSA_SIG_free(pair);
    return ok;
}

bool jws_sign(EVP_PKEY *key, const void *data, size_t n, uint8_t signature[static JWS_SIGNATURE],
              struct fault *f)
{
    uint8_t der[128];
    size_t length = sizeof der;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestSign(ctx, der, &length, data, n) == 1 &&
              raw_signature(der, length, signature);
    EVP_MD_CTX_free(ctx);
    return ok || key_fault(f, "cannot sign a request");
}

/* Signs the encoded header and payload; which way, the caller says. */
typedef bool (*signer)(void *arg, const char *input, uint8_t *signature, size_t *n,
                       struct fault *f);

static char *flattened(const char *protected, const char *payload, signer sign, void *arg,
                       struct fault *f)
{
    uint8_t signature[JWS_SIGNATURE];
    size_t n;
    char *header = text_base64url(protected, strlen(protected));
    char *content = text_base64url(payload, strlen(payload));
    char *input = mem_printf("%s.%s", header, content);
    char *body = NULL;
    if (sign(arg, input, signature, &n, f)) {
        char *text = text_base64url(signature, n);
        body = mem_printf("{\"protected\":\"%s\",\"payload\":\"%s\",\"signature\":\"%s\"}", header,
                          content, text);
        free(text);
    }
    free(header);
    free(content);
    free(input);
    return body;
}

static bool sign_es256(void *arg, const char *input, uint8_t *signature, size_t *n, struct fault *f)
{
    *n = JWS_SIGNATURE;
    return jws_sign(arg, input, strlen(input), signature, f);
}

char *jws_body(EVP_PKEY *key, const char *protected, const char *payload, struct fault *f)
{
    return flattened(protected, payload, sign_es256, key, f);
}

struct secret {
    const uint8_t *bytes;
    size_t n;
};

static bool sign_hs256(void *arg, const char *input, uint8_t *signature, size_t *n, struct fault *f)
{
    const struct secret *secret = arg;
    *n = JWS_DIGEST;
    return EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, secret->bytes, secret->n,
                     (const unsigned char *)input, strlen(input), signature, JWS_SIGNATURE, NULL) ||
           key_fault(f, "cannot sign an external account binding");
}

char *jws_hmac_body(const uint8_t *secret, size_t n, const char *protected, const char *payload,
                    struct fault *f)
{
    return flattened(protected, payload, sign_hs256, &(struct secret){secret, n}, f);
}
