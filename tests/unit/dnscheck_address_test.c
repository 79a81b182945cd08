/* SPDX-License-Identifier: Apache-2.0 */
#include "dnscheck/address.c"

#include "tests/unit/unit.h"

static struct endpoint ip(const char *text)
{
    struct endpoint e;
    if (!endpoint_parse_ip(text, &e))
        fail_msg("not an address: %s", text);
    return e;
}

/* First and last address of each range, and the ones just outside. */
static const struct {
    const char *text;
    enum address_kind kind;
} kinds[] = {
    {"0.0.0.0", ADDRESS_UNSPECIFIED},
    {"0.255.255.255", ADDRESS_UNSPECIFIED},
    {"1.0.0.0", ADDRESS_PUBLIC},
    {"9.255.255.255", ADDRESS_PUBLIC},
    {"10.0.0.0", ADDRESS_PRIVATE},
    {"10.255.255.255", ADDRESS_PRIVATE},
    {"11.0.0.0", ADDRESS_PUBLIC},
    {"100.63.255.255", ADDRESS_PUBLIC},
    {"100.64.0.0", ADDRESS_CGNAT},
    {"100.100.100.100", ADDRESS_CGNAT},
    {"100.127.255.255", ADDRESS_CGNAT},
    {"100.128.0.0", ADDRESS_PUBLIC},
    {"127.0.0.1", ADDRESS_LOOPBACK},
    {"127.255.255.255", ADDRESS_LOOPBACK},
    {"128.0.0.0", ADDRESS_PUBLIC},
    {"169.253.255.255", ADDRESS_PUBLIC},
    {"169.254.169.254", ADDRESS_LINK_LOCAL},
    {"172.15.255.255", ADDRESS_PUBLIC},
    {"172.16.0.0", ADDRESS_PRIVATE},
    {"172.31.255.255", ADDRESS_PRIVATE},
    {"172.32.0.0", ADDRESS_PUBLIC},
    {"192.0.0.1", ADDRESS_RESERVED},
    {"192.0.0.9", ADDRESS_PUBLIC},
    {"192.0.1.0", ADDRESS_PUBLIC},
    {"192.0.2.1", ADDRESS_DOCUMENTATION},
    {"192.88.99.1", ADDRESS_RESERVED},
    {"192.167.255.255", ADDRESS_PUBLIC},
    {"192.168.0.1", ADDRESS_PRIVATE},
    {"192.169.0.0", ADDRESS_PUBLIC},
    {"198.17.255.255", ADDRESS_PUBLIC},
    {"198.18.0.0", ADDRESS_RESERVED},
    {"198.19.255.255", ADDRESS_RESERVED},
    {"198.20.0.0", ADDRESS_PUBLIC},
    {"198.51.100.7", ADDRESS_DOCUMENTATION},
    {"203.0.113.10", ADDRESS_DOCUMENTATION},
    {"203.0.114.0", ADDRESS_PUBLIC},
    {"223.255.255.255", ADDRESS_PUBLIC},
    {"224.0.0.1", ADDRESS_MULTICAST},
    {"239.255.255.255", ADDRESS_MULTICAST},
    {"240.0.0.1", ADDRESS_RESERVED},
    {"255.255.255.255", ADDRESS_RESERVED},
    {"::", ADDRESS_UNSPECIFIED},
    {"::1", ADDRESS_LOOPBACK},
    {"::2", ADDRESS_RESERVED},
    {"::ffff:10.0.0.1", ADDRESS_PRIVATE},
    {"::ffff:203.0.113.10", ADDRESS_DOCUMENTATION},
    {"::ffff:8.8.8.8", ADDRESS_PUBLIC},
    {"64:ff9b::1", ADDRESS_RESERVED},
    {"100::1", ADDRESS_RESERVED},
    {"1fff::1", ADDRESS_RESERVED},
    {"2000::1", ADDRESS_PUBLIC},
    {"2001:2::1", ADDRESS_RESERVED},
    {"2001:2:1::1", ADDRESS_PUBLIC},
    {"2001:20::1", ADDRESS_RESERVED},
    {"2001:db8::1", ADDRESS_DOCUMENTATION},
    {"2001:db9::1", ADDRESS_PUBLIC},
    {"2002::1", ADDRESS_RESERVED},
    {"240e:1::1", ADDRESS_PUBLIC},
    {"3fff::1", ADDRESS_DOCUMENTATION},
    {"3fff:1000::1", ADDRESS_PUBLIC},
    {"4000::1", ADDRESS_RESERVED},
    {"fbff::1", ADDRESS_RESERVED},
    {"fc00::1", ADDRESS_PRIVATE},
    {"fd7a:115c:a1e0::1", ADDRESS_PRIVATE},
    {"fe80::1", ADDRESS_LINK_LOCAL},
    {"febf::1", ADDRESS_LINK_LOCAL},
    {"fec0::1", ADDRESS_RESERVED},
    {"ff02::1", ADDRESS_MULTICAST},
};

static void classifies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct endpoint e = ip(kinds[i].text);
        if (address_classify(&e) != kinds[i].kind)
            fail_msg("%s is %s", kinds[i].text, address_kind_text(address_classify(&e)));
        bool public = kinds[i].kind == ADDRESS_PUBLIC || kinds[i].kind == ADDRESS_DOCUMENTATION;
        assert_int_equal(address_is_public(&e), public);
        assert_int_equal(*address_kind_text(kinds[i].kind) == '\0', public);
    }
    struct endpoint unset = {0};
    assert_int_equal(address_classify(&unset), ADDRESS_UNSPECIFIED);
}

static void sets_hold_each_once(void **state)
{
    (void)state;
    struct address_set set = {0};
    char text[128];
    struct endpoint a = ip("203.0.113.10"), mapped = ip("::ffff:203.0.113.10"), b = ip("::2");

    assert_string_equal(address_set_print(&set, text, sizeof text), "none");
    endpoint_set_port(&a, 443);
    address_set_add(&set, &a);
    address_set_add(&set, &mapped);
    assert_int_equal(set.count, 1);
    assert_int_equal(endpoint_port(&set.list[0]), 0);
    assert_true(address_set_has(&set, &mapped));
    assert_false(address_set_has(&set, &b));
    address_set_add(&set, &b);
    assert_string_equal(address_set_print(&set, text, sizeof text), "203.0.113.10 and ::2");
}

static void sets_are_bounded(void **state)
{
    (void)state;
    struct address_set set = {0};
    char text[64];
    for (int i = 0; i < ADDRESS_SET_MAX + 1; i++) {
        char one[32];
        snprintf(one, sizeof one, "10.0.0.%d", i);
        struct endpoint e = ip(one);
        address_set_add(&set, &e);
        assert_int_equal(set.cut, i == ADDRESS_SET_MAX);
    }
    assert_int_equal(set.count, ADDRESS_SET_MAX);
    assert_string_equal(address_set_print(&set, text, sizeof text),
                        "10.0.0.0, 10.0.0.1, 10.0.0.2, 10.0.0.3 and 28 more");
    char small[12];
    address_set_print(&set, small, sizeof small);
    assert_string_equal(small, "10.0.0.0, 1");
}

static void scans_without_loopback(void **state)
{
    (void)state;
    struct address_pair found;
    struct fault f;
    assert_true(address_scan(&found, &f));
    for (size_t i = 0; i < found.ip4.count; i++)
        assert_int_not_equal(address_classify(&found.ip4.list[i]), ADDRESS_LOOPBACK);
    for (size_t i = 0; i < found.ip6.count; i++)
        assert_int_not_equal(address_classify(&found.ip6.list[i]), ADDRESS_LOOPBACK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classifies),
        cmocka_unit_test(sets_hold_each_once),
        cmocka_unit_test(sets_are_bounded),
        cmocka_unit_test(scans_without_loopback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
