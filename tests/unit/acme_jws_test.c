/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/jws.c"

#include "tests/unit/unit.h"

/* The key of RFC 7515 A.3.1. */
static const char rfc_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIff\n"
                              "H1136cspYG6+0iY7X1fCE9+E9LKhRANCAAR/zc4ncPbEXUGDy+5v20t7WAczNXvp\n"
                              "7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt\n"
                              "-----END PRIVATE KEY-----\n";
/* Private value 43: the public point's y begins with a zero byte. */
static const char short_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                                "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgAAAAAAAAAAAAAAAA\n"
                                "AAAAAAAAAAAAAAAAAAAAAAAAACuhRANCAASYauJQbx/xBNBCMIYdj0tJj0vExtAJ\n"
                                "sw91RNwSm4LSjQA8zMCmRg4K4yik2X08e2HYb8YonBifJSURDEQbsH6X\n"
                                "-----END PRIVATE KEY-----\n";

static EVP_PKEY *key_of(const char *pem)
{
    struct fault f;
    EVP_PKEY *key = key_from_pem(pem, strlen(pem), &f);
    assert_non_null(key);
    return key;
}

static void expect(char *got, const char *wanted)
{
    assert_non_null(got);
    assert_string_equal(got, wanted);
    free(got);
}

static void test_jwk_and_thumbprint(void **state)
{
    (void)state;
    EVP_PKEY *key = key_of(rfc_pem);
    expect(
        jws_jwk(key),
        "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}");
    expect(jws_thumbprint(key), "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
    expect(jws_key_authorization("evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA", key),
           "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA."
           "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
    EVP_PKEY_free(key);
}

static void test_coordinates_have_a_fixed_width(void **state)
{
    (void)state;
    EVP_PKEY *key = key_of(short_pem);
    expect(
        jws_jwk(key),
        "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"mGriUG8f8QTQQjCGHY9LSY9LxMbQCbMPdUTcEpuC0o0\","
        "\"y\":\"ADzMwKZGDgrjKKTZfTx7YdhvxiicGJ8lJREMRBuwfpc\"}");
    EVP_PKEY_free(key);
}

/* RFC 7638 3.1, whose key is RSA: the canonical JSON is given, the thumbprint follows. */
static void test_rfc7638_digest(void **state)
{
    (void)state;
    static const char json[] =
        "{\"e\":\"AQAB\",\"kty\":\"RSA\",\"n\":"
        "\"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cb"
        "bfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl"
        "93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajr"
        "n1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFC"
        "ur-kEgU8awapJzKnqDKgw\"}";
    uint8_t digest[JWS_DIGEST];
    assert_true(jws_digest(json, strlen(json), digest));
    expect(text_base64url(digest, sizeof digest), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

static bool verify(EVP_PKEY *key, const char *input, const uint8_t raw[JWS_SIGNATURE])
{
    uint8_t *der = NULL;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    ECDSA_SIG_set0(pair, BN_bin2bn(raw, 32, NULL), BN_bin2bn(raw + 32, 32, NULL));
    int n = i2d_ECDSA_SIG(pair, &der);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestVerify(ctx, der, (size_t)n, (const uint8_t *)input, strlen(input)) == 1;
    EVP_MD_CTX_free(ctx);
    ECDSA_SIG_free(pair);
    OPENSSL_free(der);
    return ok;
}

/* ECDSA signatures are random, so the RFC's is verified and ours is verified the same way. */
static void test_signature(void **state)
{
    (void)state;
    static const char input[] =
        "eyJhbGciOiJFUzI1NiJ9."
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLm"
        "NvbS9pc19yb290Ijp0cnVlfQ";
    uint8_t raw[JWS_SIGNATURE];
    size_t n;
    struct fault f;
    EVP_PKEY *key = key_of(rfc_pem);
    assert_true(
        text_unbase64url("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApm"
                         "WQxfKTUJqPP3-Kg6NU1Q",
                         raw, sizeof raw, &n));
    assert_int_equal(n, JWS_SIGNATURE);
    assert_true(verify(key, input, raw));
    /* Often enough to meet r or s with a leading zero byte. */
    for (int i = 0; i < 600; i++) {
        assert_true(jws_sign(key, input, strlen(input), raw, &f));
        assert_true(verify(key, input, raw));
    }
    raw[0] ^= 1;
    assert_false(verify(key, input, raw));
    EVP_PKEY_free(key);
}

static void test_body(void **state)
{
    (void)state;
    struct fault f;
    EVP_PKEY *key = key_of(rfc_pem);
    char *body = jws_body(key, "{\"alg\":\"ES256\"}", "", &f);
    /* POST-as-GET: the payload is empty, not missing. */
    const char *head = "{\"protected\":\"eyJhbGciOiJFUzI1NiJ9\",\"payload\":\"\",\"signature\":\"";
    assert_true(text_starts(body, head));
    assert_int_equal(strlen(body), strlen(head) + 86 + 2);
    uint8_t raw[JWS_SIGNATURE];
    size_t n;
    body[strlen(head) + 86] = '\0';
    assert_true(text_unbase64url(body + strlen(head), raw, sizeof raw, &n));
    assert_true(verify(key, "eyJhbGciOiJFUzI1NiJ9.", raw));
    free(body);
    EVP_PKEY_free(key);
}

static void test_other_keys_are_refused(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-384");
    BIO *bio = BIO_new(BIO_s_mem());
    struct fault f;
    struct buf pem;
    buf_init(&pem, 65536);
    assert_true(key_to_pem(key, &pem, &f));
    assert_null(key_from_pem(pem.data, pem.len, &f));
    assert_string_equal(f.text, "not a P-256 key");
    assert_null(key_from_pem("nonsense", 8, &f));
    assert_null(key_from_pem("", 0, &f));
    buf_wipe(&pem);
    BIO_free(bio);
    EVP_PKEY_free(key);
}

/* RFC 7515 A.1. */
static void test_hmac(void **state)
{
    (void)state;
    static const char header[] = "{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}";
    static const char payload[] = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n "
                                  "\"http://example.com/is_root\":true}";
    static const char secret[] =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4"
        "hcgUuTwjAzZr1Z9CAow";
    uint8_t bytes[128];
    size_t n;
    struct fault f;
    assert_true(text_unbase64url(secret, bytes, sizeof bytes, &n));
    char *body = jws_hmac_body(bytes, n, header, payload, &f);
    assert_non_null(strstr(body, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jwk_and_thumbprint),
        cmocka_unit_test(test_coordinates_have_a_fixed_width),
        cmocka_unit_test(test_rfc7638_digest),
        cmocka_unit_test(test_signature),
        cmocka_unit_test(test_body),
        cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_other_keys_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
