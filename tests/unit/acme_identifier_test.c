/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/identifier.c"

#include "tests/unit/unit.h"

static void test_types(void **state)
{
    (void)state;
    static const char *const names[] = {"derp.demo.com", "1.2.3",           "203.0.113.5.example",
                                        "[2001:db8::1]", "203.0.113.5:443", ""};
    assert_string_equal(identifier_type("203.0.113.5"), "ip");
    assert_string_equal(identifier_type("2001:db8::1"), "ip");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_string_equal(identifier_type(names[i]), "dns");
}

static void test_same(void **state)
{
    (void)state;
    assert_true(identifier_same("Derp.Demo.com", "derp.demo.COM"));
    assert_true(identifier_same("2001:db8::1", "2001:DB8:0:0:0:0:0:1"));
    assert_false(identifier_same("2001:db8::1", "2001:db8::2"));
    assert_false(identifier_same("203.0.113.5", "derp.demo.com"));
    assert_false(identifier_same("::ffff:203.0.113.5", "203.0.113.5"));
}

/* The examples of RFC 8738 6 and RFC 3596 2.5. */
static void test_sni(void **state)
{
    (void)state;
    char sni[IDENTIFIER_SNI_MAX];
    identifier_sni("Derp.Demo.com", sni);
    assert_string_equal(sni, "derp.demo.com");
    identifier_sni("192.0.2.2", sni);
    assert_string_equal(sni, "2.2.0.192.in-addr.arpa");
    identifier_sni("4321:0:1:2:3:4:567:89ab", sni);
    assert_string_equal(sni, "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4."
                             "ip6.arpa");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_sni),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
