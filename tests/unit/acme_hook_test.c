/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/hook.c"

#include "base/file.h"
#include "tests/unit/unit.h"

#define NAME  "_acme-challenge.derp.test"
#define VALUE "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"

static bool runs(const char *dir, const char *script, unsigned mode, struct fault *f)
{
    char path[128];
    unit_file(dir, "hook", script, path);
    assert_int_equal(chmod(path, mode), 0);
    return hook_run(path, HOOK_PRESENT, NAME, VALUE, f);
}

static void test_arguments(void **state)
{
    struct fault f;
    struct buf seen;
    char script[200], path[128];
    snprintf(path, sizeof path, "%s/seen", (char *)*state);
    snprintf(script, sizeof script, "#!/bin/sh\necho \"$#:$1:$2:$3\" >%s\n", path);
    assert_true(runs(*state, script, 0755, &f));
    buf_init(&seen, 1000);
    assert_true(file_read(path, &seen, &f));
    assert_string_equal(buf_text(&seen), "3:present:" NAME ":" VALUE "\n");
    buf_free(&seen);
}

static void test_failures_are_told(void **state)
{
    struct fault f;
    assert_false(runs(*state, "#!/bin/sh\necho no such zone >&2\nexit 3\n", 0755, &f));
    assert_non_null(strstr(f.text, "exit code 3"));
    assert_non_null(strstr(f.text, "no such zone"));
    assert_false(runs(*state, "#!/bin/sh\n", 0644, &f));
    assert_non_null(strstr(f.text, "chmod 0755"));
    assert_false(runs(*state, "#!/bin/sh\n", 0775, &f));
    assert_non_null(strstr(f.text, "chmod go-w"));
    assert_false(hook_run("/nonexistent/hook", HOOK_CLEANUP, NAME, VALUE, &f));
    assert_non_null(strstr(f.text, "/nonexistent/hook"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_arguments, unit_dir_setup, unit_dir_teardown),
        cmocka_unit_test_setup_teardown(test_failures_are_told, unit_dir_setup, unit_dir_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
