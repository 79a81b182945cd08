/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/challenge.c"

#include "acme/chain.h"
#include "base/text.h"
#include "tests/unit/acme_pki.h"

/* 70 characters: longer than a common name may be. */
#define LONG_NAME "a23456789012345678901234567890.b23456789012345678901234567890.derp.test"

static X509 *make(const char *name, const uint8_t *digest, EVP_PKEY **key)
{
    struct buf pem;
    struct fault f;
    buf_init(&pem, 65536);
    assert_true(challenge_certificate(name, digest, &pem, &f));
    /* The file's contract: the certificate, then its key. */
    const char *second = strstr(buf_text(&pem), "-----BEGIN PRIVATE KEY-----");
    assert_non_null(second);
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    assert_non_null(cert);
    *key = key_from_pem(second, strlen(second), &f);
    assert_non_null(*key);
    BIO_free(bio);
    buf_wipe(&pem);
    return cert;
}

static void test_certificate(void **state)
{
    (void)state;
    uint8_t digest[JWS_DIGEST];
    EVP_PKEY *key;
    for (size_t i = 0; i < sizeof digest; i++)
        digest[i] = (uint8_t)(i + 200);
    X509 *cert = make(LONG_NAME, digest, &key);

    assert_int_equal(X509_get_version(cert), 2); /* v3 */
    assert_int_equal(X509_check_private_key(cert, key), 1);
    assert_int_equal(X509_verify(cert, key), 1);
    assert_int_equal(X509_NAME_cmp(X509_get_subject_name(cert), X509_get_issuer_name(cert)), 0);

    /* exactly one SAN, byte for byte the name */
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    assert_int_equal(sk_GENERAL_NAME_num(names), 1);
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, 0);
    assert_int_equal(name->type, GEN_DNS);
    assert_int_equal(ASN1_STRING_length(name->d.dNSName), strlen(LONG_NAME));
    assert_memory_equal(ASN1_STRING_get0_data(name->d.dNSName), LONG_NAME, strlen(LONG_NAME));
    GENERAL_NAMES_free(names);

    /* the extension: critical, OCTET STRING of 32 bytes */
    ASN1_OBJECT *oid = OBJ_txt2obj(ACME_IDENTIFIER, 1);
    int at = X509_get_ext_by_OBJ(cert, oid, -1);
    assert_true(at >= 0);
    assert_int_equal(X509_get_ext_by_OBJ(cert, oid, at), -1);
    X509_EXTENSION *extension = X509_get_ext(cert, at);
    assert_int_equal(X509_EXTENSION_get_critical(extension), 1);
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(extension);
    assert_int_equal(ASN1_STRING_length(value), 34);
    assert_memory_equal(ASN1_STRING_get0_data(value), "\x04\x20", 2);
    assert_memory_equal(ASN1_STRING_get0_data(value) + 2, digest, 32);
    ASN1_OBJECT_free(oid);

    X509_free(cert);
    EVP_PKEY_free(key);
}

static void test_fresh_each_time(void **state)
{
    (void)state;
    uint8_t digest[JWS_DIGEST] = {0};
    EVP_PKEY *one, *two;
    X509 *a = make("derp.test", digest, &one);
    X509 *b = make("derp.test", digest, &two);
    assert_false(key_same(one, two));
    assert_int_not_equal(ASN1_INTEGER_cmp(X509_get_serialNumber(a), X509_get_serialNumber(b)), 0);
    X509_free(a);
    X509_free(b);
    EVP_PKEY_free(one);
    EVP_PKEY_free(two);
}

static void test_request(void **state)
{
    (void)state;
    struct fault f;
    uint8_t der[2048];
    size_t n;
    EVP_PKEY *key = pki_key();
    char *text = csr_make(key, LONG_NAME, &f);
    assert_non_null(text);
    assert_true(text_unbase64url(text, der, sizeof der, &n));
    const unsigned char *p = der;
    X509_REQ *request = d2i_X509_REQ(NULL, &p, (long)n);
    assert_non_null(request);
    assert_int_equal(X509_REQ_verify(request, key), 1);
    assert_int_equal(X509_REQ_get_version(request), 0);
    assert_int_equal(X509_NAME_entry_count(X509_REQ_get_subject_name(request)), 0);
    STACK_OF(X509_EXTENSION) *list = X509_REQ_get_extensions(request);
    assert_int_equal(sk_X509_EXTENSION_num(list), 1);
    GENERAL_NAMES *names = X509V3_get_d2i(list, NID_subject_alt_name, NULL, NULL);
    assert_int_equal(sk_GENERAL_NAME_num(names), 1);
    GENERAL_NAMES_free(names);
    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
    X509_REQ_free(request);
    free(text);
    EVP_PKEY_free(key);
}

/* RFC 8738 6: an address is an iPAddress, not a dNSName. */
static void test_certificate_for_an_address(void **state)
{
    (void)state;
    uint8_t digest[JWS_DIGEST] = {1};
    EVP_PKEY *key;
    X509 *cert = make("203.0.113.5", digest, &key);
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    assert_int_equal(sk_GENERAL_NAME_num(names), 1);
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, 0);
    assert_int_equal(name->type, GEN_IPADD);
    assert_int_equal(ASN1_STRING_length(name->d.iPAddress), 4);
    assert_memory_equal(ASN1_STRING_get0_data(name->d.iPAddress), "\xcb\x00\x71\x05", 4);
    GENERAL_NAMES_free(names);
    X509_free(cert);
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_certificate),
        cmocka_unit_test(test_certificate_for_an_address),
        cmocka_unit_test(test_fresh_each_time),
        cmocka_unit_test(test_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
