/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/wire/stun.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint8_t txid[STUN_TXID_LEN] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

/* What Tailscale's net/stun makes of that transaction id. */
static const uint8_t recorded[STUN_REQUEST_LEN] = {
    0x00, 0x01, 0x00, 0x14, 0x21, 0x12, 0xa4, 0x42, 1,    2,    3,    4,   5,   6,
    7,    8,    9,    10,   11,   12,   0x80, 0x22, 0x00, 0x08, 't',  'a', 'i', 'l',
    'n',  'o',  'd',  'e',  0x80, 0x28, 0x00, 0x04, 0xb3, 0x2c, 0x37, 0x0f};

/* A request built of attributes: each adds one; seal ends it with a right fingerprint. */
struct request {
    uint8_t bytes[4096];
    size_t n;
};

static void begin(struct request *r)
{
    memset(r, 0, sizeof(*r));
    put_header(r->bytes, BINDING_REQUEST, 0, txid);
    r->n = HEADER_LEN;
}

static void add(struct request *r, uint16_t type, const void *value, size_t len)
{
    put16(r->bytes + r->n, type);
    put16(r->bytes + r->n + 2, (uint16_t)len);
    if (len > 0)
        memcpy(r->bytes + r->n + 4, value, len);
    r->n += 4 + ((len + 3) & ~(size_t)3);
}

static void add_fingerprint(struct request *r, uint32_t spoil)
{
    uint8_t value[4];

    put32(value, fingerprint(r->bytes, r->n) ^ spoil);
    add(r, ATTR_FINGERPRINT, value, 4);
}

static enum stun_verdict judge(const struct request *r)
{
    uint8_t *exact = malloc(r->n); /* reads past the end are seen by ASan */
    uint8_t got[STUN_TXID_LEN];

    memcpy(exact, r->bytes, r->n);
    enum stun_verdict v = stun_read_request(exact, r->n, got);
    if (v == STUN_REQUEST)
        assert_memory_equal(got, txid, STUN_TXID_LEN);
    free(exact);
    return v;
}

static void test_request_is_tailscales(void **state)
{
    (void)state;
    uint8_t out[STUN_REQUEST_LEN];
    uint8_t got[STUN_TXID_LEN];

    stun_write_request(out, txid);
    assert_memory_equal(out, recorded, sizeof(recorded));
    assert_int_equal(stun_read_request(recorded, sizeof(recorded), got), STUN_REQUEST);
    assert_memory_equal(got, txid, sizeof(txid));
}

static void test_every_truncation_and_bit(void **state)
{
    (void)state;
    struct request r;
    uint8_t got[STUN_TXID_LEN];

    for (r.n = 1; r.n < sizeof(recorded); r.n++) {
        memcpy(r.bytes, recorded, r.n);
        enum stun_verdict v = judge(&r);
        assert_int_not_equal(v, STUN_REQUEST);
        assert_int_equal(v == STUN_NOT_STUN, r.n < 20);
    }
    assert_int_equal(stun_read_request(recorded, 0, got), STUN_NOT_STUN);
    for (size_t bit = 0; bit < 8 * sizeof(recorded); bit++) {
        r.n = sizeof(recorded);
        memcpy(r.bytes, recorded, r.n);
        r.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(judge(&r), STUN_REQUEST);
    }
}

static void test_verdicts(void **state)
{
    (void)state;
    struct request r;

    begin(&r);
    assert_int_equal(judge(&r), STUN_WRONG_SOFTWARE);
    add(&r, ATTR_SOFTWARE, "tailnodE", 8);
    add_fingerprint(&r, 0);
    assert_int_equal(judge(&r), STUN_WRONG_SOFTWARE);
    begin(&r);
    add(&r, ATTR_SOFTWARE, "tailnodes", 9);
    add_fingerprint(&r, 0);
    assert_int_equal(judge(&r), STUN_WRONG_SOFTWARE);
    begin(&r);
    add(&r, ATTR_SOFTWARE, "tailnode", 8);
    put16(r.bytes + 22, 7); /* the last letter is padding */
    add_fingerprint(&r, 0);
    assert_int_equal(judge(&r), STUN_WRONG_SOFTWARE);

    begin(&r);
    add(&r, ATTR_SOFTWARE, "tailnode", 8);
    assert_int_equal(judge(&r), STUN_WRONG_FINGERPRINT);
    add_fingerprint(&r, 1);
    assert_int_equal(judge(&r), STUN_WRONG_FINGERPRINT);
    add_fingerprint(&r, 0);
    assert_int_equal(judge(&r), STUN_REQUEST); /* the last one counts */
    add(&r, 0x8030, "x", 1);
    assert_int_equal(judge(&r), STUN_WRONG_FINGERPRINT); /* not last */

    begin(&r);
    add(&r, ATTR_SOFTWARE, "tailnode", 8);
    add(&r, ATTR_FINGERPRINT, NULL, 0);
    assert_int_equal(judge(&r), STUN_WRONG_FINGERPRINT);

    begin(&r);
    put16(r.bytes, BINDING_SUCCESS);
    assert_int_equal(judge(&r), STUN_NOT_BINDING);
    put16(r.bytes, 0x8001);
    assert_int_equal(judge(&r), STUN_NOT_STUN);
}

static void test_what_does_not_stop_the_answer(void **state)
{
    (void)state;
    struct request r;

    begin(&r);
    add(&r, 0x0024, "1234567", 7); /* comprehension-required, unknown to us, padded */
    add(&r, ATTR_SOFTWARE, "somebody else", 13);
    add(&r, ATTR_SOFTWARE, "tailnode", 8);
    add(&r, ATTR_SOFTWARE, "tailnode", 8);
    add(&r, 0x0000, NULL, 0);
    put16(r.bytes + 2, 0xffff); /* the header's length is ignored */
    add_fingerprint(&r, 0);
    assert_int_equal(judge(&r), STUN_REQUEST);
}

static void test_malformed_attributes(void **state)
{
    (void)state;
    struct request r;

    for (size_t excess = 1; excess < 8; excess++) {
        begin(&r);
        add(&r, ATTR_SOFTWARE, "tailnode", 8);
        put16(r.bytes + 22, (uint16_t)(8 + excess));
        assert_int_equal(judge(&r), STUN_MALFORMED);
    }
    begin(&r);
    add(&r, ATTR_SOFTWARE, "tailnode", 8);
    put16(r.bytes + 22, 0xffff);
    assert_int_equal(judge(&r), STUN_MALFORMED);
    for (size_t loose = 1; loose < 4; loose++) {
        begin(&r);
        r.n += loose;
        assert_int_equal(judge(&r), STUN_MALFORMED);
    }
}

/* Its length fits, with its padding it does not. */
static void test_padding_exceeds_the_message(void **state)
{
    (void)state;
    struct request r;

    for (size_t cut = 1; cut < 4; cut++) {
        begin(&r);
        add(&r, ATTR_SOFTWARE, "tailnode", 8);
        add(&r, 0x8030, "12345678", 8 - cut);
        r.n -= cut;
        assert_int_equal(judge(&r), STUN_MALFORMED);
    }
}

/* The four bytes that bring the CRC-32 of p[0..n) and themselves to wanted. */
static void forge_crc(const uint8_t *p, size_t n, uint32_t wanted, uint8_t bytes[static 4])
{
    uint32_t state = ~wanted;

    for (int bit = 0; bit < 32; bit++)
        state = state & 0x80000000u ? (state ^ 0xedb88320u) << 1 | 1 : state << 1;
    state ^= ~(uint32_t)crc32(0, p, (uInt)n);
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(state >> 8 * i);
}

/* A fingerprint that is right for all but the last eight bytes, which are not itself. */
static void test_fingerprint_must_be_last(void **state)
{
    (void)state;
    struct request r;
    uint8_t bytes[4];

    begin(&r);
    add(&r, ATTR_SOFTWARE, "tailnode", 8);
    add(&r, ATTR_FINGERPRINT, "abcd", 4);
    add(&r, 0x8030, "wxyz", 4);
    forge_crc(r.bytes, r.n - 4, get32((const uint8_t *)"abcd") ^ FINGERPRINT_XOR, bytes);
    memcpy(r.bytes + r.n - 4, bytes, 4);
    assert_int_equal(fingerprint(r.bytes, r.n), get32((const uint8_t *)"abcd"));
    add(&r, 0x8031, "last", 4);
    assert_int_equal(judge(&r), STUN_WRONG_FINGERPRINT);
}

static void test_too_long_is_not_read(void **state)
{
    (void)state;
    static const uint8_t filler[1448];
    struct request r;

    begin(&r);
    add(&r, ATTR_SOFTWARE, "tailnode", 8);
    add(&r, 0x8030, filler, sizeof(filler));
    add_fingerprint(&r, 0);
    assert_int_equal(r.n, 1492);
    assert_int_equal(judge(&r), STUN_REQUEST);
    begin(&r);
    add(&r, ATTR_SOFTWARE, "tailnode", 8);
    add(&r, 0x8030, filler, sizeof(filler));
    add(&r, 0x8031, filler, 4);
    add_fingerprint(&r, 0);
    assert_int_equal(r.n, 1500);
    assert_int_equal(judge(&r), STUN_REQUEST);
    begin(&r);
    add(&r, ATTR_SOFTWARE, "tailnode", 8);
    add(&r, 0x8030, filler, sizeof(filler));
    add(&r, 0x8031, filler, 8);
    add_fingerprint(&r, 0);
    assert_int_equal(judge(&r), STUN_NOT_STUN);
}

static void test_names(void **state)
{
    (void)state;
    static const char *const names[] = {"ok",        "not_stun",       "not_binding",
                                        "malformed", "wrong_software", "wrong_fingerprint"};

    for (int v = STUN_REQUEST; v <= STUN_WRONG_FINGERPRINT; v++)
        assert_string_equal(stun_verdict_name(v), names[v]);
    assert_string_equal(stun_verdict_name((enum stun_verdict)99), "unknown");
}

static void test_response_ipv4(void **state)
{
    (void)state;
    /* 192.0.2.1:32853: port ^ 0x2112, address ^ cookie (RFC 5769 2.2) */
    const uint8_t expected[] = {0x01, 0x01, 0x00, 0x0c, 0x21, 0x12, 0xa4, 0x42, 1,    2,    3,
                                4,    5,    6,    7,    8,    9,    10,   11,   12,   0x00, 0x20,
                                0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43};
    uint8_t out[STUN_RESPONSE_MAX];
    struct endpoint e;
    struct endpoint back;
    char text[ENDPOINT_TEXT];

    assert_true(endpoint_parse("192.0.2.1:32853", 0, &e));
    assert_int_equal(stun_write_response(out, txid, &e), sizeof(expected));
    assert_memory_equal(out, expected, sizeof(expected));
    assert_true(endpoint_parse("[::ffff:192.0.2.1]:32853", 0, &e));
    assert_int_equal(stun_write_response(out, txid, &e), sizeof(expected));
    assert_memory_equal(out, expected, sizeof(expected));
    assert_true(stun_read_response(out, sizeof(expected), txid, &back));
    assert_string_equal(endpoint_print(&back, text), "192.0.2.1:32853");
}

static void test_response_ipv6(void **state)
{
    (void)state;
    const uint8_t address[] = {0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79,
                               0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9};
    const uint8_t id[STUN_TXID_LEN] = {0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34,
                                       0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae};
    uint8_t out[STUN_RESPONSE_MAX];
    struct endpoint e;
    struct endpoint back;
    char text[ENDPOINT_TEXT];

    /* RFC 5769 2.3 */
    assert_true(endpoint_parse("[2001:db8:1234:5678:11:2233:4455:6677]:32853", 0, &e));
    assert_int_equal(stun_write_response(out, id, &e), 44);
    assert_memory_equal(out + 20, "\x00\x20\x00\x14\x00\x02\xa1\x47", 8);
    assert_memory_equal(out + 28, address, sizeof(address));
    assert_true(stun_read_response(out, 44, id, &back));
    assert_string_equal(endpoint_print(&back, text),
                        "[2001:db8:1234:5678:11:2233:4455:6677]:32853");

    /* The number that some servers gave it before RFC 8489, where clients may read it over. */
    out[20] = 0x80;
    out[21] = 0x20;
    assert_true(stun_read_response(out, 44, id, &back));
    assert_true(endpoint_port(&back) == 32853);
}

static void test_response_refuses(void **state)
{
    (void)state;
    uint8_t out[STUN_RESPONSE_MAX];
    struct endpoint e;
    struct endpoint back;

    assert_true(endpoint_parse("192.0.2.1:1", 0, &e));
    size_t n = stun_write_response(out, txid, &e);
    for (size_t cut = 0; cut < n; cut++) {
        uint8_t *exact = malloc(cut > 0 ? cut : 1);

        memcpy(exact, out, cut);
        assert_false(stun_read_response(exact, cut, txid, &back));
        free(exact);
    }
    out[8] ^= 1; /* another transaction */
    assert_false(stun_read_response(out, n, txid, &back));
    out[8] ^= 1;
    out[25] = 3; /* no such family */
    assert_false(stun_read_response(out, n, txid, &back));
    out[25] = FAMILY_IPV6; /* too short for it */
    assert_false(stun_read_response(out, n, txid, &back));
    out[25] = FAMILY_IPV4;
    put16(out + 22, 9); /* longer than the message */
    assert_false(stun_read_response(out, n, txid, &back));
    put16(out + 22, 3);
    assert_false(stun_read_response(out, n, txid, &back));
    put16(out + 22, 8);
    put16(out, BINDING_REQUEST);
    assert_false(stun_read_response(out, n, txid, &back));
    assert_false(stun_read_response(recorded, sizeof(recorded), txid, &back));
}

static void test_response_of_others(void **state)
{
    (void)state;
    const uint8_t plain[] = {0, 1, 0x12, 0x34, 198, 51, 100, 7};
    const uint8_t bad[] = {0, 7, 0x12, 0x34, 198, 51, 100, 7};
    struct request r;
    struct endpoint back;
    char text[ENDPOINT_TEXT];

    begin(&r);
    add(&r, ATTR_SOFTWARE, "other", 5);
    add(&r, ATTR_MAPPED_ADDRESS, plain, sizeof(plain));
    put_header(r.bytes, BINDING_SUCCESS, r.n - HEADER_LEN, txid);
    r.n += 3; /* after the announced length: ignored */
    assert_true(stun_read_response(r.bytes, r.n, txid, &back));
    assert_string_equal(endpoint_print(&back, text), "198.51.100.7:4660");

    begin(&r);
    add(&r, ATTR_MAPPED_ADDRESS, bad, sizeof(bad));
    put_header(r.bytes, BINDING_SUCCESS, r.n - HEADER_LEN, txid);
    assert_false(stun_read_response(r.bytes, r.n, txid, &back));

    begin(&r);
    put_header(r.bytes, BINDING_SUCCESS, 0, txid);
    assert_false(stun_read_response(r.bytes, r.n, txid, &back)); /* no address at all */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_is_tailscales),
        cmocka_unit_test(test_every_truncation_and_bit),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_what_does_not_stop_the_answer),
        cmocka_unit_test(test_malformed_attributes),
        cmocka_unit_test(test_padding_exceeds_the_message),
        cmocka_unit_test(test_fingerprint_must_be_last),
        cmocka_unit_test(test_too_long_is_not_read),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_response_ipv4),
        cmocka_unit_test(test_response_ipv6),
        cmocka_unit_test(test_response_refuses),
        cmocka_unit_test(test_response_of_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
