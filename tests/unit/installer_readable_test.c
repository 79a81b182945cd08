/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/readable.c"

#include <unistd.h>

#include "tests/unit/unit.h"

static void test_readable(void **state)
{
    (void)state;
    char dir[64], path[128];
    struct fault f;
    unit_dir(dir);
    unit_file(dir, "ca.pem", "x", path);
    chmod(path, 0644);
    assert_false(readable_by_services(path, &f)); /* mkdtemp's folder is ours alone */
    assert_non_null(strstr(f.text, "may not enter"));
    chmod(dir, 0755);
    assert_true(readable_by_services(path, &f));
    chmod(path, 0640);
    assert_false(readable_by_services(path, &f));
    assert_non_null(strstr(f.text, "may not read"));
    assert_false(readable_by_services(dir, &f));
    assert_non_null(strstr(f.text, "not a file"));
    assert_false(readable_by_services("/nonexistent", &f));
    unit_dir_remove(dir);
}

static void test_readable_by_one_user(void **state)
{
    (void)state;
    char dir[64], path[128];
    struct fault f;
    unit_dir(dir);
    unit_file(dir, "eab", "x", path);
    chmod(dir, 0755);
    chmod(path, 0600);
    if (geteuid() != 0)
        skip();
    assert_true(readable_by_user(path, "root", false, &f));
    assert_false(readable_by_user(path, "root", true, &f));
    assert_non_null(strstr(f.text, "may not execute"));
    assert_false(readable_by_user(path, "nobody", false, &f));
    assert_non_null(strstr(f.text, "nobody may not read"));
    const struct passwd *nobody = getpwnam("nobody");
    assert_int_equal(chown(path, 0, nobody->pw_gid), 0);
    chmod(path, 0640);
    assert_true(readable_by_user(path, "nobody", false, &f));
    assert_false(readable_by_user(path, "nobody", true, &f));
    chmod(path, 0750);
    assert_true(readable_by_user(path, "nobody", true, &f));
    chmod(path, 0644);
    assert_false(readable_by_user(path, "nobody", false, &f)); /* no secret any more */
    assert_non_null(strstr(f.text, "others may read"));
    chmod(dir, 0700);
    assert_false(readable_by_user(path, "nobody", false, &f));
    assert_non_null(strstr(f.text, "may not enter"));
    assert_false(readable_by_user(dir, "root", false, &f));
    assert_false(readable_by_user("/nonexistent/x", "root", false, &f));
    unit_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_readable),
                                       cmocka_unit_test(test_readable_by_one_user)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
