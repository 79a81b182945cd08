/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/derpmap.c"

#include "tests/unit/unit.h"

/* Pitfall 17. */
static void test_plain(void **state)
{
    (void)state;
    char *text = derpmap_json(
        &(struct derpmap){.host = "derp.demo.com", .ipv4 = "203.0.113.7", .ipv6 = "2001:db8::7"});
    assert_string_equal(text, "{\n"
                              "  \"derpMap\": {\n"
                              "    \"Regions\": {\n"
                              "      \"900\": {\n"
                              "        \"RegionID\": 900,\n"
                              "        \"RegionCode\": \"demo\",\n"
                              "        \"RegionName\": \"derp.demo.com\",\n"
                              "        \"Nodes\": [\n"
                              "          {\n"
                              "            \"Name\": \"900a\",\n"
                              "            \"RegionID\": 900,\n"
                              "            \"HostName\": \"derp.demo.com\",\n"
                              "            \"IPv4\": \"203.0.113.7\",\n"
                              "            \"IPv6\": \"2001:db8::7\"\n"
                              "          }\n"
                              "        ]\n"
                              "      }\n"
                              "    }\n"
                              "  }\n"
                              "}\n");
    free(text);
}

static void test_everything_set(void **state)
{
    (void)state;
    char *text = derpmap_json(&(struct derpmap){.host = "derp.demo.com",
                                                .region_id = 901,
                                                .code = "fra",
                                                .name = "Frankfurt \"am\" Main",
                                                .ipv4 = "203.0.113.7",
                                                .port = 8443,
                                                .stun_port = 3479});
    json_t *root = json_loads(text, 0, NULL);
    const char *ipv6, *name, *node;
    int port, stun;
    assert_int_equal(json_unpack(root, "{s:{s:{s:{s:s, s:[{s:s, s:s, s:i, s:i}]}}}}", "derpMap",
                                 "Regions", "901", "RegionName", &name, "Nodes", "Name", &node,
                                 "IPv6", &ipv6, "DERPPort", &port, "STUNPort", &stun),
                     0);
    assert_string_equal(name, "Frankfurt \"am\" Main");
    assert_string_equal(node, "901a");
    assert_string_equal(ipv6, "none");
    assert_int_equal(port, 8443);
    assert_int_equal(stun, 3479);
    json_decref(root);
    free(text);
}

static void test_defaults_left_out(void **state)
{
    (void)state;
    char *text = derpmap_json(&(struct derpmap){.host = "a.b", .port = 443, .stun_port = 3478});
    assert_null(strstr(text, "DERPPort"));
    assert_null(strstr(text, "STUNPort"));
    assert_non_null(strstr(text, "\"IPv4\": \"none\""));
    free(text);
    text = derpmap_json(&(struct derpmap){.host = "a.b", .stun_port = 3478, .no_stun = true});
    assert_non_null(strstr(text, "\"STUNPort\": -1"));
    free(text);
}

static void test_headscale(void **state)
{
    (void)state;
    char *text = derpmap_yaml(&(struct derpmap){
        .host = "derp.demo.com", .name = "a: \"b\" #c", .ipv4 = "203.0.113.7", .port = 8443});
    assert_string_equal(text, "regions:\n"
                              "  900:\n"
                              "    regionid: 900\n"
                              "    regioncode: \"demo\"\n"
                              "    regionname: \"a: \\\"b\\\" #c\"\n"
                              "    nodes:\n"
                              "      - name: \"900a\"\n"
                              "        regionid: 900\n"
                              "        hostname: \"derp.demo.com\"\n"
                              "        ipv4: \"203.0.113.7\"\n"
                              "        ipv6: \"none\"\n"
                              "        derpport: 8443\n");
    free(text);
}

static void test_pin(void **state)
{
    (void)state;
    const struct derpmap map = {
        .host = "203.0.113.7", .ipv4 = "203.0.113.7", .cert_name = "sha256-raw:00ff"};
    char *text = derpmap_json(&map);
    assert_non_null(strstr(text, "\"HostName\": \"203.0.113.7\""));
    assert_non_null(strstr(text, "\"CertName\": \"sha256-raw:00ff\""));
    free(text);
    text = derpmap_yaml(&map);
    assert_non_null(strstr(text, "        certname: \"sha256-raw:00ff\"\n"));
    free(text);
}

static void test_code(void **state)
{
    (void)state;
    char code[DERPMAP_CODE];
    assert_string_equal(derpmap_code("derp.demo.com", code, sizeof code), "demo");
    assert_string_equal(derpmap_code("demo.com", code, sizeof code), "demo");
    assert_string_equal(derpmap_code("203.0.113.7", code, sizeof code), "relay");
    assert_string_equal(derpmap_code("2001:db8::7", code, sizeof code), "relay");
    assert_string_equal(derpmap_code("r1.fra.example.org", code, sizeof code), "fra");
    assert_string_equal(derpmap_code("derp.demo.com", code, 3), "de");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_everything_set),
        cmocka_unit_test(test_defaults_left_out),
        cmocka_unit_test(test_headscale),
        cmocka_unit_test(test_pin),
        cmocka_unit_test(test_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
