/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/options.c"

#include "tests/unit/unit.h"

static struct options o;
static struct fault f;

/* Parses a command line written with spaces. */
static enum options_result parse(const char *line)
{
    static char words[2048];
    char *argv[32] = {(char *)"derp-setup"};
    int argc = 1;
    snprintf(words, sizeof words, "%s", line);
    f.text[0] = '\0';
    for (char *w = strtok(words, " "); w; w = strtok(NULL, " "))
        argv[argc++] = w;
    return options_parse(argc, argv, &o, &f);
}

static void assert_wrong(const char *line, const char *says)
{
    if (parse(line) != OPTIONS_WRONG)
        fail_msg("accepted: %s", line);
    if (!strstr(f.text, says))
        fail_msg("%s: “%s” does not say “%s”", line, f.text, says);
}

static void test_domain_sets_up(void **state)
{
    (void)state;
    assert_int_equal(parse("Derp.Demo.COM."), OPTIONS_RUN);
    assert_int_equal(o.verb, VERB_SETUP);
    assert_string_equal(o.domain, "derp.demo.com");
}

static void test_verbs(void **state)
{
    (void)state;
    assert_int_equal(parse("check derp.demo.com"), OPTIONS_RUN);
    assert_int_equal(o.verb, VERB_CHECK);
    assert_string_equal(o.domain, "derp.demo.com");
    assert_int_equal(parse("status --json"), OPTIONS_RUN);
    assert_int_equal(o.verb, VERB_STATUS);
    assert_true(o.json);
    assert_int_equal(parse("uninstall --purge --confirm=derp.demo.com"), OPTIONS_RUN);
    assert_int_equal(o.verb, VERB_UNINSTALL);
    assert_string_equal(o.confirm, "derp.demo.com");
    assert_int_equal(parse("map --format headscale"), OPTIONS_RUN);
    assert_int_equal(o.format, MAP_HEADSCALE);
}

static void test_flags_in_any_place(void **state)
{
    (void)state;
    assert_int_equal(parse("-ny --ip4 203.0.113.10 derp.demo.com --uplink=4mbit --ssh-port=22,2222 "
                           "--allow=9090/tcp,53/udp --wait-dns=10m --port=8443"),
                     OPTIONS_RUN);
    assert_true(o.dry_run && o.yes && !o.no_input);
    assert_int_equal(o.ip4.any.sa_family, AF_INET);
    assert_string_equal(o.uplink, "4mbit");
    assert_int_equal(o.ssh_port_count, 2);
    assert_int_equal(o.ssh_ports[1], 2222);
    assert_int_equal(o.allow_count, 2);
    assert_int_equal(o.allow[1].port, 53);
    assert_true(o.allow[1].udp && !o.allow[0].udp);
    assert_true(o.wait_dns_given);
    assert_int_equal(o.wait_dns, 600);
    assert_int_equal(o.port, 8443);
}

static void test_help_and_version_win(void **state)
{
    (void)state;
    assert_int_equal(parse("--help"), OPTIONS_HELP);
    assert_int_equal(parse("check -h"), OPTIONS_HELP);
    assert_int_equal(parse("-V"), OPTIONS_VERSION);
    assert_int_equal(parse("--version"), OPTIONS_VERSION);
}

static void test_wrong_words(void **state)
{
    (void)state;
    assert_wrong("", "domain is missing");
    assert_wrong("check", "check derp.demo.com");
    assert_wrong("frobnicate", "neither a verb nor a domain");
    assert_wrong("a.b c.d", "one domain is enough");
    assert_wrong("status derp.demo.com", "takes no further word");
    assert_wrong("-- --help.x", "not a domain");
    assert_wrong("-", "neither a verb");
}

static void test_wrong_domains(void **state)
{
    (void)state;
    assert_wrong("derp..demo.com", "not a domain");
    assert_wrong("-derp.demo.com", "no such flag");
    assert_wrong("derp_1.demo.com", "not a domain");
    assert_wrong("203.0.113.10", "not a domain");
    assert_wrong("203.0.113.10", "--ip");
    assert_wrong("--ip derp.demo.com", "without a domain");
    assert_wrong("--ip --wait-dns=5m", "without a domain");
    assert_wrong("--ip=derp.demo.com", "IPv4");
    assert_wrong("status --ip", "does not belong");
    assert_wrong("*.demo.com", "not a domain");
    assert_wrong("https://derp.demo.com/", "only the host name");
    assert_wrong("derp.demo.com:443", "only the host name");
    assert_wrong("d\xc3\xa9rp.demo.com", "xn--");
    char longer[400];
    memset(longer, 'a', sizeof longer);
    for (size_t i = 50; i < sizeof longer; i += 50)
        longer[i] = '.';
    longer[sizeof longer - 1] = '\0';
    assert_wrong(longer, "not a domain");
}

static void test_wrong_flags(void **state)
{
    (void)state;
    assert_wrong("derp.demo.com --no-such", "--no-such: no such flag");
    assert_wrong("derp.demo.com --helpme", "no such flag");
    assert_wrong("derp.demo.com -x", "-x: no such flag");
    assert_wrong("derp.demo.com -nx", "no such flag");
    assert_wrong("derp.demo.com --yes=1", "takes no value");
    assert_wrong("derp.demo.com --uplink", "value is missing");
    assert_wrong("derp.demo.com --uplink --yes", "value is missing");
    assert_wrong("status --uplink=4mbit", "does not belong to `derp-setup status`");
    assert_wrong("derp.demo.com --purge", "does not belong");
    assert_wrong("map --log-file=/x", "does not belong");
    assert_wrong("derp.demo.com --no-ipv6 --ip6=2001:db8::1", "contradict");
    assert_wrong("derp.demo.com -q -v", "contradict");
    assert_wrong("derp.demo.com --staging --acme-directory=https://ca.test/dir", "contradict");
    assert_wrong("derp.demo.com --firewall=none --close-others", "no meaning");
    assert_wrong("uninstall --confirm=derp.demo.com", "belongs to --purge");
    assert_wrong("derp.demo.com --uplink=\x1b[31m", "\\x1b");
}

static void test_error_ends_with_next_command(void **state)
{
    (void)state;
    assert_wrong("derp.demo.com --no-such", "derp-setup --help");
    assert_wrong("derp.demo.com --uplink=fast", "derp-setup --help");
    assert_wrong("a..b", "derp-setup derp.demo.com");
}

/* Every flag of the table is in the help, and none twice. */
static void test_help_lists_everything(void **state)
{
    (void)state;
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    options_help(out);
    fclose(out);
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        char flag[40];
        if (!flags[i].help)
            continue;
        snprintf(flag, sizeof flag, " --%s%s", flags[i].name,
                 flags[i].optional ? "[=" : (flags[i].value ? "=" : " "));
        if (!strstr(text, flag))
            fail_msg("%s is not in --help", flag);
        assert_ptr_equal(find_long(flags[i].name, strlen(flags[i].name)), &flags[i]);
    }
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") <= 102); /* bytes; an ellipsis has three */
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_domain_sets_up),
        cmocka_unit_test(test_verbs),
        cmocka_unit_test(test_flags_in_any_place),
        cmocka_unit_test(test_help_and_version_win),
        cmocka_unit_test(test_wrong_words),
        cmocka_unit_test(test_wrong_domains),
        cmocka_unit_test(test_wrong_flags),
        cmocka_unit_test(test_error_ends_with_next_command),
        cmocka_unit_test(test_help_lists_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
