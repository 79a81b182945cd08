/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/packet.h"

#include <stdlib.h>

#include "base/mem.h"

#define CLASSES  2
#define KEEP_MAX 256 /* packets kept per class: at most 600 KiB a worker */

static const uint32_t class_size[CLASSES] = {256, 2048};

struct packet_pool {
    struct mail *spare[CLASSES];
    unsigned count[CLASSES];
};

struct packet_pool *packet_pool_new(void)
{
    return mem_alloc(1, sizeof(struct packet_pool));
}

void packet_pool_free(struct packet_pool *pool)
{
    if (pool == NULL)
        return;
    for (int i = 0; i < CLASSES; i++) {
        while (pool->spare[i] != NULL) {
            struct mail *m = pool->spare[i];
            pool->spare[i] = m->next;
            free(m);
        }
    }
    free(pool);
}

static struct packet *take(struct packet_pool *pool, uint32_t cap, int class)
{
    struct packet *p;

    if (class < CLASSES && pool->spare[class] != NULL) {
        p = (struct packet *)pool->spare[class];
        pool->spare[class] = p->mail.next;
        pool->count[class]--;
        return p;
    }
    p = mem_resize(NULL, sizeof *p + cap, 1);
    p->cap = cap;
    return p;
}

struct packet *packet_new(struct packet_pool *pool, size_t len, enum packet_kind kind)
{
    int class = 0;
    struct packet *p;

    while (class < CLASSES && len > class_size[class])
        class ++;
    p = take(pool, class < CLASSES ? class_size[class] : (uint32_t)len, class);
    p->mail = (struct mail){.kind = MAIL_PACKET};
    p->len = (uint32_t)len;
    p->kind = kind;
    return p;
}

void packet_free(struct packet_pool *pool, struct packet *p)
{
    if (p == NULL)
        return;
    for (int i = 0; i < CLASSES; i++) {
        if (p->cap == class_size[i] && pool->count[i] < KEEP_MAX) {
            p->mail.next = pool->spare[i];
            pool->spare[i] = &p->mail;
            pool->count[i]++;
            return;
        }
    }
    free(p);
}
