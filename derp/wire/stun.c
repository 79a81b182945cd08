/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/wire/stun.h"

#include <string.h>
#include <zlib.h>

#define HEADER_LEN      20
#define FINGERPRINT_LEN 8 /* attribute with its header */
#define FINGERPRINT_XOR 0x5354554eu
#define MAGIC           0x2112a442u

#define BINDING_REQUEST 0x0001
#define BINDING_SUCCESS 0x0101

#define ATTR_MAPPED_ADDRESS         0x0001
#define ATTR_XOR_MAPPED_ADDRESS     0x0020
#define ATTR_XOR_MAPPED_ADDRESS_ALT 0x8020 /* some servers shift it to the optional range */
#define ATTR_SOFTWARE               0x8022
#define ATTR_FINGERPRINT            0x8028

#define FAMILY_IPV4 1
#define FAMILY_IPV6 2

static const char software[8] = {'t', 'a', 'i', 'l', 'n', 'o', 'd', 'e'};

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, (uint16_t)(v >> 16));
    put16(p + 2, (uint16_t)v);
}

static uint32_t fingerprint(const uint8_t *p, size_t n)
{
    return (uint32_t)crc32(crc32(0, NULL, 0), p, (uInt)n) ^ FINGERPRINT_XOR;
}

static void put_header(uint8_t *out, uint16_t type, size_t len,
                       const uint8_t txid[static STUN_TXID_LEN])
{
    put16(out, type);
    put16(out + 2, (uint16_t)len);
    put32(out + 4, MAGIC);
    memcpy(out + 8, txid, STUN_TXID_LEN);
}

static bool is_stun(const uint8_t *p, size_t n)
{
    return n >= HEADER_LEN && (p[0] & 0xc0) == 0 && get32(p + 4) == MAGIC;
}

/* One attribute: a view into the message. */
struct attribute {
    uint16_t type;
    size_t len; /* without padding */
    const uint8_t *value;
};

/* Takes the attribute at *p and moves on; false at the end and on one that exceeds the message,
 * which *malformed tells apart. */
static bool next_attribute(const uint8_t **p, const uint8_t *end, struct attribute *a,
                           bool *malformed)
{
    size_t left = (size_t)(end - *p);
    size_t padded;

    if (left == 0)
        return false;
    *malformed = true;
    if (left < 4)
        return false;
    a->type = get16(*p);
    a->len = get16(*p + 2);
    a->value = *p + 4;
    padded = (a->len + 3) & ~(size_t)3;
    if (padded > left - 4)
        return false;
    *p += 4 + padded;
    *malformed = false;
    return true;
}

/* Like Tailscale's server: the length field of the header is ignored (the datagram says it),
 * unknown attributes pass, and of several fingerprints the last one counts. */
enum stun_verdict stun_read_request(const uint8_t *p, size_t n, uint8_t txid[static STUN_TXID_LEN])
{
    struct attribute a = {0};
    bool malformed = false;
    bool software_ok = false;
    uint32_t given = 0;

    if (n > STUN_REQUEST_MAX || !is_stun(p, n))
        return STUN_NOT_STUN;
    if (get16(p) != BINDING_REQUEST)
        return STUN_NOT_BINDING;
    for (const uint8_t *at = p + HEADER_LEN; next_attribute(&at, p + n, &a, &malformed);) {
        if (a.type == ATTR_SOFTWARE && a.len == sizeof(software) &&
            memcmp(a.value, software, sizeof(software)) == 0)
            software_ok = true;
        if (a.type == ATTR_FINGERPRINT && a.len == 4)
            given = get32(a.value);
    }
    if (malformed)
        return STUN_MALFORMED;
    if (!software_ok)
        return STUN_WRONG_SOFTWARE;
    if (a.type != ATTR_FINGERPRINT || given != fingerprint(p, n - FINGERPRINT_LEN))
        return STUN_WRONG_FINGERPRINT;
    memcpy(txid, p + 8, STUN_TXID_LEN);
    return STUN_REQUEST;
}

const char *stun_verdict_name(enum stun_verdict v)
{
    switch (v) {
    case STUN_REQUEST:
        return "ok";
    case STUN_NOT_STUN:
        return "not_stun";
    case STUN_NOT_BINDING:
        return "not_binding";
    case STUN_MALFORMED:
        return "malformed";
    case STUN_WRONG_SOFTWARE:
        return "wrong_software";
    case STUN_WRONG_FINGERPRINT:
        return "wrong_fingerprint";
    }
    return "unknown";
}

/* XORs n address bytes with the cookie and the transaction id, which follow each other in every
 * header (RFC 8489 14.2). */
static void xor_address(uint8_t *out, const uint8_t *address, size_t n,
                        const uint8_t txid[static STUN_TXID_LEN])
{
    uint8_t mask[4 + STUN_TXID_LEN];

    put32(mask, MAGIC);
    memcpy(mask + 4, txid, STUN_TXID_LEN);
    for (size_t i = 0; i < n; i++)
        out[i] = address[i] ^ mask[i];
}

size_t stun_write_response(uint8_t out[static STUN_RESPONSE_MAX],
                           const uint8_t txid[static STUN_TXID_LEN], const struct endpoint *from)
{
    struct endpoint e = *from;
    const uint8_t *address;
    size_t n;

    endpoint_unmap(&e);
    if (e.any.sa_family == AF_INET) {
        address = (const uint8_t *)&e.in4.sin_addr;
        n = 4;
    } else {
        address = (const uint8_t *)&e.in6.sin6_addr;
        n = 16;
    }
    put_header(out, BINDING_SUCCESS, 8 + n, txid);
    put16(out + 20, ATTR_XOR_MAPPED_ADDRESS);
    put16(out + 22, (uint16_t)(4 + n));
    out[24] = 0;
    out[25] = n == 4 ? FAMILY_IPV4 : FAMILY_IPV6;
    put16(out + 26, endpoint_port(&e) ^ (uint16_t)(MAGIC >> 16));
    xor_address(out + 28, address, n, txid);
    return 28 + n;
}

void stun_write_request(uint8_t out[static STUN_REQUEST_LEN],
                        const uint8_t txid[static STUN_TXID_LEN])
{
    put_header(out, BINDING_REQUEST, STUN_REQUEST_LEN - HEADER_LEN, txid);
    put16(out + 20, ATTR_SOFTWARE);
    put16(out + 22, sizeof(software));
    memcpy(out + 24, software, sizeof(software));
    put16(out + 32, ATTR_FINGERPRINT);
    put16(out + 34, 4);
    put32(out + 36, fingerprint(out, STUN_REQUEST_LEN - FINGERPRINT_LEN));
}

/* Reads a (XOR-)MAPPED-ADDRESS; txid is NULL for the plain one. */
static bool read_address(const struct attribute *a, const uint8_t *txid, struct endpoint *e)
{
    uint8_t address[16];
    size_t n;

    if (a->len < 4)
        return false;
    n = a->value[1] == FAMILY_IPV4 ? 4 : a->value[1] == FAMILY_IPV6 ? 16 : 0;
    if (n == 0 || a->len - 4 < n)
        return false;
    memcpy(address, a->value + 4, n);
    if (txid)
        xor_address(address, a->value + 4, n, txid);
    memset(e, 0, sizeof(*e));
    if (n == 4) {
        e->in4.sin_family = AF_INET;
        memcpy(&e->in4.sin_addr, address, n);
    } else {
        e->in6.sin6_family = AF_INET6;
        memcpy(&e->in6.sin6_addr, address, n);
    }
    endpoint_unmap(e);
    endpoint_set_port(e, get16(a->value + 2) ^ (txid ? (uint16_t)(MAGIC >> 16) : 0));
    return true;
}

bool stun_read_response(const uint8_t *p, size_t n, const uint8_t txid[static STUN_TXID_LEN],
                        struct endpoint *mapped)
{
    struct attribute a = {0};
    struct endpoint plain = {0};
    struct endpoint xored = {0};
    bool malformed = false;
    size_t len;

    if (!is_stun(p, n) || get16(p) != BINDING_SUCCESS || memcmp(p + 8, txid, STUN_TXID_LEN) != 0)
        return false;
    len = get16(p + 2);
    if (len > n - HEADER_LEN)
        return false;
    const uint8_t *at = p + HEADER_LEN;
    const uint8_t *end = at + len; /* bytes after the announced length are ignored */
    while (next_attribute(&at, end, &a, &malformed)) {
        if ((a.type == ATTR_XOR_MAPPED_ADDRESS || a.type == ATTR_XOR_MAPPED_ADDRESS_ALT) &&
            !read_address(&a, txid, &xored))
            return false;
        if (a.type == ATTR_MAPPED_ADDRESS && !read_address(&a, NULL, &plain))
            return false;
    }
    if (malformed)
        return false;
    *mapped = xored.any.sa_family ? xored : plain;
    return mapped->any.sa_family != 0;
}
