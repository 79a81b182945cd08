/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/report.c"

#include "derp/ops/renewals.c"
#include "tests/unit/unit.h"

static void test_metrics(void **state)
{
    (void)state;
    struct buf b;
    struct state s = {.class = FAILURE_NETWORK, .total = 7, .issued_at = 1000};
    struct facts f = {.schedule = {.now = 5000,
                                   .usable = true,
                                   .not_before = 0,
                                   .not_after = 90 * 86400,
                                   .next_try = 6000}};
    buf_init(&b, REPORT_BYTES_MAX);
    report_print_metrics(&s, &f, &b);
    assert_non_null(strstr(buf_text(&b), "\nderp_acme_last_run_seconds 5000\n"));
    assert_non_null(strstr(buf_text(&b), "\nderp_acme_not_after_seconds 7776000\n"));
    assert_non_null(strstr(buf_text(&b), "\nderp_acme_renew_at_seconds 5184000\n"));
    assert_non_null(strstr(buf_text(&b), "\nderp_acme_next_try_seconds 6000\n"));
    assert_non_null(strstr(buf_text(&b), "\nderp_acme_failures 7\n"));
    assert_non_null(strstr(buf_text(&b), "{class=\"network\"} 1\n"));
    assert_non_null(strstr(buf_text(&b), "{class=\"clock\"} 0\n"));
    /* What derpd takes over. */
    assert_true(renewals_sound(buf_text(&b), b.len));
    assert_true(b.len < RENEWALS_MAX);
    buf_free(&b);

    f.schedule.usable = false;
    buf_init(&b, REPORT_BYTES_MAX);
    report_print_metrics(&s, &f, &b);
    assert_non_null(strstr(buf_text(&b), "\nderp_acme_renew_at_seconds 0\n"));
    buf_free(&b);
}

static void test_what_derpd_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "derp_acme_x 1",                    /* no end of line */
        "derp_connections 1\n",             /* not its own */
        "derp_acme_x 1\n\nderp_acme_y 1\n", /* an empty line */
        "derp_acme_x 1\r\n",                /* control characters */
        "# derp\n",
        "# HELP derp_clients x\n",
        "derp_acme_\x80 1\n",
    };
    assert_true(renewals_sound("", 0));
    assert_true(
        renewals_sound("# HELP derp_acme_x y\n# TYPE derp_acme_x gauge\nderp_acme_x 1\n",
                       strlen("# HELP derp_acme_x y\n# TYPE derp_acme_x gauge\nderp_acme_x 1\n")));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(renewals_sound(bad[i], strlen(bad[i])));
    assert_false(renewals_sound("derp_acme_x \0001\n", 15));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_what_derpd_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
