/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/whereabouts.h"

#include <net/if.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "base/translate.h"
#include "derp/client/probe.h"
#include "installer/transport.h"

#define DMI_FOLDER  "/sys/class/dmi/id/"
#define METADATA_MS 2000
#define ASK_MS      2000
#define LOOKUP_MS   3000
#define STUN_PORT   3478

/* Several operators, some of them in mainland China, where others may not be reachable. */
static const char usual_sources[] =
    "stun:stun.cloudflare.com:3478 stun:stun.l.google.com:19302 stun:stun.miwifi.com:3478 "
    "stun:stun.chat.bilibili.com:3478 https://checkip.amazonaws.com/ https://icanhazip.com/";

/* --- The cloud --------------------------------------------------------------------------------
 */

static void read_dmi(const char *name, char text[static CLOUD_TEXT])
{
    char path[64];
    struct buf b;
    text[0] = '\0';
    snprintf(path, sizeof path, DMI_FOLDER "%s", name);
    buf_init(&b, 4096);
    if (file_read(path, &b, NULL))
        snprintf(text, CLOUD_TEXT, "%.*s", (int)strcspn(buf_text(&b), "\n"), buf_text(&b));
    buf_free(&b);
    memmove(text, text_trim(text), strlen(text_trim(text)) + 1);
}

enum cloud whereabouts_cloud(void)
{
    struct cloud_dmi dmi;
    read_dmi("sys_vendor", dmi.sys_vendor);
    read_dmi("product_name", dmi.product_name);
    read_dmi("chassis_asset_tag", dmi.chassis_asset_tag);
    read_dmi("bios_version", dmi.bios_version);
    return cloud_identify(&dmi);
}

/* A metadata service and how it is asked. */
struct metadata {
    const struct cloud_service *service;
    char token[512]; /* the whole header; "" for none */
    const volatile int *stop;
    bool dead; /* it did not answer: not asked again */
};

static bool ask_metadata(struct metadata *m, const char *url, const char *method,
                         const char *header, struct transport_answer *answer)
{
    const struct transport_request q = {
        .url = url,
        .method = method,
        .headers = {header, m->token[0] ? m->token : NULL},
        .timeout_ms = METADATA_MS,
        .stop = m->stop,
    };
    if (m->dead)
        return false;
    struct fault f;
    if (transport_ask(&q, answer, &f) != TRANSPORT_ANSWERED)
        m->dead = true;
    else if (answer->status == 200)
        return true;
    transport_answer_free(answer);
    return false;
}

static void fetch_token(struct metadata *m)
{
    struct transport_answer answer;
    char word[400];
    if (!m->service->token)
        return;
    if (!ask_metadata(m, m->service->token, "PUT", m->service->token_ask, &answer))
        return; /* an older service, which does without */
    if (cloud_read_word(buf_text(&answer.body), answer.body.len, word, sizeof word))
        snprintf(m->token, sizeof m->token, "%s%s", m->service->token_header, word);
    transport_answer_free(&answer);
}

static void fetch_region(struct metadata *m, char region[static CLOUD_TEXT])
{
    struct transport_answer answer;
    if (!m->service->region ||
        !ask_metadata(m, m->service->region, NULL, m->service->header, &answer))
        return;
    cloud_read_word(buf_text(&answer.body), answer.body.len, region, CLOUD_TEXT);
    transport_answer_free(&answer);
}

static void fetch_address(struct metadata *m, struct dnscheck_witness *w)
{
    for (size_t i = 0; i < 2 && m->service->address[i]; i++) {
        struct transport_answer answer;
        struct endpoint e;
        if (!ask_metadata(m, m->service->address[i], NULL, m->service->header, &answer))
            continue;
        bool fine = cloud_read_address(buf_text(&answer.body), answer.body.len, &e);
        transport_answer_free(&answer);
        if (fine) {
            w->ip4 = e;
            return;
        }
    }
}

static struct dnscheck_witness *add_witness(struct whereabouts *w, enum dnscheck_witness_kind kind)
{
    struct dnscheck_witness *one = &w->witnesses[w->count++];
    memset(one, 0, sizeof *one);
    one->kind = kind;
    return one;
}

static void ask_cloud(struct whereabouts *w, const volatile int *stop)
{
    struct metadata m = {.service = cloud_service(w->cloud), .stop = stop};
    if (!m.service)
        return;
    struct dnscheck_witness *one = add_witness(w, WITNESS_METADATA);
    translate_print(one->name, sizeof one->name, "the metadata of %s", cloud_name(w->cloud));
    fetch_token(&m);
    fetch_address(&m, one);
    fetch_region(&m, w->region);
}

/* --- Others ------------------------------------------------------------------------------------
 */

/* Somebody on the internet who sees where our packets come from. */
struct source {
    char word[256]; /* as configured */
    char host[256];
    uint16_t port; /* of STUN */
    struct address_set addresses;
    struct dnscheck_witness *witness;
    const volatile int *stop;
    pthread_t thread;
    bool running;
};

static void split(struct source *s, const char *word, size_t n)
{
    uint64_t port = STUN_PORT;
    snprintf(s->word, sizeof s->word, "%.*s", (int)n, word);
    bool stun = text_starts(s->word, "stun:");
    const char *host = s->word + strlen(stun ? "stun:" : "https://");
    size_t len = strcspn(host, ":/?#");
    snprintf(s->host, sizeof s->host, "%.*s", (int)len, host);
    if (stun && host[len] == ':')
        text_number(host + len + 1, 1, 65535, &port);
    s->port = stun ? (uint16_t)port : 0;
}

static void ask_stun(struct source *s)
{
    struct endpoint server = s->addresses.list[0], mapped;
    endpoint_set_port(&server, s->port);
    if (stun_probe(&server, ASK_MS, s->stop, &mapped, NULL, NULL)) {
        endpoint_unmap(&mapped);
        endpoint_set_port(&mapped, 0);
        if (address_is_public(&mapped))
            s->witness->ip4 = mapped;
    }
}

static void ask_https(struct source *s)
{
    const struct transport_request q = {
        .url = s->word, .at = &s->addresses.list[0], .timeout_ms = ASK_MS, .stop = s->stop};
    struct transport_answer answer;
    struct fault f;
    struct endpoint e;
    if (transport_ask(&q, &answer, &f) == TRANSPORT_ANSWERED && answer.status == 200 &&
        cloud_read_address(buf_text(&answer.body), answer.body.len, &e))
        s->witness->ip4 = e;
    transport_answer_free(&answer);
}

static void *run_source(void *arg)
{
    struct source *s = arg;
    if (s->port)
        ask_stun(s);
    else
        ask_https(s);
    return NULL;
}

static size_t list_sources(const char *text, struct whereabouts *w, struct source *list, size_t cap)
{
    size_t count = 0;
    while (*(text += strspn(text, " \t")) && count < cap) {
        size_t n = strcspn(text, " \t");
        struct source *s = &list[count++];
        split(s, text, n);
        s->witness = add_witness(w, s->port ? WITNESS_STUN : WITNESS_HTTPS);
        snprintf(s->witness->name, sizeof s->witness->name, "%.200s", s->host);
        text += n;
    }
    return count;
}

static void look_up(const struct dnscheck_options *o, struct source *list, size_t count)
{
    const char *names[DNSCHECK_WITNESSES_MAX];
    struct address_set sets[DNSCHECK_WITNESSES_MAX];
    size_t which[DNSCHECK_WITNESSES_MAX], n = 0;
    for (size_t i = 0; i < count; i++) {
        struct endpoint e;
        if (endpoint_parse_ip(list[i].host, &e)) {
            address_set_add(&list[i].addresses, &e);
            continue;
        }
        which[n] = i;
        names[n++] = list[i].host;
    }
    if (n == 0)
        return;
    dnscheck_lookup(o, names, n, LOOKUP_MS, sets);
    for (size_t i = 0; i < n; i++)
        list[which[i]].addresses = sets[i];
}

static void ask_others(const struct dnscheck_options *o, const char *sources, struct whereabouts *w)
{
    struct source list[DNSCHECK_WITNESSES_MAX] = {0};
    size_t count = list_sources(sources, w, list, DNSCHECK_WITNESSES_MAX - w->count);
    look_up(o, list, count);
    for (size_t i = 0; i < count; i++) {
        list[i].stop = o->stop;
        if (list[i].addresses.count > 0)
            list[i].running = pthread_create(&list[i].thread, NULL, run_source, &list[i]) == 0;
    }
    for (size_t i = 0; i < count; i++)
        if (list[i].running)
            pthread_join(list[i].thread, NULL);
}

/* --- All of it ---------------------------------------------------------------------------------
 */

static const char *sources_of(const struct config *c)
{
    if (c->dns_address_from)
        return strcmp(c->dns_address_from, "off") == 0 ? "" : c->dns_address_from;
    /* A private network has no use for the internet's view. */
    bool private = c->dns_root_hints || c->dns_resolver.any.sa_family != AF_UNSPEC;
    return private ? "" : usual_sources;
}

static void remember(const char *earlier, struct whereabouts *w)
{
    struct endpoint e;
    if (!earlier || !endpoint_parse_ip(earlier, &e) || !address_is_public(&e))
        return;
    struct dnscheck_witness *one = add_witness(w, WITNESS_EARLIER);
    translate_print(one->name, sizeof one->name, "an earlier run");
    one->ip4 = e;
}

/* The cloud still says what an earlier run found: nobody else has to be troubled. */
static bool is_settled(const struct whereabouts *w)
{
    return w->count == 2 && endpoint_same_ip(&w->witnesses[0].ip4, &w->witnesses[1].ip4);
}

void whereabouts_find(const struct config *c, const char *earlier, struct dnscheck_options *o,
                      struct whereabouts *w)
{
    if (!w->known) {
        w->known = true;
        w->cloud = whereabouts_cloud();
        ask_cloud(w, o->stop);
        if (dnscheck_is_hidden(o)) {
            remember(earlier, w);
            if (!is_settled(w))
                ask_others(o, sources_of(c), w);
        }
    }
    o->cloud = w->cloud;
    o->witnesses = w->witnesses;
    o->witness_count = w->count;
}

static void read_nameservers(struct address_set *set)
{
    static const char *const files[] = {"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct buf b;
        buf_init(&b, 65536);
        if (file_read(files[i], &b, NULL))
            cloud_nameservers(buf_text(&b), set);
        buf_free(&b);
    }
}

void whereabouts_judge(const struct whereabouts *w, bool public_ca, struct findings *all)
{
    struct cloud_facts facts = {
        .cloud = w->cloud,
        .tailscaled = if_nametoindex("tailscale0") != 0,
        .public_ca = public_ca,
    };
    memcpy(facts.region, w->region, sizeof facts.region);
    read_nameservers(&facts.nameservers);
    cloud_judge(&facts, all);
}
