/* SPDX-License-Identifier: Apache-2.0 */
#include "dnscheck/trace.c"

#include "tests/unit/unit.h"

#define L "[1795424586] libunbound[6538:0] "

static struct trace read_log(const char *log)
{
    struct trace t;
    trace_read(log, "Derp.Demo.com.", &t);
    return t;
}

static void nobody_answered(void **state)
{
    (void)state;
    struct trace t = read_log(L "notice: init module 0: validator\n" L "info: priming . IN NS\n");
    assert_int_equal(t.replies, 0);
    assert_string_equal(t.server, "");
    assert_string_equal(t.error, "");
    assert_int_equal(read_log("").replies, 0);
}

static void deepest_zone_on_the_way(void **state)
{
    (void)state;
    struct trace t = read_log(L "info: reply from <.> 127.0.1.1#53\n" L
                                "info: reply from <com.> 127.0.1.2#53\n" L
                                "info: reply from <Demo.com.> 2001:db8::53#53\n" L
                                "info: reply from <com.> 127.0.1.2#53\n" L
                                "info: reply from <other.example.net.> 127.0.1.9#53\n" L
                                "info: reply from <mo.com.> 127.0.1.9#53\n");
    assert_int_equal(t.replies, 6);
    assert_string_equal(t.zone, "demo.com");
    assert_string_equal(t.server, "2001:db8::53");
}

static void only_whole_labels_count(void **state)
{
    (void)state;
    struct trace t = read_log(L "info: reply from <com.> 127.0.1.2#53\n" L
                                "info: reply from <mo.com.> 127.0.1.9#53\n");
    assert_string_equal(t.zone, "com");
}

static void root_only(void **state)
{
    (void)state;
    struct trace t = read_log(L "info: reply from <.> 127.0.1.1#53");
    assert_int_equal(t.replies, 1);
    assert_string_equal(t.zone, "");
    assert_string_equal(t.server, "127.0.1.1");
}

static void first_error(void **state)
{
    (void)state;
    struct trace t = read_log(L "error: parse error in bad:2:11 : Syntax\x1b error\n" L
                                "error: validator: could not apply\n");
    assert_string_equal(t.error, "parse error in bad:2:11 : Syntax\\x1b error");
    t = read_log(L "fatal error: out of luck");
    assert_string_equal(t.error, "out of luck");
}

static void odd_lines(void **state)
{
    (void)state;
    char log[1024] = "reply from <";
    assert_int_equal(read_log(log).replies, 0);
    assert_int_equal(read_log("reply from <>").replies, 1);
    assert_int_equal(read_log("reply from <.>   ").replies, 1);
    memset(log + strlen(log), 'a', 900);
    strcat(log, "> 1.2.3.4");
    assert_int_equal(read_log(log).replies, 1);
    assert_string_equal(read_log(log).zone, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_answered),
        cmocka_unit_test(deepest_zone_on_the_way),
        cmocka_unit_test(only_whole_labels_count),
        cmocka_unit_test(root_only),
        cmocka_unit_test(first_error),
        cmocka_unit_test(odd_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
