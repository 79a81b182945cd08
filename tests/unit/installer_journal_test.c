/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/journal.c"

#include "tests/unit/unit.h"

static void fill(struct journal *j)
{
    memset(j, 0, sizeof *j);
    journal_set(&j->domain, "derp.demo.com");
    journal_set(&j->config, "12ab");
    journal_set(&j->settings.ip4, "203.0.113.7");
    journal_set(&j->settings.region_name, "\xe4\xb8\x8a\xe6\xb5\xb7");
    j->settings.no_ipv6 = true;
    j->settings.region_id = 901;
    journal_mark(j, "firewall", JOURNAL_STARTED);
    journal_mark(j, "firewall", JOURNAL_DONE);
    journal_mark(j, "config", JOURNAL_STARTED);
    journal_add(j, "rule", "ufw allow 443/tcp comment 'derp-relay: TLS'",
                "ufw delete allow 443/tcp");
    journal_add(j, "file", "/etc/derp/derp.conf", "");
    journal_add(j, "file", "/etc/derp/derp.conf", "");
}

static void test_round_trip(void **state)
{
    (void)state;
    struct journal j, k;
    struct fault f;
    fill(&j);
    char *text = journal_print(&j);
    assert_true(journal_parse(text, &k, &f));
    char *again = journal_print(&k);
    assert_string_equal(text, again);
    assert_string_equal(k.domain, "derp.demo.com");
    assert_string_equal(k.config, "12ab");
    assert_true(k.settings.no_ipv6 && !k.settings.no_firewall);
    assert_null(k.settings.ip6);
    assert_false(journal_is_open(&k, "firewall"));
    assert_true(journal_is_open(&k, "config"));
    assert_false(journal_is_open(&k, "proof"));
    assert_int_equal(k.change_count, 2);
    assert_string_equal(k.changes[0].undo, "ufw delete allow 443/tcp");
    free(text);
    free(again);
    journal_free(&j);
    journal_free(&k);
}

static void test_drop(void **state)
{
    (void)state;
    struct journal j;
    fill(&j);
    journal_drop(&j);
    assert_int_equal(j.change_count, 1);
    journal_drop(&j);
    journal_drop(&j);
    assert_int_equal(j.change_count, 0);
    journal_free(&j);
}

static void test_raise(void **state)
{
    (void)state;
    struct journal j = {0};
    journal_add(&j, "enable", "ufw --force enable", "ufw --force disable");
    journal_add(&j, "enable", "derpd.service", "systemctl disable derpd.service");
    journal_add(&j, "rule", "ufw allow 2222/tcp", "ufw delete allow 2222/tcp");
    assert_false(journal_raise(&j, "enable", "nft "));
    assert_false(journal_raise(&j, "boot", "ufw "));
    assert_string_equal(j.changes[2].what, "rule");
    assert_true(journal_raise(&j, "enable", "ufw "));
    assert_int_equal(j.change_count, 3);
    assert_string_equal(j.changes[0].detail, "derpd.service");
    assert_string_equal(j.changes[1].what, "rule");
    assert_string_equal(j.changes[2].undo, "ufw --force disable");
    journal_free(&j);
    assert_false(journal_raise(&j, "enable", "ufw "));
}

/* A firewall change that was undone leaves no trace but an installed package. */
static void test_pending(void **state)
{
    (void)state;
    struct journal j, k;
    struct fault f;
    fill(&j);
    journal_begin(&j);
    journal_add(&j, "package", "ufw", "apt-get purge ufw");
    journal_add(&j, "rule", "ufw allow 22/tcp", "ufw delete allow 22/tcp");
    char *text = journal_print(&j);
    assert_true(journal_parse(text, &k, &f));
    assert_true(k.pending);
    assert_int_equal(k.pending_from, 2);
    journal_end(&j, false);
    assert_int_equal(j.change_count, 4);
    journal_end(&j, true); /* nothing is pending any more */
    assert_int_equal(j.change_count, 4);
    journal_end(&k, true);
    assert_int_equal(k.change_count, 3);
    assert_string_equal(k.changes[2].what, "package");
    assert_false(k.pending);
    free(text);
    journal_free(&j);
    journal_free(&k);
}

static void test_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "[]",
        "{",
        "{}",
        "{\"schema\":2}",
        "{\"schema\":\"1\"}",
        "{\"schema\":1,\"domain\":7}",
        "{\"schema\":1,\"steps\":[]}",
        "{\"schema\":1,\"steps\":{\"a\":\"maybe\"}}",
        "{\"schema\":1,\"steps\":{\"a\":1}}",
        "{\"schema\":1,\"changes\":{}}",
        "{\"schema\":1,\"changes\":[1]}",
        "{\"schema\":1,\"changes\":[{\"what\":\"rule\"}]}",
        "{\"schema\":1,\"settings\":{\"region_id\":1}}",
        "{\"schema\":1,\"settings\":[]}",
        "{\"schema\":1,\"schema\":1}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct journal j;
        struct fault f = {.text = ""};
        if (journal_parse(bad[i], &j, &f))
            fail_msg("accepted: %s", bad[i]);
        assert_string_not_equal(f.text, "");
        assert_null(j.domain);
        assert_int_equal(j.change_count, 0);
    }
}

static void test_file(void **state)
{
    (void)state;
    char dir[64], path[128];
    struct journal j, k;
    struct fault f;
    struct stat st;
    unit_dir(dir);
    snprintf(path, sizeof path, "%s/journal.json", dir);
    assert_true(journal_load(path, &k, &f)); /* missing: empty */
    assert_null(k.domain);
    fill(&j);
    assert_true(journal_save(path, &j, &f));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    ino_t before = st.st_ino;
    assert_true(journal_save(path, &j, &f)); /* the same again: not even written */
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_ino, before);
    assert_true(journal_load(path, &k, &f));
    assert_string_equal(k.domain, j.domain);
    journal_free(&k);
    unit_file(dir, "journal.json", "{\"schema\":1,", path);
    assert_false(journal_load(path, &k, &f));
    assert_non_null(strstr(f.text, "journal.json: line 1"));
    journal_free(&j);
    unit_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_drop),
        cmocka_unit_test(test_pending),    cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
