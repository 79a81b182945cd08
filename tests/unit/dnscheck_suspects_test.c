/* SPDX-License-Identifier: Apache-2.0 */
#include "dnscheck/suspects.c"

#include "tests/unit/unit.h"

static const char *cdn(const char *text)
{
    struct endpoint e;
    assert_true(endpoint_parse_ip(text, &e));
    return suspect_cdn_address(&e);
}

static void addresses(void **state)
{
    (void)state;
    static const struct {
        const char *address, *wanted;
    } cases[] = {
        {"104.16.0.0", "Cloudflare"},
        {"104.27.255.255", "Cloudflare"},
        {"104.28.0.0", NULL},
        {"172.63.255.255", NULL},
        {"172.64.0.1", "Cloudflare"},
        {"172.72.0.0", NULL},
        {"2606:4700::1", "Cloudflare"},
        {"2606:4701::1", NULL},
        {"151.101.1.1", "Fastly"},
        {"2a06:98c7::1", "Cloudflare"},
        {"2a06:98c8::1", NULL},
        {"203.0.113.10", NULL},
        {"::ffff:104.16.0.1", "Cloudflare"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *found = cdn(cases[i].address);
        if ((found && cases[i].wanted) ? strcmp(found, cases[i].wanted) != 0
                                       : found != cases[i].wanted)
            fail_msg("%s: %s", cases[i].address, found ? found : "nobody");
    }
}

static void ranges_are_well_formed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        struct network n;
        if (!network_parse(ranges[i].network, &n))
            fail_msg("%s", ranges[i].network);
    }
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(suspect_cdn_alias("d1.cloudfront.net"), "Amazon CloudFront");
    assert_string_equal(suspect_cdn_alias("x.eo.dnse1.com"), "Tencent EdgeOne");
    assert_string_equal(suspect_cdn_alias("cloudfront.net"), "Amazon CloudFront");
    assert_null(suspect_cdn_alias("notcloudfront.net"));
    assert_null(suspect_cdn_alias("cloudfront.net.example.com"));
    assert_null(suspect_cdn_alias(""));
    assert_non_null(suspect_parking("ns1.sedoparking.com"));
    assert_non_null(suspect_parking("expirens4.hichina.com"));
    assert_null(suspect_parking("dns9.hichina.com"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(ranges_are_well_formed),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
