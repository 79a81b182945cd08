/* SPDX-License-Identifier: Apache-2.0 */
#include "base/config.c"

#include "tests/unit/unit.h"

static struct config c;

static int forget(void **state)
{
    (void)state;
    config_free(&c);
    return 0;
}

static void reads(const char *text)
{
    struct fault f = {.text = ""};
    if (!config_parse("derp.conf", text, &c, &f))
        fail_msg("%s", f.text);
}

static void refuses(const char *text, const char *reason)
{
    struct fault f = {.text = "no reason"};
    if (config_parse("derp.conf", text, &c, &f))
        fail_msg("accepted: %s", text);
    if (!strstr(f.text, reason))
        fail_msg("\"%s\" is not in \"%s\"", reason, f.text);
    assert_non_null(c.state_dir); /* defaults again */
    assert_null(c.domain);
}

static void assert_endpoints(const struct config_endpoints *list, const char *expected)
{
    char text[2000] = "";
    for (size_t i = 0; i < list->count; i++) {
        char one[ENDPOINT_TEXT];
        size_t n = strlen(text);
        snprintf(text + n, sizeof text - n, "%s%s", i ? " " : "",
                 endpoint_print(&list->list[i], one));
    }
    assert_string_equal(text, expected);
}

static void defaults(void **state)
{
    (void)state;
    reads("[relay]\ndomain = derp.demo.com\n");
    assert_string_equal(c.domain, "derp.demo.com");
    assert_endpoints(&c.listen, "0.0.0.0:443 [::]:443");
    assert_endpoints(&c.listen_proxy, "");
    assert_int_equal(c.proxy_from.count, 0);
    assert_endpoints(&c.stun, "0.0.0.0:3478 [::]:3478");
    assert_endpoints(&c.http, "");
    assert_endpoints(&c.metrics, "127.0.0.1:3340");
    assert_int_equal(c.workers, 0);
    assert_int_equal(c.accept_limit, 0);
    assert_int_equal(c.accept_burst, 0);
    assert_int_equal(c.uplink, 0);
    assert_string_equal(c.state_dir, "/var/lib/derp");
    assert_null(c.congestion);
    assert_null(c.home);
    assert_int_equal(c.bootstrap_dns.count, 0);
    assert_null(c.mesh_key_file);
    assert_int_equal(c.mesh_count, 0);
    assert_null(c.mesh_ca_file);
    assert_int_equal(c.source, CONFIG_SOURCE_ACME);
    assert_string_equal(c.cert_dir, "/var/lib/derp-acme");
    assert_null(c.chain);
    assert_null(c.key);
    assert_string_equal(c.acme_directory, "https://acme-v02.api.letsencrypt.org/directory");
    assert_null(c.acme_ca_file);
    assert_null(c.acme_email);
    assert_int_equal(c.challenge, CONFIG_CHALLENGE_TLS_ALPN_01);
    assert_null(c.acme_profile);
    assert_false(c.profile_required);
    assert_null(c.dns_root_hints);
    assert_null(c.dns_trust_anchor);
    assert_int_equal(c.dns_resolver.any.sa_family, AF_UNSPEC);
    assert_int_equal(c.allow_count, 0);
    assert_false(c.fail_open);
    assert_int_equal(c.recheck, 600);
    assert_null(c.refuse_apps);
}

/* Every key of the contract, as a person would write it, comments included. */
static const char all_keys[] =
    "[relay]\n"
    "domain = Derp.Demo.COM.\n"
    "listen = 0.0.0.0:443 [::]:443 127.0.0.1:8443      # several, any port\n"
    "listen-proxy = 127.0.0.1:9443\n"
    "proxy-from = 127.0.0.1 10.0.0.0/8 2001:db8::/32\n"
    "stun = off                       # or off\n"
    "http = 0.0.0.0:80                # generate_204\n"
    "metrics = off\n"
    "workers = 2\n"
    "accept-limit = 100\n"
    "accept-burst = 500\n"
    "uplink = 4mbit                   ; e.g. 4mbit\n"
    "congestion = bbr\n"
    "home = /srv/derp/page.html\n"
    "bootstrap-dns = login.Example.com. controlplane.example.com\n"
    "state-dir = ./state\n"
    "mesh-key-file = /etc/derp/mesh.key\n"
    "mesh-with = a.demo.com b.demo.com:8443\n"
    "mesh-ca-file = /etc/derp/mesh-ca.pem\n"
    "[certificate]\n"
    "source = files\n"
    "dir = ./acme\n"
    "chain = ./fullchain.pem\n"
    "key = ./privkey.pem\n"
    "[acme]\n"
    "directory = https://203.0.113.1:14000/dir\n"
    "ca-file = ./pebble.pem\n"
    "email = admin@demo.com\n"
    "challenge = http-01\n"
    "profile = shortlived\nprofile-required = yes\n"
    "[dns]\n"
    "root-hints = ./hints\n"
    "trust-anchor = ./anchor\n"
    "resolver = 203.0.113.53\n"
    "[admission]\n"
    "allow = tailscaled:/run/tailscale/tailscaled.sock url:https://admin.demo.com/ok?x=1 "
    "keys:/etc/derp/keys\n"
    "fail-open = yes\n"
    "recheck = 90s\n"
    "refuse-apps = Bulk Copier ,other,  a-b.c\n";

static void every_relay_and_certificate_key(void **state)
{
    (void)state;
    reads(all_keys);
    assert_string_equal(c.domain, "derp.demo.com");
    assert_endpoints(&c.listen, "0.0.0.0:443 [::]:443 127.0.0.1:8443");
    assert_endpoints(&c.listen_proxy, "127.0.0.1:9443");
    assert_int_equal(c.proxy_from.count, 3);
    assert_endpoints(&c.stun, "");
    assert_endpoints(&c.http, "0.0.0.0:80");
    assert_endpoints(&c.metrics, "");
    assert_int_equal(c.workers, 2);
    assert_int_equal(c.accept_limit, 100);
    assert_int_equal(c.accept_burst, 500);
    assert_int_equal(c.uplink, 4000000);
    assert_string_equal(c.congestion, "bbr");
    assert_string_equal(c.home, "/srv/derp/page.html");
    assert_int_equal(c.bootstrap_dns.count, 2);
    assert_string_equal(c.bootstrap_dns.list[0], "login.example.com");
    assert_string_equal(c.bootstrap_dns.list[1], "controlplane.example.com");
    assert_string_equal(c.state_dir, "./state");
    assert_string_equal(c.mesh_key_file, "/etc/derp/mesh.key");
    assert_int_equal(c.mesh_count, 2);
    assert_string_equal(c.mesh_with[0].host, "a.demo.com");
    assert_int_equal(c.mesh_with[0].port, 443);
    assert_null(c.mesh_with[0].dial);
    assert_string_equal(c.mesh_with[1].host, "b.demo.com");
    assert_int_equal(c.mesh_with[1].port, 8443);
    assert_string_equal(c.mesh_ca_file, "/etc/derp/mesh-ca.pem");
    assert_int_equal(c.source, CONFIG_SOURCE_FILES);
    assert_string_equal(c.cert_dir, "./acme");
    assert_string_equal(c.chain, "./fullchain.pem");
    assert_string_equal(c.key, "./privkey.pem");
}

static void every_other_key(void **state)
{
    (void)state;
    char text[ENDPOINT_TEXT];
    reads(all_keys);
    assert_string_equal(c.acme_directory, "https://203.0.113.1:14000/dir");
    assert_string_equal(c.acme_ca_file, "./pebble.pem");
    assert_string_equal(c.acme_email, "admin@demo.com");
    assert_int_equal(c.challenge, CONFIG_CHALLENGE_HTTP_01);
    assert_string_equal(c.acme_profile, "shortlived");
    assert_true(c.profile_required);
    assert_string_equal(c.dns_root_hints, "./hints");
    assert_string_equal(c.dns_trust_anchor, "./anchor");
    assert_string_equal(endpoint_print(&c.dns_resolver, text), "203.0.113.53:53");
    assert_int_equal(c.allow_count, 3);
    assert_int_equal(c.allow[0].kind, CONFIG_ALLOW_TAILSCALED);
    assert_string_equal(c.allow[0].where, "/run/tailscale/tailscaled.sock");
    assert_int_equal(c.allow[1].kind, CONFIG_ALLOW_URL);
    assert_string_equal(c.allow[1].where, "https://admin.demo.com/ok?x=1");
    assert_int_equal(c.allow[2].kind, CONFIG_ALLOW_KEYS);
    assert_string_equal(c.allow[2].where, "/etc/derp/keys");
    assert_true(c.fail_open);
    assert_int_equal(c.recheck, 90);
    assert_string_equal(c.refuse_apps, "Bulk Copier,other,a-b.c");
}

/* The contract's own text, empty values and all. */
static void empty_values_are_defaults(void **state)
{
    (void)state;
    reads("[relay]\ndomain = derp.demo.com\nmesh-key-file =     # 64 hex digits\nmesh-with =\n"
          "[certificate]\nsource = acme   # or files, or self-signed\nchain =\nkey =\n"
          "[acme]\ndirectory =\nca-file =\nemail =\nprofile =\n"
          "[dns]\nroot-hints =\ntrust-anchor =\nresolver =\n"
          "[admission]\nallow = anyone\nfail-open = no\n");
    assert_string_equal(c.acme_directory, CONFIG_ACME_DIRECTORY);
    assert_int_equal(c.dns_resolver.any.sa_family, AF_UNSPEC);
    assert_int_equal(c.allow_count, 0);
}

#define RELAY       "[relay]\ndomain = a.example\n"
#define SELF_SIGNED "[certificate]\nsource = self-signed\n"

static void listen_addresses(void **state)
{
    (void)state;
    reads(RELAY "listen = 127.0.0.1:0 127.0.0.1:0\t[::1]:8443\n");
    assert_endpoints(&c.listen, "127.0.0.1:0 127.0.0.1:0 [::1]:8443");
    reads(RELAY "listen = 192.0.2.1\nstun = [::1]\nhttp = 192.0.2.1\nmetrics = [::1]\n");
    assert_endpoints(&c.listen, "192.0.2.1:443");
    assert_endpoints(&c.stun, "[::1]:3478");
    assert_endpoints(&c.http, "192.0.2.1:80");
    assert_endpoints(&c.metrics, "[::1]:3340");

    reads(RELAY "listen = [::ffff:192.0.2.1]:8443\n");
    assert_endpoints(&c.listen, "192.0.2.1:8443");
    refuses(RELAY "listen = [::ffff:192.0.2.1]:1 192.0.2.1:1\n", "listed twice");

    refuses(RELAY "listen = off\n", "derp.conf:3: listen: a relay listens somewhere");
    refuses(RELAY "listen =\n", "derp.conf:3: listen: a relay listens somewhere");
    refuses(RELAY "listen = 0.0.0.0:443, [::]:443\n", "found \"0.0.0.0:443,\"");
    refuses(RELAY "listen = 0.0.0.0:443 off\n", "found \"off\"");
    refuses(RELAY "listen = localhost:443\n", "found \"localhost:443\"");
    refuses(RELAY "listen = 127.0.0.1:1 127.0.0.1:1\n", "listed twice");
    refuses(RELAY "listen = 1.1.1.1:1 1.1.1.1:2 1.1.1.1:3 1.1.1.1:4 1.1.1.1:5 1.1.1.1:6 "
                  "1.1.1.1:7 1.1.1.1:8 1.1.1.1:9 1.1.1.1:10 1.1.1.1:11 1.1.1.1:12 1.1.1.1:13 "
                  "1.1.1.1:14 1.1.1.1:15 1.1.1.1:16 1.1.1.1:17\n",
            "more than 16");
    refuses(RELAY "stun =\n", "derp.conf:3: stun: expected addresses, or off");
}

static bool is_proxy(const char *address)
{
    struct endpoint e;
    assert_true(endpoint_parse_ip(address, &e));
    for (size_t i = 0; i < c.proxy_from.count; i++) {
        if (network_has(&c.proxy_from.list[i], &e))
            return true;
    }
    return false;
}

static void proxies(void **state)
{
    (void)state;
    char many[CONFIG_MAX_NETWORKS * 20 + 200] = RELAY "proxy-from =";
    reads(RELAY "listen-proxy = 10.0.0.1 [::1]:8443\nproxy-from = 10.0.0.5\t2001:db8::/32\n");
    assert_endpoints(&c.listen_proxy, "10.0.0.1:443 [::1]:8443");
    assert_true(is_proxy("10.0.0.5") && is_proxy("2001:db8::1"));
    assert_false(is_proxy("10.0.0.4") || is_proxy("2001:db9::1"));
    reads(RELAY "listen-proxy = off\nproxy-from =\n");
    assert_endpoints(&c.listen_proxy, "");
    reads(RELAY "proxy-from = 10.0.0.5\n");
    assert_true(is_proxy("10.0.0.5"));

    refuses(RELAY "listen-proxy = 10.0.0.1\n", "derp.conf: listen-proxy needs proxy-from");
    refuses(RELAY "listen-proxy =\n", "derp.conf:3: listen-proxy: expected addresses, or off");
    refuses(RELAY "listen-proxy = here\n", "found \"here\"");
    refuses(RELAY "proxy-from = 10.0.0.5/24\n", "derp.conf:3: proxy-from: expected addresses and "
                                                "networks");
    refuses(RELAY "proxy-from = lb.example\n", "found \"lb.example\"");
    refuses(RELAY "proxy-from = 10.0.0.5, 10.0.0.6\n", "found \"10.0.0.5,\"");
    refuses(RELAY "proxy-from = 0.0.0.0/0\n", "0.0.0.0/0 is everybody");
    refuses(RELAY "proxy-from = ::/0\n", "name the load balancers");
    for (int i = 0; i <= CONFIG_MAX_NETWORKS; i++) {
        size_t n = strlen(many);
        snprintf(many + n, sizeof many - n, " 10.0.0.%d", i % 10);
    }
    refuses(many, "more than 16 networks");
}

static void metrics_stay_on_this_host(void **state)
{
    (void)state;
    refuses(RELAY "metrics = 0.0.0.0:3340\n", "derp.conf:3: metrics: 0.0.0.0:3340 is not a "
                                              "loopback address");
    refuses(RELAY "metrics = 127.0.0.1:1 127.0.0.1:2\n", "one address at most");
    refuses(RELAY "metrics = 203.0.113.10\n", "no login");
}

static void domains(void **state)
{
    (void)state;
    refuses("[relay]\ndomain = derp\n", "derp.conf:2: domain: \"derp\" is not a host name: it has "
                                        "one label");
    reads("[relay]\ndomain = 203.0.113.10\n");
    assert_string_equal(c.domain, "203.0.113.10");
    reads("[relay]\ndomain = 2001:DB8:0::5\n");
    assert_string_equal(c.domain, "2001:db8::5");
    refuses("[relay]\ndomain = 0.0.0.0\n", "that clients can reach");
    refuses("[relay]\ndomain = ::\n", "that clients can reach");
    refuses("[relay]\ndomain = 203.0.113.10:443\n", "is not a host name");
    refuses("[relay]\ndomain = https://derp.demo.com\n", "only letters");
    refuses("", "derp.conf: source = acme needs a domain");
    refuses("[relay]\ndomain =\n", "needs a domain");
    reads(SELF_SIGNED);
    assert_null(c.domain);
    reads("[certificate]\nsource = files\nchain = a\nkey = b\n");
    assert_null(c.domain);
}

static void workers(void **state)
{
    (void)state;
    reads(RELAY "workers = auto\n");
    assert_int_equal(c.workers, 0);
    reads(RELAY "workers = 64\n");
    assert_int_equal(c.workers, 64);
    refuses(RELAY "workers = 0\n", "auto or a number from 1 to 64");
    refuses(RELAY "workers = 65\n", "found \"65\"");
    refuses(RELAY "workers =\n", "workers: expected");
    reads(RELAY "accept-limit = off\n");
    assert_int_equal(c.accept_limit, 0);
    reads(RELAY "accept-limit = 3\naccept-burst =\n");
    assert_int_equal(c.accept_burst, 0);
    refuses(RELAY "accept-limit = 0\n", "from 1 to 1000000, or off");
    refuses(RELAY "accept-limit = 1/s\n", "found \"1/s\"");
    refuses(RELAY "accept-burst = 5\n", "accept-burst needs accept-limit");
    refuses(RELAY "uplink = 4\n", "derp.conf:3: uplink: expected a rate");
    refuses(RELAY "congestion = BBR\n", "expected system, or the name");
    refuses(RELAY "congestion = \n", "expected system, or the name");
    refuses(RELAY "congestion = abcdefghijklmnop\n", "expected system, or the name");
}

static void home_pages(void **state)
{
    (void)state;
    static const char *const values[] = {"blank", "https://a.example/x?y", "http://a.example",
                                         "/srv/my page.txt"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char text[200];
        snprintf(text, sizeof text, RELAY "home = %s\n", values[i]);
        reads(text);
        assert_string_equal(c.home, values[i]);
    }
    reads(RELAY "home = default\n");
    assert_null(c.home);
    reads(RELAY "home =\n");
    assert_null(c.home);
    refuses(RELAY "home = page.html\n", "derp.conf:3: home: expected default, blank, the URL");
    refuses(RELAY "home = https://\n", "found \"https://\"");
    refuses(RELAY "home = https://a b\n", "found \"https://a b\"");
    refuses(RELAY "home = ftp://a.example/\n", "found \"ftp://a.example/\"");
}

static void bootstrap_names(void **state)
{
    (void)state;
    char text[1000] = RELAY "bootstrap-dns =";
    reads(RELAY "bootstrap-dns =\n");
    assert_int_equal(c.bootstrap_dns.count, 0);
    refuses(RELAY "bootstrap-dns = a.example, b.example\n", "separated by spaces; \"a.example,\"");
    refuses(RELAY "bootstrap-dns = localhost\n", "\"localhost\": it has one label");
    refuses(RELAY "bootstrap-dns = a.example A.example.\n", "a.example is listed twice");
    for (int i = 0; i <= CONFIG_MAX_NAMES; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), " a%d.bc", i);
    refuses(text, "more than 16 names");
}

static void sources(void **state)
{
    (void)state;
    reads(RELAY "[certificate]\nsource = acme\nchain = ignored\nkey = ignored\n");
    refuses("[certificate]\nsource = files\nkey = b\n", "chain is missing");
    refuses("[certificate]\nsource = files\nchain = b\nkey =\n", "key is missing");
    refuses("[certificate]\nsource = letsencrypt\n", "acme, files or self-signed");
    refuses("[certificate]\ndir =\n", "derp.conf:2: dir: expected the path of a folder");
    refuses(RELAY "state-dir =\n", "state-dir: expected the path");
    refuses(RELAY "mesh-with = b.example\n", "mesh-with needs mesh-key-file");
}

#define MESH RELAY "mesh-key-file = /etc/derp/mesh.key\n"

static void mesh(void **state)
{
    (void)state;
    reads(MESH
          "mesh-with = b.demo.com/10.0.0.2 [2001:db8::3]:8443 2001:db8::4/c.internal 192.0.2.5\n");
    assert_int_equal(c.mesh_count, 4);
    assert_string_equal(c.mesh_with[0].host, "b.demo.com");
    assert_string_equal(c.mesh_with[0].dial, "10.0.0.2");
    assert_string_equal(c.mesh_with[1].host, "2001:db8::3");
    assert_int_equal(c.mesh_with[1].port, 8443);
    assert_string_equal(c.mesh_with[2].host, "2001:db8::4");
    assert_string_equal(c.mesh_with[2].dial, "c.internal");
    assert_int_equal(c.mesh_with[2].port, 443);
    assert_string_equal(c.mesh_with[3].host, "192.0.2.5");
    refuses(MESH "mesh-with = b_.demo.com\n", "mesh-with: expected relays such as");
    refuses(MESH "mesh-with = b.demo.com:0\n", "found \"b.demo.com:0\"");
    refuses(MESH "mesh-with = b.demo.com:65536\n", "expected relays");
    refuses(MESH "mesh-with = b.demo.com:\n", "expected relays");
    refuses(MESH "mesh-with = b.demo.com/\n", "expected relays");
    refuses(MESH "mesh-with = /10.0.0.2\n", "expected relays");
    refuses(MESH "mesh-with = [2001:db8::3\n", "expected relays");
    refuses(MESH "mesh-with = [2001:db8::3]8443\n", "expected relays");
    refuses(MESH "mesh-with = [b.demo.com]:8443\n", "expected relays");
    refuses(MESH "mesh-with = "
                 "a.b b.b c.b d.b e.b f.b g.b h.b i.b j.b k.b l.b m.b n.b o.b p.b q.b\n",
            "more than 16 relays");
}

static void acme(void **state)
{
    (void)state;
    refuses(RELAY "[acme]\ndirectory = http://ca.example/dir\n",
            "derp.conf:4: directory: an ACME directory is reached by https:// only");
    refuses(RELAY "[acme]\ndirectory = ftp://ca.example/dir\n", "begins with https://");
    refuses(RELAY "[acme]\ndirectory = https://\n", "begins with https://");
    refuses(RELAY "[acme]\ndirectory = https:///dir\n", "begins with https://");
    refuses(RELAY "[acme]\ndirectory = https://ca.example/a b\n", "begins with https://");
    refuses(RELAY "[acme]\nemail = admin\n", "derp.conf:4: email: expected one address");
    refuses(RELAY "[acme]\nemail = a@b.example,c@d.example\n", "expected one address");
    refuses(RELAY "[acme]\nemail = @b.example\n", "expected one address");
    refuses(RELAY "[acme]\nprofile = a b\n", "name of a profile");
    refuses(RELAY "[acme]\nchallenge = tls-sni-01\n", "tls-alpn-01, http-01 or dns-01");
    refuses(RELAY "[acme]\neab-key-id = k\n", "eab-key-file is missing");
    refuses(RELAY "[acme]\neab-key-file = /k\n", "eab-key-id is missing");
    reads(RELAY "[acme]\neab-key-id = k 1\neab-key-file = /k\npreferred-chain = ISRG Root X1\n");
    assert_string_equal(c.eab_key_id, "k 1");
    assert_string_equal(c.preferred_chain, "ISRG Root X1");
    refuses(RELAY "[acme]\nfallback-directory = http://b.example/\n", "https");
    refuses(RELAY "[acme]\nfallback-eab-key-id = k\n", "fallback-eab-key-file is missing");
    refuses(RELAY "[acme]\nfallback-eab-key-id = k\nfallback-eab-key-file = /k\n",
            "need fallback-directory");
    refuses(RELAY "[acme]\nfallback-ca-file = /k\n", "need fallback-directory");
    refuses(RELAY
            "[acme]\ndirectory = https://b.example/\nfallback-directory = https://b.example/\n",
            "the same CA");
    reads(RELAY "[acme]\nfallback-directory =\nstaging-directory =\nhook =\n");
    assert_null(c.fallback_directory);
    assert_null(c.staging_directory);
    assert_null(c.acme_hook);
    reads(RELAY "[acme]\nfallback-directory = https://b.example/\nfallback-ca-file = /ca\n"
                "fallback-eab-key-id = k\nfallback-eab-key-file = /k\nhook = /usr/bin/tell\n"
                "staging-directory = https://c.example/\n");
    assert_string_equal(c.fallback_directory, "https://b.example/");
    assert_string_equal(c.staging_directory, "https://c.example/");
    assert_string_equal(c.acme_hook, "/usr/bin/tell");
    refuses(RELAY "[acme]\nchallenge = http-01\n", "needs derpd on port 80: set http =");
    reads(RELAY "http = 0.0.0.0:80\n[acme]\nchallenge = http-01\n");
    refuses(RELAY "[acme]\nchallenge = dns-01\n", "needs dns-hook");
    refuses(RELAY "[acme]\ndns-hook = hook\n", "absolute path");
    refuses(RELAY "[acme]\ndns-wait = 11m\n", "at most 10m");
    reads(RELAY "[acme]\nchallenge = dns-01\ndns-hook = /h\ndns-wait = 2m\n");
    assert_int_equal(c.dns_wait, 120);
    assert_int_equal(c.challenge, CONFIG_CHALLENGE_DNS_01);
}

static void resolvers(void **state)
{
    (void)state;
    char text[ENDPOINT_TEXT];
    reads(RELAY "[dns]\nresolver = [2001:db8::53]:5353\n");
    assert_string_equal(endpoint_print(&c.dns_resolver, text), "[2001:db8::53]:5353");
    reads(RELAY "[dns]\nresolver = 2001:db8::53\n");
    assert_string_equal(endpoint_print(&c.dns_resolver, text), "[2001:db8::53]:53");
    refuses(RELAY "[dns]\nresolver = dns.example\n", "derp.conf:4: resolver: expected an address");
    refuses(RELAY "[dns]\nresolver = 192.0.2.1:0\n", "expected an address");
}

static void who_else_is_asked(void **state)
{
    (void)state;
    reads(RELAY);
    assert_null(c.dns_public_resolvers);
    assert_null(c.dns_address_from);
    reads(RELAY "[dns]\npublic-resolvers = 192.0.2.1 [2001:db8::53]:5353\n");
    assert_string_equal(c.dns_public_resolvers, "192.0.2.1 [2001:db8::53]:5353");
    reads(RELAY "[dns]\npublic-resolvers = off\naddress-from = off\n");
    assert_string_equal(c.dns_public_resolvers, "off");
    assert_string_equal(c.dns_address_from, "off");
    reads(RELAY "[dns]\npublic-resolvers =\naddress-from =\n");
    assert_null(c.dns_public_resolvers);
    assert_null(c.dns_address_from);
    refuses(RELAY "[dns]\npublic-resolvers = dns.google\n", "derp.conf:4: public-resolvers");
    reads(RELAY "[dns]\naddress-from = stun:stun.example.net stun:192.0.2.1:3479 "
                "https://ip.example.net/me\n");
    assert_non_null(c.dns_address_from);
    static const char *const wrong[] = {
        "stun:",       "stun:host:0",      "stun:a b", "stun:local", "http://example.net",
        "example.net", "stun:h.net:70000", "https://", "stun:h.net:"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[200];
        snprintf(text, sizeof text, RELAY "[dns]\naddress-from = %s\n", wrong[i]);
        refuses(text, "expected stun:HOST:PORT or https://");
    }
}

static void admission(void **state)
{
    (void)state;
    refuses(RELAY "[admission]\nallow =\n", "derp.conf:4: allow: it is empty");
    refuses(RELAY "[admission]\nallow = anyone keys:/k\n", "anyone stands alone");
    refuses(RELAY "[admission]\nallow = keys:/k anyone\n", "anyone stands alone");
    refuses(RELAY "[admission]\nallow = nobody\n", "found \"nobody\"");
    refuses(RELAY "[admission]\nallow = keys:\n", "keys: needs a path");
    refuses(RELAY "[admission]\nallow = url:\n", "url: needs a URL");
    refuses(RELAY "[admission]\nallow = url:http://a.example/\n", "use https://");
    refuses(RELAY "[admission]\nallow = url:http://localhost.example/\n", "use https://");
    refuses(RELAY "[admission]\nallow = url:a.example\n", "found \"a.example\"");
    refuses(RELAY "[admission]\nallow = keys:1 keys:2 keys:3 keys:4 keys:5 keys:6 keys:7 keys:8 "
                  "keys:9\n",
            "more than 8 sources");
    refuses(RELAY "[admission]\nfail-open = maybe\n", "expected yes or no");
    refuses(RELAY "[admission]\nrecheck = 0\n", "a time from 1s to 24h");
    refuses(RELAY "[admission]\nrecheck = 25h\n", "or off, found \"25h\"");
    refuses(RELAY "[admission]\nrecheck = 10\n", "a time from 1s to 24h");
    refuses(RELAY "[admission]\nrefuse-apps = a,,b\n", "a name is missing");
    refuses(RELAY "[admission]\nrefuse-apps = a,\n", "a name is missing");
    refuses(RELAY "[admission]\nrefuse-apps = ok, b\xc3\xa4r\n", "printable ASCII");
    refuses(RELAY "[admission]\nrefuse-apps = a23456789012345678901234567890123\n",
            "names of 32 bytes at most");
    reads(RELAY "[admission]\nrecheck = off\nrefuse-apps = a2345678901234567890123456789012\n");
    assert_int_equal(c.recheck, 0);
    reads(RELAY "[admission]\nrefuse-apps =\n");
    assert_null(c.refuse_apps);
    reads(RELAY "[admission]\nallow = url:http://127.0.0.1:8080/admit keys:a keys:b\n");
    assert_int_equal(c.allow_count, 3);
    assert_string_equal(c.allow[0].where, "http://127.0.0.1:8080/admit");
    reads(RELAY "[admission]\nallow = url:http://[::1]/\n");
}

static void parsing_again_starts_from_defaults(void **state)
{
    (void)state;
    reads(RELAY "workers = 3\n[admission]\nallow = keys:/k\nfail-open = yes\n");
    reads(RELAY);
    assert_int_equal(c.workers, 0);
    assert_int_equal(c.allow_count, 0);
    assert_false(c.fail_open);
    refuses(RELAY "workers = 3\nnonsense\n", "derp.conf:4: ");
    assert_int_equal(c.workers, 0);
}

static void loads_files(void **state)
{
    (void)state;
    char dir[64];
    char path[128];
    char expected[256];
    struct fault f;
    unit_dir(dir);
    unit_file(dir, "derp.conf", RELAY, path);
    assert_true(config_load(path, &c, &f));
    assert_string_equal(c.domain, "a.example");

    unit_file(dir, "derp.conf", "[relay]\nworkers = many\n", path);
    assert_false(config_load(path, &c, &f));
    snprintf(expected, sizeof expected, "%s:2: workers: ", path);
    assert_non_null(strstr(f.text, expected));
    assert_non_null(c.state_dir);

    FILE *file = fopen(path, "w");
    fwrite("[relay]\n\0domain = hidden.example\n", 1, 33, file);
    fclose(file);
    assert_false(config_load(path, &c, &f));
    assert_non_null(strstr(f.text, "NUL"));

    file = fopen(path, "w");
    for (int i = 0; i < 70000; i++)
        fputc('\n', file);
    fclose(file);
    assert_false(config_load(path, &c, &f));
    assert_non_null(strstr(f.text, "larger than 65536 bytes"));

    assert_false(config_load("/nonexistent/derp.conf", &c, &f));
    assert_non_null(strstr(f.text, "cannot open /nonexistent/derp.conf: No such file"));
    unit_dir_remove(dir);
}

#define TEST(name) cmocka_unit_test_teardown(name, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults),
        TEST(every_relay_and_certificate_key),
        TEST(every_other_key),
        TEST(empty_values_are_defaults),
        TEST(listen_addresses),
        TEST(proxies),
        TEST(metrics_stay_on_this_host),
        TEST(domains),
        TEST(workers),
        TEST(home_pages),
        TEST(bootstrap_names),
        TEST(sources),
        TEST(mesh),
        TEST(acme),
        TEST(resolvers),
        TEST(who_else_is_asked),
        TEST(admission),
        TEST(parsing_again_starts_from_defaults),
        TEST(loads_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
