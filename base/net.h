/* SPDX-License-Identifier: Apache-2.0 */
/* Socket addresses: parsing, printing, comparing. No lookups of names. */
#ifndef BASE_NET_H
#define BASE_NET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* An IPv4 or IPv6 socket address; family AF_UNSPEC (0) means unset. */
struct endpoint {
    union {
        struct sockaddr any;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
    };
};

/* The addresses that share their first prefix bits with base. */
struct network {
    struct endpoint base; /* port 0 */
    unsigned prefix;
};

/* Room for the name of a TCP congestion control: the kernel's bound, with the terminator. */
#define NET_CONGESTION_MAX 16

/* Room for "[ipv6%zone]:65535" and a terminator. */
#define ENDPOINT_TEXT 80

/* "1.2.3.4:443", "[::1]:443"; without a port default_port is taken (0: a port is required). */
bool endpoint_parse(const char *s, uint16_t default_port, struct endpoint *e);

/* A bare address without port: "1.2.3.4" or "2001:db8::1" (port 0). */
bool endpoint_parse_ip(const char *s, struct endpoint *e);

/* Prints address and port / address only; returns text. */
char *endpoint_print(const struct endpoint *e, char text[static ENDPOINT_TEXT]);
char *endpoint_print_ip(const struct endpoint *e, char text[static ENDPOINT_TEXT]);

/* Size to pass to bind() and friends. */
socklen_t endpoint_len(const struct endpoint *e);

uint16_t endpoint_port(const struct endpoint *e);
void endpoint_set_port(struct endpoint *e, uint16_t port);

/* A v4-mapped IPv6 address becomes the IPv4 address it maps. */
void endpoint_unmap(struct endpoint *e);

/* Same address, ports ignored; v4-mapped equals IPv4. */
bool endpoint_same_ip(const struct endpoint *a, const struct endpoint *b);

bool endpoint_is_loopback(const struct endpoint *e);

/* The 16 bytes of the address, IPv4 as v4-mapped. */
void endpoint_bytes16(const struct endpoint *e, uint8_t bytes[static 16]);

/* Same family, and the same first prefix bits of the address. */
bool endpoint_in(const struct endpoint *e, const struct endpoint *base, unsigned prefix);

/* "192.0.2.0/24", "2001:db8::/32" or one address. Bits behind the prefix must be 0; zones and
 * v4-mapped networks are refused. */
bool network_parse(const char *s, struct network *n);

/* Is the address in the network? v4-mapped addresses count as IPv4. */
bool network_has(const struct network *n, const struct endpoint *e);

#endif
