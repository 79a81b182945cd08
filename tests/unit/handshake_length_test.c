/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/wire/handshake_length.c"

#include "tests/unit/unit.h"

#define HELLO(a, b, c) 22, 3, 1, 0, 4, 1, a, b, c

/* Whole, and byte by byte, it must come to the same. */
static bool takes(const uint8_t *p, size_t n, bool hides)
{
    struct handshake_length whole = {.record_n = 0}, cut = {.record_n = 0};
    bool ok = handshake_length_take(&whole, p, n, hides), same = true;

    for (size_t i = 0; i < n && same; i++)
        same = handshake_length_take(&cut, p + i, 1, hides);
    assert_int_equal(ok, same);
    return ok;
}

#define TAKES(hides, ...)                                                                          \
    takes((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), hides)

static void test_what_a_header_claims(void **state)
{
    (void)state;

    assert_true(TAKES(false, HELLO(0, 2, 0)));
    assert_true(TAKES(false, HELLO(0, 0x40, 0)));
    assert_false(TAKES(false, HELLO(0, 0x40, 1)));
    assert_false(TAKES(false, HELLO(2, 0, 0)));
    assert_false(TAKES(false, HELLO(0xff, 0xff, 0xff)));
    assert_true(TAKES(false, 22, 3, 1, 0));
    assert_true(takes((const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18, false));
}

static void test_a_header_in_many_records(void **state)
{
    (void)state;

    assert_false(
        TAKES(false, 22, 3, 1, 0, 1, 1, 22, 3, 1, 0, 0, 22, 3, 1, 0, 2, 2, 0, 22, 3, 1, 0, 1, 0));
}

static void test_the_rest_of_a_message_is_no_header(void **state)
{
    (void)state;

    assert_true(
        TAKES(false, 22, 3, 1, 0, 6, 1, 0, 0, 6, 1, 0xff, 22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff));
    /* the second message in the same record */
    assert_false(TAKES(false, 22, 3, 1, 0, 9, 1, 0, 0, 1, 7, 1, 2, 0, 0));
    /* an empty message */
    assert_false(TAKES(false, 22, 3, 1, 0, 8, 1, 0, 0, 0, 1, 2, 0, 0));
}

static void test_what_is_encrypted(void **state)
{
    (void)state;

    /* TLS 1.2: it looks like a handshake */
    assert_true(TAKES(true, 20, 3, 3, 0, 1, 1, HELLO(0xff, 0xff, 0xff)));
    /* TLS 1.3: ChangeCipherSpec may stand before a second ClientHello */
    assert_false(TAKES(false, 20, 3, 3, 0, 1, 1, HELLO(0xff, 0xff, 0xff)));
    assert_true(TAKES(false, 20, 3, 3, 0, 1, 1, 23, 3, 3, 0, 4, 1, 0xff, 0xff, 0xff));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_header_claims),
        cmocka_unit_test(test_a_header_in_many_records),
        cmocka_unit_test(test_the_rest_of_a_message_is_no_header),
        cmocka_unit_test(test_what_is_encrypted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
