/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/ops/who.c"

#include "derp/ops/connections.c"
#include "tests/unit/unit.h"

static void list(struct buf *out, const struct relay_client *clients, size_t count)
{
    buf_init(out, 1 << 20);
    report_connections_begin(out);
    for (size_t i = 0; i < count; i++)
        report_connection(&clients[i], i, out);
    report_connections_end(out);
}

/* The table of a JSON text, to be freed. */
static char *table(const char *json)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    struct fault f;

    assert_true(who_table(json, out, &f));
    fclose(out);
    return text;
}

static void test_empty(void **state)
{
    (void)state;
    struct buf json;
    char *text;

    list(&json, NULL, 0);
    text = table(buf_text(&json));
    assert_string_equal(text, "0 connections, for 0 this is the home relay\n");
    free(text);
    buf_free(&json);
}

static void test_table(void **state)
{
    (void)state;
    struct relay_client clients[] = {
        {.key = "[small]", .seconds = 59, .bytes_in = 999, .is_home = true},
        {.key = "[large]",
         .app = "a \"b\\c",
         .seconds = 3600 * 27,
         .bytes_in = 1234567890,
         .bytes_out = 9960,
         .dropped = 12,
         .waiting = 1000,
         .is_mesh = true,
         .is_prober = true,
         .is_websocket = true,
         .not_ideal = true,
         .is_duplicate = true},
        {.key = "[both.]", .seconds = 3600 + 60 * 5, .bytes_in = 500, .bytes_out = 500},
    };
    struct buf json;
    char *text;

    endpoint_parse("192.0.2.1:4711", 0, &clients[0].peer);
    endpoint_parse("[2001:db8::1]:443", 0, &clients[1].peer);
    endpoint_parse("192.0.2.3:1", 0, &clients[2].peer);
    list(&json, clients, 3);
    text = table(buf_text(&json));
    assert_string_equal(
        text, "KEY      ADDRESS                     AGE  FROM IT    TO IT  WAITING DROPPED  NOTES\n"
              "[large]  [2001:db8::1]:443         1d03h   1.2 GB    10 kB   1.0 kB      12  "
              "mesh, prober, websocket, not ideal, duplicate, a \"b\\c\n"
              "[both.]  192.0.2.3:1               1h05m    500 B    500 B      0 B       0\n"
              "[small]  192.0.2.1:4711              59s    999 B      0 B      0 B       0  home\n"
              "3 connections, for 1 this is the home relay\n");
    free(text);
    buf_free(&json);
}

/* Whatever answers on that port must not reach the terminal as it is. */
static void test_other_answers(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "there are /metrics and /status\n",
                                        "[]",
                                        "{}",
                                        "{\"connections\":{}}",
                                        "{\"connections\":[1]}",
                                        "{\"connections\":[{\"key\":\"[x]\"}]}",
                                        "{\"connections\":[]"};
    static const char escape[] =
        "{\"connections\":[{\"key\":\"\\u001b[2J\",\"address\":\"\\n\",\"app\":\"\\u009b\","
        "\"seconds\":1,"
        "\"receivedBytes\":1,\"sentBytes\":1,\"droppedPackets\":1,\"waitingBytes\":1,\"home\":true,"
        "\"mesh\":false,\"prober\":false,\"webSocket\":false,\"notIdeal\":false,\"duplicate\":"
        "false}]}";
    struct fault f;
    char *text;

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(who_table(wrong[i], stderr, &f));
        assert_non_null(strstr(f.text, "not a list of connections"));
    }
    text = table(escape);
    assert_null(strchr(text, 0x1b));
    assert_null(strchr(text, 0x9b));
    assert_non_null(strstr(text, "\\x1b[2J"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_other_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
