/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/client/probe.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "derp/client/client.h"

#define PACKET_LEN 1280
#define TIMEOUT_MS 10000
#define RESEND_MS  500 /* a relay may drop: that is not yet a failure */
#define WATCH_MS   50  /* how often the stop flag is looked at */

struct probe;

/* One of the two clients. */
struct side {
    struct probe *probe;
    const char *who; /* for reasons */
    struct derp_client *client;
    struct keypair keys;
    bool ready;
};

struct probe {
    const struct derp_probe_options *opt;
    struct derp_probe_result *result;
    struct loop *loop;
    struct conn_scratch *scratch;
    struct tls_context *tls;
    struct loop_timer bound;
    struct loop_timer watch;
    struct loop_timer resend;
    struct side a; /* sends the packet and gets it back */
    struct side b; /* returns it */
    uint8_t *packet;
    size_t packet_len;
    int64_t start_ns;
    int64_t sent_ns[256]; /* of each try, by its number, which is the packet's first byte */
    bool over;
    struct fault fault; /* why not; empty while all is well */
};

/* The first reason counts. Clients are closed once the loop has stopped. */
static void finish(struct probe *p, const char *reason)
{
    if (p->over)
        return;
    p->over = true;
    if (reason)
        fault_set(&p->fault, "%s", reason);
    loop_stop(p->loop);
}

static int64_t micros_since(int64_t ns)
{
    return (clock_mono_ns() - ns) / 1000;
}

/* --- What the clients tell ------------------------------------------------------------------- */

static void note_tls(struct probe *p, const struct derp_client *client)
{
    struct derp_probe_tls *t = &p->result->tls;
    struct tls_peer peer;

    if (t->seen || !derp_client_peer(client, &peer))
        return;
    t->seen = true;
    t->is_tls13 = peer.is_tls13;
    memcpy(t->sha256, peer.sha256, sizeof(t->sha256));
    t->not_before = peer.not_before;
    t->not_after = peer.not_after;
    t->chain_length = peer.chain_length;
    t->has_meta = peer.has_meta;
    t->verified = peer.verified;
    memcpy(t->verify_error, peer.verify_error, sizeof(t->verify_error));
    memcpy(t->issuer, peer.issuer, sizeof(t->issuer));
}

/* False, and the probe is over, when the certificate had to be verified and could not. */
static bool certificate_suffices(struct probe *p)
{
    struct fault f;

    if (!p->opt->require_verified || !p->result->tls.seen || p->result->tls.verified)
        return true;
    fault_set(&f, "the certificate for %s cannot be verified: %s", p->opt->name,
              p->result->tls.verify_error);
    finish(p, f.text);
    return false;
}

static void send_packet(void *arg)
{
    struct probe *p = arg;

    p->packet[0] = (uint8_t)++p->result->sent;
    p->sent_ns[p->packet[0]] = clock_mono_ns();
    loop_timer_set(&p->resend, RESEND_MS);
    if (!derp_client_send(p->a.client, &p->b.keys.public_key, p->packet, p->packet_len))
        finish(p, "the packet could not be queued: the relay takes no data");
}

static void on_ready(void *owner)
{
    struct side *s = owner;
    struct probe *p = s->probe;

    note_tls(p, s->client);
    if (!certificate_suffices(p))
        return;
    s->ready = true;
    if (s == &p->a) {
        p->result->login_us = micros_since(p->start_ns);
        p->result->fast_start = derp_client_was_fast(s->client);
        memcpy(p->result->server_key, derp_client_server_key(s->client)->bytes, KEY_LEN);
    }
    if (!p->a.ready || !p->b.ready)
        return;
    p->result->logged_in = true;
    send_packet(p);
}

static bool is_ours(const struct probe *p, const uint8_t *data, size_t len)
{
    return len == p->packet_len && memcmp(data + 1, p->packet + 1, len - 1) == 0;
}

static void on_packet(void *owner, const struct node_key *src, const uint8_t *data, size_t len)
{
    struct side *s = owner;
    struct probe *p = s->probe;
    const struct side *other = s == &p->a ? &p->b : &p->a;

    if (!node_key_equal(src, &other->keys.public_key))
        return;
    if (!is_ours(p, data, len)) {
        finish(p, "the packet arrived with other content than was sent");
        return;
    }
    if (s == &p->b) {
        derp_client_send(s->client, src, data, len);
        return;
    }
    p->result->rtt_us = micros_since(p->sent_ns[data[0]]);
    p->result->relayed = true;
    finish(p, NULL);
}

static void on_closed(void *owner, const char *reason)
{
    struct side *s = owner;
    struct fault f;

    note_tls(s->probe, s->client);
    s->client = NULL;
    s->ready = false;
    if (!certificate_suffices(s->probe))
        return;
    fault_set(&f, "%s: %s", s->who, reason);
    finish(s->probe, f.text);
}

static const struct derp_client_events client_events = {
    .on_ready = on_ready,
    .on_packet = on_packet,
    .on_closed = on_closed,
};

/* --- Bounds ---------------------------------------------------------------------------------- */

static void on_bound(void *arg)
{
    struct probe *p = arg;
    struct fault f;

    if (!p->result->logged_in)
        fault_set(&f, "no DERP login within the time allowed");
    else
        fault_set(&f, "both clients are logged in, but a packet of %zu bytes did not come back",
                  p->packet_len);
    finish(p, f.text);
}

static void on_watch(void *arg)
{
    struct probe *p = arg;

    if (*p->opt->stop)
        finish(p, "interrupted");
    else
        loop_timer_set(&p->watch, WATCH_MS);
}

/* --- The run --------------------------------------------------------------------------------- */

static bool connect_side(struct probe *p, struct side *s, const char *who)
{
    struct derp_client_options opt;
    uint8_t seed[KEY_LEN];
    int timeout_ms = p->opt->timeout_ms > 0 ? p->opt->timeout_ms : TIMEOUT_MS;

    randombytes_buf(seed, sizeof(seed));
    keypair_from_seed(seed, &s->keys);
    mem_wipe(seed, sizeof(seed));
    s->probe = p;
    s->who = who;
    derp_client_defaults(&opt);
    opt.loop = p->loop;
    opt.scratch = p->scratch;
    opt.tls = p->tls;
    opt.to = p->opt->to;
    opt.name = p->opt->name;
    opt.keys = &s->keys;
    opt.fast_start = !p->opt->no_fast_start;
    /* A little more than the whole, which then speaks for itself with the better words. */
    opt.connect_timeout_ms = opt.login_timeout_ms = timeout_ms + 1000;
    s->client = derp_client_connect(&opt, &client_events, s, &p->fault);
    return s->client != NULL;
}

static void close_side(struct side *s)
{
    if (s->client) {
        note_tls(s->probe, s->client); /* also when the time was over before the login */
        derp_client_close(s->client);
    }
    keypair_wipe(&s->keys);
}

static void run_probe(struct probe *p)
{
    loop_timer_init(&p->bound, p->loop, on_bound, p);
    loop_timer_init(&p->watch, p->loop, on_watch, p);
    loop_timer_init(&p->resend, p->loop, send_packet, p);
    loop_timer_set(&p->bound, p->opt->timeout_ms > 0 ? p->opt->timeout_ms : TIMEOUT_MS);
    if (p->opt->stop)
        loop_timer_set(&p->watch, WATCH_MS);
    p->start_ns = clock_mono_ns();
    if (connect_side(p, &p->a, "first client") && connect_side(p, &p->b, "second client"))
        loop_run(p->loop);
    p->over = true;
    close_side(&p->a);
    close_side(&p->b);
    loop_timer_stop(&p->bound);
    loop_timer_stop(&p->watch);
    loop_timer_stop(&p->resend);
}

bool derp_probe(const struct derp_probe_options *opt, struct derp_probe_result *r, struct fault *f)
{
    struct probe p = {.opt = opt, .result = r};

    memset(r, 0, sizeof(*r));
    p.tls = tls_context_client(opt->ca_file, TLS_VERIFY_RECORD, f);
    if (!p.tls)
        return false;
    p.packet_len = opt->packet_len ? opt->packet_len : PACKET_LEN;
    p.packet = mem_alloc(p.packet_len, 1);
    randombytes_buf(p.packet, p.packet_len);
    p.loop = loop_new();
    p.scratch = conn_scratch_new();
    run_probe(&p);
    conn_scratch_free(p.scratch);
    loop_free(p.loop);
    tls_context_free(p.tls);
    free(p.packet);
    if (!r->relayed)
        fault_set(f, "%s", p.fault.text);
    return r->relayed;
}
