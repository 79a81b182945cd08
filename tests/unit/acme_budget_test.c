/* SPDX-License-Identifier: Apache-2.0 */
/* What a run may take at most, held against what systemd gives it. */
#include "acme/publish.c"

#include "acme/budget.h"
#include "acme/event.h"
#include "base/file.h"
#include "tests/unit/unit.h"

#define UNIT_FILE    "packaging/systemd/derp-acme.service"
#define DNS_WAIT_MS  (10 * 60 * 1000) /* the longest dns-wait (config_test) */
#define PROBE_MS     13000            /* install_prove: probe_wait and its last look */
#define REQUESTS_MS  (3 * 90000)      /* validation, order and certificate, each with patience */
#define PREFLIGHT_MS 40000

/* The number of minutes that a key of the unit has. */
static long minutes(const char *key)
{
    struct buf text;
    struct fault f;
    buf_init(&text, 65536);
    assert_true(file_read(UNIT_FILE, &text, &f));
    const char *line = strstr(buf_text(&text), key);
    assert_non_null(line);
    char *end;
    long n = strtol(line + strlen(key), &end, 10);
    assert_true(n > 0 && strncmp(end, "min\n", 4) == 0);
    buf_free(&text);
    return n;
}

static void test_systemd_kills_no_run_that_could_end_by_itself(void **state)
{
    (void)state;
    assert_true(minutes("\nTimeoutStartSec=") * 60000 > BUDGET_MS + BUDGET_TAIL_MS);
}

/* Whatever waits when the time is up, and what has to be done after it. */
static void test_tail(void **state)
{
    (void)state;
    assert_true(BUDGET_TAIL_MS >= (SIGHTINGS * DNS_LOOK_MS) + AGAIN_MOST + HOOK_TIMEOUT_MS +
                                      2 * EVENT_HOOK_MS + PROBE_MS);
}

/* The slowest provider of DNS that the config allows leaves time for all the rest. */
static void test_budget(void **state)
{
    (void)state;
    assert_true(BUDGET_MS >=
                PREFLIGHT_MS + 2 * HOOK_TIMEOUT_MS + DNS_WAIT_MS + REQUESTS_MS + PROBE_MS);
}

/* When the time is up nothing is asked any more, and nothing is waited for. */
static void test_time_is_up(void **state)
{
    (void)state;
    struct client c;
    struct failure fail = {0};
    struct response r = {0};
    struct poll p;
    assert_true(client_open(&c, "https://127.0.0.1:1/dir", NULL, clock_mono_ms() - 1, &fail));
    assert_false(client_directory(&c, &fail));
    assert_non_null(strstr(fail.text, "the time of this run is up"));
    assert_int_equal(fail.class, FAILURE_NETWORK);
    client_close(&c);
    poll_begin(&p, clock_mono_ms() + 100);
    assert_false(poll_wait(&p, &r, "the test", &fail));
    assert_non_null(strstr(fail.text, "gone on with at the next try"));
}

/* A hook that could not end in time is not begun, and nothing is noted as presented. */
static void test_no_time_for_the_hook(void **state)
{
    (void)state;
    char hook[] = "/bin/false", domain[] = "derp.demo.com";
    struct config config = {.dns_hook = hook, .domain = domain};
    struct session s = {.config = &config, .trial = true};
    struct failure fail = {0};
    s.deadline_ms = clock_mono_ms() + HOOK_TIMEOUT_MS - 1000;
    assert_false(session_late(&s));
    assert_false(publish_dns(&s, "token.thumbprint", &fail));
    assert_non_null(strstr(fail.text, "no time left for dns-hook"));
    assert_null(s.state.hook_name);
    s.deadline_ms = clock_mono_ms();
    assert_true(session_late(&s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_systemd_kills_no_run_that_could_end_by_itself),
        cmocka_unit_test(test_tail),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_time_is_up),
        cmocka_unit_test(test_no_time_for_the_hook),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
