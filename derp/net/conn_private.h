/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of a connection, shared by conn.c (life and events), conn_read.c and conn_write.c only. */
#ifndef DERP_NET_CONN_PRIVATE_H
#define DERP_NET_CONN_PRIVATE_H

#include "base/buf.h"
#include "derp/net/conn.h"
#include "derp/net/line.h"

#define READ_MAX    65536                       /* ciphertext of one read */
#define PLAIN_MAX   (READ_MAX + TLS_RECORD_MAX) /* plaintext of one turn */
#define OUT_MAX     (65536 + TLS_OUT_ROOM)      /* ciphertext of one write */
#define BATCH_MIN   4096 /* of plaintext for one write: on a slow line what is sealed already can */
#define BATCH_START 16384
#define BATCH_MAX   65536 /* neither be overtaken nor dropped any more */
#define KEEP_START  512   /* first allocation for an incomplete unit */
#define REASON_MAX  160

struct conn_scratch {
    unsigned newcomers_turn; /* in which time was last spent on newcomers, and how much in it */
    int64_t newcomers_ns;
    uint8_t in[READ_MAX];
    uint8_t plain[PLAIN_MAX];
    uint8_t fill[TLS_RECORD_MAX + 1]; /* tls_seal writes one more */
    uint8_t spare[TLS_SPARE_ROOM];
    uint8_t out[OUT_MAX];
};

enum conn_phase {
    PHASE_CONNECTING, /* client: waits for the TCP handshake */
    PHASE_PREFACE,    /* server: waits for what comes before TLS */
    PHASE_HANDSHAKE,  /* TLS handshake */
    PHASE_OPEN,
    PHASE_FINISHING, /* the owner is done: what waits is still sent */
    PHASE_LINGERING, /* all is sent, waits for the peer's end of stream */
    PHASE_ENDED,     /* on_end is due or has been called */
};

struct conn {
    struct loop_io io;
    struct loop_timer deadline; /* the owner's, and the bound of finishing */
    struct loop_timer stall;    /* runs while the kernel or the line takes nothing */
    const struct conn_events *events;
    void *owner;
    struct conn_scratch *scratch;
    struct tls *tls;
    struct tls_context *accepts; /* server: TLS is made of it when the first byte comes */
    struct buf keep;             /* plaintext of an incomplete unit, or an incomplete preface */
    struct buf unsent;           /* ciphertext that the kernel did not take */
    size_t want;                 /* plaintext needed before on_data is called again */
    struct line line;            /* while it is slow */
    int64_t blocked_ms; /* since when kernel or line have taken nothing; or when it was looked at */
    uint32_t sent;      /* bytes, since then */
    uint32_t batch;     /* plaintext sealed for one write: grows while the kernel takes all */
    int fd;
    int write_timeout_ms;
    int held_before; /* bytes the kernel held when the stall timer asked; < 0: it has not */
    bool is_slow;    /* the peer's line: the kernel is given less ahead */
    bool is_full;    /* that line is: the owner is not asked for more */
    bool held;       /* the owner wants no data now */
    bool is_newcomer;
    unsigned depth; /* calls of ours under way: nothing is freed before the last returns */
    enum conn_phase phase;
    enum conn_end end;
    char *reason;
};

/* conn.c: every call from outside is between enter and leave; the last leave of an ended
 * connection tells the owner and frees it. */
void conn_enter(struct conn *c);
void conn_leave(struct conn *c);
void conn_end(struct conn *c, enum conn_end why, const char *reason);
void conn_opened(struct conn *c);
void conn_start(struct conn *c); /* TLS if any, then conn_opened */

/* conn_write.c */
struct tls_io conn_tls_io(struct conn *c, const uint8_t *in, size_t n);
void conn_want_events(struct conn *c);
bool conn_send(struct conn *c, const uint8_t *p, size_t n);
bool conn_send_unsent(struct conn *c);
void conn_write(struct conn *c);

/* conn_line.c. Blocked, freed: the kernel takes no more, takes more again. Watch: it has taken
 * something just now, and must do so again. Has room: false on a slow line that has enough in front
 * of it; conn_write follows by itself. */
void conn_line_blocked(struct conn *c);
void conn_line_freed(struct conn *c);
void conn_line_watch(struct conn *c);
bool conn_line_has_room(struct conn *c);
void conn_line_on_timer(void *arg);

/* conn_read.c */
void conn_read(struct conn *c);
void conn_take_input(struct conn *c, const uint8_t *p, size_t n);
void conn_deliver_kept(struct conn *c);

#endif
