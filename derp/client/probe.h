/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proof that a relay relays: two clients of our own, a packet there and back, and what TLS showed.
 * Blocking, on a loop of its own; main has called sodium_init().
 */
#ifndef DERP_CLIENT_PROBE_H
#define DERP_CLIENT_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/fault.h"
#include "base/net.h"

struct derp_probe_options {
    struct endpoint to;       /* where to connect */
    const char *name;         /* host name or IP literal: SNI, verification, Host header */
    const char *ca_file;      /* roots to trust, PEM; NULL: the system's */
    bool require_verified;    /* a certificate that cannot be verified is a failure */
    bool no_fast_start;       /* always by the HTTP answer */
    size_t packet_len;        /* 1..65536; 0: 1280 */
    int timeout_ms;           /* for all of it; 0: 10 s */
    const volatile int *stop; /* gives up soon after *stop becomes non-zero; may be NULL */
};

/* What TLS showed; meaningful when seen. */
struct derp_probe_tls {
    bool seen;
    bool is_tls13;
    uint8_t sha256[32]; /* of the leaf's DER: what "sha256-raw:" pins */
    time_t not_before;
    time_t not_after;
    size_t chain_length; /* certificates sent, DERP's meta certificate included */
    bool has_meta;
    bool verified;          /* by the roots, for the name, now */
    char verify_error[128]; /* why not, in words */
    char issuer[256];
};

struct derp_probe_result {
    struct derp_probe_tls tls; /* filled as soon as TLS stands, also when the rest fails */
    uint8_t server_key[32];    /* of the relay; zeros before it told */
    bool fast_start;           /* the login needed no HTTP answer */
    bool logged_in;            /* both clients */
    bool relayed;              /* the packet came back whole */
    unsigned sent;             /* how often it was sent: 1 unless it got lost */
    int64_t login_us;          /* first client: from connect() to the admission */
    int64_t rtt_us;            /* from the send that came back to its return */
};

/* True when the packet came back. Otherwise a reason, and r tells how far it came. */
bool derp_probe(const struct derp_probe_options *opt, struct derp_probe_result *r, struct fault *f);

/*
 * Asks a STUN server for our address as it sees it (several tries within timeout_ms). Only an
 * answer from the address that was asked counts. *rtt_us may be NULL.
 */
bool stun_probe(const struct endpoint *server, int timeout_ms, const volatile int *stop,
                struct endpoint *mapped, int64_t *rtt_us, struct fault *f);

#endif
