/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header by which a TCP load balancer tells who really connects: the PROXY protocol, version 1
 * (text, which nginx sends) and version 2 (binary), as in HAProxy's proxy-protocol.txt. Pure.
 */
#ifndef DERP_WIRE_PROXY_H
#define DERP_WIRE_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/net.h"

#define PROXY_TEXT_MAX   107  /* version 1, line end included (section 2.1) */
#define PROXY_HEADER_MAX 1024 /* version 2; real ones have 28 to some 300 bytes */

enum proxy_result {
    PROXY_OK,         /* *h is filled; *used bytes are consumed */
    PROXY_INCOMPLETE, /* more bytes are needed; nothing is consumed */
    PROXY_BAD,        /* no header that we accept, whatever follows */
};

struct proxy_header {
    /* False for the proxy's own connections (LOCAL: health checks) and for clients that did not
     * come by TCP over IP: then the address of the socket stands. */
    bool has_client;
    struct endpoint client; /* v4-mapped as IPv4 */
};

/*
 * Reads the header at the front of p[0..n). What is wrong is told by the first byte that is, not
 * waited for. A CRC32C is verified where there is one (2.2.3); other TLVs are read over.
 */
enum proxy_result proxy_read_header(const uint8_t *p, size_t n, struct proxy_header *h,
                                    size_t *used);

#endif
