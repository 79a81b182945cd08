/* SPDX-License-Identifier: Apache-2.0 */
/* What doctor reads and how it judges: limits, derp-acme's status, admission sources, the way from
 * outside, age. */
#include "installer/acmestatus.c"
#include "installer/caarecords.c"
#include "installer/clientsjudge.c"
#include "installer/fallback.h"
#include "installer/health.h"
#include "installer/limits.c"
#include "installer/noname.h"
#include "installer/outside.c"
#include "installer/server.h"

#include "tests/unit/unit.h"

#define DAY 86400

static void assert_found(struct findings *all, const char *id, enum severity severity)
{
    const struct finding *one = findings_get(all, id);
    if (!one)
        fail_msg("%s was not found", id);
    assert_int_equal(one->severity, severity);
    if (severity >= SEVERITY_WARN)
        assert_non_null(one->fix);
}

static void assert_says(struct findings *all, const char *id, const char *words)
{
    const struct finding *one = findings_get(all, id);
    if (!one || !strstr(one->message, words))
        fail_msg("%s does not say \"%s\": %s", id, words, one ? one->message : "");
}

/* --- Limits --------------------------------------------------------------------------------------
 */

static void test_reads_limits(void **state)
{
    (void)state;
    struct limits l;
    limits_init(&l);
    limits_parse_limits(
        "Limit                     Soft Limit           Hard Limit           Units\n"
        "Max file size             unlimited            unlimited            bytes\n"
        "Max open files            1024                 1048576              files\n",
        &l);
    assert_int_equal(l.descriptors_max, 1024);
    limits_parse_limits("Max open files            unlimited\n", &l);
    assert_int_equal(l.descriptors_max, LIMITS_UNKNOWN);
    limits_parse_meminfo("MemTotal: 2 kB\nMemAvailable:    54321 kB\n", &l);
    assert_int_equal(l.free_kib, 54321);
    limits_parse_netstat("TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 1 17 18\n"
                         "IpExt: InNoRoutes\nIpExt: 5\n",
                         &l);
    assert_int_equal(l.backlog_lost, 17);
    limits_init(&l);
    limits_parse_netstat("IpExt: A\nIpExt: 5\nTcpExt: ListenOverflowsX A\nTcpExt: 1 2\n", &l);
    limits_parse_netstat("TcpExt: ListenOverflows\n", &l);
    limits_parse_netstat("TcpExt: A ListenOverflows\nTcpExt: 1\n", &l);
    limits_parse_netstat("", &l);
    assert_int_equal(l.backlog_lost, LIMITS_UNKNOWN);
    assert_int_equal(limits_parse_number("4096\n"), 4096);
    assert_int_equal(limits_parse_number("4096"), 4096);
    assert_int_equal(limits_parse_number("4096 1\n"), LIMITS_UNKNOWN);
    assert_int_equal(limits_parse_number("99999999999999999999999999\n"), LIMITS_UNKNOWN);
    assert_int_equal(limits_parse_number(""), LIMITS_UNKNOWN);
}

#define UDP_HEAD                                                                                   \
    "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout " \
    "inode ref pointer drops\n"
#define UDP_LINE(local, drops)                                                                     \
    "  412: " local " 00000000:0000 07 00000000:00000000 00:00000000 00000000   998        0 "     \
    "1234 2 0000000000000000 " drops "\n"

static void test_reads_drops_of_our_port(void **state)
{
    (void)state;
    struct limits l;
    limits_init(&l);
    limits_parse_udp(UDP_HEAD UDP_LINE("00000000:0D97", "99"), 3478, &l);
    assert_int_equal(l.stun_lost, LIMITS_UNKNOWN);
    limits_parse_udp(UDP_HEAD UDP_LINE("00000000:0D96", "5") UDP_LINE("00000000:0D96", "2"), 3478,
                     &l);
    limits_parse_udp(UDP_HEAD UDP_LINE("00000000000000000000000000000000:0D96", "1"), 3478, &l);
    assert_int_equal(l.stun_lost, 8);
    limits_parse_udp("", 3478, &l);
    limits_parse_udp(UDP_HEAD "  1: 00000000:0D96\n", 3478, &l);
    assert_int_equal(l.stun_lost, 8);
}

#define MAP(rest) "7f12a0000000-7f12a0022000 r-xp 00022000 fd:01 131  " rest "\n"

/* Pitfall 20. */
static void test_reads_deleted_libraries(void **state)
{
    (void)state;
    struct limits l;
    limits_init(&l);
    limits_parse_maps(MAP("/usr/lib/x86_64-linux-gnu/libssl.so.3") MAP("[stack]") MAP("")
                          MAP("/dev/zero (deleted)") MAP("/memfd:x (deleted)"),
                      &l);
    assert_int_equal(l.libraries, 0);
    limits_parse_maps(MAP("/usr/lib/libssl.so.3 (deleted)") MAP("/usr/lib/libssl.so.3 (deleted)")
                          MAP("/usr/lib/libc.so.6 (deleted)"),
                      &l);
    assert_int_equal(l.libraries, 2);
    assert_string_equal(l.library, "/usr/lib/libssl.so.3");
    struct findings all = {0};
    limits_judge(&l, &all);
    assert_found(&all, "service.libraries", SEVERITY_WARN);
    assert_says(&all, "service.libraries", "2 libraries");
    findings_free(&all);
}

static struct limits good_limits(void)
{
    return (struct limits){.descriptors = 40,
                           .descriptors_max = 1048576,
                           .tracked = 10,
                           .tracked_max = 65536,
                           .backlog_max = 4096,
                           .backlog_lost = 0,
                           .stun_lost = 0,
                           .free_kib = 900000};
}

static void assert_limits(struct limits l, const char *id, enum severity severity)
{
    struct findings all = {0};
    limits_judge(&l, &all);
    assert_int_equal(all.count, 1);
    assert_found(&all, id, severity);
    findings_free(&all);
}

/* Pitfall 17. */
static void test_judges_limits(void **state)
{
    (void)state;
    struct limits l = good_limits();
    assert_limits(l, "limits.ok", SEVERITY_OK);
    l.tracked = l.tracked_max = LIMITS_UNKNOWN; /* no conntrack in this kernel */
    assert_limits(l, "limits.ok", SEVERITY_OK);
    l = good_limits(), l.tracked = 60000;
    assert_limits(l, "limits.conntrack", SEVERITY_WARN);
    l = good_limits(), l.descriptors_max = 1024;
    assert_limits(l, "limits.descriptors", SEVERITY_WARN);
    l = good_limits(), l.descriptors = 1000000;
    assert_limits(l, "limits.descriptors", SEVERITY_WARN);
    l = good_limits(), l.backlog_max = 128;
    assert_limits(l, "limits.backlog", SEVERITY_WARN);
    l = good_limits(), l.backlog_lost = 5000;
    assert_limits(l, "limits.backlog", SEVERITY_WARN);
    l = good_limits(), l.stun_lost = 5000;
    assert_limits(l, "limits.stun", SEVERITY_WARN);
    l = good_limits(), l.free_kib = 20000;
    assert_limits(l, "server.memory.free", SEVERITY_WARN);
    limits_init(&l);
    assert_limits(l, "limits.unknown", SEVERITY_SKIP);
}

/* --- derp-acme -----------------------------------------------------------------------------------
 */

#define ACME(certificate, rest)                                                                    \
    "{\"schema\":1,\"certificate\":" certificate ",\"renew_at\":\"2026-12-24T00:00:00Z\","         \
    "\"next\":\"the certificate is good\"" rest "}"
#define GOOD                                                                                       \
    "{\"good\":true,\"not_before\":\"2026-11-24T00:00:00Z\","                                      \
    "\"not_after\":\"2027-02-22T00:00:00Z\"}"

static time_t at(const char *text)
{
    time_t t;
    assert_true(clock_parse(text, &t));
    return t;
}

static struct findings judge_acme(const char *json, const char *now)
{
    struct findings all = {0};
    struct acmestatus st;
    struct fault f;
    assert_true(acmestatus_parse(json, &st, &f));
    acmestatus_judge(&st, at(now), &all);
    return all;
}

static void test_what_comes_next_for_the_certificate(void **state)
{
    (void)state;
    struct findings all = judge_acme(ACME(GOOD, ",\"problem\":null"), "2026-11-26T00:00:00Z");
    assert_int_equal(all.count, 1);
    assert_says(&all, "certificate.next", "2026-12-24");
    findings_free(&all);
    all =
        judge_acme(ACME(GOOD, ",\"next_try\":\"2026-11-26T05:00:00Z\",\"problem\":{\"failures\":3,"
                              "\"at\":\"2026-11-26T00:00:00Z\",\"text\":\"CAA \\u001bforbids\"}"),
                   "2026-11-26T01:00:00Z");
    assert_found(&all, "certificate.problem", SEVERITY_WARN);
    assert_says(&all, "certificate.problem", "CAA \\x1bforbids");
    assert_says(&all, "certificate.problem", "3 times in a row");
    assert_says(&all, "certificate.next", "not before 2026-11-26T05:00:00Z");
    findings_free(&all);
    all = judge_acme(
        "{\"certificate\":{\"good\":false,\"why\":\"none\"},\"renew_at\":null,"
        "\"next\":\"there is no usable certificate\",\"problem\":{\"text\":\"timeout\"}}",
        "2026-11-26T01:00:00Z");
    assert_found(&all, "certificate.problem", SEVERITY_FAIL);
    assert_says(&all, "certificate.next", "no usable certificate");
    findings_free(&all);
    all = judge_acme("{}", "2026-11-26T01:00:00Z");
    assert_int_equal(all.count, 0);
    all = judge_acme("{\"certificate\":7,\"problem\":[],\"next\":{},\"renew_at\":1}",
                     "2026-11-26T01:00:00Z");
    assert_int_equal(all.count, 0);
}

static void test_refuses_what_is_no_status(void **state)
{
    (void)state;
    struct acmestatus st;
    struct fault f;
    assert_false(acmestatus_parse("", &st, &f));
    assert_false(acmestatus_parse("[]", &st, &f));
    assert_false(acmestatus_parse("7", &st, &f));
    assert_string_not_equal(f.text, "");
}

/* --- Outside -------------------------------------------------------------------------------------
 */

static void assert_outside(const struct config *c, const struct acmestatus *st, time_t now,
                           enum severity severity, const char *words)
{
    struct findings all = {0};
    outside_proof(c, st, now, &all);
    assert_found(&all, "outside.tls", severity);
    assert_says(&all, "outside.tls", words);
    findings_free(&all);
}

/* Pitfall 10. */
static void test_what_a_ca_has_proven(void **state)
{
    (void)state;
    struct config c;
    config_init(&c);
    struct acmestatus st = {.good = true, .not_before = 1000 * DAY};
    assert_outside(&c, &st, 1010 * DAY, SEVERITY_OK, "443/tcp");
    assert_outside(&c, &st, 1091 * DAY, SEVERITY_SKIP, "443/tcp");
    assert_outside(&c, NULL, 1010 * DAY, SEVERITY_SKIP, "not proven");
    c.challenge = CONFIG_CHALLENGE_HTTP_01;
    assert_outside(&c, &st, 1010 * DAY, SEVERITY_OK, "80/tcp");
    c.challenge = CONFIG_CHALLENGE_DNS_01;
    assert_outside(&c, &st, 1010 * DAY, SEVERITY_SKIP, "443/tcp");
    c.challenge = CONFIG_CHALLENGE_TLS_ALPN_01, c.source = CONFIG_SOURCE_FILES;
    assert_outside(&c, &st, 1010 * DAY, SEVERITY_SKIP, "443/tcp");
    config_free(&c);
}

/* Pitfall 10. */
static void test_hint_at_the_provider(void **state)
{
    (void)state;
    struct config c;
    struct findings all = {0};
    config_init(&c);
    c.stun.count = 0;
    outside_console(&c, CLOUD_NONE, SEVERITY_SKIP, &all);
    assert_non_null(strstr(all.list[0].fix, "443/tcp in the"));
    c.stun.count = 1;
    assert_true(endpoint_parse("0.0.0.0:3479", 0, &c.stun.list[0]));
    outside_console(&c, CLOUD_NONE, SEVERITY_WARN, &all);
    assert_non_null(strstr(all.list[1].fix, "443/tcp, 3479/udp"));
    static const struct {
        enum cloud cloud;
        const char *word;
    } words[] = {
        {CLOUD_ALIBABA, "ECS, Security Groups"},
        {CLOUD_TENCENT, "Lighthouse"},
        {CLOUD_AWS, "EC2, Security Groups"},
        {CLOUD_GCE, "VPC network, Firewall"},
        {CLOUD_AZURE, "network security group"},
        {CLOUD_ORACLE, "security list"},
        {CLOUD_HETZNER, "Hetzner Cloud console (Firewalls)"},
        {CLOUD_DIGITALOCEAN, "Droplet (Networking, Firewalls)"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        outside_console(&c, words[i].cloud, SEVERITY_WARN, &all);
        assert_non_null(strstr(all.list[i + 2].fix, words[i].word));
        assert_non_null(strstr(all.list[i + 2].fix, "443/tcp, 3479/udp"));
    }
    findings_free(&all);
    config_free(&c);
}

/* --- Admission sources ---------------------------------------------------------------------------
 */

struct source_case {
    bool url;
    struct clientsjudge j;
    const char *id; /* NULL: it works, and nothing is to be said */
    enum severity severity;
};

static void test_judges_admission_sources(void **state)
{
    (void)state;
    static const struct source_case cases[] = {
        {false, {"/s", 404, "", "", false}, NULL, SEVERITY_OK},
        {false, {"/s", 200, "{}", "", false}, NULL, SEVERITY_OK},
        {false, {"/s", 0, "", "refused", false}, "clients.tailscaled", SEVERITY_FAIL},
        {false, {"/s", 0, "", "refused", true}, "clients.tailscaled", SEVERITY_WARN},
        {false, {"/s", 403, "", "", false}, "clients.tailscaled", SEVERITY_FAIL},
        {true, {"u", 200, "{\"allow\":false} x", "", false}, NULL, SEVERITY_OK},
        {true, {"u", 200, "{}", "", false}, NULL, SEVERITY_OK},
        {true, {"u", 200, "{\"Allow\":null}", "", false}, NULL, SEVERITY_OK},
        {true, {"u", 200, "{\"Allow\":true}", "", false}, "clients.url.open", SEVERITY_WARN},
        {true, {"u", 200, "{\"Allow\":1}", "", false}, "clients.url", SEVERITY_FAIL},
        {true, {"u", 200, "<html>", "", false}, "clients.url", SEVERITY_FAIL},
        {true, {"u", 200, "[]", "", true}, "clients.url", SEVERITY_WARN},
        {true, {"u", 500, "", "", false}, "clients.url", SEVERITY_FAIL},
        {true, {"u", 0, "", "timeout", false}, "clients.url", SEVERITY_FAIL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct source_case *one = &cases[i];
        struct findings all = {0};
        bool works = one->url ? clientsjudge_url(&one->j, &all) : clientsjudge_whois(&one->j, &all);
        assert_int_equal(all.count, one->id ? 1 : 0);
        assert_int_equal(works, !one->id || strcmp(one->id, "clients.url.open") == 0);
        if (one->id)
            assert_found(&all, one->id, one->severity);
        findings_free(&all);
    }
}

/* Pitfall 22. */
static void test_age(void **state)
{
    (void)state;
    struct findings all = {0};
    server_judge_age(0, 9000 * (time_t)DAY, &all);
    server_judge_age(1000 * (time_t)DAY, 1179 * (time_t)DAY, &all);
    assert_int_equal(all.count, 0);
    server_judge_age(1000 * (time_t)DAY, 1180 * (time_t)DAY, &all);
    assert_found(&all, "package.old", SEVERITY_WARN);
    assert_says(&all, "package.old", "180 days ago (1972-09-27)");
    findings_free(&all);
}

/* Pitfall 19. */
static void test_disk_memory_clock(void **state)
{
    (void)state;
    struct findings all = {0};
    assert_true(server_judge_disk("/etc", 200, &all) && server_judge_disk("/etc", -1, &all));
    server_judge_memory(256, &all);
    assert_int_equal(all.count, 0);
    assert_false(server_judge_disk("/etc", 199, &all));
    assert_found(&all, "server.disk", SEVERITY_WARN);
    server_judge_memory(255, &all);
    assert_found(&all, "server.memory", SEVERITY_WARN);
    findings_free(&all);
    assert_false(server_judge_disk("/var/lib", 29, &all));
    assert_found(&all, "server.disk", SEVERITY_FAIL);
    assert_says(&all, "server.disk", "/var/lib");
    server_judge_clock(99, 100, true, &all);
    assert_found(&all, "clock.wrong", SEVERITY_FAIL);
    server_judge_clock(100, 100, false, &all);
    assert_found(&all, "clock.unsynchronised", SEVERITY_WARN);
    server_judge_clock(100, 100, true, &all);
    assert_found(&all, "clock.ok", SEVERITY_OK);
    findings_free(&all);
}

static void assert_leaf(int life, int age, const char *id, enum severity severity)
{
    struct findings all = {0};
    struct leaf leaf = {.for_domain = true,
                        .not_before = 1000 * (time_t)DAY,
                        .not_after = (1000 + life) * (time_t)DAY};
    health_judge_certificate("derp.demo.com", &leaf, (1000 + age) * (time_t)DAY, &all);
    assert_int_equal(all.count, 1);
    assert_found(&all, id, severity);
    findings_free(&all);
}

/* Pitfall 19. */
static void test_a_certificate_that_was_not_renewed(void **state)
{
    (void)state;
    assert_leaf(90, -1, "certificate.expired", SEVERITY_FAIL);
    assert_leaf(90, 0, "certificate.ok", SEVERITY_OK);
    assert_leaf(90, 70, "certificate.ok", SEVERITY_OK);
    assert_leaf(90, 71, "certificate.soon", SEVERITY_WARN);
    assert_leaf(90, 91, "certificate.expired", SEVERITY_FAIL);
    assert_leaf(8, 6, "certificate.ok", SEVERITY_OK); /* lives for a week: two days are a quarter */
    assert_leaf(8, 7, "certificate.soon", SEVERITY_WARN);
    struct findings all = {0};
    struct leaf leaf = {.for_domain = false};
    health_judge_certificate("derp.demo.com", &leaf, 0, &all);
    assert_found(&all, "certificate.name", SEVERITY_FAIL);
    findings_free(&all);
}

/* Days of the clock, and of the making of the next one (0: there is none). */
static void assert_pin(long now, long made, const char *id, enum severity severity,
                       const char *says)
{
    struct findings all = {0};
    struct leaf leaf = {.not_before = 1000 * (time_t)DAY, .not_after = 4650 * (time_t)DAY};
    struct leaf next = {.not_before = (made - 1) * (time_t)DAY,
                        .not_after = (made + 3650) * (time_t)DAY};
    leaf.sha256[31] = 0xab;
    next.sha256[31] = 0xcd;
    noname_judge(&leaf, made ? &next : NULL, now * (time_t)DAY, &all);
    assert_int_equal(all.count, 1);
    assert_found(&all, id, severity);
    assert_says(&all, id, says);
    findings_free(&all);
}

static void test_a_pin_that_has_to_change(void **state)
{
    (void)state;
    assert_pin(999, 0, "certificate.expired", SEVERITY_FAIL, "not valid");
    assert_pin(1000, 0, "certificate.ok", SEVERITY_OK, "sha256-raw:000000");
    assert_pin(4590, 0, "certificate.ok", SEVERITY_OK, "00ab");
    assert_pin(4591, 0, "certificate.pin", SEVERITY_WARN, "has not made");
    assert_pin(4650, 0, "certificate.expired", SEVERITY_FAIL, "not valid");
    assert_pin(4650, 4649, "certificate.expired", SEVERITY_FAIL, "not valid");
    assert_pin(4285, 4285, "certificate.pin", SEVERITY_WARN,
               "at 1981-11-24T00:00:00Z to sha256-raw:0000");
    assert_pin(4344, 4285, "certificate.pin", SEVERITY_WARN, "00cd");
    assert_pin(4000, 4650, "certificate.ok", SEVERITY_OK, "00ab"); /* made by a wrong clock */
}

static void test_caa_records(void **state)
{
    (void)state;
    struct findings all = {0};
    struct fault f;
    assert_true(caarecords_parse(
        "{\"domain\":\"derp.demo.com\",\"authorities\":["
        "{\"directory\":\"https://one/\",\"accounturi\":\"https://one/a/"
        "1\",\"records\":[{\"value\":"
        "\"one.test; accounturi=https://one/a/1; validationmethods=tls-alpn-01\"},{}]},"
        "{\"directory\":\"https://two/\",\"accounturi\":\"https://two/a/2\",\"records\":[]},"
        "{\"directory\":\"https://three/\",\"accounturi\":null,\"problem\":\"not\\u001breached\"}, "
        "7]}",
        &all, &f));
    assert_int_equal(all.count, 4);
    assert_string_equal(all.list[0].message,
                        "to let only this relay's account at https://one/ issue, set: "
                        "derp.demo.com. CAA 0 issue \"one.test; accounturi=https://one/a/1; "
                        "validationmethods=tls-alpn-01\"");
    assert_non_null(strstr(all.list[1].message, "https://two/a/2"));
    assert_int_equal(all.list[1].severity, SEVERITY_OK);
    assert_int_equal(all.list[2].severity, SEVERITY_WARN);
    assert_null(strchr(all.list[2].message, '\x1b'));
    findings_free(&all);
    assert_true(caarecords_parse("{}", &all, &f));
    assert_int_equal(all.count, 0);
    assert_false(caarecords_parse("", &all, &f));
    assert_false(caarecords_parse("[]", &all, &f));
}

static void test_what_a_refusal_is(void **state)
{
    (void)state;
    struct acmestatus st;
    assert_true(acmestatus_parse("{\"problem\":{\"text\":\"x\",\"type\":"
                                 "\"urn:ietf:params:acme:error:rejectedIdentifier\"}}",
                                 &st, NULL));
    assert_string_equal(st.type, "rejectedIdentifier");
    assert_true(fallback_is_refusal(st.type));
    assert_true(fallback_is_refusal("unsupportedIdentifier"));
    assert_true(fallback_is_refusal("malformed"));
    assert_true(fallback_is_refusal("invalidProfile"));
    assert_false(fallback_is_refusal("connection"));
    assert_false(fallback_is_refusal("rateLimited"));
    assert_false(fallback_is_refusal(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_caa_records),
        cmocka_unit_test(test_what_a_refusal_is),
        cmocka_unit_test(test_reads_limits),
        cmocka_unit_test(test_reads_drops_of_our_port),
        cmocka_unit_test(test_reads_deleted_libraries),
        cmocka_unit_test(test_judges_limits),
        cmocka_unit_test(test_what_comes_next_for_the_certificate),
        cmocka_unit_test(test_refuses_what_is_no_status),
        cmocka_unit_test(test_what_a_ca_has_proven),
        cmocka_unit_test(test_hint_at_the_provider),
        cmocka_unit_test(test_judges_admission_sources),
        cmocka_unit_test(test_age),
        cmocka_unit_test(test_a_certificate_that_was_not_renewed),
        cmocka_unit_test(test_disk_memory_clock),
        cmocka_unit_test(test_a_pin_that_has_to_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
