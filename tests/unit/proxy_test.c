/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/wire/proxy.c"

#include "tests/unit/unit.h"

/* A version 2 header that is built up. */
struct header {
    uint8_t bytes[PROXY_HEADER_MAX + 64];
    size_t n;
};

static void begin(struct header *h, uint8_t command, uint8_t family)
{
    memset(h, 0, sizeof *h);
    memcpy(h->bytes, signature, sizeof signature);
    h->bytes[12] = command;
    h->bytes[13] = family;
    h->n = 16;
}

static void add(struct header *h, const void *bytes, size_t n)
{
    assert_true(h->n + n <= sizeof h->bytes);
    memcpy(h->bytes + h->n, bytes, n);
    h->n += n;
}

static void add_tlv(struct header *h, uint8_t type, const void *value, size_t n)
{
    const uint8_t head[] = {type, (uint8_t)(n >> 8), (uint8_t)n};

    add(h, head, sizeof head);
    add(h, value, n);
}

static void end(struct header *h)
{
    h->bytes[14] = (uint8_t)((h->n - 16) >> 8);
    h->bytes[15] = (uint8_t)(h->n - 16);
}

/* 203.0.113.7:50000 to 192.0.2.1:443 */
static const uint8_t four[] = {203, 0, 113, 7, 192, 0, 2, 1, 0xc3, 0x50, 0x01, 0xbb};
/* [2001:db8::7]:50000 to [2001:db8::1]:443 */
static const uint8_t six[] = {0x20, 1, 0x0d, 0xb8, 0,    0, 0,    0,    0,    0,    0,    0,
                              0,    0, 0,    7,    0x20, 1, 0x0d, 0xb8, 0,    0,    0,    0,
                              0,    0, 0,    0,    0,    0, 0,    1,    0xc3, 0x50, 0x01, 0xbb};

/* Reads it from memory of exactly that size, so that ASan sees a read past the end. */
static enum proxy_result read_exactly(const void *bytes, size_t n, struct proxy_header *h,
                                      size_t *used)
{
    uint8_t *copy = malloc(n == 0 ? 1 : n);
    enum proxy_result r;

    memcpy(copy, bytes, n);
    *used = 0;
    r = proxy_read_header(copy, n, h, used);
    free(copy);
    return r;
}

/* Accepted as a whole, whatever follows; every part of it is incomplete. */
static void accepts(const void *bytes, size_t n, const char *client)
{
    uint8_t longer[PROXY_HEADER_MAX + 8];
    char text[ENDPOINT_TEXT];
    struct proxy_header h;
    size_t used;

    for (size_t part = 0; part < n; part++)
        assert_int_equal(read_exactly(bytes, part, &h, &used), PROXY_INCOMPLETE);
    memcpy(longer, bytes, n);
    memset(longer + n, 0x16, 8);
    for (size_t more = 0; more <= 8; more++) {
        assert_int_equal(read_exactly(longer, n + more, &h, &used), PROXY_OK);
        assert_int_equal(used, n);
        assert_string_equal(h.has_client ? endpoint_print(&h.client, text) : "", client);
    }
}

static void accepts_header(struct header *h, const char *client)
{
    end(h);
    accepts(h->bytes, h->n, client);
}

/* Refused once its first n bytes are there, and with all shorter parts incomplete. */
static void refuses_at(const void *bytes, size_t n)
{
    struct proxy_header h;
    size_t used;

    for (size_t part = 0; part < n; part++)
        assert_int_equal(read_exactly(bytes, part, &h, &used), PROXY_INCOMPLETE);
    assert_int_equal(read_exactly(bytes, n, &h, &used), PROXY_BAD);
}

static void refuses_whole(struct header *h)
{
    end(h);
    refuses_at(h->bytes, h->n);
}

static void version_2(void **state)
{
    (void)state;
    struct header h;

    begin(&h, 0x21, 0x11);
    add(&h, four, sizeof four);
    accepts_header(&h, "203.0.113.7:50000");
    begin(&h, 0x21, 0x21);
    add(&h, six, sizeof six);
    accepts_header(&h, "[2001:db8::7]:50000");
    memset(h.bytes + 16, 0, 16);
    h.bytes[26] = h.bytes[27] = 0xff;
    memcpy(h.bytes + 28, four, 4);
    accepts_header(&h, "203.0.113.7:50000");
}

static void the_sockets_address_stands(void **state)
{
    (void)state;
    static const uint8_t families[] = {0x00, 0x01, 0x02, 0x10, 0x12, 0x20, 0x22, 0x30, 0x31, 0x32};
    uint8_t addresses[216] = {0};
    struct header h;

    for (size_t i = 0; i < sizeof families; i++) {
        begin(&h, 0x21, families[i]);
        add(&h, addresses, sizeof addresses);
        accepts_header(&h, "");
    }
    begin(&h, 0x21, 0x00);
    accepts_header(&h, "");
    begin(&h, 0x20, 0x00);
    accepts_header(&h, "");
    begin(&h, 0x20, 0x11); /* LOCAL: addresses are discarded, and so is a family of the future */
    add(&h, four, sizeof four);
    accepts_header(&h, "");
    begin(&h, 0x20, 0xff);
    add(&h, four, 3);
    accepts_header(&h, "");
}

static void heads_are_judged_early(void **state)
{
    (void)state;
    struct header h;

    for (size_t i = 0; i < sizeof signature; i++) {
        begin(&h, 0x21, 0x11);
        h.bytes[i] ^= 0x20;
        refuses_at(h.bytes, i + 1);
    }
    static const uint8_t commands[] = {0x00, 0x11, 0x1f, 0x22, 0x2f, 0x30, 0x31};
    for (size_t i = 0; i < sizeof commands; i++) {
        begin(&h, commands[i], 0x11);
        refuses_at(h.bytes, 13);
    }
    static const uint8_t families[] = {0x03, 0x13, 0x1f, 0x40, 0x41, 0xf1};
    for (size_t i = 0; i < sizeof families; i++) {
        begin(&h, 0x21, families[i]);
        refuses_at(h.bytes, 14);
    }
    refuses_at("\x16\x03\x01", 1); /* a TLS client without header */
    refuses_at("GET / HTTP/1.1\r\n", 1);
}

static void lengths(void **state)
{
    (void)state;
    static const uint8_t zeros[PROXY_HEADER_MAX] = {0};
    struct header h;

    begin(&h, 0x21, 0x11);
    h.bytes[15] = 11;
    refuses_at(h.bytes, 16);
    begin(&h, 0x21, 0x21);
    h.bytes[15] = 35;
    refuses_at(h.bytes, 16);
    begin(&h, 0x21, 0x31);
    h.bytes[15] = 215;
    refuses_at(h.bytes, 16);
    begin(&h, 0x20, 0x00);
    add(&h, zeros, PROXY_HEADER_MAX - 16);
    accepts_header(&h, "");
    add(&h, zeros, 1);
    end(&h);
    refuses_at(h.bytes, 16);
    h.bytes[14] = h.bytes[15] = 0xff;
    refuses_at(h.bytes, 16);
}

static void tlvs(void **state)
{
    (void)state;
    struct header h;

    begin(&h, 0x21, 0x11);
    add(&h, four, sizeof four);
    add_tlv(&h, 0x04, "", 0);               /* NOOP */
    add_tlv(&h, 0x02, "derp.demo.com", 13); /* AUTHORITY */
    add_tlv(&h, 0xea, "\1vpce-0", 7);       /* a cloud's own */
    accepts_header(&h, "203.0.113.7:50000");
    add(&h, "\x04", 1);
    refuses_whole(&h);
    add(&h, "\0", 1);
    refuses_whole(&h);
    add(&h, "\1", 1);
    refuses_whole(&h);
    add(&h, "x", 1);
    accepts_header(&h, "203.0.113.7:50000");
}

/* As HAProxy 2.6 sends it with proxy-v2-options crc32c. */
static void sum_is_verified(void **state)
{
    (void)state;
    struct header h;
    uint32_t crc;
    size_t at;

    assert_int_equal(crc32c(0, (const uint8_t *)"123456789", 9), 0xe3069283); /* RFC 3720 B.4 */
    assert_int_equal(crc32c(0, (const uint8_t[32]){0}, 32), 0x8a9136aa);
    begin(&h, 0x21, 0x11);
    add(&h, four, sizeof four);
    add_tlv(&h, 0x04, "ab", 2);
    add_tlv(&h, 0x03, "\0\0\0\0", 4);
    at = h.n - 4;
    add_tlv(&h, 0x04, "cd", 2);
    end(&h);
    crc = crc32c(0, h.bytes, h.n);
    for (int i = 0; i < 4; i++)
        h.bytes[at + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
    accepts_header(&h, "203.0.113.7:50000");
    for (size_t i = 16; i < h.n; i++) {
        if (i >= 28 && i < at + 4)
            continue; /* changes what is a TLV */
        h.bytes[i] ^= 1;
        if (i < 28)
            refuses_at(h.bytes, h.n);
        h.bytes[i] ^= 1;
    }
    for (size_t i = at; i < at + 4; i++) {
        h.bytes[i] ^= 0x80;
        refuses_at(h.bytes, h.n);
        h.bytes[i] ^= 0x80;
    }
    begin(&h, 0x21, 0x11);
    add(&h, four, sizeof four);
    add_tlv(&h, 0x03, "\0\0\0", 3);
    refuses_whole(&h);
}

static void accepts_text(const char *line, const char *client)
{
    accepts(line, strlen(line), client);
}

static void version_1(void **state)
{
    (void)state;
    char longest[PROXY_TEXT_MAX + 2];

    accepts_text("PROXY TCP4 203.0.113.7 192.0.2.1 50000 443\r\n", "203.0.113.7:50000");
    accepts_text("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
                 "255.255.255.255:65535");
    accepts_text("PROXY TCP6 2001:db8::7 2001:db8::1 50000 443\r\n", "[2001:db8::7]:50000");
    accepts_text("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
                 "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
    accepts_text("PROXY TCP6 ::ffff:203.0.113.7 ::1 1 2\r\n", "203.0.113.7:1");
    accepts_text("PROXY UNKNOWN\r\n", "");
    accepts_text("PROXY UNKNOWN and whatever  else\r\n", "");

    memset(longest, 'x', sizeof longest);
    memcpy(longest, "PROXY UNKNOWN ", 14);
    memcpy(longest + PROXY_TEXT_MAX - 2, "\r\n", 2);
    accepts(longest, PROXY_TEXT_MAX, "");
    memcpy(longest + PROXY_TEXT_MAX - 2, "x\r\n", 3);
    refuses_at(longest, PROXY_TEXT_MAX);
}

static void refuses_text(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "PROXY TCP4 203.0.113.7 192.0.2.1 50000 443\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 50000 443 \r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 50000 443 1\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 50000\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1\r\n",
        "PROXY TCP4 203.0.113.7\r\n",
        "PROXY TCP4\r\n",
        "PROXY \r\n",
        "PROXY  TCP4 203.0.113.7 192.0.2.1 50000 443\r\n",
        "PROXY TCP4  203.0.113.7 192.0.2.1 50000 443\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 65536 443\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 -1 443\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 50000 x\r\n",
        "PROXY TCP4 203.0.113 192.0.2.1 50000 443\r\n",
        "PROXY TCP4 203.0.113.7 ::1 50000 443\r\n",
        "PROXY TCP4 2001:db8::7 2001:db8::1 50000 443\r\n",
        "PROXY TCP6 203.0.113.7 192.0.2.1 50000 443\r\n",
        "PROXY TCP6 fe80::1%lo fe80::2 50000 443\r\n",
        "PROXY TCP5 203.0.113.7 192.0.2.1 50000 443\r\n",
        "PROXY tcp4 203.0.113.7 192.0.2.1 50000 443\r\n",
        "PROXY UNKNOWNS\r\n",
    };
    static const char nul[] = "PROXY UNKNOWN \0\r\n";

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refuses_at(bad[i], strlen(bad[i]));
    refuses_at(nul, sizeof nul - 1);
    refuses_at("PROXY\r\n", 6);
    refuses_at("PROXX ", 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_2),
        cmocka_unit_test(the_sockets_address_stands),
        cmocka_unit_test(heads_are_judged_early),
        cmocka_unit_test(lengths),
        cmocka_unit_test(tlvs),
        cmocka_unit_test(sum_is_verified),
        cmocka_unit_test(version_1),
        cmocka_unit_test(refuses_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
