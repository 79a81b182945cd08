/* SPDX-License-Identifier: Apache-2.0 */
#include "dnscheck/message.c"

#include "tests/unit/unit.h"

static size_t ask(const char *name, uint8_t out[static MESSAGE_QUESTION_MAX])
{
    return message_write(&(struct message_question){.id = 0x1234, .name = name, .type = 257}, out);
}

static void writes(void **state)
{
    (void)state;
    static const uint8_t wanted[] = {0x12, 0x34, 0,   0,   0,   1,    0,   0,   0, 0, 0, 1,
                                     4,    'd',  'e', 'r', 'p', 2,    'i', 'o', 0, 1, 1, 0,
                                     1,    0,    0,   41,  4,   0xd0, 0,   0,   0, 0, 0, 0};
    uint8_t p[MESSAGE_QUESTION_MAX];
    assert_int_equal(ask("derp.io", p), sizeof wanted);
    assert_memory_equal(p, wanted, sizeof wanted);
    assert_int_equal(ask("derp.io.", p), sizeof wanted); /* a dot at the end says nothing new */
    assert_int_equal(ask("", p), 12 + 1 + 4 + 11);
    message_write(&(struct message_question){.name = "a.b", .type = 1, .recurse = true}, p);
    assert_int_equal(p[2], 1);
}

static void refuses_names_that_are_none(void **state)
{
    (void)state;
    uint8_t p[MESSAGE_QUESTION_MAX];
    char name[300];
    assert_int_equal(ask("derp..io", p), 0);
    assert_int_equal(ask(".", p), 0);
    memset(name, 'a', 64);
    snprintf(name + 64, sizeof name - 64, ".io");
    assert_int_equal(ask(name, p), 0);
    for (size_t i = 0; i < sizeof name; i++)
        name[i] = i % 2 ? '.' : 'a';
    name[253] = '\0'; /* 127 labels: as long as a name can be */
    assert_int_equal(ask(name, p), 12 + 255 + 4 + 11);
    snprintf(name + 253, sizeof name - 253, ".a");
    assert_int_equal(ask(name, p), 0);
}

static void knows_the_reply(void **state)
{
    (void)state;
    uint8_t q[MESSAGE_QUESTION_MAX], r[MESSAGE_QUESTION_MAX];
    struct message_reply head;
    size_t n = ask("derp.demo.com", q);
    memcpy(r, q, n);
    assert_false(message_is_reply(q, n, r, n, &head)); /* a question */
    r[2] = 0x80;
    assert_true(message_is_reply(q, n, r, n, &head));
    assert_false(head.authoritative || head.truncated);
    r[2] = 0x86;
    r[3] = 5;
    r[13] = 'D'; /* any case */
    assert_true(message_is_reply(q, n, r, n, &head));
    assert_true(head.authoritative && head.truncated);
    assert_int_equal(head.rcode, 5);
    r[13] = 'x';
    assert_false(message_is_reply(q, n, r, n, &head)); /* another question */
    r[13] = 'd';
    for (size_t cut = 0; cut < 12 + 15 + 4; cut++)
        assert_false(message_is_reply(q, n, r, cut, &head));
    r[1]++;
    assert_false(message_is_reply(q, n, r, n, &head)); /* another id */
    r[1]--;
    r[5] = 0; /* FORMERR without the question */
    assert_true(message_is_reply(q, n, r, 12, &head));
    r[3] = 0;
    assert_false(message_is_reply(q, n, r, 12, &head));
    r[5] = 2;
    assert_false(message_is_reply(q, n, r, n, &head));
}

static void names_rcodes(void **state)
{
    (void)state;
    char text[MESSAGE_RCODE_TEXT];
    assert_string_equal(message_rcode(2, text), "SERVFAIL");
    assert_string_equal(message_rcode(5, text), "REFUSED");
    assert_string_equal(message_rcode(9, text), "RCODE 9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes),
        cmocka_unit_test(refuses_names_that_are_none),
        cmocka_unit_test(knows_the_reply),
        cmocka_unit_test(names_rcodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
