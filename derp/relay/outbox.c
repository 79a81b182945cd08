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

/* Bytes that wait of a kind. */
static size_t waiting(const struct outbox *o, enum packet_kind kind)
{
    return kind == PACKET_OTHER && o->backlog != NULL ? backlog_bytes(o->backlog)
                                                      : o->lanes[kind].bytes;
}

static void give_up(struct outbox *o, enum packet_kind kind, enum packet_fate why,
                    const struct outbox_tools *t)
{
    struct packet *old = kind == PACKET_OTHER && o->backlog != NULL ? backlog_shed(o->backlog)
                                                                    : lane_pop(&o->lanes[kind]);

    if (t->drop != NULL)
        t->drop(t->arg, old, why);
    packet_free(t->pool, old);
}

/* Once the line has been behind for a while, what waits is ordered by urgency. */
static void judge_line(struct outbox *o, const struct outbox_tools *t)
{
    struct packet *p;

    if (o->backlog != NULL || o->lanes[PACKET_OTHER].head == NULL ||
        t->now_ms - o->since_ms < OUTBOX_CONGESTED_MS)
        return;
    o->backlog = backlog_new(t->keep_late);
    while ((p = lane_pop(&o->lanes[PACKET_OTHER])) != NULL)
        backlog_push(o->backlog, p);
}

static void push_other(struct outbox *o, struct packet *p, const struct outbox_tools *t)
{
    p->since_ms = t->now_ms;
    judge_line(o, t);
    if (o->backlog != NULL)
        backlog_push(o->backlog, p);
    else
        lane_push(&o->lanes[PACKET_OTHER], p);
}

bool outbox_push(struct outbox *o, struct packet *p, const struct outbox_tools *t)
{
    const struct outbox_limits *limits = o->limits != NULL ? o->limits : &outbox_client_limits;
    size_t max = limits->lanes[p->kind];

    if (p->kind == PACKET_CONTROL && waiting(o, p->kind) + p->len > max) {
        packet_free(t->pool, p);
        return false;
    }
    while (waiting(o, p->kind) > 0 && waiting(o, p->kind) + p->len > max)
        give_up(o, p->kind, PACKET_NO_ROOM, t);
    if (outbox_empty(o))
        o->since_ms = t->now_ms;
    if (p->kind == PACKET_OTHER)
        push_other(o, p, t);
    else
        lane_push(&o->lanes[p->kind], p);
    return true;
}

/* The next of those that wait in a lane: NULL when there is none or it does not fit. */
static struct packet *next_in_lane(struct outbox_lane *l, size_t room, bool may_cut)
{
    return l->head != NULL && (l->head->len <= room || may_cut) ? lane_pop(l) : NULL;
}

/* A backlog's packets begin wherever there is room for a small one, and are cut: records are short
 * then anyhow. */
static struct packet *next_in_backlog(struct outbox *o, enum outbox_class class,
                                      const struct outbox_tools *t)
{
    struct packet *p =
        backlog_pop(o->backlog, t->now_ms, class == OUTBOX_URGENT, t->pool, t->drop, t->arg);

    if (backlog_bytes(o->backlog) == 0) {
        backlog_free(o->backlog);
        o->backlog = NULL;
    }
    return p;
}

/* Not congested: is the packet that is next a small one? */
static bool begins_small(const struct outbox *o)
{
    const struct packet *p = o->lanes[PACKET_OTHER].head;

    return p != NULL && p->len <= BACKLOG_SMALL;
}

/* It is to be sent now. */
static struct packet *note_taken(struct packet *p, const struct outbox_tools *t)
{
    if (p != NULL && p->kind == PACKET_OTHER && t->took != NULL)
        t->took(t->arg, t->now_ms - p->since_ms);
    return p;
}

static struct packet *next_packet(struct outbox *o, size_t room, bool may_cut,
                                  enum outbox_class class, const struct outbox_tools *t)
{
    static const enum packet_kind first[] = {PACKET_CONTROL, PACKET_DISCO};

    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++)
        if (o->lanes[first[i]].head != NULL)
            return next_in_lane(&o->lanes[first[i]], room, may_cut);
    if (o->backlog != NULL)
        return next_in_backlog(o, class, t);
    if (class == OUTBOX_URGENT && !begins_small(o))
        return NULL;
    return next_in_lane(&o->lanes[PACKET_OTHER], room, may_cut);
}

size_t outbox_fill(struct outbox *o, uint8_t *out, size_t room, size_t goal,
                   enum outbox_class class, const struct outbox_tools *t)
{
    size_t filled = 0;

    judge_line(o, t);
    while (filled < room) {
        size_t n;

        if (o->current == NULL) {
            if (filled >= goal)
                break;
            o->current = note_taken(next_packet(o, room - filled, filled == 0, class, t), t);
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
            packet_free(t->pool, o->current);
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
    return waiting(o, PACKET_CONTROL) + waiting(o, PACKET_DISCO) + waiting(o, PACKET_OTHER);
}

bool outbox_has_urgent(const struct outbox *o)
{
    return o->current != NULL || o->lanes[PACKET_CONTROL].head != NULL ||
           o->lanes[PACKET_DISCO].head != NULL ||
           (o->backlog != NULL ? backlog_small_bytes(o->backlog) > 0 : begins_small(o));
}

void outbox_clear(struct outbox *o, const struct outbox_tools *t)
{
    packet_free(t->pool, o->current);
    o->current = NULL;
    for (int kind = 0; kind < PACKET_KINDS; kind++)
        while (waiting(o, (enum packet_kind)kind) > 0)
            give_up(o, (enum packet_kind)kind, PACKET_LEFT, t);
    backlog_free(o->backlog);
    o->backlog = NULL;
}
