/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/admission_source.c"

#include "tests/unit/unit.h"

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B64 "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"

static struct node_key key_of(uint8_t byte)
{
    struct node_key k;

    memset(k.bytes, byte, KEY_LEN);
    return k;
}

static void test_keys(void **state)
{
    (void)state;
    const char text[] = "# mine\n\n  nodekey:" B64 "\t# b\r\nnodekey:" A64 "\n#nodekey:" A64;
    struct admission_keys keys;
    struct node_key a = key_of(0xaa), b = key_of(0xbb), c = key_of(0xcc);
    struct fault f;

    assert_true(admission_keys_parse(text, sizeof text - 1, &keys, &f));
    assert_int_equal(keys.count, 2);
    assert_true(admission_keys_have(&keys, &a));
    assert_true(admission_keys_have(&keys, &b));
    assert_false(admission_keys_have(&keys, &c));
    admission_keys_free(&keys);
    assert_true(admission_keys_parse("", 0, &keys, &f));
    assert_false(admission_keys_have(&keys, &a));
}

static void test_half_understood_lists(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "nodekey:" A64 "\nnodekey:12\n",
        "nodekey:" A64 "\n" A64 "\n",
        "\nnodekey:" A64 " nodekey:" A64 "\n",
        "#\nprivkey:" A64,
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct admission_keys keys;
        struct fault f;
        assert_false(admission_keys_parse(bad[i], strlen(bad[i]), &keys, &f));
        assert_non_null(strstr(f.text, "line 2"));
        assert_int_equal(keys.count, 0);
    }
}

static void test_whois(void **state)
{
    (void)state;
    struct node_key a = key_of(0xaa);
    char *url = admission_whois_url(&a);

    assert_string_equal(url, "http://local-tailscaled.sock/localapi/v0/whois?addr=nodekey:" A64);
    free(url);
    assert_int_equal(admission_read_whois(200, "{\"Node\":{}}", 11), ADMISSION_ADMIT);
    assert_int_equal(admission_read_whois(404, "{}", 2), ADMISSION_REFUSE);
    assert_int_equal(admission_read_whois(200, "", 0), ADMISSION_BAD_ANSWER);
    assert_int_equal(admission_read_whois(200, "[]", 2), ADMISSION_BAD_ANSWER);
    assert_int_equal(admission_read_whois(200, "{} x", 4), ADMISSION_BAD_ANSWER);
    assert_int_equal(admission_read_whois(403, "{}", 2), ADMISSION_BAD_ANSWER);
    assert_int_equal(admission_read_whois(500, "{}", 2), ADMISSION_BAD_ANSWER);
    assert_int_equal(admission_read_whois(0, "", 0), ADMISSION_UNSURE);
}

static void test_url(void **state)
{
    (void)state;
    struct node_key a = key_of(0xaa);
    char *body = admission_url_body(&a, "2001:db8::1");

    assert_string_equal(body, "{\"NodePublic\":\"nodekey:" A64 "\",\"Source\":\"2001:db8::1\"}");
    free(body);
    assert_int_equal(admission_read_allow(0, "", 0), ADMISSION_UNSURE);
    assert_int_equal(admission_read_allow(500, "{\"Allow\":true}", 14), ADMISSION_BAD_ANSWER);
}

/* As Go's encoding/json reads it, which derper does. */
static void test_url_answers(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum admission_verdict verdict;
    } answers[] = {
        {"{\"Allow\":true}", ADMISSION_ADMIT},
        {"{\"allow\":true,\"Note\":[1]}\n", ADMISSION_ADMIT},
        {"{\"Allow\":true} trailing", ADMISSION_ADMIT},
        {"{\"Allow\":null,\"ALLOW\":true}", ADMISSION_ADMIT},
        {"{\"Allow\":false}", ADMISSION_REFUSE},
        {"{\"Allow\":true,\"allow\":false}", ADMISSION_REFUSE},
        {"{}", ADMISSION_REFUSE},
        {"{\"Allow\":1}", ADMISSION_BAD_ANSWER},
        {"{\"Allow\":\"true\",\"allow\":true}", ADMISSION_BAD_ANSWER},
        {"[true]", ADMISSION_BAD_ANSWER},
        {"true", ADMISSION_BAD_ANSWER},
        {"", ADMISSION_BAD_ANSWER},
    };

    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
        assert_int_equal(admission_read_allow(200, answers[i].body, strlen(answers[i].body)),
                         answers[i].verdict);
}

static void test_apps(void **state)
{
    (void)state;
    static const char names[] = "Bulk Copier,other,x";

    assert_true(admission_has_app(names, "Bulk Copier"));
    assert_true(admission_has_app(names, "other"));
    assert_true(admission_has_app(names, "x"));
    assert_false(admission_has_app(names, "Other"));
    assert_false(admission_has_app(names, "othe"));
    assert_false(admission_has_app(names, "others"));
    assert_false(admission_has_app(names, "other,x"));
    assert_false(admission_has_app(names, "Bulk"));
    assert_false(admission_has_app("y", "x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),        cmocka_unit_test(test_half_understood_lists),
        cmocka_unit_test(test_whois),       cmocka_unit_test(test_url),
        cmocka_unit_test(test_url_answers), cmocka_unit_test(test_apps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
