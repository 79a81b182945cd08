/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/chain.c"

#include "base/file.h"
#include "tests/unit/acme_pki.h"

#define NOW  1800000000
#define DAY  86400
#define NAME "derp.demo.com"

static struct pki root, middle;
static EVP_PKEY *leaf_key;
static X509 *leaf;

static int setup(void **state)
{
    (void)state;
    root = pki_ca(NULL, NOW - 1000 * DAY, NOW + 1000 * DAY);
    middle = pki_ca(&root, NOW - 100 * DAY, NOW + 100 * DAY);
    leaf_key = pki_key();
    leaf = pki_cert(&middle, leaf_key, NAME, NOW - DAY, NOW + 89 * DAY);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    X509_free(leaf);
    EVP_PKEY_free(leaf_key);
    pki_free(&middle);
    pki_free(&root);
    return 0;
}

/* A chain of up to three certificates, through PEM and back. */
static struct chain chain_of(X509 *a, X509 *b, X509 *c)
{
    struct buf pem;
    struct chain chain;
    struct fault f;
    X509 *list[] = {a, b, c};
    buf_init(&pem, CHAIN_BYTES_MAX);
    for (size_t i = 0; i < 3 && list[i]; i++)
        pki_append(&pem, list[i]);
    assert_true(chain_parse(pem.data, pem.len, &chain, &f));
    buf_free(&pem);
    return chain;
}

/* --- PEM -------------------------------------------------------------------------------------- */

static bool parses(const char *before, const char *between, const char *after)
{
    struct buf pem;
    struct chain chain;
    struct fault f = {""};
    buf_init(&pem, CHAIN_BYTES_MAX);
    buf_puts(&pem, before);
    pki_append(&pem, leaf);
    buf_puts(&pem, between);
    pki_append(&pem, middle.cert);
    buf_puts(&pem, after);
    bool ok = chain_parse(pem.data, pem.len, &chain, &f);
    assert_true(ok ? chain.count == 2 : strlen(f.text) > 0);
    chain_free(&chain);
    buf_free(&pem);
    return ok;
}

static void test_pem(void **state)
{
    (void)state;
    assert_true(parses("", "", ""));
    assert_true(parses("\n", "\r\n\n", "\n \n"));
    assert_false(parses("subject=x\n", "", ""));
    assert_false(parses("", "# comment\n", ""));
    assert_false(parses("", "", "x"));
    assert_false(parses("", "", "-----BEGIN CERTIFICATE-----\n"));
    assert_false(parses("", "", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"));
    assert_false(
        parses("", "-----BEGIN EC PRIVATE KEY-----\nAA==\n-----END EC PRIVATE KEY-----\n", ""));
    assert_false(parses("", "",
                        "-----BEGIN CERTIFICATE REQUEST-----\nAA==\n"
                        "-----END CERTIFICATE REQUEST-----\n"));
    assert_false(parses("",
                        "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n"
                        "DEK-Info: AES-128-CBC,00000000000000000000000000000000\n\nAAAA\n"
                        "-----END CERTIFICATE-----\n",
                        ""));
}

static void test_pem_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "\n", "<html></html>", "-----BEGIN CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"};
    struct chain chain;
    struct fault f;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(chain_parse(bad[i], strlen(bad[i]), &chain, &f));
    assert_false(chain_parse("\0", 1, &chain, &f));

    struct buf pem;
    buf_init(&pem, CHAIN_BYTES_MAX);
    for (int i = 0; i <= CHAIN_MAX; i++)
        pki_append(&pem, leaf);
    assert_false(chain_parse(pem.data, pem.len, &chain, &f));
    assert_non_null(strstr(f.text, "too many"));
    buf_free(&pem);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct fault f;
    struct buf once, twice;
    struct chain c = chain_of(leaf, middle.cert, NULL), d;
    buf_init(&once, CHAIN_BYTES_MAX);
    buf_init(&twice, CHAIN_BYTES_MAX);
    assert_true(chain_to_pem(&c, &once, &f));
    assert_true(chain_parse(once.data, once.len, &d, &f));
    assert_true(chain_to_pem(&d, &twice, &f));
    assert_string_equal(buf_text(&once), buf_text(&twice));
    buf_free(&once);
    buf_free(&twice);
    chain_free(&c);
    chain_free(&d);
}

/* --- Facts and fit ---------------------------------------------------------------------------- */

static void test_facts(void **state)
{
    (void)state;
    struct chain_facts facts;
    assert_true(chain_read_facts(leaf, &facts));
    assert_int_equal(facts.not_before, NOW - DAY);
    assert_int_equal(facts.not_after, NOW + 89 * DAY);
    assert_int_equal(strlen(facts.fingerprint), 64);
    assert_true(strncmp(facts.subject, "CN = leaf", 9) == 0);
    assert_true(strncmp(facts.issuer, "CN = ca", 7) == 0);
    assert_true(strlen(facts.serial) > 0);
}

static void test_fits(void **state)
{
    (void)state;
    struct fault f;
    struct chain c = chain_of(leaf, middle.cert, NULL);
    EVP_PKEY *other = pki_key();
    assert_true(chain_fits(&c, leaf_key, NAME, &f));
    assert_true(chain_fits(&c, leaf_key, "DERP.demo.com", &f));
    assert_false(chain_fits(&c, other, NAME, &f));
    assert_non_null(strstr(f.text, "key"));
    assert_false(chain_fits(&c, leaf_key, "demo.com", &f));
    assert_false(chain_fits(&c, leaf_key, "x.derp.demo.com", &f));
    EVP_PKEY_free(other);
    chain_free(&c);

    /* A common name does not count, nor does a wildcard. */
    X509 *wild = pki_cert(&middle, leaf_key, "*.demo.com", NOW - DAY, NOW + DAY);
    c = chain_of(wild, NULL, NULL);
    assert_false(chain_fits(&c, leaf_key, NAME, &f));
    chain_free(&c);
    X509_free(wild);
    c = chain_of(middle.cert, NULL, NULL);
    assert_false(chain_fits(&c, middle.key, "ca 2", &f));
    chain_free(&c);
}

/* --- Verification ----------------------------------------------------------------------------- */

/* A leaf for an address is for just that, in any spelling. */
static void test_fits_an_address(void **state)
{
    (void)state;
    static const char *const others[] = {"203.0.113.6", "203.0.113.5.example", "derp.demo.com"};
    struct fault f;
    EVP_PKEY *key = pki_key();
    X509 *four = pki_cert(&middle, key, "203.0.113.5", NOW - DAY, NOW + DAY);
    X509 *six = pki_cert(&middle, key, "2001:db8::5", NOW - DAY, NOW + DAY);
    struct chain c = chain_of(four, NULL, NULL);
    assert_true(chain_fits(&c, key, "203.0.113.5", &f));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(chain_fits(&c, key, others[i], &f));
    chain_free(&c);
    c = chain_of(six, NULL, NULL);
    assert_true(chain_fits(&c, key, "2001:DB8:0:0::5", &f));
    assert_false(chain_fits(&c, key, "203.0.113.5", &f));
    chain_free(&c);
    c = chain_of(leaf, NULL, NULL);
    assert_false(chain_fits(&c, leaf_key, "203.0.113.5", &f));
    chain_free(&c);
    X509_free(four);
    X509_free(six);
    EVP_PKEY_free(key);
}

static void test_issuers(void **state)
{
    (void)state;
    char upper[64], lower[64];
    struct chain c = chain_of(leaf, middle.cert, NULL);
    X509_NAME_get_text_by_NID(X509_get_subject_name(root.cert), NID_commonName, upper,
                              sizeof upper);
    X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, lower, sizeof lower);
    assert_true(chain_has_issuer(&c, upper));  /* the root need not be in the chain */
    assert_false(chain_has_issuer(&c, lower)); /* a leaf issues nothing */
    upper[strlen(upper) - 1] = '\0';
    assert_false(chain_has_issuer(&c, upper));
    assert_false(chain_has_issuer(&c, ""));
    chain_free(&c);
}

static void test_verify(void **state)
{
    (void)state;
    struct fault f;
    struct chain c = chain_of(leaf, middle.cert, NULL);
    assert_true(chain_verify(&c, NOW, false, &f));
    assert_true(chain_verify(&c, NOW + 89 * DAY - 1, false, &f));
    assert_false(chain_verify(&c, NOW + 89 * DAY + 1, false, &f));
    assert_non_null(strstr(f.text, "expired"));
    /* A little in the future is the CA's clock; more is nonsense. */
    assert_true(chain_verify(&c, NOW - DAY - START_SLACK, false, &f));
    assert_false(chain_verify(&c, NOW - DAY - START_SLACK - 1, false, &f));
    /* Nobody's CA. */
    assert_false(chain_verify(&c, NOW, true, &f));
    chain_free(&c);

    c = chain_of(leaf, middle.cert, root.cert);
    assert_true(chain_verify(&c, NOW, false, &f));
    chain_free(&c);
    c = chain_of(leaf, NULL, NULL);
    assert_true(chain_verify(&c, NOW, false, &f));
    chain_free(&c);
    assert_false(chain_verify(&c, NOW, false, &f)); /* empty */
}

static void test_verify_refused(void **state)
{
    (void)state;
    struct fault f;
    /* wrong order, unrelated issuer, expired issuer, leaf signed by what is no CA */
    struct chain c = chain_of(leaf, root.cert, middle.cert);
    assert_false(chain_verify(&c, NOW, false, &f));
    chain_free(&c);

    struct pki stranger = pki_ca(NULL, NOW - DAY, NOW + DAY);
    c = chain_of(leaf, stranger.cert, NULL);
    assert_false(chain_verify(&c, NOW, false, &f));
    chain_free(&c);
    pki_free(&stranger);

    struct pki old = pki_ca(&root, NOW - 100 * DAY, NOW - DAY);
    X509 *late = pki_cert(&old, leaf_key, NAME, NOW - DAY, NOW + DAY);
    c = chain_of(late, old.cert, root.cert);
    assert_false(chain_verify(&c, NOW, false, &f));
    chain_free(&c);
    X509_free(late);
    pki_free(&old);

    struct pki no_ca = {.key = leaf_key, .cert = leaf};
    X509 *below = pki_cert(&no_ca, leaf_key, NAME, NOW - DAY, NOW + DAY);
    c = chain_of(below, leaf, middle.cert);
    assert_false(chain_verify(&c, NOW, false, &f));
    chain_free(&c);
    X509_free(below);
}

/* Above a root that clients trust the CA sends the cross-certificate by which older ones found it,
 * and which has expired. Whoever takes the chain must also find it whole when it is read back. */
static void test_expired_cross_certificate(void **state)
{
    (void)state;
    struct fault f;
    struct buf pem;
    char folder[64];
    struct pki older = pki_ca(NULL, NOW - 1000 * DAY, NOW - 100 * DAY);
    X509 *cross = pki_cross(&root, &older, NOW - 900 * DAY, NOW - 200 * DAY);
    struct chain c = chain_of(leaf, middle.cert, cross);
    buf_init(&pem, CHAIN_BYTES_MAX);
    pki_append(&pem, root.cert);
    unit_dir(folder);
    char *path = file_join(folder, "roots.pem");
    assert_true(file_write(path, pem.data, pem.len, 0600, &f));
    setenv("SSL_CERT_FILE", path, 1); /* these are the system's CAs now */
    assert_true(chain_verify(&c, NOW, true, &f));
    assert_true(chain_whole(&c, &f));
    /* Without such a root it stands on nothing that is valid. */
    assert_false(chain_verify(&c, NOW, false, &f));
    unsetenv("SSL_CERT_FILE");
    assert_false(chain_verify(&c, NOW, true, &f));
    /* The signatures count all the same. */
    X509_free(c.list[2]);
    struct pki twin = {.key = pki_key(), .cert = root.cert};
    c.list[2] = pki_cross(&twin, &older, NOW - 900 * DAY, NOW - 200 * DAY);
    X509_set_pubkey(c.list[2], twin.key);
    assert_false(chain_whole(&c, &f));
    chain_free(&c);
    unit_dir_remove(folder);
    free(path);
    buf_free(&pem);
    EVP_PKEY_free(twin.key);
    X509_free(cross);
    pki_free(&older);
}

/* A signature that does not fit although the names do. */
static void test_forged(void **state)
{
    (void)state;
    struct fault f;
    struct pki twin = {.key = pki_key(), .cert = middle.cert};
    X509 *forged = pki_cert(&twin, leaf_key, NAME, NOW - DAY, NOW + DAY);
    struct chain c = chain_of(forged, middle.cert, NULL);
    assert_false(chain_verify(&c, NOW, false, &f));
    assert_non_null(strstr(f.text, "not signed by the next"));
    chain_free(&c);
    X509_free(forged);
    EVP_PKEY_free(twin.key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pem),
        cmocka_unit_test(test_pem_refused),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_fits),
        cmocka_unit_test(test_fits_an_address),
        cmocka_unit_test(test_issuers),
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_verify_refused),
        cmocka_unit_test(test_expired_cross_certificate),
        cmocka_unit_test(test_forged),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
