/* SPDX-License-Identifier: Apache-2.0 */
#include "dnscheck/resolve.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unbound.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

#define CLASS_IN     1
#define FILE_MAX     (1024 * 1024)
#define STOP_POLL_MS 100
/* libunbound gives up on servers that are silent after 17 s at the least, on wrong ones at once. */
#define LATE_MS 10000

#define PUBLIC_ANCHOR_FILE "/usr/share/dns/root.key" /* package dns-root-data */
/* The same keys as published by IANA (https://data.iana.org/root-anchors/root-anchors.xml). */
static const char *const public_anchors[] = {
    ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
    ". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
};

/* Zones for which libunbound would make up answers; in a private network they may be real. */
static const char *const made_up_zones[] = {"test.", "invalid.", "home.arpa.", "onion."};

struct resolver {
    struct ub_ctx *ctx;
    FILE *log;
    char *log_text;
    size_t log_len;
    bool validates;
    const volatile int *stop;
    unsigned round;     /* counts the calls of resolver_wait */
    size_t waiting;     /* for answers of this round; late ones of earlier rounds hold up nothing */
    struct wait *waits; /* all that were ever begun */
    struct kept *kept;
    struct resolve_question root;
};

/* Questions that nobody else needs any more. */
struct kept {
    struct kept *next;
    struct resolve_question *list;
    size_t count;
};

/* A question in libunbound. It calls back from ub_process only, so on our own thread. */
struct wait {
    struct wait *next;
    struct resolver *resolver;
    struct resolve_question *question;
    unsigned round;
    int64_t start_ms;
};

static bool has_record(const char *text, const char *type, const char *other)
{
    while (*text) {
        const char *end = text + strcspn(text, "\n;");
        while (text < end) {
            size_t skip = strspn(text, " \t\r"), n;
            text += skip;
            if (text >= end)
                break;
            n = strcspn(text, " \t\r\n;");
            if ((n == strlen(type) && strncasecmp(text, type, n) == 0) ||
                (n == strlen(other) && strncasecmp(text, other, n) == 0))
                return true;
            text += n;
        }
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return false;
}

static bool read_file(const char *what, const char *path, struct buf *b, struct fault *f)
{
    struct fault why;
    buf_init(b, FILE_MAX);
    if (!file_read(path, b, &why))
        return fault_set(f, "%s: %s", what, why.text);
    if (strlen(buf_text(b)) != b->len)
        return fault_set(f, "%s %s is not a text file", what, path);
    return true;
}

static bool files_are_valid(const char *root_hints, const char *trust_anchor, struct fault *f)
{
    struct buf b;
    bool ok = true;

    if (root_hints) {
        ok = read_file("root hints", root_hints, &b, f);
        if (ok && (!has_record(buf_text(&b), "NS", "NS") || !has_record(buf_text(&b), "A", "AAAA")))
            ok =
                fault_set(f, "root hints %s need an NS record of the root and its server's address",
                          root_hints);
        buf_free(&b);
    }
    if (ok && trust_anchor) {
        ok = read_file("trust anchor", trust_anchor, &b, f);
        if (ok && !has_record(buf_text(&b), "DS", "DNSKEY"))
            ok = fault_set(f, "trust anchor %s has neither a DS nor a DNSKEY record", trust_anchor);
        buf_free(&b);
    }
    return ok;
}

static bool is_private(const struct resolve_options *o)
{
    return o->root_hints || o->resolver.any.sa_family != AF_UNSPEC;
}

static int add_public_anchor(struct ub_ctx *ctx)
{
    int error = 0;
    if (access(PUBLIC_ANCHOR_FILE, R_OK) == 0)
        return ub_ctx_add_ta_file(ctx, PUBLIC_ANCHOR_FILE);
    for (size_t i = 0; !error && i < sizeof public_anchors / sizeof *public_anchors; i++)
        error = ub_ctx_add_ta(ctx, public_anchors[i]);
    return error;
}

static int set_up(struct ub_ctx *ctx, const struct resolve_options *o)
{
    int error = ub_ctx_async(ctx, 1);
    if (!error && o->root_hints)
        error = ub_ctx_set_option(ctx, "root-hints:", o->root_hints);
    if (!error && o->trust_anchor)
        error = ub_ctx_add_ta_file(ctx, o->trust_anchor);
    else if (!error && !is_private(o))
        error = add_public_anchor(ctx);
    if (!error && o->resolver.any.sa_family != AF_UNSPEC) {
        char ip[ENDPOINT_TEXT], forward[ENDPOINT_TEXT + 8];
        uint16_t port = endpoint_port(&o->resolver);
        snprintf(forward, sizeof forward, "%s@%u", endpoint_print_ip(&o->resolver, ip),
                 port ? port : 53);
        error = ub_ctx_set_fwd(ctx, forward);
    }
    if (!error && is_private(o))
        error = ub_ctx_set_option(ctx, "do-not-query-localhost:", "no");
    if (!error && !o->ip6 && o->resolver.any.sa_family != AF_INET6)
        error = ub_ctx_set_option(ctx, "do-ip6:", "no");
    if (!error)
        error = ub_ctx_set_option(ctx, "verbosity:", "2"); /* for the trace */
    /* From here on the settings are read, and files with errors show. */
    for (size_t i = 0; is_private(o) && i < sizeof made_up_zones / sizeof *made_up_zones; i++) {
        if (!error)
            error = ub_ctx_zone_remove(ctx, made_up_zones[i]);
    }
    return error;
}

static void see_result(void *arg, int error, struct ub_result *r)
{
    struct wait *w = arg;
    struct answer *a = &w->question->answer;

    if (w->round == w->resolver->round)
        w->resolver->waiting--;
    if (error || !r) {
        a->status = ANSWER_SERVFAIL;
        return;
    }
    if (r->bogus) {
        a->status = ANSWER_BOGUS;
        if (r->why_bogus)
            text_printable(r->why_bogus, strlen(r->why_bogus), a->why, sizeof a->why);
    } else {
        size_t n = r->answer_len > 0 ? (size_t)r->answer_len : 0;
        answer_read(r->answer_packet, n, w->question->name, w->question->type, a);
        a->secure = r->secure;
        a->late = a->status == ANSWER_SERVFAIL && clock_mono_ms() - w->start_ms >= LATE_MS;
    }
    ub_resolve_free(r);
}

static int ask(struct resolver *r, struct resolve_question *q)
{
    struct wait *w = mem_alloc(1, sizeof *w);
    *w = (struct wait){.next = r->waits,
                       .resolver = r,
                       .question = q,
                       .round = r->round,
                       .start_ms = clock_mono_ms()};
    r->waits = w;
    int error =
        ub_resolve_async(r->ctx, *q->name ? q->name : ".", q->type, CLASS_IN, w, see_result, NULL);
    if (error)
        q->answer.status = ANSWER_SERVFAIL;
    else
        r->waiting++;
    return error;
}

void resolver_ask(struct resolver *r, struct resolve_question *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ask(r, &list[i]);
}

bool resolver_wait(struct resolver *r, int timeout_ms)
{
    int64_t end = clock_mono_ms() + timeout_ms;
    bool stopped = false;
    while (!stopped && r->waiting > 0) {
        int64_t left = end - clock_mono_ms();
        if (left <= 0)
            break;
        struct pollfd p = {.fd = ub_fd(r->ctx), .events = POLLIN};
        if (poll(&p, 1, left < STOP_POLL_MS ? (int)left : STOP_POLL_MS) > 0)
            ub_process(r->ctx);
        stopped = r->stop && *r->stop;
    }
    r->round++;
    r->waiting = 0;
    return !stopped;
}

void resolver_keep(struct resolver *r, struct resolve_question *list, size_t count)
{
    struct kept *k = mem_alloc(1, sizeof *k);
    *k = (struct kept){r->kept, list, count};
    r->kept = k;
}

static void free_kept(struct kept *k)
{
    while (k) {
        struct kept *next = k->next;
        for (size_t i = 0; i < k->count; i++)
            answer_clear(&k->list[i].answer);
        free(k->list);
        free(k);
        k = next;
    }
}

void resolver_trace(struct resolver *r, const char *domain, struct trace *trace)
{
    /* libunbound's thread writes meanwhile, and moves the text when it grows. */
    flockfile(r->log);
    fflush(r->log);
    trace_read(r->log_text ? r->log_text : "", domain, trace);
    funlockfile(r->log);
}

const struct answer *resolver_root(const struct resolver *r)
{
    return &r->root.answer;
}

bool resolver_validates(const struct resolver *r)
{
    return r->validates;
}

void resolver_close(struct resolver *r)
{
    if (!r)
        return;
    if (r->ctx) {
        /* libunbound keeps our stream in a global and would close it when a next context is
         * made: take it away first. */
        ub_ctx_debuglevel(r->ctx, 0);
        ub_ctx_debugout(r->ctx, NULL);
        ub_ctx_delete(r->ctx);
    }
    while (r->waits) {
        struct wait *next = r->waits->next;
        free(r->waits);
        r->waits = next;
    }
    free_kept(r->kept);
    answer_clear(&r->root.answer);
    if (r->log)
        fclose(r->log);
    free(r->log_text);
    free(r);
}

struct resolver *resolver_open(const struct resolve_options *o, struct fault *f)
{
    struct trace trace = {0};
    int error = UB_NOMEM;

    if (!files_are_valid(o->root_hints, o->trust_anchor, f))
        return NULL;
    struct resolver *r = mem_alloc(1, sizeof *r);
    r->validates = o->trust_anchor || !is_private(o);
    r->stop = o->stop;
    r->log = open_memstream(&r->log_text, &r->log_len);
    r->ctx = r->log ? ub_ctx_create() : NULL;
    if (r->ctx) {
        ub_ctx_debugout(r->ctx, r->log);
        error = set_up(r->ctx, o);
    }
    /* Only the first question makes libunbound read its files. */
    r->root.type = DNS_TYPE_NS;
    if (!error)
        error = ask(r, &r->root);
    if (!error)
        return r;
    if (r->log)
        resolver_trace(r, "", &trace);
    fault_set(f, "the resolver does not start: %s",
              trace.error[0] ? trace.error : ub_strerror(error));
    resolver_close(r);
    return NULL;
}
