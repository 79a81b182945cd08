/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/load/crowd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "derp/wire/frame.h"

#define AGAIN_MS 100          /* until one that was closed tries again */
#define SEND_MAX (256 * 1024) /* about what a socket holds for Tailscale's client */

struct member {
    struct crowd *crowd;
    struct derp_client *client;
    unsigned number;
    bool is_ready;
    struct buf out; /* whole frames, but for the first one of which `cut` bytes have been taken */
    size_t cut;
};

struct crowd {
    struct crowd_events events;
    const struct plan *plan;
    struct loop *loop;
    struct loop_timer again;
    struct conn_scratch *scratch;
    struct tls_context *tls;
    struct member *members;
    unsigned *waiting; /* numbers of those who are to log in */
    unsigned waiting_count, under_way, ready;
    bool was_complete, is_over;
    struct crowd_counts counts;
};

static void keys_of(unsigned number, struct keypair *keys)
{
    uint8_t seed[KEY_LEN] = {0x5d, 0xe7};

    memcpy(seed + 4, &number, sizeof number);
    keypair_from_seed(seed, keys);
}

void crowd_key(unsigned number, struct node_key *key)
{
    struct keypair keys;

    keys_of(number, &keys);
    *key = keys.public_key;
}

static void start_some(struct crowd *c);

static void on_ready(void *owner)
{
    struct member *m = owner;
    struct crowd *c = m->crowd;

    m->is_ready = true;
    c->ready++;
    c->under_way--;
    c->counts.logins++;
    start_some(c);
    if (c->ready < c->plan->clients || c->was_complete)
        return;
    c->was_complete = true;
    c->events.on_all_ready(c->events.arg);
}

static void on_packet(void *owner, const struct node_key *src, const uint8_t *data, size_t len)
{
    const struct member *m = owner;

    (void)src;
    m->crowd->events.on_packet(m->crowd->events.arg, data, len);
}

static void on_closed(void *owner, const char *reason)
{
    struct member *m = owner;
    struct crowd *c = m->crowd;

    m->client = NULL;
    m->cut = 0;
    buf_free(&m->out);
    if (c->is_over)
        return;
    snprintf(c->counts.reason, sizeof c->counts.reason, "%s", reason);
    if (m->is_ready) {
        c->ready--;
        c->counts.closed++;
    } else {
        c->under_way--;
        c->counts.failed++;
    }
    m->is_ready = false;
    c->waiting[c->waiting_count++] = m->number;
    loop_timer_set(&c->again, AGAIN_MS);
}

/* One frame, or the rest of one: each call makes a record. */
static size_t on_fill(void *owner, uint8_t *out, size_t room, bool rest_only)
{
    struct member *m = owner;
    uint8_t type;
    size_t len, n;

    if (rest_only && m->cut == 0)
        return 0;
    if (!frame_peek(m->out.data, m->out.len, &type, &len))
        return 0;
    n = FRAME_HEADER_LEN + len - m->cut;
    n = n < room ? n : room;
    memcpy(out, m->out.data + m->cut, n);
    m->cut += n;
    if (m->cut < FRAME_HEADER_LEN + len)
        return n;
    buf_consume(&m->out, m->cut);
    m->cut = 0;
    return n;
}

static const struct derp_client_events client_events = {
    .on_ready = on_ready, .on_packet = on_packet, .on_fill = on_fill, .on_closed = on_closed};

bool crowd_queue(struct crowd *c, unsigned number, const struct node_key *dst, const void *packet,
                 size_t len)
{
    struct buf *out = &c->members[number - c->plan->first].out;
    uint8_t head[FRAME_HEADER_LEN];

    if (out->len + sizeof head + KEY_LEN + len > SEND_MAX)
        return false;
    frame_put_header(head, FRAME_SEND_PACKET, KEY_LEN + len);
    buf_append(out, head, sizeof head);
    buf_append(out, dst->bytes, KEY_LEN);
    buf_append(out, packet, len);
    return true;
}

void crowd_flush(struct crowd *c, unsigned number)
{
    struct derp_client *client = crowd_client(c, number);

    if (client != NULL)
        derp_client_flush(client);
}

static void start(struct crowd *c, struct member *m)
{
    struct derp_client_options opt;
    struct keypair keys;
    struct fault f;

    keys_of(m->number, &keys);
    derp_client_defaults(&opt);
    opt.loop = c->loop;
    opt.scratch = c->scratch;
    opt.tls = c->tls;
    opt.to = c->plan->to;
    opt.name = c->plan->name;
    opt.keys = &keys;
    opt.connect_timeout_ms = opt.login_timeout_ms = 60000;
    opt.write_timeout_ms = 60000;
    opt.send_max = SEND_MAX;
    m->client = derp_client_connect(&opt, &client_events, m, &f);
    if (m->client != NULL) {
        c->under_way++;
        return;
    }
    snprintf(c->counts.reason, sizeof c->counts.reason, "%s", f.text);
    c->counts.failed++;
    c->waiting[c->waiting_count++] = m->number;
    loop_timer_set(&c->again, AGAIN_MS);
}

static void start_some(struct crowd *c)
{
    unsigned most = c->waiting_count;

    while (most-- > 0 && c->under_way < c->plan->at_once)
        start(c, &c->members[c->waiting[--c->waiting_count] - c->plan->first]);
}

static void on_again(void *arg)
{
    start_some(arg);
}

struct crowd *crowd_new(const struct plan *p, struct loop *loop, const struct crowd_events *events,
                        struct fault *f)
{
    struct tls_context *tls = tls_context_client(p->ca, TLS_VERIFY_REQUIRE, f);
    struct crowd *c;

    if (tls == NULL)
        return NULL;
    c = mem_alloc(1, sizeof *c);
    c->events = *events;
    c->plan = p;
    c->loop = loop;
    c->tls = tls;
    c->scratch = conn_scratch_new();
    c->members = mem_alloc(p->clients, sizeof *c->members);
    c->waiting = mem_alloc(p->clients, sizeof *c->waiting);
    loop_timer_init(&c->again, loop, on_again, c);
    for (unsigned i = 0; i < p->clients; i++) {
        c->members[i] = (struct member){.crowd = c, .number = p->first + i};
        buf_init(&c->members[i].out, SEND_MAX);
        c->waiting[c->waiting_count++] = p->first + p->clients - 1 - i;
    }
    loop_timer_set(&c->again, 1);
    return c;
}

void crowd_free(struct crowd *c)
{
    c->is_over = true;
    for (unsigned i = 0; i < c->plan->clients; i++)
        if (c->members[i].client != NULL)
            derp_client_close(c->members[i].client);
    loop_timer_stop(&c->again);
    tls_context_free(c->tls);
    conn_scratch_free(c->scratch);
    free(c->members);
    free(c->waiting);
    free(c);
}

struct derp_client *crowd_client(struct crowd *c, unsigned number)
{
    struct member *m = &c->members[number - c->plan->first];

    return m->is_ready ? m->client : NULL;
}

const struct crowd_counts *crowd_counts(const struct crowd *c)
{
    return &c->counts;
}
