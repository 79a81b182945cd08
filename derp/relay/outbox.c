/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/outbox.h"

#include <string.h>

/* A session that lets so much control wait is closed; 512 KiB are a second of a 4 Mbit/s line. */
const struct outbox_limits outbox_client_limits = {.lanes = {
                                                       [PACKET_CONTROL] = 256 * 1024,
                                                       [PACKET_DISCO] = 64 * 1024,
                                                       [PACKET_OTHER] = 512 * 1024,
                                                   }};

/* Control: a PeerPresent for each of some 500,000 clients. */
const struct outbox_limits outbox_mesh_limits = {.lanes = {
                                                     [PACKET_CONTROL] = 32 * 1024 * 1024,
                                                     [PACKET_DISCO] = 1024 * 1024,
                                                     [PACKET_OTHER] = 4 * 1024 * 1024,
                                                 }};

static const enum packet_kind order[PACKET_KINDS] = {PACKET_CONTROL, PACKET_DISCO, PACKET_OTHER};

static struct packet *lane_pop(struct outbox_lane *l)
{
    struct packet *p = l->head;

    if (p == NULL)
        return NULL;
    l->head = (struct packet *)p->mail.next;
    if (l->head == NULL)
        l->tail = NULL;
    l->bytes -= p->len;
    return p;
}

static void lane_push(struct outbox_lane *l, struct packet *p)
{
    p->mail.next = NULL;
    if (l->tail != NULL)
        l->tail->mail.next = &p->mail;
    else
        l->head = p;
    l->tail = p;
    l->bytes += p->len;
}

bool outbox_push(struct outbox *o, struct packet_pool *pool, struct packet *p, outbox_drop drop,
                 void *arg)
{
    const struct outbox_limits *limits = o->limits != NULL ? o->limits : &outbox_client_limits;
    struct outbox_lane *l = &o->lanes[p->kind];
    size_t max = limits->lanes[p->kind];

    if (p->kind == PACKET_CONTROL && l->bytes + p->len > max) {
        packet_free(pool, p);
        return false;
    }
    while (l->head != NULL && l->bytes + p->len > max) {
        struct packet *old = lane_pop(l);
        if (drop != NULL)
            drop(arg, old);
        packet_free(pool, old);
    }
    lane_push(l, p);
    return true;
}

static struct packet *next_packet(struct outbox *o, size_t room, bool may_cut)
{
    for (int i = 0; i < PACKET_KINDS; i++) {
        struct outbox_lane *l = &o->lanes[order[i]];
        if (l->head != NULL)
            return l->head->len <= room || may_cut ? lane_pop(l) : NULL;
    }
    return NULL;
}

size_t outbox_fill(struct outbox *o, struct packet_pool *pool, uint8_t *out, size_t room)
{
    size_t filled = 0;

    while (filled < room) {
        size_t n;

        if (o->current == NULL) {
            o->current = next_packet(o, room - filled, filled == 0);
            o->written = 0;
            if (o->current == NULL)
                break;
        }
        n = o->current->len - o->written;
        if (n > room - filled)
            n = room - filled;
        memcpy(out + filled, o->current->data + o->written, n);
        filled += n;
        o->written += n;
        if (o->written == o->current->len) {
            packet_free(pool, o->current);
            o->current = NULL;
        }
    }
    return filled;
}

bool outbox_empty(const struct outbox *o)
{
    return o->current == NULL && outbox_bytes(o) == 0;
}

size_t outbox_bytes(const struct outbox *o)
{
    size_t n = 0;

    for (int i = 0; i < PACKET_KINDS; i++)
        n += o->lanes[i].bytes;
    return n;
}

void outbox_clear(struct outbox *o, struct packet_pool *pool, outbox_drop drop, void *arg)
{
    packet_free(pool, o->current);
    o->current = NULL;
    for (int i = 0; i < PACKET_KINDS; i++) {
        struct packet *p;
        while ((p = lane_pop(&o->lanes[i])) != NULL) {
            if (drop != NULL)
                drop(arg, p);
            packet_free(pool, p);
        }
    }
}
