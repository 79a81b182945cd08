/* SPDX-License-Identifier: Apache-2.0 */
#include "base/journal.c"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static char *sent;
static int answer;

/* Instead of libsystemd's. */
int sd_journal_sendv(const struct iovec *all, int n)
{
    free(sent);
    sent = mem_strdup("");
    for (int i = 0; i < n; i++) {
        char *more = mem_printf("%s%.*s\n", sent, (int)all[i].iov_len, (char *)all[i].iov_base);
        free(sent);
        sent = more;
    }
    return answer;
}

/* Makes stderr the journal's stream, as systemd does, or not. */
static void open_log(bool journal)
{
    struct stat st;
    char text[64];
    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    snprintf(text, sizeof text, "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", journal ? text : "0:0", 1);
    log_open("journal_test", LOG_LEVEL_INFO);
}

static void test_entry(void **state)
{
    (void)state;
    const struct journal_field fields[] = {{"DERP_A", "1"}, {"DERP_B", NULL}, {"DERP_C", "x=y\nz"}};
    open_log(true);
    assert_true(journal_event("0123", LOG_LEVEL_WARNING, "it happens", fields, 3));
    assert_string_equal(sent, "MESSAGE=it happens\nMESSAGE_ID=0123\nPRIORITY=4\n"
                              "SYSLOG_IDENTIFIER=journal_test\nDERP_A=1\nDERP_C=x=y\nz\n");
}

static void test_fields_are_bounded(void **state)
{
    (void)state;
    struct journal_field fields[JOURNAL_FIELDS_MAX + 5];
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        fields[i] = (struct journal_field){"F", "v"};
    open_log(true);
    assert_true(journal_event("0123", LOG_LEVEL_NOTICE, "m", fields, JOURNAL_FIELDS_MAX + 5));
    unsigned n = 0;
    for (const char *p = sent; (p = strstr(p, "F=v\n")); p++)
        n++;
    assert_int_equal(n, JOURNAL_FIELDS_MAX);
}

static void test_without_a_journal(void **state)
{
    (void)state;
    open_log(false);
    free(sent);
    sent = NULL;
    assert_false(journal_event("0123", LOG_LEVEL_ERROR, "to the log", NULL, 0));
    assert_null(sent);
    open_log(true);
    answer = -ENOENT; /* no journald there */
    assert_false(journal_event("0123", LOG_LEVEL_NOTICE, "to the log as well", NULL, 0));
    answer = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entry),
        cmocka_unit_test(test_fields_are_bounded),
        cmocka_unit_test(test_without_a_journal),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(sent);
    return failed;
}
