/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/report.c"

#include "tests/unit/unit.h"

struct sink {
    struct report r;
    char *text;
    size_t n;
    FILE *err;
};

static void open_sink(struct sink *s, struct options o, struct report_style style)
{
    memset(s, 0, sizeof *s);
    s->err = open_memstream(&s->text, &s->n);
    report_open(&s->r, &o, &style, s->err);
}

static void close_sink(struct sink *s)
{
    report_close(&s->r);
    fclose(s->err);
    free(s->text);
}

static void add_two(struct report *r)
{
    report_found(r, SEVERITY_OK, "clock.ok", NULL, "synchronised");
    report_found(r, SEVERITY_FAIL, "dns.a.mismatch", "point it here", "points to %s", "192.0.2.1");
}

static void test_plain_lines(void **state)
{
    (void)state;
    struct sink s;
    open_sink(&s, (struct options){0}, (struct report_style){0});
    add_two(&s.r);
    assert_non_null(strstr(s.text, "[ok] clock.ok: synchronised\n"));
    assert_non_null(strstr(s.text, "[fail] dns.a.mismatch: points to 192.0.2.1\n"));
    assert_non_null(strstr(s.text, "point it here"));
    assert_null(strchr(s.text, '\033'));
    assert_int_equal(findings_worst(&s.r.findings), SEVERITY_FAIL);
    close_sink(&s);
}

static void test_items(void **state)
{
    (void)state;
    struct sink s;
    open_sink(&s, (struct options){0}, (struct report_style){0});
    report_item(&s.r, "config", "write  it: %d", 1);
    assert_string_equal(s.text, "  config      write  it: 1\n");
    close_sink(&s);
    open_sink(&s, (struct options){0}, (struct report_style){.terminal = true, .width = 24});
    report_item(&s.r, "config", "write it, and more");
    assert_string_equal(s.text, "  config      write it,\n    and more\n");
    close_sink(&s);
}

static void test_terminal(void **state)
{
    (void)state;
    struct sink s;
    open_sink(&s, (struct options){0},
              (struct report_style){.terminal = true, .color = true, .utf8 = true, .width = 40});
    add_two(&s.r);
    assert_non_null(strstr(s.text, "\033[32m✓\033[0m clock"));
    assert_non_null(strstr(s.text, "\033[31m✗\033[0m dns"));
    assert_non_null(strstr(s.text, "[dns.a.mismatch]"));
    assert_non_null(strstr(s.text, "→ point it here"));
    close_sink(&s);
    open_sink(&s, (struct options){0}, (struct report_style){.terminal = true, .width = 80});
    add_two(&s.r);
    for (const char *c = s.text; *c; c++)
        assert_true((unsigned char)*c < 0x80 && *c != '\033');
    close_sink(&s);
}

static void test_quiet_shows_only_trouble(void **state)
{
    (void)state;
    struct sink s;
    open_sink(&s, (struct options){.quiet = true}, (struct report_style){0});
    report_title(&s.r, "Checking");
    report_line(&s.r, "a line");
    add_two(&s.r);
    report_begin(&s.r, "certificate", "asking");
    report_progress(&s.r, "still");
    report_end(&s.r);
    report_always(&s.r, "the end");
    assert_null(strstr(s.text, "Checking"));
    assert_null(strstr(s.text, "clock.ok"));
    assert_null(strstr(s.text, "still"));
    assert_non_null(strstr(s.text, "dns.a.mismatch"));
    assert_non_null(strstr(s.text, "the end"));
    close_sink(&s);
}

static void test_log_gets_everything(void **state)
{
    (void)state;
    struct sink s;
    struct fault f;
    struct stat st;
    char dir[64], path[128], text[4096] = "";
    unit_dir(dir);
    snprintf(path, sizeof path, "%s/log", dir);
    open_sink(&s, (struct options){.quiet = true}, (struct report_style){0});
    assert_true(report_log_open(&s.r, path, &f));
    add_two(&s.r);
    report_on_line(&s.r, "from a child: \x1b[31m");
    report_detail(&s.r, "a detail");
    report_change(&s.r, "ufw allow 443/tcp");
    FILE *log = fopen(path, "r");
    assert_true(fread(text, 1, sizeof text - 1, log) > 0);
    fclose(log);
    assert_non_null(strstr(text, "Z [ok] clock.ok: synchronised\n"));
    assert_non_null(strstr(text, "from a child: \\x1b[31m\n"));
    assert_non_null(strstr(text, "a detail\n"));
    assert_non_null(strstr(text, "changed: ufw allow 443/tcp\n"));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0027, 0);
    close_sink(&s);
    unit_dir_remove(dir);
    open_sink(&s, (struct options){0}, (struct report_style){0});
    assert_false(report_log_open(&s.r, "/nonexistent/log", &f));
    close_sink(&s);
}

static void test_json(void **state)
{
    (void)state;
    struct sink s;
    char *text = NULL;
    size_t n;
    const char *result, *id, *status, *fix, *change;
    int schema, exit_code;
    open_sink(&s, (struct options){0}, (struct report_style){0});
    add_two(&s.r);
    report_change(&s.r, "ufw allow %d/tcp", 443);
    FILE *out = open_memstream(&text, &n);
    report_json(&s.r, "failed", 3, "{\"derpMap\":{\"Regions\":{}}}", out);
    fclose(out);
    json_t *root = json_loads(text, 0, NULL);
    assert_int_equal(json_unpack(root, "{s:i, s:s, s:i, s:[{},{s:s,s:s,s:s}], s:[s], s:{s:{}}}",
                                 "schema", &schema, "result", &result, "exit", &exit_code, "checks",
                                 "id", &id, "status", &status, "fix", &fix, "changes", &change,
                                 "derpMap", "Regions"),
                     0);
    assert_int_equal(schema, 1);
    assert_int_equal(exit_code, 3);
    assert_string_equal(result, "failed");
    assert_string_equal(id, "dns.a.mismatch");
    assert_string_equal(status, "fail");
    assert_string_equal(fix, "point it here");
    assert_string_equal(change, "ufw allow 443/tcp");
    json_decref(root);
    free(text);
    close_sink(&s);
}

/* The clock of a long step starts, changes its text and leaves an empty line behind. */
static void test_progress_on_a_terminal(void **state)
{
    (void)state;
    struct sink s;
    open_sink(&s, (struct options){0},
              (struct report_style){.terminal = true, .utf8 = true, .width = 40});
    report_begin(&s.r, "certificate", "asking the CA");
    report_progress(&s.r, "a text that is certainly longer than this narrow line of a terminal");
    report_end(&s.r);
    report_end(&s.r);
    fflush(s.err);
    assert_non_null(strstr(s.text, "0:00 a text that is"));
    assert_null(strstr(s.text, "narrow line of a terminal"));
    assert_null(strchr(s.text, '\n'));
    assert_string_equal(s.text + s.n - 4, "\r\033[K");
    close_sink(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_lines),
        cmocka_unit_test(test_items),
        cmocka_unit_test(test_terminal),
        cmocka_unit_test(test_quiet_shows_only_trouble),
        cmocka_unit_test(test_log_gets_everything),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_progress_on_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
