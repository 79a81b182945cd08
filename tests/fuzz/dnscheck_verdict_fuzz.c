/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded answers, whatever they are: a verdict comes out, every failure has a fix, and nothing in
 * it does harm to a terminal. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "dnscheck/verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

struct input {
    const uint8_t *p;
    size_t n;
};

static uint8_t next(struct input *in)
{
    if (in->n == 0)
        return 0;
    in->n--;
    return *in->p++;
}

/* Names come out of answer_read printed: letters will do. */
static void take_name(struct input *in, char name[static DNSCHECK_NAME_MAX])
{
    size_t len = next(in) % (DNSCHECK_NAME_MAX - 1);
    for (size_t i = 0; i < len; i++)
        name[i] = "abcdefghijklmnopqrstuvwxyz.-0123"[next(in) % 32];
    name[len] = '\0';
}

static void take_answer(struct input *in, struct answer *a)
{
    uint8_t flags = next(in);
    a->status = (enum answer_status)(flags % 6);
    a->secure = flags & 8;
    a->late = flags & 16;
    a->ttl = (uint32_t)next(in) << 12;
    for (size_t i = next(in) % (DNSCHECK_CHAIN_MAX + 1); i > 0; i--)
        take_name(in, a->chain[a->chain_count++]);
    size_t count = a->status == ANSWER_DATA ? 1u + next(in) % 40 : 0;
    a->records = mem_alloc(count + 1, sizeof *a->records);
    for (; a->count < count; a->count++) {
        uint8_t len = next(in);
        struct answer_record *r = &a->records[a->count];
        r->len = len > in->n ? (uint16_t)in->n : len;
        r->data = mem_alloc(r->len + 1u, 1);
        memcpy(r->data, in->p, r->len);
        in->p += r->len;
        in->n -= r->len;
    }
}

static void take_authority(struct input *in, struct authority *a)
{
    take_name(in, a->zone);
    uint8_t known = next(in);
    a->above_known = known & 1;
    a->cut = known & 2;
    for (size_t i = next(in) % (AUTHORITY_NAMES_MAX + 1); i > 0; i--) {
        struct authority_name *name = &a->names[a->name_count++];
        take_name(in, name->name);
        name->above = next(in) & 1;
        uint8_t bits = next(in);
        name->own = bits & 1;
        name->unsure = bits & 2;
    }
    for (size_t i = a->name_count ? next(in) % (AUTHORITY_SERVERS_MAX + 1) : 0; i > 0; i--) {
        struct authority_server *s = &a->servers[a->server_count++];
        s->name = next(in) % a->name_count;
        s->at.in4.sin_family = AF_INET;
        s->at.in4.sin_addr.s_addr = next(in);
        address_set_add(&a->names[s->name].addresses, &s->at);
        s->answered = next(in) & 1;
        s->head.rcode = next(in) & 15;
        uint8_t kind = next(in);
        s->head.authoritative = kind & 1;
        s->referred = kind & 2;
        take_answer(in, &s->a);
        take_answer(in, &s->aaaa);
    }
}

static void take_own(struct input *in, struct dnscheck_own *own)
{
    uint8_t flags = next(in);
    struct endpoint e = {.in4 = {.sin_family = AF_INET}};
    own->known4 = flags & 1;
    own->known6 = flags & 2;
    for (size_t i = flags >> 4; i > 0; i--) {
        e.in4.sin_addr.s_addr = next(in);
        address_set_add(&own->public.ip4, &e);
    }
}

static void look_at(const struct findings *all)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct finding *f = &all->list[i];
        const char *const texts[] = {f->message, f->fix ? f->fix : ""};
        if (f->severity == SEVERITY_FAIL && !f->fix)
            abort();
        for (size_t k = 0; k < 2; k++)
            for (const char *c = texts[k]; *c; c++)
                if (*c < ' ' || *c > '~')
                    abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct input in = {p, n};
    static const char *const names[] = {"letsencrypt.org"};
    struct answer all[7] = {0}, cached = {0};
    const struct answer *const caa[] = {&all[4], &all[5], &all[6]};
    struct authority *authority = mem_alloc(1, sizeof *authority);
    struct dnscheck_own own = {.known4 = false};
    struct dnscheck_result r = {0};
    struct findings found = {0};
    struct trace trace = {.replies = next(&in) & 1};
    uint8_t flags = next(&in);
    const struct dnscheck_options o = {
        .ca_names = names, .ca_count = flags & 1, .no_ipv6 = flags & 2, .challenge = "tls-alpn-01"};

    take_own(&in, &own);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        take_answer(&in, &all[i]);
    take_authority(&in, authority);
    take_answer(&in, &cached);
    const struct verdict_input v = {.options = &o,
                                    .domain = "derp.demo.com",
                                    .own = &own,
                                    .root = &all[0],
                                    .a = &all[1],
                                    .aaaa = &all[2],
                                    .caa = caa,
                                    .caa_count = 3,
                                    .validated = flags & 4,
                                    .trace = &trace,
                                    .authority = flags & 8 ? authority : NULL,
                                    .wildcard = flags & 16 ? &all[3] : NULL};
    const struct verdict_resolver resolver = {.answered = flags & 32, .a = cached};
    verdict_domain(&v, &r, &found);
    verdict_resolvers(&v, &resolver, 1, &found);
    if (found.count == 0)
        abort();
    look_at(&found);
    findings_free(&found);
    authority_clear(authority);
    free(authority);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        answer_clear(&all[i]);
    answer_clear(&cached);
    return 0;
}
