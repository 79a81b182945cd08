/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/readable.c"

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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_readable)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
