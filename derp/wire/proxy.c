/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/wire/proxy.h"

#include <string.h>

#include "base/text.h"

#define SIGNATURE_LEN 12
#define HEAD_LEN      16 /* signature, version and command, family, length */

#define COMMAND_LOCAL 0x20 /* with the version, which is 2 */
#define COMMAND_PROXY 0x21

#define FAMILY_UNSPEC 0
#define FAMILY_IPV4   1
#define FAMILY_IPV6   2
#define FAMILY_UNIX   3
#define STREAM        1
#define DGRAM         2

#define TLV_HEAD   3
#define TLV_CRC32C 0x03

static const uint8_t signature[SIGNATURE_LEN] = {'\r', '\n', '\r', '\n', 0,   '\r',
                                                 '\n', 'Q',  'U',  'I',  'T', '\n'};
static const char text_start[] = "PROXY ";

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

/* Do the bytes that are there agree with the start of a header? */
static bool begins_as(const uint8_t *p, size_t n, const void *start, size_t len)
{
    return memcmp(p, start, n < len ? n : len) == 0;
}

/* --- Version 1 ------------------------------------------------------------------------------ */

static bool read_address(const char *address, const char *port, int family, struct endpoint *e)
{
    uint64_t number;

    /* Zones mean nothing here, and looking one up would be a system call. */
    if (address == NULL || port == NULL || strchr(address, '%') != NULL ||
        !endpoint_parse_ip(address, e) || e->any.sa_family != family ||
        !text_number(port, 0, UINT16_MAX, &number))
        return false;
    endpoint_set_port(e, (uint16_t)number);
    endpoint_unmap(e);
    return true;
}

/* "TCP4 SOURCE DESTINATION PORT PORT", single spaces, or "UNKNOWN" and anything. */
static bool read_line(char *line, struct proxy_header *h)
{
    const char *protocol = strsep(&line, " "), *source, *to, *source_port, *to_port;
    struct endpoint destination;
    int family;

    if (strcmp(protocol, "UNKNOWN") == 0)
        return true;
    if (strcmp(protocol, "TCP4") == 0)
        family = AF_INET;
    else if (strcmp(protocol, "TCP6") == 0)
        family = AF_INET6;
    else
        return false;
    source = strsep(&line, " ");
    to = strsep(&line, " ");
    source_port = strsep(&line, " ");
    to_port = strsep(&line, " ");
    h->has_client = read_address(source, source_port, family, &h->client);
    return h->has_client && read_address(to, to_port, family, &destination) && line == NULL;
}

static enum proxy_result read_text(const uint8_t *p, size_t n, struct proxy_header *h, size_t *used)
{
    const size_t skip = sizeof text_start - 1;
    const uint8_t *end = memchr(p, '\n', n < PROXY_TEXT_MAX ? n : PROXY_TEXT_MAX);
    char line[PROXY_TEXT_MAX + 1];
    size_t len;

    if (end == NULL)
        return n < PROXY_TEXT_MAX ? PROXY_INCOMPLETE : PROXY_BAD;
    if (end < p + skip || end[-1] != '\r' || memchr(p, '\0', (size_t)(end - p)) != NULL)
        return PROXY_BAD;
    len = (size_t)(end - 1 - p) - skip;
    memcpy(line, p + skip, len);
    line[len] = '\0';
    *used = (size_t)(end + 1 - p);
    return read_line(line, h) ? PROXY_OK : PROXY_BAD;
}

/* --- Version 2 ------------------------------------------------------------------------------ */

/* Size of the addresses of a family; false for one that the protocol does not have. */
static bool addresses_len(uint8_t family, size_t *len)
{
    static const size_t lens[] = {
        [FAMILY_UNSPEC] = 0, [FAMILY_IPV4] = 12, [FAMILY_IPV6] = 36, [FAMILY_UNIX] = 216};

    if (family >> 4 > FAMILY_UNIX || (family & 15) > DGRAM)
        return false;
    *len = lens[family >> 4];
    return true;
}

/* Castagnoli's CRC, reflected (RFC 3720 appendix B.4). A header a connection: no table needed. */
static uint32_t crc32c(uint32_t crc, const uint8_t *p, size_t n)
{
    crc = ~crc;
    while (n-- > 0) {
        crc ^= *p++;
        for (int i = 0; i < 8; i++)
            crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

/* The sum is made with zeros in its own place, value. */
static bool crc_is_right(const uint8_t *p, size_t n, const uint8_t *value)
{
    static const uint8_t zeros[4];
    uint32_t crc = crc32c(0, p, (size_t)(value - p));

    crc = crc32c(crc, zeros, sizeof zeros);
    crc = crc32c(crc, value + 4, (size_t)(p + n - value - 4));
    return crc == ((uint32_t)get16(value) << 16 | get16(value + 2));
}

/* Whole TLVs from at up to the end of the header p[0..n), and a right sum if there is one. */
static bool tlvs_are_sound(const uint8_t *p, size_t n, size_t at)
{
    while (at < n) {
        size_t len;

        if (n - at < TLV_HEAD)
            return false;
        len = get16(p + at + 1);
        if (len > n - at - TLV_HEAD)
            return false;
        if (p[at] == TLV_CRC32C && (len != 4 || !crc_is_right(p, n, p + at + TLV_HEAD)))
            return false;
        at += TLV_HEAD + len;
    }
    return true;
}

static void take_ipv4(const uint8_t *addresses, struct endpoint *e)
{
    e->in4.sin_family = AF_INET;
    memcpy(&e->in4.sin_addr, addresses, 4);
    endpoint_set_port(e, get16(addresses + 8));
}

static void take_ipv6(const uint8_t *addresses, struct endpoint *e)
{
    e->in6.sin6_family = AF_INET6;
    memcpy(&e->in6.sin6_addr, addresses, 16);
    endpoint_set_port(e, get16(addresses + 32));
    endpoint_unmap(e);
}

static enum proxy_result read_binary(const uint8_t *p, size_t n, struct proxy_header *h,
                                     size_t *used)
{
    size_t addresses = 0, len;

    if (n > 12 && p[12] != COMMAND_LOCAL && p[12] != COMMAND_PROXY)
        return PROXY_BAD;
    if (n > 13 && p[12] == COMMAND_PROXY && !addresses_len(p[13], &addresses))
        return PROXY_BAD;
    if (n < HEAD_LEN)
        return PROXY_INCOMPLETE;
    len = HEAD_LEN + (size_t)get16(p + 14);
    if (len > PROXY_HEADER_MAX || len < HEAD_LEN + addresses)
        return PROXY_BAD;
    if (n < len)
        return PROXY_INCOMPLETE;
    *used = len;
    /* With LOCAL and without a family the rest has no form that we know. */
    if (addresses == 0)
        return PROXY_OK;
    if (!tlvs_are_sound(p, len, HEAD_LEN + addresses))
        return PROXY_BAD;
    h->has_client = p[13] == (FAMILY_IPV4 << 4 | STREAM) || p[13] == (FAMILY_IPV6 << 4 | STREAM);
    if (h->has_client && p[13] >> 4 == FAMILY_IPV4)
        take_ipv4(p + HEAD_LEN, &h->client);
    else if (h->has_client)
        take_ipv6(p + HEAD_LEN, &h->client);
    return PROXY_OK;
}

enum proxy_result proxy_read_header(const uint8_t *p, size_t n, struct proxy_header *h,
                                    size_t *used)
{
    memset(h, 0, sizeof *h);
    if (n == 0)
        return PROXY_INCOMPLETE;
    if (begins_as(p, n, signature, sizeof signature))
        return read_binary(p, n, h, used);
    if (begins_as(p, n, text_start, sizeof text_start - 1))
        return read_text(p, n, h, used);
    return PROXY_BAD;
}
