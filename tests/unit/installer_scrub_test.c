/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/scrub.c"

#include "tests/unit/unit.h"

#define HEX32 "0123456789abcdef0123456789abcdef"

static void assert_scrubbed(const char *text, const char *wanted)
{
    struct buf out;
    buf_init(&out, 65536);
    assert_true(scrub(text, &out));
    assert_string_equal(buf_text(&out), wanted);
    buf_free(&out);
}

static void test_what_is_no_secret_stays(void **state)
{
    (void)state;
    static const char *const harmless[] = {
        "",
        "2026-11-26T17:00:00Z derpd[12]: ready\n",
        "https://acme-v02.api.letsencrypt.org/directory answers",
        "/usr/lib/x86_64-linux-gnu/libssl.so.3 (deleted)",
        "[2001:db8:113::10]:443 and 203.0.113.10:3478",
        "certificate.soon: it ends in 5 days",
        "token bucket, secret-free, password",
        "tcp dport 443 accept comment \"derp-relay: TLS\"",
        "journalctl -u derp-acme.service --no-pager",
        "\xe2\x86\x92 derp-setup renew",
        "0123456789abcdef0123456789abcde", /* 31 digits */
    };
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        assert_scrubbed(harmless[i], harmless[i]);
}

static void test_secrets_are_hidden(void **state)
{
    (void)state;
    assert_scrubbed("key " HEX32 HEX32 ".", "key <hidden>");
    assert_scrubbed("nodekey:" HEX32 HEX32 "\n", "nodekey:<hidden>\n");
    assert_scrubbed("{\"PrivateKey\":\"privkey:" HEX32 "\"}\nnext",
                    "{\"PrivateKey\":\"privkey:<hidden>\nnext");
    assert_scrubbed("a\n-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----\nb",
                    "a\n<hidden>\nb");
    assert_scrubbed("-----BEGIN PRIVATE KEY-----\nMHcCAQEE", "<hidden>");
    assert_scrubbed("Authorization: Bearer abc\nok", "Authorization: <hidden>\nok");
    assert_scrubbed("set-cookie: a=b", "set-cookie: <hidden>");
    assert_scrubbed("\"token\": \"abc\", 1", "\"token\": \"<hidden>");
    assert_scrubbed("mesh_password=abc", "mesh_password=<hidden>");
    assert_scrubbed("PASSWORD = x y", "PASSWORD = <hidden>");
    assert_scrubbed("eyJhbGciOiJFUzI1NiIsImtpZCI6IjEyMzQ1In0.eyJ4IjoxfQ.c2ln now", "<hidden> now");
    assert_scrubbed("tskey-auth-abc", "<hidden>");
    assert_scrubbed("wg aB3dE+fGhIjKlMnOpQrStUvWxYz01234567/89ABCD=", "wg <hidden>");
    assert_scrubbed("/run/x/aB3dEfGhIjKlMnOpQrStUvWxYz012345 y", "<hidden> y");
    assert_scrubbed("by admin@demo.com,", "by <hidden>,");
    assert_scrubbed("at https://me:pw@hs.demo.com/verify?key=abc now",
                    "at https://hs.demo.com/verify/<hidden> now");
    assert_scrubbed("https://ca/acct/" HEX32 " x", "https://ca/<hidden> x");
    assert_scrubbed("a\x1b[2Jb\r\n", "a?[2Jb?\n");
}

static void test_config(void **state)
{
    (void)state;
    struct buf out;
    char config[2048] =
        "# by hand\n[relay]\ndomain = derp.demo.com\n  uplink=4mbit  \nmesh-key-file = "
        "/etc/mesh.key\n"
        "junk\n\n[acme]\nemail = admin@demo.com\neab-hmac = abc\n"
        "directory = https://me:pw@ca.test/long/path\n"
        "[admission]\nallow = url:https://hs.demo.com/verify-s3cret keys:/etc/derp/keys\n";
    memset(config + strlen(config), 'x', 600);
    buf_init(&out, 65536);
    assert_true(scrub_config(config, &out));
    assert_string_equal(buf_text(&out),
                        "[relay]\ndomain = derp.demo.com\nuplink = 4mbit\n"
                        "mesh-key-file = (left out)\n<hidden>\n[acme]\nemail = (left out)\n"
                        "eab-hmac = (left out)\ndirectory = https://ca.test/<hidden>\n[admission]\n"
                        "allow = url:https://hs.demo.com/<hidden> keys:/etc/derp/keys\n<hidden>\n");
    buf_free(&out);
}

static void test_room(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 8);
    assert_false(scrub("0123456789", &out));
    assert_false(scrub_config("domain = derp.demo.com\n", &out));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_no_secret_stays),
        cmocka_unit_test(test_secrets_are_hidden),
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
