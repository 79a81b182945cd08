/* SPDX-License-Identifier: Apache-2.0 */
/* The other relays of the region as clients of this one: what they may send, and what they are
 * told. Our own links to them are mesh.c's. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "derp/relay/internal.h"

/* --- What they are told --------------------------------------------------------------------- */

static struct packet *presence(struct packet_pool *pool, const struct registry_member *m,
                               bool present)
{
    uint8_t frame[FRAME_PEER_PRESENT_MAX];
    struct peer_present who = {.key = m->key, .flags = m->flags};
    size_t n = FRAME_PEER_GONE_LEN;
    struct packet *p;

    _Static_assert(FRAME_PEER_GONE_LEN <= FRAME_PEER_PRESENT_MAX, "room for either");
    if (present) {
        endpoint_bytes16(m->peer, who.address);
        who.port = endpoint_port(m->peer);
        if (who.flags == 0)
            who.flags = PEER_PRESENT_REGULAR;
        if (m->app_name != NULL)
            memcpy(who.app_name, m->app_name, strlen(m->app_name) + 1);
        n = frame_write_peer_present(frame, &who);
    } else {
        frame_write_peer_gone(frame, &m->key, PEER_GONE_DISCONNECTED);
    }
    p = packet_new(pool, n, PACKET_CONTROL);
    memcpy(p->data, frame, n);
    return p;
}

/* With the key's lock held, and at once: another worker's news of the same key come after it. */
void region_tell(void *relay, handle_t watcher, const struct registry_member *m, bool present)
{
    struct relay *r = relay;
    struct worker *here = &r->workers[handle_worker(m->handle)];

    worker_send_now(r, watcher, presence(here->pool, m, present));
}

/* The members that were there before the watcher, in a list. */
struct flood {
    struct packet_pool *pool;
    struct mail *head, *tail;
};

static void add_to_flood(void *arg, const struct registry_member *m)
{
    struct flood *flood = arg;
    struct packet *p = presence(flood->pool, m, true);

    p->mail.next = NULL;
    if (flood->tail != NULL)
        flood->tail->next = &p->mail;
    else
        flood->head = &p->mail;
    flood->tail = &p->mail;
}

void region_watch(struct session *s, const struct frame *f)
{
    struct worker *w = s->worker;
    struct flood flood = {.pool = w->pool};

    if (!s->is_mesh || f->len != 0) {
        session_protocol_error(s, "a WatchConns without the mesh key");
        return;
    }
    /* A relay that has found itself (derper ignores it, too). */
    if (node_key_equal(&s->member.key, &w->relay->server_key.public_key))
        return;
    region_unwatch(s); /* asked again: told again */
    s->is_watching = true;
    registry_watch(w->relay->registry, s->handle, add_to_flood, &flood);
    /* Later news wait in this worker's mailbox until we are done here. */
    while (flood.head != NULL) {
        struct packet *p = (struct packet *)flood.head;

        flood.head = p->mail.next;
        session_push(s, p);
    }
}

void region_unwatch(struct session *s)
{
    if (s->is_watching)
        registry_unwatch(s->worker->relay->registry, s->handle);
    s->is_watching = false;
}

/* --- What they ask for ---------------------------------------------------------------------- */

/* A client of another relay to one of ours. What was forwarded once is never forwarded again. */
void region_forward(struct session *s, const struct frame *f)
{
    struct worker *w = s->worker;
    struct node_key src, dst;
    struct registry_route route;
    const uint8_t *payload;
    enum packet_kind kind;
    size_t n;

    if (!s->is_mesh || !frame_read_forward_packet(f, &src, &dst, &payload, &n)) {
        session_protocol_error(s, s->is_mesh ? "a ForwardPacket of wrong length or from nobody"
                                             : "a ForwardPacket without the mesh key");
        return;
    }
    kind = packet_is_disco(payload, n) ? PACKET_DISCO : PACKET_OTHER;
    count(&w->counters, COUNTER_FORWARDED_IN, 1);
    route = registry_route(w->relay->registry, &src, &dst, REGISTRY_LOCAL);
    if (route.to == 0) {
        count(&w->counters, exchange_by_kind(COUNTER_DROP_UNKNOWN_FWD_DISCO, kind), 1);
        if (kind == PACKET_DISCO)
            exchange_not_here(s, &dst);
        return;
    }
    worker_send(w, route.to, exchange_recv_packet(w, &src, payload, n, kind));
}

void region_close_peer(struct session *s, const struct frame *f)
{
    struct relay *r = s->worker->relay;
    struct node_key key;
    char text[NODE_KEY_SHORT];
    handle_t *list;
    size_t count, max = 0;

    if (!s->is_mesh || !frame_read_close_peer(f, &key)) {
        session_protocol_error(s, "a ClosePeer of wrong length or without the mesh key");
        return;
    }
    max = registry_connections(r->registry, &key, NULL, 0);
    list = mem_alloc(max + 1, sizeof *list);
    count = registry_connections(r->registry, &key, list, max);
    log_info("a mesh peer closes %s (%zu connections)", node_key_short(&key, text), count);
    for (size_t i = 0; i < count && i < max; i++) {
        struct mail *m = mem_alloc(1, sizeof *m);

        m->kind = MAIL_CLOSE;
        m->to = list[i];
        worker_post(&r->workers[handle_worker(list[i])], m);
    }
    free(list);
}
