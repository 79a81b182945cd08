/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/identifier.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/net.h"
#include "base/text.h"

size_t identifier_bytes(const char *name, uint8_t bytes[static 16])
{
    struct endpoint e;
    if (!endpoint_parse_ip(name, &e))
        return 0;
    if (e.any.sa_family == AF_INET) {
        memcpy(bytes, &e.in4.sin_addr, 4);
        return 4;
    }
    memcpy(bytes, &e.in6.sin6_addr, 16);
    return 16;
}

bool identifier_is_ip(const char *name)
{
    uint8_t bytes[16];
    return identifier_bytes(name, bytes) > 0;
}

const char *identifier_type(const char *name)
{
    return identifier_is_ip(name) ? "ip" : "dns";
}

bool identifier_same(const char *a, const char *b)
{
    uint8_t one[16], two[16];
    size_t n = identifier_bytes(a, one);
    if (n != identifier_bytes(b, two))
        return false;
    return n > 0 ? memcmp(one, two, n) == 0 : strcasecmp(a, b) == 0;
}

void identifier_sni(const char *name, char sni[static IDENTIFIER_SNI_MAX])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t b[16];
    size_t n = identifier_bytes(name, b), at = 0;
    if (n == 0) {
        text_lower(name, sni, IDENTIFIER_SNI_MAX);
        return;
    }
    if (n == 4) {
        snprintf(sni, IDENTIFIER_SNI_MAX, "%u.%u.%u.%u.in-addr.arpa", b[3], b[2], b[1], b[0]);
        return;
    }
    for (size_t i = 16; i-- > 0;) {
        sni[at++] = digits[b[i] & 15];
        sni[at++] = '.';
        sni[at++] = digits[b[i] >> 4];
        sni[at++] = '.';
    }
    snprintf(sni + at, IDENTIFIER_SNI_MAX - at, "ip6.arpa");
}
