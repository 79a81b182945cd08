/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/screen.c"

#include "tests/unit/unit.h"

static struct screen at(int64_t ms, int64_t bytes, int64_t uptime)
{
    struct screen s = {.domain = "derp.demo.com",
                       .at_ms = ms,
                       .runs = true,
                       .known = true,
                       .reason = "",
                       .relay = {.version = "0.1.0",
                                 .uptime = uptime,
                                 .open = 12,
                                 .clients = 10,
                                 .relayed = bytes / 1000,
                                 .bytes = bytes,
                                 .dropped = 3,
                                 .stun = 7},
                       .certificate = "89 days left",
                       .renewal = "it will be renewed from 2027-01-25T17:17:49Z on"};
    return s;
}

static void assert_screen(const struct screen *now, const struct screen *before, int width,
                          const char *wanted)
{
    struct buf out;
    buf_init(&out, 8192);
    screen_print(now, before, width, &out);
    assert_string_equal(buf_text(&out), wanted);
    buf_free(&out);
}

static void test_first_and_next_look(void **state)
{
    (void)state;
    struct screen first = at(1000, 1000000, 3720), next = at(3000, 2000000, 3722);
    assert_screen(&first, NULL, 80,
                  "derp.demo.com\n\n"
                  "relay        derpd 0.1.0, up 1 h 02 min\n"
                  "connections  12, 10 of them logged in\n"
                  "relayed      1.0 MB since its start\n"
                  "packets      1000 sent on since its start\n"
                  "drops        3 dropped since its start\n"
                  "STUN         7 answers since its start\n"
                  "certificate  89 days left\n"
                  "renewal      it will be renewed from 2027-01-25T17:17:49Z on\n");
    assert_screen(&next, &first, 80,
                  "derp.demo.com\n\n"
                  "relay        derpd 0.1.0, up 1 h 02 min\n"
                  "connections  12, 10 of them logged in\n"
                  "relayed      4.00 Mbit/s, 2.0 MB since its start\n"
                  "packets      500 a second, 2000 sent on since its start\n"
                  "drops        0 a second, 3 dropped since its start\n"
                  "STUN         0 a second, 7 answers since its start\n"
                  "certificate  89 days left\n"
                  "renewal      it will be renewed from 2027-01-25T17:17:49Z on\n");
}

static void test_after_a_restart_there_are_no_rates(void **state)
{
    (void)state;
    struct screen first = at(1000, 1000000, 3720), next = at(3000, 500000, 1);
    struct buf out;
    buf_init(&out, 8192);
    screen_print(&next, &first, 80, &out);
    assert_null(strstr(buf_text(&out), "Mbit/s"));
    assert_null(strstr(buf_text(&out), "a second"));
    buf_free(&out);
}

static void test_a_relay_that_does_not_run_or_is_silent(void **state)
{
    (void)state;
    struct screen s = at(1000, 0, 0);
    s.runs = s.known = false;
    s.renewal[0] = '\0';
    assert_screen(&s, NULL, 80,
                  "derp.demo.com\n\nrelay        does NOT run: journalctl -u derpd\n"
                  "certificate  89 days left\n");
    s.runs = true;
    s.reason = "its page is off";
    assert_screen(&s, NULL, 40,
                  "derp.demo.com\n\nrelay        runs, but tells nothing: it\n"
                  "certificate  89 days left\n");
}

static void test_lines_are_cut_at_characters(void **state)
{
    (void)state;
    struct screen s = at(1000, 0, 0);
    s.runs = false;
    snprintf(s.certificate, sizeof s.certificate, "äöüäöüäöü");
    s.renewal[0] = '\0';
    assert_screen(&s, NULL, 16, "derp.demo.com\n\nrelay        doe\ncertificate  äöü\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_and_next_look),
        cmocka_unit_test(test_after_a_restart_there_are_no_rates),
        cmocka_unit_test(test_a_relay_that_does_not_run_or_is_silent),
        cmocka_unit_test(test_lines_are_cut_at_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
