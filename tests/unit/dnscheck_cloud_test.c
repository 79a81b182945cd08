/* SPDX-License-Identifier: Apache-2.0 */
#include "dnscheck/cloud.c"

#include "tests/unit/unit.h"

static void identifies(void **state)
{
    (void)state;
    static const struct {
        struct cloud_dmi dmi;
        enum cloud cloud;
    } cases[] = {
        {{.sys_vendor = "Alibaba Cloud", .product_name = "Alibaba Cloud ECS"}, CLOUD_ALIBABA},
        {{.sys_vendor = "other", .product_name = "Alibaba Cloud ECS"}, CLOUD_ALIBABA},
        {{.sys_vendor = "Tencent Cloud", .product_name = "CVM"}, CLOUD_TENCENT},
        {{.sys_vendor = "Amazon EC2"}, CLOUD_AWS},
        {{.sys_vendor = "Xen", .bios_version = "4.11.amazon"}, CLOUD_AWS},
        {{.sys_vendor = "Google", .product_name = "Google Compute Engine"}, CLOUD_GCE},
        {{.sys_vendor = "Microsoft Corporation",
          .chassis_asset_tag = "7783-7084-3265-9085-8269-3286-77"},
         CLOUD_AZURE},
        {{.sys_vendor = "Microsoft Corporation"}, CLOUD_NONE}, /* Hyper-V */
        {{.sys_vendor = "QEMU", .chassis_asset_tag = "OracleCloud.com"}, CLOUD_ORACLE},
        {{.sys_vendor = "Hetzner", .product_name = "vServer"}, CLOUD_HETZNER},
        {{.sys_vendor = "DigitalOcean", .product_name = "Droplet"}, CLOUD_DIGITALOCEAN},
        {{.sys_vendor = "QEMU"}, CLOUD_NONE},
        {{.sys_vendor = ""}, CLOUD_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (cloud_identify(&cases[i].dmi) != cases[i].cloud)
            fail_msg("case %zu", i);
}

static void services_are_near(void **state)
{
    (void)state;
    for (enum cloud c = CLOUD_NONE; c <= CLOUD_DIGITALOCEAN; c++) {
        const struct cloud_service *s = cloud_service(c);
        if (c == CLOUD_NONE || c == CLOUD_ORACLE) {
            assert_null(s);
            continue;
        }
        assert_non_null(s);
        assert_true(*cloud_name(c));
        const char *const urls[] = {s->token, s->address[0], s->address[1], s->region};
        for (size_t i = 0; i < 4; i++)
            assert_true(!urls[i] || text_starts(urls[i], "http://169.254.") ||
                        text_starts(urls[i], "http://100.100.100.200/"));
        assert_true(!s->token == !s->token_header);
    }
}

static void reads_bodies(void **state)
{
    (void)state;
    struct endpoint e;
    char word[8], text[ENDPOINT_TEXT];
    assert_true(cloud_read_address(" 203.0.113.7\r\n", 14, &e));
    assert_string_equal(endpoint_print_ip(&e, text), "203.0.113.7");
    static const char *const wrong[] = {"",          "\n",          "10.0.0.5",  "100.64.1.1",
                                        "<html>",    "2001:db8::1", "203.0.113", "203.0.113.7 x",
                                        "127.0.0.1", "0.0.0.0"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (cloud_read_address(wrong[i], strlen(wrong[i]), &e))
            fail_msg("%s", wrong[i]);
    assert_false(cloud_read_address("203.0.113.7\0x", 13, &e));
    assert_true(cloud_read_word("\tabc\n", 5, word, sizeof word));
    assert_string_equal(word, "abc");
    assert_false(cloud_read_word("abcdefgh", 8, word, sizeof word)); /* no room */
    assert_false(cloud_read_word("a\r\nX: y", 7, word, sizeof word));
}

static void mainland(void **state)
{
    (void)state;
    assert_true(cloud_is_mainland(CLOUD_ALIBABA, "cn-hangzhou"));
    assert_false(cloud_is_mainland(CLOUD_ALIBABA, "cn-hongkong"));
    assert_false(cloud_is_mainland(CLOUD_ALIBABA, "ap-southeast-1"));
    assert_true(cloud_is_mainland(CLOUD_TENCENT, "ap-guangzhou"));
    assert_true(cloud_is_mainland(CLOUD_TENCENT, "ap-shanghai-fsi"));
    assert_false(cloud_is_mainland(CLOUD_TENCENT, "ap-hongkong"));
    assert_false(cloud_is_mainland(CLOUD_TENCENT, "ap-singapore"));
    assert_true(cloud_is_mainland(CLOUD_AWS, "cn-north-1"));
    assert_false(cloud_is_mainland(CLOUD_AWS, "ap-east-1"));
    assert_true(cloud_is_mainland(CLOUD_AZURE, "chinaeast2"));
    assert_false(cloud_is_mainland(CLOUD_AZURE, "eastasia"));
    assert_false(cloud_is_mainland(CLOUD_GCE, "cn-hangzhou"));
    assert_false(cloud_is_mainland(CLOUD_ALIBABA, ""));
}

static void name_servers(void **state)
{
    (void)state;
    struct address_set set = {0};
    char text[256];
    cloud_nameservers("# nameserver 192.0.2.1\nnameserver 100.100.2.136\nnameserver\t100.100.2.138 "
                      "#x\nnameservers 192.0.2.3\noptions rotate\nnameserver \nnameserver "
                      "nonsense\nnameserver 100.100.2.136\nnameserver 2001:db8::53",
                      &set);
    assert_string_equal(address_set_print(&set, text, sizeof text),
                        "100.100.2.136, 100.100.2.138 and 2001:db8::53");
}

static void judged(struct cloud_facts facts, const char *servers, const char *wanted)
{
    struct findings all = {0};
    char text[256] = "";
    cloud_nameservers(servers, &facts.nameservers);
    cloud_judge(&facts, &all);
    for (size_t k = 0; k < all.count; k++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s %s", k ? ", " : "",
                 severity_name(all.list[k].severity), all.list[k].id);
        assert_true(all.list[k].severity == SEVERITY_OK || all.list[k].fix);
    }
    assert_string_equal(text, wanted);
    findings_free(&all);
}

static void judges(void **state)
{
    (void)state;
    const char *const alibaba = "nameserver 100.100.2.136\n";
    struct cloud_facts f = {.cloud = CLOUD_ALIBABA, .region = "cn-hangzhou", .public_ca = true};
    judged(f, alibaba, "warn cloud.filing");
    f.tailscaled = true;
    judged(f, alibaba, "warn cloud.tailscale, warn cloud.filing");
    judged(f, "nameserver 223.5.5.5\n", "warn cloud.filing");
    judged(f, "nameserver 100.100.100.100\n", "warn cloud.filing"); /* Tailscale's own */
    f.public_ca = false;
    judged(f, "", "ok cloud.ok");
    f = (struct cloud_facts){
        .cloud = CLOUD_ALIBABA, .region = "cn-hongkong", .public_ca = true, .tailscaled = true};
    judged(f, alibaba, "warn cloud.tailscale, ok cloud.ok");
    f = (struct cloud_facts){.cloud = CLOUD_HETZNER, .public_ca = true};
    judged(f, "", "ok cloud.ok");
    f = (struct cloud_facts){.public_ca = true};
    judged(f, alibaba, "");
}

static void words(void **state)
{
    (void)state;
    struct findings all = {0};
    struct cloud_facts f = {
        .cloud = CLOUD_TENCENT, .region = "ap-beijing", .public_ca = true, .tailscaled = true};
    cloud_nameservers("nameserver 100.64.0.2\n", &f.nameservers);
    cloud_judge(&f, &all);
    assert_non_null(strstr(all.list[0].message, "name servers (100.64.0.2) are in that range"));
    assert_non_null(strstr(all.list[0].fix, "iptables -I ts-input -s 100.64.0.2 "));
    assert_non_null(strstr(all.list[1].message, "(Tencent Cloud, ap-beijing)"));
    assert_non_null(strstr(all.list[1].fix, "--port=8443"));
    findings_free(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identifies),   cmocka_unit_test(services_are_near),
        cmocka_unit_test(reads_bodies), cmocka_unit_test(mainland),
        cmocka_unit_test(name_servers), cmocka_unit_test(judges),
        cmocka_unit_test(words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
