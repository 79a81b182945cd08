/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/desired.c"

#include "tests/unit/unit.h"

static struct desired w;
static struct fault f;
static struct journal none;

/* A first run with nothing but the domain. */
static char *first_text(void)
{
    struct options o = {.domain = "derp.demo.com"};
    assert_true(desired_make(&o, &none, NULL, true, &w, &f));
    char *text = mem_strdup(w.text);
    desired_free(&w);
    return text;
}

static void test_first_run(void **state)
{
    (void)state;
    struct options o = {.domain = "derp.demo.com", .uplink = "4mbit", .email = "a@demo.com"};
    assert_true(desired_make(&o, &none, NULL, true, &w, &f));
    assert_string_equal(w.config.domain, "derp.demo.com");
    assert_int_equal(w.config.uplink, 4000000);
    assert_int_equal(w.config.listen.count, 2);
    assert_non_null(strstr(w.changes, "domain derp.demo.com"));
    assert_null(w.old_domain);
    assert_false(w.domain_changed);
    desired_free(&w);
}

static void test_without_a_domain(void **state)
{
    (void)state;
    struct options o = {.domain = "203.0.113.7", .ip = true};
    assert_true(desired_make(&o, &none, NULL, true, &w, &f));
    assert_string_equal(w.config.domain, "203.0.113.7");
    assert_int_equal(w.config.source, CONFIG_SOURCE_SELF_SIGNED);
    assert_true(desired_has_no_domain(&w.config));
    char *text = mem_strdup(w.text);
    desired_free(&w);
    assert_true(desired_make(&o, &none, text, true, &w, &f));
    assert_string_equal(w.changes, "");
    desired_free(&w);
    o = (struct options){.domain = "derp.demo.com"}; /* now it has one */
    assert_true(desired_make(&o, &none, text, true, &w, &f));
    assert_int_equal(w.config.source, CONFIG_SOURCE_ACME);
    assert_true(w.domain_changed && !desired_has_no_domain(&w.config));
    desired_free(&w);
    /* A CA's for the address, and its own again. */
    o = (struct options){.domain = "203.0.113.7",
                         .ip = true,
                         .certificate = CERTIFICATE_CHOICE_ACME,
                         .acme_profile = "shortlived"};
    assert_true(desired_make(&o, &none, text, true, &w, &f));
    assert_int_equal(w.config.source, CONFIG_SOURCE_ACME);
    assert_string_equal(w.config.acme_profile, "shortlived");
    assert_true(w.was_self_signed && w.acme_changed && w.relay_changed && !w.domain_changed);
    assert_true(desired_has_no_domain(&w.config));
    free(text);
    text = mem_strdup(w.text);
    desired_free(&w);
    o = (struct options){.domain = "203.0.113.7", .ip = true}; /* it is kept */
    assert_true(desired_make(&o, &none, text, true, &w, &f));
    assert_string_equal(w.changes, "");
    assert_false(w.was_self_signed);
    desired_free(&w);
    o.certificate = CERTIFICATE_CHOICE_SELF_SIGNED;
    assert_true(desired_make(&o, &none, text, true, &w, &f));
    assert_int_equal(w.config.source, CONFIG_SOURCE_SELF_SIGNED);
    desired_free(&w);
    o = (struct options){.domain = "derp.demo.com"}; /* the profile was for addresses */
    assert_true(desired_make(&o, &none, text, true, &w, &f));
    assert_null(w.config.acme_profile);
    desired_free(&w);
    o.acme_profile = "tlsserver";
    assert_true(desired_make(&o, &none, text, true, &w, &f));
    assert_string_equal(w.config.acme_profile, "tlsserver");
    desired_free(&w);
    free(text);
    text = NULL;
    /* By hand: it stays. */
    const char *hand = "[relay]\ndomain = a.demo.com\n[certificate]\nsource = self-signed\n";
    o = (struct options){.domain = "a.demo.com"};
    assert_true(desired_make(&o, &none, hand, true, &w, &f));
    assert_string_equal(w.text, hand);
    desired_free(&w);
}

static void test_settings_of_acme(void **state)
{
    (void)state;
    char *text = first_text();
    struct options o = {
        .domain = "derp.demo.com",
        .acme_challenge = "http-01",
        .acme_preferred_chain = "ISRG Root X1",
        .acme_eab_key_id = "kid",
        .acme_eab_key_file = "/etc/derp/eab",
        .acme_dns_hook = "/etc/derp/dns-hook",
        .acme_hook = "/etc/derp/hook",
        .acme_fallback_directory = "https://two.test/dir",
        .acme_fallback_ca_file = "/etc/derp/two.pem",
        .acme_fallback_eab_key_id = "kid2",
        .acme_fallback_eab_key_file = "/etc/derp/eab2",
    };
    assert_true(desired_make(&o, &none, text, true, &w, &f));
    const struct config *c = &w.config;
    assert_int_equal(c->challenge, CONFIG_CHALLENGE_HTTP_01);
    assert_int_equal(c->http.count, 2); /* what it needs */
    assert_int_equal(endpoint_port(&c->http.list[0]), 80);
    assert_string_equal(c->preferred_chain, "ISRG Root X1");
    assert_string_equal(c->eab_key_id, "kid");
    assert_string_equal(c->eab_key_file, "/etc/derp/eab");
    assert_string_equal(c->dns_hook, "/etc/derp/dns-hook");
    assert_string_equal(c->acme_hook, "/etc/derp/hook");
    assert_string_equal(c->fallback_directory, "https://two.test/dir");
    assert_string_equal(c->fallback_ca_file, "/etc/derp/two.pem");
    assert_string_equal(c->fallback_eab_key_id, "kid2");
    assert_string_equal(c->fallback_eab_key_file, "/etc/derp/eab2");
    assert_true(w.accounts_changed && w.relay_changed && !w.acme_changed);
    free(text);
    text = mem_strdup(w.text);
    desired_free(&w);
    assert_true(desired_make(&o, &none, text, true, &w, &f));
    assert_string_equal(w.changes, "");
    assert_false(w.accounts_changed);
    desired_free(&w);
    o = (struct options){.domain = "derp.demo.com", .acme_fallback_directory = ""};
    assert_false(desired_make(&o, &none, text, true, &w, &f)); /* the rest needs it */
    assert_non_null(strstr(f.text, "fallback-directory"));
    desired_free(&w);
    o.acme_fallback_ca_file = o.acme_fallback_eab_key_id = o.acme_fallback_eab_key_file = "";
    assert_true(desired_make(&o, &none, text, true, &w, &f));
    assert_null(w.config.fallback_directory);
    desired_free(&w);
    o = (struct options){.domain = "derp.demo.com", .acme_eab_key_id = "kid"};
    free(text);
    text = first_text();
    assert_false(desired_make(&o, &none, text, true, &w, &f)); /* half of a pair */
    desired_free(&w);
    free(text);
}

static void test_second_run_changes_nothing(void **state)
{
    (void)state;
    char *text = first_text();
    struct options o = {.domain = "derp.demo.com"};
    assert_true(desired_make(&o, &none, text, true, &w, &f));
    assert_string_equal(w.text, text);
    assert_string_equal(w.changes, "");
    assert_false(w.relay_changed);
    desired_free(&w);
    free(text);
}

static void test_flags_change_only_what_they_name(void **state)
{
    (void)state;
    const char *old = "[relay]\ndomain = derp.demo.com # ours\nuplink = off\nworkers = 1\n"
                      "[acme]\nemail = a@demo.com\n";
    struct options o = {.domain = "derp.demo.com", .uplink = "4mbit"};
    assert_true(desired_make(&o, &none, old, true, &w, &f));
    assert_string_equal(w.text, "[relay]\ndomain = derp.demo.com # ours\nuplink = 4mbit\n"
                                "workers = 1\n[acme]\nemail = a@demo.com\n");
    assert_string_equal(w.changes, "uplink off -> 4mbit");
    assert_true(w.relay_changed);
    desired_free(&w);
    o = (struct options){.domain = "derp.demo.com", .email = "b@demo.com"};
    assert_true(desired_make(&o, &none, old, true, &w, &f));
    assert_string_equal(w.changes, "email a@demo.com -> b@demo.com");
    assert_false(w.relay_changed);
    desired_free(&w);
    old = "[relay]\ndomain = derp.demo.com\n[acme]\nprofile = classic\nhook =\n";
    o = (struct options){.domain = "derp.demo.com", .acme_profile = "", .acme_hook = "/opt/told"};
    assert_true(desired_make(&o, &none, old, true, &w, &f));
    assert_string_equal(w.changes, "profile classic -> (empty), hook (empty) -> /opt/told");
    desired_free(&w);
}

static void test_other_domain(void **state)
{
    (void)state;
    struct options o = {.domain = "new.demo.com"};
    char *text = first_text();
    assert_true(desired_make(&o, &none, text, true, &w, &f));
    assert_true(w.domain_changed);
    assert_string_equal(w.old_domain, "derp.demo.com");
    assert_string_equal(w.config.domain, "new.demo.com");
    desired_free(&w);
    free(text);
}

static void assert_listen(struct options o, const struct journal *j, const char *old, bool kernel6,
                          const char *listen, const char *stun)
{
    char text[80];
    snprintf(o.domain, sizeof o.domain, "derp.demo.com");
    assert_true(desired_make(&o, j, old, kernel6, &w, &f));
    if (confedit_get(w.text, "relay", "listen", text, sizeof text))
        assert_string_equal(text, listen);
    else
        assert_null(listen);
    if (confedit_get(w.text, "relay", "stun", text, sizeof text))
        assert_string_equal(text, stun);
    else
        assert_null(stun);
    desired_free(&w);
}

static void test_listen(void **state)
{
    (void)state;
    struct journal no_ipv6 = {.settings = {.no_ipv6 = true}};
    struct options plain = {0};
    struct options ports = {.port = 8443, .stun_port = 3479};
    struct options ask6 = {.ip6_auto = true};
    const char *hand = "[relay]\ndomain=derp.demo.com\nlisten = 203.0.113.7:443\nstun = off\n";
    assert_listen(plain, &none, NULL, true, NULL, NULL);
    assert_listen(ports, &none, NULL, true, "0.0.0.0:8443 [::]:8443", "0.0.0.0:3479 [::]:3479");
    assert_listen(plain, &none, NULL, false, "0.0.0.0:443", "0.0.0.0:3478");
    assert_listen(plain, &no_ipv6, NULL, true, "0.0.0.0:443", "0.0.0.0:3478");
    assert_listen(plain, &none, hand, true, "203.0.113.7:443", "off");
    assert_listen(plain, &none, hand, false, "203.0.113.7:443", "off");
    assert_listen(ask6, &none, hand, true, "0.0.0.0:443 [::]:443", "off");
}

static void test_staging_comes_and_goes(void **state)
{
    (void)state;
    struct options o = {.domain = "derp.demo.com", .staging = true};
    assert_true(desired_make(&o, &none, NULL, true, &w, &f));
    assert_string_equal(w.config.acme_directory, DESIRED_STAGING_DIRECTORY);
    char *text = mem_strdup(w.text);
    desired_free(&w);
    o.staging = false;
    assert_true(desired_make(&o, &none, text, true, &w, &f));
    assert_string_equal(w.config.acme_directory, CONFIG_ACME_DIRECTORY);
    desired_free(&w);
    free(text);
}

static void test_broken_config(void **state)
{
    (void)state;
    struct options o = {.domain = "derp.demo.com"};
    assert_false(desired_make(&o, &none, "[relay]\ndomian = x.y\n", true, &w, &f));
    assert_non_null(strstr(f.text, "derp.conf:2"));
    desired_free(&w);
}

static void test_clients(void **state)
{
    (void)state;
    struct options o = {.domain = "derp.demo.com", .clients = "tailscaled"};
    assert_true(desired_make(&o, &none, NULL, true, &w, &f));
    assert_int_equal(w.config.allow_count, 1);
    assert_int_equal(w.config.allow[0].kind, CONFIG_ALLOW_TAILSCALED);
    desired_free(&w);
}

static void test_settings(void **state)
{
    (void)state;
    struct journal j = {0};
    struct options o = {.no_ipv6 = true, .region_id = 901, .region_code = "fra"};
    endpoint_parse_ip("203.0.113.7", &o.ip4);
    desired_settings(&o, &j.settings);
    assert_string_equal(j.settings.ip4, "203.0.113.7");
    assert_true(j.settings.no_ipv6);
    o = (struct options){0}; /* a later run without flags keeps all of it */
    desired_settings(&o, &j.settings);
    assert_string_equal(j.settings.ip4, "203.0.113.7");
    assert_true(j.settings.no_ipv6);
    assert_int_equal(j.settings.region_id, 901);
    o = (struct options){.ip4_auto = true,
                         .ip6_auto = true,
                         .firewall_given = true,
                         .firewall = FIREWALL_CHOICE_NONE};
    desired_settings(&o, &j.settings);
    assert_null(j.settings.ip4);
    assert_false(j.settings.no_ipv6);
    assert_true(j.settings.no_firewall);
    journal_free(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_run),
        cmocka_unit_test(test_second_run_changes_nothing),
        cmocka_unit_test(test_flags_change_only_what_they_name),
        cmocka_unit_test(test_other_domain),
        cmocka_unit_test(test_listen),
        cmocka_unit_test(test_without_a_domain),
        cmocka_unit_test(test_settings_of_acme),
        cmocka_unit_test(test_staging_comes_and_goes),
        cmocka_unit_test(test_broken_config),
        cmocka_unit_test(test_clients),
        cmocka_unit_test(test_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
