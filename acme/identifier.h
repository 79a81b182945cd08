/* SPDX-License-Identifier: Apache-2.0 */
/* Pure: what a certificate is for, a DNS name (RFC 8555 9.7.7) or an IP address (RFC 8738). */
#ifndef ACME_IDENTIFIER_H
#define ACME_IDENTIFIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IDENTIFIER_SNI_MAX 256

/* Is this an IP address (without brackets) rather than a DNS name? */
bool identifier_is_ip(const char *name);

/* "dns" or "ip". */
const char *identifier_type(const char *name);

/* The bytes of an address, in network order: 4 or 16; 0 for a DNS name. */
size_t identifier_bytes(const char *name, uint8_t bytes[static 16]);

/* The same name or address? Names in any case, addresses in any spelling. */
bool identifier_same(const char *a, const char *b);

/* What a CA asks for by SNI when it validates by tls-alpn-01: the DNS name in lower case, or an
 * address in the reversed form of RFC 8738 6: "5.113.0.203.in-addr.arpa". */
void identifier_sni(const char *name, char sni[static IDENTIFIER_SNI_MAX]);

#endif
