/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/site.c"

#include <stdio.h>
#include <unistd.h>

#include "tests/unit/unit.h"

/* Writes n bytes to a new file whose name ends so; returns its path. */
static const char *page(const char *suffix, size_t n)
{
    static char path[64];
    int fd;
    FILE *f;

    snprintf(path, sizeof path, "/tmp/site-XXXXXX%s", suffix);
    fd = mkstemps(path, (int)strlen(suffix));
    assert_true(fd >= 0);
    f = fdopen(fd, "w");
    while (n-- > 0)
        fputc('x', f);
    fclose(f);
    return path;
}

static void test_home_pages(void **state)
{
    (void)state;
    static const char *const types[][2] = {
        {".html", "text/html; charset=utf-8"},
        {".htm", "text/html; charset=utf-8"},
        {".txt", "text/plain; charset=utf-8"},
        {".png", "application/octet-stream"},
    };
    struct fault f;
    struct site_home *h = site_home_load(NULL, &f);

    assert_null(h->page.type); /* http_answer has the default page */
    site_home_free(h);
    h = site_home_load("blank", &f);
    assert_string_equal(h->page.type, "text/html; charset=utf-8");
    assert_int_equal(h->page.n, 0);
    assert_null(h->page.location);
    site_home_free(h);
    h = site_home_load("https://a.example/", &f);
    assert_string_equal(h->page.location, "https://a.example/");
    site_home_free(h);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const char *path = page(types[i][0], 5);
        h = site_home_load(path, &f);
        unlink(path);
        assert_string_equal(h->page.type, types[i][1]);
        assert_memory_equal(h->page.body, "xxxxx", 5);
        assert_int_equal(h->page.n, 5);
        assert_true(h->page.is_own);
        site_home_free(h);
    }
}

static void test_files_that_are_no_page(void **state)
{
    (void)state;
    struct fault f;
    const char *path = page(".html", HTTP_PAGE_MAX);
    struct site_home *h = site_home_load(path, &f);

    unlink(path);
    assert_int_equal(h->page.n, HTTP_PAGE_MAX);
    site_home_free(h);
    path = page(".html", HTTP_PAGE_MAX + 1);
    assert_null(site_home_load(path, &f));
    unlink(path);
    assert_non_null(strstr(f.text, "home: "));
    assert_null(site_home_load("/nonexistent/page.html", &f));
    assert_non_null(strstr(f.text, "/nonexistent/page.html"));
    assert_null(site_home_load("/", &f));
}

/* What a visitor has stays his while it is replaced. */
static void test_replaced_during_a_visit(void **state)
{
    (void)state;
    struct site *s = site_new();
    struct http_site before = {0}, after = {0};
    struct site_visit a, b;
    struct fault f;
    char *too_long = malloc(HTTP_PAGE_MAX + 2);

    site_enter(s, &a, &before);
    assert_null(before.home);
    assert_null(before.names);
    site_leave(s, &a);
    site_set_home(s, site_home_load("https://a.example/", &f));
    site_set_names(s, "{\"a\": []}");
    site_enter(s, &a, &before);
    site_set_home(s, site_home_load("https://b.example/", &f));
    site_set_names(s, "{\"b\": []}");
    memset(too_long, 'x', HTTP_PAGE_MAX + 1);
    too_long[HTTP_PAGE_MAX + 1] = '\0';
    site_set_names(s, too_long);
    site_enter(s, &b, &after);
    assert_string_equal(before.home->location, "https://a.example/");
    assert_string_equal(before.names, "{\"a\": []}");
    assert_string_equal(after.home->location, "https://b.example/");
    assert_string_equal(after.names, "{\"b\": []}");
    site_leave(s, &a);
    site_leave(s, &b);
    site_free(s);
    free(too_long);
}

/* What derp-acme leaves for http-01, and nothing beside it. */
static void test_key_authorizations(void **state)
{
    (void)state;
    struct site *site = site_new();
    struct buf text;
    char dir[64], path[128];

    unit_dir(dir);
    unit_file(dir, "http-01.abc", "abc.thumb", path);
    unit_file(dir, "abc", "another file", path);
    buf_init(&text, 1024);
    assert_false(site_key_authorization(site, "abc", &text)); /* no folder yet */
    site_set_challenges(site, dir);
    assert_true(site_key_authorization(site, "abc", &text));
    assert_string_equal(buf_text(&text), "abc.thumb");
    assert_false(site_key_authorization(site, "abd", &text));
    unit_file(dir, "http-01.long", "long.thumb", path);
    buf_free(&text);
    buf_init(&text, 4);
    assert_false(site_key_authorization(site, "long", &text)); /* longer than it may be */
    site_set_challenges(site, NULL);
    assert_false(site_key_authorization(site, "abc", &text));
    buf_free(&text);
    site_free(site);
    unit_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_home_pages),
        cmocka_unit_test(test_key_authorizations),
        cmocka_unit_test(test_files_that_are_no_page),
        cmocka_unit_test(test_replaced_during_a_visit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
