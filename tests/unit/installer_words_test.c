/* SPDX-License-Identifier: Apache-2.0 */
/* What other programs print, as derp-setup reads it. */
#include "installer/certificate.h"
#include "installer/choose.h"
#include "installer/relaystatus.h"
#include "installer/server.h"
#include "installer/service.h"
#include "installer/undo.h"

#include "base/mem.h"
#include "tests/unit/unit.h"

static void test_service_state(void **state)
{
    (void)state;
    struct service_state s;
    service_parse("NRestarts=3\nActiveState=active\nUnitFileState=enabled\n", &s);
    assert_true(s.active && s.enabled && !s.failed);
    assert_int_equal(s.restarts, 3);
    service_parse("ActiveState=failed\nUnitFileState=disabled\n", &s);
    assert_true(!s.active && !s.enabled && s.failed);
    service_parse("ActiveState=activating\nUnitFileState=static", &s);
    assert_true(!s.active && !s.enabled);
    service_parse("XActiveState=active\nUnitFileState=\nNRestarts=many", &s);
    assert_true(!s.active && !s.enabled && s.restarts == 0);
    service_parse("", &s);
    assert_false(s.active);
}

static void assert_os(const char *text, const char *wanted)
{
    char name[64];
    server_os_name(text, name, sizeof name);
    assert_string_equal(name, wanted);
}

static void test_os_name(void **state)
{
    (void)state;
    assert_os("NAME=\"Ubuntu\"\nPRETTY_NAME=\"Ubuntu 24.04.1 LTS\"\nID=ubuntu\n",
              "Ubuntu 24.04.1 LTS");
    assert_os("PRETTY_NAME=Alpine", "Alpine");
    assert_os("PRETTY_NAME=\"\"\n", "");
    assert_os("PRETTY_NAME=\"", "");
    assert_os("PRETTY_NAME=", "");
    assert_os("ID=x\n\n\n", "Linux");
    assert_os("", "Linux");
    assert_os("PRETTY_NAME=\"a\x1b[2J\"\n", "a\\x1b[2J");
}

static void assert_reason(const char *log, const char *wanted)
{
    char reason[64];
    certificate_reason(log, reason, sizeof reason);
    assert_string_equal(reason, wanted);
}

static void test_certificate_reason(void **state)
{
    (void)state;
    assert_reason("derp-acme: order https://ca/o/1\n"
                  "derp-acme: error: unreachable: the CA says: timeout\n"
                  "derp-acme: next try at 2026-11-23T09:00:00Z\n",
                  "unreachable: the CA says: timeout");
    assert_reason("derp-acme: error: a\nderp-acme: error: b", "a; b");
    assert_reason("derp-acme: warning: a\nerror: derp-acme: error: b\n", "");
    assert_reason("", "");
    assert_reason("derp-acme: error: \x1b[31m\xe2\x80\x94\n", "\\x1b[31m\xe2\x80\x94");
    assert_reason("derp-acme: error: "
                  "0123456789012345678901234567890123456789012345678901234567890123456789\n",
                  "012345678901234567890123456789012345678901234567890123456789012");
}

/* Pitfall 12. */
static void test_certificate_fix(void **state)
{
    (void)state;
    assert_non_null(strstr(certificate_fix("203.0.113.7: Connection reset by peer"), "ICP filing"));
    assert_null(strstr(certificate_fix("203.0.113.7: Timeout during connect"), "ICP filing"));
    assert_non_null(strstr(certificate_fix(""), "derp-setup renew"));
}

static size_t split(const char *command, char **words)
{
    static char text[256];
    struct fault f = {.text = ""};
    size_t n = 0;
    snprintf(text, sizeof text, "%s", command);
    if (!undo_split(text, words, &f)) {
        assert_string_not_equal(f.text, "");
        return 0;
    }
    while (words[n])
        n++;
    return n;
}

static void test_undo_split(void **state)
{
    (void)state;
    char *w[UNDO_WORDS];
    assert_int_equal(split("ufw delete allow 443/tcp", w), 4);
    assert_string_equal(w[3], "443/tcp");
    assert_int_equal(split("  ufw   delete allow 1/tcp comment 'derp-relay: TLS' ", w), 6);
    assert_string_equal(w[5], "derp-relay: TLS");
    assert_int_equal(split("ufw ''", w), 2);
    assert_string_equal(w[1], "");
    assert_int_equal(split("systemctl stop derpd.service", w), 3);
    assert_int_equal(split("ufw 'open", w), 0);
    assert_int_equal(split("rm -rf /", w), 0);
    assert_int_equal(split("/tmp/ufw enable", w), 0);
    assert_int_equal(split("iptables -P FORWARD DROP", w), 4);
    assert_int_equal(split("ip6tables -P FORWARD DROP", w), 4);
    assert_int_equal(split("iptables -P INPUT DROP", w), 0);
    assert_int_equal(split("iptables -P FORWARD ACCEPT", w), 0);
    assert_int_equal(split("iptables -F", w), 0);
    assert_int_equal(split("iptables", w), 0);
    assert_int_equal(split("", w), 0);
    char longest[200] = "ufw";
    for (size_t i = 1; i < UNDO_WORDS - 1; i++)
        strcat(longest, " x");
    assert_int_equal(split(longest, w), UNDO_WORDS - 1);
    strcat(longest, " x");
    assert_int_equal(split(longest, w), 0);
}

#define STATUS(problem)                                                                            \
    "{\"version\":\"0.1.0\",\"uptimeSeconds\":61,\"certificate\":{\"state\":\"good\","             \
    "\"problem\":\"" problem "\"},\"connections\":{\"open\":3,\"loggedIn\":2},"                    \
    "\"packets\":{\"disco\":{\"sent\":1},\"other\":{\"sent\":4,\"dropped\":5}},"                   \
    "\"stun\":{\"answered\":6}}"

static void test_relay_status(void **state)
{
    (void)state;
    struct relaystatus s;
    struct fault f;
    assert_true(relaystatus_parse(STATUS(""), &s, &f));
    assert_string_equal(s.certificate, "good");
    assert_string_equal(s.problem, "");
    assert_int_equal(s.uptime, 61);
    assert_int_equal(s.clients, 2);
    assert_int_equal(s.relayed, 5);
    assert_int_equal(s.dropped, 5);
    assert_int_equal(s.stun, 6);
    assert_true(relaystatus_parse(STATUS("key \\u001b does not fit"), &s, &f));
    assert_string_equal(s.problem, "key \\x1b does not fit");
    assert_false(relaystatus_parse("", &s, &f));
    assert_false(relaystatus_parse("{}", &s, &f));
    assert_false(relaystatus_parse("[1]", &s, &f));
    assert_string_not_equal(f.text, "");
}

static void test_relay_numbers_as_json(void **state)
{
    (void)state;
    struct relaystatus s;
    struct fault f;
    assert_true(relaystatus_parse(STATUS(""), &s, &f));
    char *text = relaystatus_json(&s, 89);
    assert_string_equal(text, "{\"version\":\"0.1.0\",\"uptimeSeconds\":61,\"connections\":3,"
                              "\"loggedIn\":2,\"packets\":5,\"bytes\":0,\"drops\":5,\"stun\":6,"
                              "\"certificate\":{\"state\":\"good\",\"daysLeft\":89}}");
    free(text);
}

static void assert_derper(const char *unit, const char *wanted)
{
    char value[CHOOSE_VALUE] = "";
    assert_int_equal(choose_of_derper(unit, value), wanted != NULL);
    if (wanted)
        assert_string_equal(value, wanted);
}

static void test_whom_a_derper_admits(void **state)
{
    (void)state;
    assert_derper("[Service]\nExecStart=/usr/local/bin/derper -hostname x -verify-clients\n",
                  "tailscaled");
    assert_derper("ExecStart=derper --verify-clients=true", "tailscaled");
    assert_derper("ExecStart=derper --verify-clients=false", NULL);
    assert_derper("ExecStart=/bin/derper -verify-client-url=https://hs/verify -a :443\n",
                  "url:https://hs/verify");
    assert_derper(
        "ExecStart=/bin/derper -verify-clients --verify-client-url \"https://hs/verify\"\n",
        "url:https://hs/verify");
    assert_derper("ExecStart=/bin/derper -verify-client-url", NULL);
    assert_derper("ExecStart=/bin/derper -verify-client-url-fail-open=false\n", NULL);
    assert_derper("ExecStart=/bin/derper -hostname x\n-verify-clients\n", NULL);
    assert_derper("ExecStart=/bin/other -verify-clients\n", NULL);
    assert_derper("#ExecStart=/bin/derper -verify-clients\nExecStart=", NULL);
    assert_derper("", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_service_state),        cmocka_unit_test(test_os_name),
        cmocka_unit_test(test_certificate_reason),   cmocka_unit_test(test_certificate_fix),
        cmocka_unit_test(test_undo_split),           cmocka_unit_test(test_relay_status),
        cmocka_unit_test(test_whom_a_derper_admits), cmocka_unit_test(test_relay_numbers_as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
