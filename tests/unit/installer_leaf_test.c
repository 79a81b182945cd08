/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/leaf.c"

#include <openssl/pem.h>

#include "tests/unit/unit.h"

#define DAY 86400

/* A certificate for derp.demo.com, valid from one time to another, as PEM to free(). */
static char *make(time_t from, time_t until)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    ASN1_TIME_set(X509_getm_notBefore(cert), from);
    ASN1_TIME_set(X509_getm_notAfter(cert), until);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)"Test\x1b CA", -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    X509_EXTENSION *san =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:derp.demo.com");
    X509_add_ext(cert, san, -1);
    X509_EXTENSION_free(san);
    X509_set_pubkey(cert, key);
    X509_sign(cert, key, EVP_sha256());
    BIO *bio = BIO_new(BIO_s_mem());
    char *data;
    PEM_write_bio_X509(bio, cert);
    long n = BIO_get_mem_data(bio, &data);
    char *pem = strndup(data, (size_t)n);
    BIO_free(bio);
    X509_free(cert);
    EVP_PKEY_free(key);
    return pem;
}

static void test_parse(void **state)
{
    (void)state;
    struct leaf leaf;
    struct fault f;
    char *pem = make(1000 * DAY, 1090 * DAY);
    assert_true(leaf_parse(pem, strlen(pem), "derp.demo.com", &leaf, &f));
    assert_true(leaf.for_domain);
    assert_int_equal(leaf.not_before, 1000 * DAY);
    assert_int_equal(leaf.not_after, 1090 * DAY);
    assert_string_equal(leaf.issuer, "Test\\x1b CA");
    assert_true(leaf_parse(pem, strlen(pem), "other.demo.com", &leaf, &f));
    assert_false(leaf.for_domain);
    assert_true(leaf_parse(pem, strlen(pem), NULL, &leaf, &f));
    assert_false(leaf.for_domain);
    pem[strlen(pem) / 2] = '!';
    assert_false(leaf_parse(pem, strlen(pem), "derp.demo.com", &leaf, &f));
    assert_false(leaf_parse("", 0, "derp.demo.com", &leaf, &f));
    free(pem);
}

static void test_good_until_a_third_is_left(void **state)
{
    (void)state;
    struct leaf leaf = {.for_domain = true, .not_before = 1000 * DAY, .not_after = 1090 * DAY};
    assert_false(leaf_is_good(&leaf, 999 * DAY));
    assert_true(leaf_is_good(&leaf, 1000 * DAY));
    assert_true(leaf_is_good(&leaf, 1059 * DAY));
    assert_false(leaf_is_good(&leaf, 1060 * DAY));
    assert_false(leaf_is_good(&leaf, 1100 * DAY));
    leaf.for_domain = false;
    assert_false(leaf_is_good(&leaf, 1001 * DAY));
}

static void test_days(void **state)
{
    (void)state;
    struct leaf leaf = {.not_after = 10 * DAY};
    assert_int_equal(leaf_days(&leaf, 8 * DAY), 2);
    assert_int_equal(leaf_days(&leaf, 8 * DAY + 1), 1);
    assert_int_equal(leaf_days(&leaf, 10 * DAY), 0);
    assert_int_equal(leaf_days(&leaf, 10 * DAY + 1), -1);
    assert_int_equal(leaf_days(&leaf, 11 * DAY), -1);
}

static void test_load(void **state)
{
    (void)state;
    char dir[64], path[128];
    struct config c;
    struct leaf leaf;
    struct fault f;
    char *pem = make(1000 * DAY, 1090 * DAY);
    unit_dir(dir);
    unit_file(dir, "chain.pem", pem, path);
    config_init(&c);
    c.domain = strdup("derp.demo.com");
    free(c.cert_dir);
    c.cert_dir = strdup(dir);
    assert_false(leaf_load(&c, &leaf, &f)); /* no current */
    c.source = CONFIG_SOURCE_FILES;
    c.chain = strdup(path);
    assert_true(leaf_load(&c, &leaf, &f));
    assert_true(leaf.for_domain);
    unit_file(dir, "chain.pem", "nonsense", path);
    assert_false(leaf_load(&c, &leaf, &f));
    assert_non_null(strstr(f.text, "chain.pem"));
    c.source = CONFIG_SOURCE_SELF_SIGNED;
    assert_false(leaf_load(&c, &leaf, &f));
    config_free(&c);
    unit_dir_remove(dir);
    free(pem);
}

/* The next one of a relay's own counts only beside its own, and for the same name. */
static void test_load_next(void **state)
{
    (void)state;
    char dir[64], path[128];
    struct config c;
    struct leaf leaf;
    char *pem = make(1000 * DAY, 1090 * DAY);
    unit_dir(dir);
    config_init(&c);
    c.domain = strdup("derp.demo.com");
    free(c.state_dir);
    c.state_dir = strdup(dir);
    c.source = CONFIG_SOURCE_SELF_SIGNED;
    assert_false(leaf_load_next(&c, &leaf));
    unit_file(dir, SELFSIGNED_NEXT, pem, path);
    assert_true(leaf_load_next(&c, &leaf));
    assert_int_equal(leaf.not_after, 1090 * DAY);
    c.source = CONFIG_SOURCE_ACME;
    assert_false(leaf_load_next(&c, &leaf));
    c.source = CONFIG_SOURCE_SELF_SIGNED;
    free(c.domain);
    c.domain = strdup("203.0.113.5");
    assert_false(leaf_load_next(&c, &leaf));
    unit_file(dir, SELFSIGNED_NEXT, "nonsense", path);
    assert_false(leaf_load_next(&c, &leaf));
    config_free(&c);
    unit_dir_remove(dir);
    free(pem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),     cmocka_unit_test(test_good_until_a_third_is_left),
        cmocka_unit_test(test_days),      cmocka_unit_test(test_load),
        cmocka_unit_test(test_load_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
