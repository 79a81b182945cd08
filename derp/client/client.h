/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An outgoing DERP connection on a loop: TCP, TLS, HTTP upgrade (or fast start), login, packets.
 * Every state has a deadline.
 */
#ifndef DERP_CLIENT_CLIENT_H
#define DERP_CLIENT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/net.h"
#include "derp/client/events.h"
#include "derp/net/conn.h"
#include "derp/net/loop.h"
#include "derp/net/tls.h"
#include "derp/wire/hello.h"

struct derp_client;

struct derp_client_options {
    struct loop *loop;
    struct conn_scratch *scratch; /* of the loop's thread */
    struct tls_context *tls;      /* client context; NULL: plain TCP, for tests */
    struct endpoint to;
    const char *name;               /* host name or IP literal: SNI, verification, Host header */
    const struct keypair *keys;     /* copied */
    const struct client_info *info; /* mesh key, app name, …; NULL: a plain client. Copied; its key
                                       and version are filled in */
    bool fast_start;                /* use it when TLS 1.3 shows a meta certificate */
    int connect_timeout_ms;         /* TCP and TLS handshake */
    int login_timeout_ms;           /* upgrade to ServerInfo */
    int idle_timeout_ms;            /* silence of an open connection; 0: none. Servers send a
                                       keep-alive every 60 to 65 s */
    int write_timeout_ms;           /* a server that takes nothing for so long is given up */
    size_t send_max;                /* bytes that may wait to be sent */
};

/* What Tailscale's client uses: 10 s to connect and log in, 120 s of silence, 10 s without taking
 * anything, 1 MiB waiting. */
void derp_client_defaults(struct derp_client_options *opt);

/*
 * Starts to connect. events must outlive the client; on_closed is always the last call, also after
 * derp_client_close, and never comes before this returns. NULL with a reason when not even a
 * socket could be made (on_closed is then not called).
 */
struct derp_client *derp_client_connect(const struct derp_client_options *opt,
                                        const struct derp_client_events *events, void *owner,
                                        struct fault *f);

/* Queues one packet of at most FRAME_PACKET_MAX bytes; false when it is longer, when send_max
 * bytes wait already, or before on_ready. */
bool derp_client_send(struct derp_client *c, const struct node_key *dst, const void *packet,
                      size_t len);
/* Likewise a Ping (answered by on_pong), and whether this is our preferred relay. */
bool derp_client_ping(struct derp_client *c, const uint8_t data[static 8]);
bool derp_client_note_preferred(struct derp_client *c, bool home);
/* Asks to be told who comes and goes (on_peer_present, on_peer_gone), those who are there first.
 * The server closes the connection of a client whose info does not carry its mesh key. */
bool derp_client_watch(struct derp_client *c);

/* Something waits in the owner: pulls it by on_fill, once open, and writes it. */
void derp_client_flush(struct derp_client *c);

/* The calls above write at the end of the running callback, or at once outside of one. With
 * cork set they only queue, until it is lifted. */
void derp_client_cork(struct derp_client *c, bool cork);

/* Ends it: on_closed is called before this returns, or after the running callback. */
void derp_client_close(struct derp_client *c);

/* The server's key; zero before it is known. */
const struct node_key *derp_client_server_key(const struct derp_client *c);
/* True when the login needed no HTTP answer. */
bool derp_client_was_fast(const struct derp_client *c);
/* What TLS showed, once connected (also within on_closed, unless TLS itself failed). */
bool derp_client_peer(const struct derp_client *c, struct tls_peer *peer);

#endif
