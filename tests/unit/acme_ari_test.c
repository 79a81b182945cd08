/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/ari.c"
#include "acme/message_ari.c"

#include "tests/unit/acme_pki.h"

#define NOW 1800000000

/* --- certID ----------------------------------------------------------------------------------- */

/* A leaf with this serial and keyIdentifier (none when n is 0). */
static X509 *leaf(uint64_t serial, const uint8_t *key_id, int n)
{
    struct pki ca = pki_ca(NULL, NOW, NOW + DAY);
    EVP_PKEY *key = pki_key();
    X509 *cert = pki_cert(&ca, key, "derp.demo.com", NOW, NOW + DAY);
    assert_int_equal(ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial), 1);
    AUTHORITY_KEYID *aki = AUTHORITY_KEYID_new();
    if (n > 0) {
        aki->keyid = ASN1_OCTET_STRING_new();
        ASN1_OCTET_STRING_set(aki->keyid, key_id, n);
    }
    X509_add1_ext_i2d(cert, NID_authority_key_identifier, aki, 0, X509V3_ADD_DEFAULT);
    AUTHORITY_KEYID_free(aki);
    EVP_PKEY_free(key);
    pki_free(&ca);
    return cert;
}

static void test_cert_id(void **state)
{
    (void)state;
    /* RFC 9773 4.1 and its appendix. */
    static const uint8_t key_id[] = {0x69, 0x88, 0x5B, 0x6B, 0x87, 0x46, 0x40, 0x41, 0xE1, 0xB3,
                                     0x7B, 0x84, 0x7B, 0xA0, 0xAE, 0x2C, 0xDE, 0x01, 0xC8, 0xD4};
    static const struct {
        uint64_t serial;
        const char *id;
    } rows[] = {
        {0x87654321, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"}, /* 00 is part of the number's DER */
        {0x7f654321, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.f2VDIQ"},
        {0x80, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIA"},
        {0, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AA"},
        {1, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AQ"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        X509 *cert = leaf(rows[i].serial, key_id, sizeof key_id);
        char *id = ari_cert_id(cert);
        assert_non_null(id);
        assert_string_equal(id, rows[i].id);
        free(id);
        X509_free(cert);
    }
    X509 *cert = leaf(1, NULL, 0);
    assert_null(ari_cert_id(cert));
    X509_free(cert);
    struct pki ca = pki_ca(NULL, NOW, NOW + DAY); /* no such extension at all */
    assert_null(ari_cert_id(ca.cert));
    pki_free(&ca);
}

/* --- The document ----------------------------------------------------------------------------- */

static bool read_info(const char *json, struct renewal_info *info)
{
    struct fault f = {""};
    bool ok = message_renewal_info(json, strlen(json), info, &f);
    assert_true(ok == (f.text[0] == '\0'));
    return ok;
}

#define WINDOW(start, end) "{\"suggestedWindow\":{\"start\":" start ",\"end\":" end "}}"

static void test_document(void **state)
{
    (void)state;
    struct renewal_info info;
    assert_true(read_info("{\"suggestedWindow\":{\"start\":\"2027-01-15T08:00:00Z\","
                          "\"end\":\"2027-01-17T03:00:00.25Z\",\"more\":null},\"x\":[],"
                          "\"explanationURL\":\"https://ca.example/incident\"}",
                          &info));
    assert_int_equal(info.start, NOW);
    assert_int_equal(info.end, NOW + 43 * HOUR);
    assert_string_equal(info.explanation, "https://ca.example/incident");
    renewal_info_free(&info);

    static const struct {
        const char *json;
        time_t start, end;
    } rows[] = {
        /* Any offset of RFC 3339; either case of its letters. */
        {WINDOW("\"2027-01-15T10:00:00+02:00\"", "\"2027-01-15T09:00:00z\""), NOW, NOW + HOUR},
        {WINDOW("\"2027-01-15t07:30:00-00:30\"", "\"2027-01-15T09:00:00.5-00:00\""), NOW,
         NOW + HOUR},
        /* Past windows are good: they mean "now". */
        {WINDOW("\"1999-01-01T00:00:00Z\"", "\"1999-01-02T00:00:00Z\""), 915148800, 915235200},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_true(read_info(rows[i].json, &info));
        assert_int_equal(info.start, rows[i].start);
        assert_int_equal(info.end, rows[i].end);
        assert_null(info.explanation);
        renewal_info_free(&info);
    }
    /* An explanation that is no https URL is left out. */
    assert_true(read_info("{\"suggestedWindow\":{\"start\":\"2027-01-15T08:00:00Z\",\"end\":"
                          "\"2027-01-17T03:00:00Z\"},\"explanationURL\":\"javascript:x\"}",
                          &info));
    assert_null(info.explanation);
    renewal_info_free(&info);
}

static void test_document_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "<html>",
        "null",
        "[]",
        "{}",
        "{\"suggestedWindow\":null}",
        "{\"suggestedWindow\":[]}",
        WINDOW("null", "null"),
        WINDOW("1800000000", "1800000001"),
        WINDOW("\"2027-01-15T08:00:00Z\"", "null"),
        /* empty and inverted */
        WINDOW("\"2027-01-15T08:00:00Z\"", "\"2027-01-15T08:00:00Z\""),
        WINDOW("\"2027-01-15T08:00:00Z\"", "\"2027-01-15T07:59:59Z\""),
        WINDOW("\"1960-01-15T08:00:00Z\"", "\"2027-01-15T07:59:59Z\""),
        WINDOW("\"2027-01-15T08:00:00\"", "\"2027-01-17T08:00:00Z\""),
        WINDOW("\"2027-01-15T08:00:00+2:00\"", "\"2027-01-17T08:00:00Z\""),
        WINDOW("\"2027-01-15T08:00:00+24:00\"", "\"2027-01-17T08:00:00Z\""),
        WINDOW("\"2027-01-15T08:00:00*01:00\"", "\"2027-01-17T08:00:00Z\""),
        WINDOW("\"2027-01-15T08:00:00+0a:00\"", "\"2027-01-17T08:00:00Z\""),
        WINDOW("\"2027-02-30T08:00:00Z\"", "\"2027-03-17T08:00:00Z\""),
        WINDOW("\"2027-01-15\"", "\"2027-01-17\""),
        WINDOW("\"soon, that is to say in a while, perhaps tomorrow\"", "\"later\""),
    };
    struct renewal_info info;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(read_info(bad[i], &info));
    struct fault f;
    char *large = mem_alloc(DOCUMENT_MAX + 1, 1);
    memset(large, ' ', DOCUMENT_MAX + 1);
    assert_false(message_renewal_info(large, DOCUMENT_MAX + 1, &info, &f));
    free(large);
}

/* --- What is made of it ----------------------------------------------------------------------- */

static void test_pick_is_inside_and_drawn_once(void **state)
{
    (void)state;
    struct ari a = {0};
    struct renewal_info info = {.start = NOW, .end = NOW + 1000};
    ari_bind(&a, "a.b");
    assert_true(ari_answer(&a, &info, NOW, 0, 999));
    assert_int_equal(a.pick, NOW + 999);
    assert_int_equal(a.next_look, NOW + 6 * HOUR);
    /* The same window again: the moment stays. */
    assert_false(ari_answer(&a, &info, NOW + 60, 0, 5));
    assert_int_equal(a.pick, NOW + 999);
    /* Another certificate of the same name is another matter, the same one is not. */
    ari_bind(&a, "a.b");
    assert_int_equal(a.pick, NOW + 999);
    /* A moved window: drawn anew. */
    info.end = NOW + 1001;
    assert_true(ari_answer(&a, &info, NOW + 60, 0, UINT64_MAX));
    assert_true(a.pick >= NOW && a.pick < info.end);
    ari_bind(&a, "a.c");
    assert_int_equal(a.pick, 0);
    assert_int_equal(a.next_look, 0);
    assert_string_equal(a.cert_id, "a.c");
    ari_bind(&a, NULL);
    assert_null(a.cert_id);
    ari_free(&a);
}

static void test_pick_is_uniform(void **state)
{
    (void)state;
    struct renewal_info info = {.start = NOW, .end = NOW + 4};
    unsigned seen[4] = {0};
    for (uint64_t random = 0; random < 400; random++) {
        struct ari a = {0};
        ari_answer(&a, &info, NOW, 0, random);
        assert_true(a.pick >= info.start && a.pick < info.end);
        seen[a.pick - NOW]++;
    }
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(seen[i], 100);
}

static void test_retry_after_is_bounded(void **state)
{
    (void)state;
    static const struct {
        int64_t said, wait;
    } rows[] = {
        {0, 6 * HOUR}, {-1, 6 * HOUR}, {1, MINUTE},    {MINUTE, MINUTE},
        {7000, 7000},  {DAY, DAY},     {DAY + 1, DAY}, {366 * (int64_t)DAY, DAY},
    };
    struct renewal_info info = {.start = NOW, .end = NOW + 4};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ari a = {0};
        ari_answer(&a, &info, NOW, rows[i].said, 0);
        assert_int_equal(a.next_look, NOW + rows[i].wait);
    }
}

static void test_no_answer(void **state)
{
    (void)state;
    static const int64_t waits[] = {300, 600, 1200, 2400, 4800, 9600, 19200, 21600, 21600};
    struct ari a = {.start = 1, .end = 3, .pick = 2};
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        ari_no_answer(&a, NOW, 0);
        assert_int_equal(a.next_look, NOW + waits[i]);
    }
    for (int i = 0; i < 100; i++)
        ari_no_answer(&a, NOW, 0);
    assert_int_equal(a.next_look, NOW + 6 * HOUR);
    ari_no_answer(&a, NOW, 7 * HOUR);
    assert_int_equal(a.next_look, NOW + 7 * HOUR);
    ari_no_answer(&a, NOW, 7 * DAY);
    assert_int_equal(a.next_look, NOW + DAY);
    /* What was known stays known. */
    assert_int_equal(a.pick, 2);
    struct renewal_info info = {.start = 1, .end = 3};
    assert_false(ari_answer(&a, &info, NOW, 0, 0));
    assert_int_equal(a.failures, 0);
    ari_free(&a);
}

static void test_look_due(void **state)
{
    (void)state;
    struct ari a = {0};
    assert_true(ari_look_due(&a, NOW));
    a.next_look = NOW + 1;
    assert_false(ari_look_due(&a, NOW));
    assert_true(ari_look_due(&a, NOW + 1));
    a.next_look = NOW + DAY;
    assert_false(ari_look_due(&a, NOW));
    a.next_look = NOW + DAY + 1; /* a clock was wrong */
    assert_true(ari_look_due(&a, NOW));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cert_id),
        cmocka_unit_test(test_document),
        cmocka_unit_test(test_document_refused),
        cmocka_unit_test(test_pick_is_inside_and_drawn_once),
        cmocka_unit_test(test_pick_is_uniform),
        cmocka_unit_test(test_retry_after_is_bounded),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_look_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
