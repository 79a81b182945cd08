/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTPS to the CA, and a look at our own port: the only user of libcurl. https only, TLS 1.2 or
 * later, certificate and name verified, no redirects, no proxies, bounded in time and in size.
 */
#ifndef ACME_TRANSPORT_H
#define ACME_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "acme/failure.h"
#include "base/buf.h"
#include "base/net.h"

#define TRANSPORT_BODY_MAX (256 * 1024)

struct transport;

/* What the CA answered. Strings are owned; NULL: header absent. */
struct response {
    long status;
    char *type;        /* media type in lower case, without parameters */
    char *location;    /* an https URL, NULL when it is anything else */
    char *nonce;       /* Replay-Nonce; NULL when it is malformed */
    char *retry_after; /* as sent */
    char *links;       /* all Link lines joined by ", " */
    time_t date;       /* Date, 0 when absent or malformed */
    struct buf body;
};

/*
 * ca_file is a PEM file that alone is trusted, NULL: the system's CAs. No request goes on beyond
 * deadline_ms (clock_mono_ms). NULL with a reason when the file cannot be read. Free with
 * transport_free, which accepts NULL.
 */
struct transport *transport_new(const char *ca_file, int64_t deadline_ms, struct failure *fail);
void transport_free(struct transport *t);

enum transport_method { TRANSPORT_GET, TRANSPORT_HEAD, TRANSPORT_POST };

/*
 * Makes one request and waits for the whole answer, at most a minute, and not beyond the deadline.
 * body (POST only) is sent as application/jose+json; accept may be NULL. True when an HTTP answer
 * of any status came; r is filled and must be freed with response_free, which is also safe after a
 * failure.
 */
bool transport_request(struct transport *t, enum transport_method method, const char *url,
                       const char *body, const char *accept, struct response *r,
                       struct failure *fail);
void response_free(struct response *r);

/*
 * GET over plain HTTP from an address of this machine, as a client that wants the given host (a
 * name or an address): how a CA asks for http-01. True when an answer of any status came; body
 * (initialised) holds as much as it may. Otherwise error (cap bytes) says why.
 */
bool transport_plain(const struct endpoint *at, const char *host, const char *path, long timeout_ms,
                     struct buf *body, long *status, char *error, size_t cap);

/* What stands behind an address of ours. */
enum transport_peer {
    TRANSPORT_CLOSED, /* nothing accepts connections there */
    TRANSPORT_SILENT, /* it accepts, and does not finish a TLS handshake in time */
    TRANSPORT_NO_TLS, /* it accepts, and speaks something else or refuses */
    TRANSPORT_TLS,    /* it finished a handshake; leaf is set */
};

struct transport_look {
    enum transport_peer peer;
    char *leaf; /* the certificate it serves for the name, PEM; NULL without one */
    bool relay; /* it answers /generate_204 as a DERP relay does */
    char error[256];
};

/*
 * Connects to an address of this machine as a client that wants the given name, trusting any
 * certificate. Takes at most timeout_ms. Free with transport_look_free.
 */
void transport_look(const struct endpoint *at, const char *name, long timeout_ms,
                    struct transport_look *look);
void transport_look_free(struct transport_look *look);

#endif
