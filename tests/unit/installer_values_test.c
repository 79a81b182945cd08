/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/values.c"

#include "tests/unit/unit.h"

typedef bool (*taker)(const char *value, struct options *o, struct fault *f);

static const struct {
    const char *flag;
    taker take;
    const char *good[8];
    const char *bad[14];
} cases[] = {
    {"uplink",
     take_uplink,
     {"4mbit", "512kbit", "1gbit", "off"},
     {"", "fast", "-1mbit", "4", "4 mbit", "0mbit", "4mbit ", "99999999999999999999gbit"}},
    {"clients",
     take_clients,
     {"anyone", "tailscaled", "tailscaled:/run/t.sock", "url:https://x/y",
      "url:http://127.0.0.1:8080/verify", "keys:/etc/derp/keys"},
     {"", "nobody", "url:http://x", "url:http://127.0.0.1.evil", "url:http://localhostx",
      "url:https://", "keys:", "keys:relative", "keys:/a b", "keys:/a\nallow=anyone", "anyone #"}},
    {"ip4",
     take_ip4,
     {"203.0.113.10", "100.100.100.100"},
     {"", "203.0.113", "203.0.113.256", "2001:db8::1", "203.0.113.10:443", "derp.demo.com"}},
    {"ip6", take_ip6, {"2001:db8::7"}, {"", "203.0.113.10", "[2001:db8::7]", "2001:db8::g"}},
    {"ssh-port",
     take_ssh_port,
     {"22", "22,2222"},
     {"", "0", "65536", "22,", ",22", "22;23", "ssh", "22 ", "123456789012345678901234567890"}},
    {"allow",
     take_allow,
     {"9090/tcp", "1/udp,2/tcp"},
     {"", "9090", "9090/", "9090/sctp", "0/tcp", "/tcp", "9090/tcp,", "9090/TCP"}},
    {"port", take_port, {"443", "65535"}, {"", "0", "-1", "65536", "443/tcp", "0x1bb"}},
    {"stun-port", take_stun_port, {"3478"}, {"", "0", "65536"}},
    {"region-id", take_region_id, {"900", "999"}, {"", "0", "899", "1000", "9e2"}},
    {"region-code",
     take_region_code,
     {"demo", "fra-1", "a_b"},
     {"", "two words", "caf\xc3\xa9", "0123456789012345678901234567890123"}},
    {"region-name",
     take_region_name,
     {"derp.demo.com", "Frankfurt am Main", "\xe4\xb8\x8a\xe6\xb5\xb7"},
     {"", "a\nb", "\x1b[2J", "\xff", "\xe4\xb8", "\xc0\x80"}},
    {"email",
     take_email,
     {"a@demo.com", "a.b+c@demo.com"},
     {"", "a", "@demo.com", "a@", "a@b@c", "a b@c", "a@b\n", "a@b;c", "<a@b>"}},
    {"acme-directory",
     take_acme_directory,
     {"https://ca.demo.com/dir", "https://[::1]:14000/dir"},
     {"", "http://ca/dir", "https://", "https:///dir", "ca.demo.com", "https://ca/ dir"}},
    {"acme-ca-file",
     take_acme_ca_file,
     {"/etc/derp/ca.pem"},
     {"", "ca.pem", "/etc/derp/my ca.pem", "/a\tb"}},
    {"ip", take_ip, {"203.0.113.10"}, {"", "auto", "2001:db8::1", "derp.demo.com"}},
    {"certificate", take_certificate, {"acme", "self-signed"}, {"", "files", "ACME"}},
    {"acme-challenge",
     take_acme_challenge,
     {"tls-alpn-01", "http-01", "dns-01"},
     {"", "dns-persist-01", "http"}},
    {"acme-profile", take_acme_profile, {"", "shortlived", "tls.server_1"}, {"two words", "a;b"}},
    {"acme-preferred-chain",
     take_acme_preferred_chain,
     {"", "ISRG Root X1"},
     {" x", "x ", "x # y", "x;y", "a\nallow = anyone", "x\r", "\"x\"", "x\ty"}},
    {"acme-eab-key-id", take_acme_eab_key_id, {"", "kid-1"}, {"a#b", "a\nb", "\x1b[2J"}},
    {"acme-eab-key-file", take_acme_eab_key_file, {"", "/etc/derp/eab"}, {"eab", "/a b"}},
    {"acme-dns-hook", take_acme_dns_hook, {"", "/etc/derp/hook"}, {"hook", "/a\nb", "/a;b"}},
    {"acme-hook", take_acme_hook, {"", "/etc/derp/hook"}, {"hook", "/a\nb"}},
    {"acme-fallback-directory",
     take_acme_fallback_directory,
     {"", "https://ca.demo.com/dir"},
     {"http://ca/dir", "ca.demo.com", "https://", "https://ca/d#x"}},
    {"acme-fallback-ca-file", take_acme_fallback_ca_file, {"", "/etc/derp/ca.pem"}, {"ca.pem"}},
    {"acme-fallback-eab-key-id", take_acme_fallback_eab_key_id, {"", "kid"}, {"a;b"}},
    {"acme-fallback-eab-key-file", take_acme_fallback_eab_key_file, {"", "/e"}, {"e"}},
    {"dns-resolver",
     take_dns_resolver,
     {"203.0.113.53", "203.0.113.53:5353", "[2001:db8::53]:53"},
     {"", "ns.demo.com", "203.0.113.53:0x35", "1.2.3"}},
    {"public-resolvers",
     take_public_resolvers,
     {"203.0.113.53", "203.0.113.53,203.0.113.54:5353", "off"},
     {"", "dns.demo.com", "203.0.113.53,x"}},
    {"address-from",
     take_address_from,
     {"stun:stun.demo.com", "stun:203.0.113.7:3479,https://ip.demo.com/", "off"},
     {"", "http://ip.demo.com", "stun:x", "203.0.113.7"}},
    {"confirm-timeout",
     take_confirm_timeout,
     {"0", "0s", "10", "180", "3m", "1h"},
     {"", "9", "9s", "-1", "61m", "3601", "x"}},
    {"wait-dns", take_wait_dns, {"0", "90s", "10m", "2h"}, {"", "10", "10d", "-1s", "200h", "m"}},
    {"firewall", take_firewall, {"ufw", "none"}, {"", "nft", "UFW"}},
    {"format", take_format, {"tailscale", "headscale"}, {"", "json"}},
    {"confirm", take_confirm, {"derp.demo.com"}, {""}},
    {"log-file", take_log_file, {"/var/log/x.log"}, {"", "x.log"}},
};

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct options o;
        struct fault f;
        for (size_t k = 0; k < 8 && cases[i].good[k]; k++) {
            memset(&o, 0, sizeof o);
            if (!cases[i].take(cases[i].good[k], &o, &f))
                fail_msg("--%s=%s is refused: %s", cases[i].flag, cases[i].good[k], f.text);
        }
        for (size_t k = 0; k < 14 && cases[i].bad[k]; k++) {
            memset(&o, 0, sizeof o);
            f.text[0] = '\0';
            if (cases[i].take(cases[i].bad[k], &o, &f))
                fail_msg("--%s=%s is accepted", cases[i].flag, cases[i].bad[k]);
            assert_string_not_equal(f.text, "");
        }
    }
}

static void test_too_many_ports(void **state)
{
    (void)state;
    struct options o = {0};
    struct fault f;
    for (int i = 0; i < OPTIONS_MAX_PORTS; i++)
        assert_true(take_ssh_port("22", &o, &f) && take_allow("1/tcp", &o, &f));
    assert_false(take_ssh_port("22", &o, &f));
    assert_false(take_allow("1/tcp", &o, &f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_too_many_ports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
