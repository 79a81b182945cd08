/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two clients of derp/client that talk through a relay and count packets: what tests/interop's
 * derptalk does with Tailscale's client, with the same options and report, for machines without Go.
 * Talks until the end of standard input. Exit status: 0 nothing lost, 1 something was, 2 no talk.
 */
#include <getopt.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "derp/client/client.h"

#define PACKET_LEN 1280
#define GRACE_MS   2000
#define CONNECT_MS 15000

struct talker;

struct client {
    struct talker *all;
    struct client *peer;
    struct derp_client *derp;
    struct keypair keys;
    bool ready;
};

struct talker {
    struct derp_client_options to;
    struct loop *loop;
    struct loop_timer tick;  /* the next packet */
    struct loop_timer limit; /* to connect, later to wait for packets under way */
    struct loop_io input;
    struct client clients[2];
    int64_t pause_ms;
    int64_t began_ms;
    uint64_t sent, received, returned, send_errors;
    unsigned connections;
    bool ending;
    bool closing;
};

struct options {
    const char *host, *ip, *ca;
    uint64_t rate;
};

/* --- The conversation --------------------------------------------------------------------------
 */

static void finish(struct talker *t)
{
    t->closing = true;
    for (size_t i = 0; i < 2; i++) {
        if (t->clients[i].derp)
            derp_client_close(t->clients[i].derp);
    }
    loop_stop(t->loop);
}

static void on_limit(void *arg)
{
    struct talker *t = arg;
    if (!t->ending)
        fprintf(stderr, "talk: not connected after %d ms\n", CONNECT_MS);
    finish(t);
}

/* Standard input has ended: no more packets, but those under way may still arrive. */
static void on_input(void *arg, int events)
{
    struct talker *t = arg;
    char text[256];
    (void)events;
    if (read(STDIN_FILENO, text, sizeof text) > 0)
        return;
    loop_io_want(&t->input, 0);
    loop_timer_stop(&t->tick);
    t->ending = true;
    loop_timer_set(&t->limit, t->sent == t->returned ? 0 : GRACE_MS);
}

static void on_tick(void *arg)
{
    struct talker *t = arg;
    uint8_t packet[PACKET_LEN] = {0};
    memcpy(packet, &t->sent, sizeof t->sent);
    struct client *from = &t->clients[t->sent % 2];
    if (derp_client_send(from->derp, &from->peer->keys.public_key, packet, sizeof packet))
        t->sent++;
    else
        t->send_errors++;
    loop_timer_set(&t->tick, t->pause_ms);
}

static void on_ready(void *owner)
{
    struct client *c = owner;
    struct talker *t = c->all;
    c->ready = true;
    t->connections++;
    if (!c->peer->ready || t->began_ms)
        return;
    fprintf(stderr, "ready\n");
    t->began_ms = clock_mono_ms();
    loop_timer_stop(&t->limit);
    loop_timer_set(&t->tick, t->pause_ms);
}

/* The number's parity says who sent it first: the other one returns it. */
static void on_packet(void *owner, const struct node_key *src, const uint8_t *data, size_t len)
{
    struct client *c = owner;
    struct talker *t = c->all;
    uint64_t number;
    if (len != PACKET_LEN || !node_key_equal(src, &c->peer->keys.public_key))
        return;
    memcpy(&number, data, sizeof number);
    if (&t->clients[number % 2] == c) {
        t->returned++;
        if (t->ending && t->sent == t->returned)
            loop_timer_set(&t->limit, 0);
        return;
    }
    t->received++;
    if (!derp_client_send(c->derp, src, data, len))
        t->send_errors++;
}

static void on_closed(void *owner, const char *reason)
{
    struct client *c = owner;
    c->derp = NULL;
    if (c->all->closing)
        return;
    fprintf(stderr, "talk: connection lost: %s\n", reason);
    finish(c->all);
}

static const struct derp_client_events events = {
    .on_ready = on_ready, .on_packet = on_packet, .on_closed = on_closed};

static bool connect_both(struct talker *t, struct fault *f)
{
    for (size_t i = 0; i < 2; i++) {
        struct client *c = &t->clients[i];
        uint8_t seed[KEY_LEN];
        c->all = t;
        c->peer = &t->clients[1 - i];
        randombytes_buf(seed, sizeof seed);
        keypair_from_seed(seed, &c->keys);
        t->to.keys = &c->keys;
        c->derp = derp_client_connect(&t->to, &events, c, f);
        if (!c->derp)
            return false;
    }
    return true;
}

/* --- Options and report --------------------------------------------------------------------------
 */

static int report(const struct talker *t)
{
    if (!t->began_ms)
        return 2;
    uint64_t lost = t->sent - t->returned;
    bool ok = t->sent > 0 && lost == 0 && t->ending;
    printf("{\"ok\": %s, \"clients\": 2, \"seconds\": %.1f, \"sent\": %" PRIu64
           ", \"received\": %" PRIu64 ", \"returned\": %" PRIu64 ", \"lost\": %" PRIu64
           ", \"connections\": %u, \"reconnects\": 0, \"send_errors\": %" PRIu64 "}\n",
           ok ? "true" : "false", (double)(clock_mono_ms() - t->began_ms) / 1000, t->sent,
           t->received, t->returned, lost, t->connections, t->send_errors);
    return ok ? 0 : 1;
}

/* Options that only derptalk knows are taken and ignored. */
static bool parse(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {
        {"host", required_argument, NULL, 'h'},     {"ip", required_argument, NULL, 'i'},
        {"ca", required_argument, NULL, 'c'},       {"rate", required_argument, NULL, 'r'},
        {"clients", required_argument, NULL, 'x'},  {"duration", required_argument, NULL, 'x'},
        {"progress", required_argument, NULL, 'x'}, {NULL, 0, NULL, 0}};
    int c;
    *o = (struct options){.rate = 50};
    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (c == 'h')
            o->host = optarg;
        else if (c == 'i')
            o->ip = optarg;
        else if (c == 'c')
            o->ca = optarg;
        else if (c == '?' || (c == 'r' && !text_number(optarg, 1, 1000, &o->rate)))
            return false;
    }
    return o->host && o->ip;
}

int main(int argc, char **argv)
{
    struct options o;
    struct fault f = {0};
    struct talker t = {.sent = 0};
    if (!parse(argc, argv, &o) || sodium_init() < 0) {
        fprintf(stderr, "usage: talk --host NAME --ip ADDRESS [--ca FILE] [--rate 1..1000]\n");
        return 2;
    }
    derp_client_defaults(&t.to);
    t.loop = t.to.loop = loop_new();
    t.to.scratch = conn_scratch_new();
    t.to.name = o.host;
    t.to.tls = tls_context_client(o.ca, TLS_VERIFY_REQUIRE, &f);
    t.pause_ms = 1000 / (int64_t)o.rate;
    loop_timer_init(&t.tick, t.loop, on_tick, &t);
    loop_timer_init(&t.limit, t.loop, on_limit, &t);
    loop_io_init(&t.input, t.loop, STDIN_FILENO, on_input, &t);
    loop_io_want(&t.input, LOOP_READ);
    loop_timer_set(&t.limit, CONNECT_MS);
    if (!t.to.tls || !endpoint_parse(o.ip, 443, &t.to.to) || !connect_both(&t, &f)) {
        fprintf(stderr, "talk: %s\n", f.text[0] ? f.text : "--ip needs an address");
        return 2;
    }
    loop_run(t.loop);
    int code = report(&t);
    tls_context_free(t.to.tls);
    conn_scratch_free(t.to.scratch);
    loop_free(t.loop);
    return code;
}
