/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/confedit.c"

#include "base/config.h"
#include "tests/unit/unit.h"

static void assert_edit(const char *text, const char *section, const char *key, const char *value,
                        const char *wanted)
{
    struct confedit edit = {section, key, value};
    char *result = confedit_apply(text, &edit, 1);
    assert_string_equal(result, wanted);
    free(result);
}

static void test_replaces_only_the_value(void **state)
{
    (void)state;
    assert_edit("[relay]\n# mine\n  uplink =\toff   # DSL; slow\nworkers=2\n", "relay", "uplink",
                "4mbit", "[relay]\n# mine\n  uplink =\t4mbit   # DSL; slow\nworkers=2\n");
    assert_edit("[relay]\nuplink=off", "relay", "uplink", "4mbit", "[relay]\nuplink= 4mbit");
    assert_edit("[relay]\nuplink =\n", "relay", "uplink", "4mbit", "[relay]\nuplink = 4mbit\n");
    assert_edit("[relay]\nuplink = # none\n", "relay", "uplink", "4mbit",
                "[relay]\nuplink = 4mbit # none\n");
    assert_edit("[relay]\nuplink =#off\n", "relay", "uplink", "4mbit",
                "[relay]\nuplink = 4mbit\n"); /* no comment: no white space before it */
    assert_edit("[relay]\r\nuplink = off\r\n", "relay", "uplink", "4mbit",
                "[relay]\r\nuplink = 4mbit\r\n");
    assert_edit("[relay]\nuplink = off\n", "relay", "uplink", "", "[relay]\nuplink = \n");
}

static void test_same_value_changes_nothing(void **state)
{
    (void)state;
    const char *text = "; x\n[relay]\n domain:derp.demo.com ; y\n\n\n[acme]";
    assert_edit(text, "relay", "domain", "derp.demo.com", text);
    assert_edit(text, "relay", "domain", NULL, text);
}

static void test_other_sections_keys_and_comments_stay(void **state)
{
    (void)state;
    assert_edit("[acme]\nemail = a@b\n#[relay]\n[relay]\n#email = c@d\n", "relay", "email", "x",
                "[acme]\nemail = a@b\n#[relay]\n[relay]\n#email = c@d\nemail = x\n");
    assert_edit("[relay]\nstunned = 1\n", "relay", "stun", "off",
                "[relay]\nstunned = 1\nstun = off\n");
}

static void test_adds_key_at_the_end_of_its_section(void **state)
{
    (void)state;
    assert_edit("[relay]\ndomain = a.b\n\n[acme]\n", "relay", "uplink", "4mbit",
                "[relay]\ndomain = a.b\nuplink = 4mbit\n\n[acme]\n");
    assert_edit("[relay]", "relay", "uplink", "4mbit", "[relay]\nuplink = 4mbit\n");
}

static void test_adds_section(void **state)
{
    (void)state;
    assert_edit("[relay]\ndomain = a.b", "dns", "resolver", "192.0.2.1",
                "[relay]\ndomain = a.b\n\n[dns]\nresolver = 192.0.2.1\n");
    assert_edit("", "relay", "domain", "a.b", "[relay]\ndomain = a.b\n");
}

static void test_get(void **state)
{
    (void)state;
    char value[8];
    const char *text = "[relay]\ndomain = derp.demo.com # x\nuplink =\n[acme]\ndomain = other\n";
    assert_true(confedit_get(text, "relay", "domain", value, sizeof value));
    assert_string_equal(value, "derp.de");
    assert_true(confedit_get(text, "relay", "uplink", value, sizeof value));
    assert_string_equal(value, "");
    assert_false(confedit_get(text, "acme", "email", value, sizeof value));
    assert_false(confedit_get(text, "dns", "resolver", value, sizeof value));
}

/* What is written is what the programs read. */
static void test_template_is_a_config(void **state)
{
    (void)state;
    struct confedit edits[] = {
        {"relay", "domain", "derp.demo.com"},
        {"relay", "listen", "0.0.0.0:443 [::]:443"},
        {"acme", "directory", "https://ca.demo.com/dir#fragment"},
        {"dns", "resolver", "203.0.113.53:5353"},
        {"admission", "allow", "keys:/etc/derp/keys"},
    };
    struct config c;
    struct fault f;
    char text[80];
    config_init(&c);
    char *result = confedit_apply(confedit_template(), edits, 5);
    if (!config_parse("derp.conf", result, &c, &f))
        fail_msg("%s", f.text);
    assert_string_equal(c.domain, "derp.demo.com");
    assert_string_equal(c.acme_directory, "https://ca.demo.com/dir#fragment");
    assert_int_equal(c.listen.count, 2);
    assert_int_equal(endpoint_port(&c.dns_resolver), 5353);
    assert_int_equal(c.allow[0].kind, CONFIG_ALLOW_KEYS);
    for (size_t i = 0; i < 5; i++) {
        assert_true(confedit_get(result, edits[i].section, edits[i].key, text, sizeof text));
        assert_string_equal(text, edits[i].value);
    }
    char *again = confedit_apply(result, edits, 5);
    assert_string_equal(again, result);
    free(again);
    free(result);
    config_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replaces_only_the_value),
        cmocka_unit_test(test_same_value_changes_nothing),
        cmocka_unit_test(test_other_sections_keys_and_comments_stay),
        cmocka_unit_test(test_adds_key_at_the_end_of_its_section),
        cmocka_unit_test(test_adds_section),
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_template_is_a_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
