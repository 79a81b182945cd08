/* SPDX-License-Identifier: Apache-2.0 */
/* Runs one check of dnscheck/ and prints findings and result as JSON, for test_dnscheck.py. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "dnscheck/dnscheck.h"

static volatile int stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static void take_ip(const char *text, struct endpoint *e)
{
    if (!endpoint_parse_ip(text, e))
        exit(2);
}

static const struct option longs[] = {
    {"root-hints", required_argument, NULL, 'h'}, {"trust-anchor", required_argument, NULL, 't'},
    {"resolver", required_argument, NULL, 'r'},   {"ip4", required_argument, NULL, '4'},
    {"ip6", required_argument, NULL, '6'},        {"no-ipv6", no_argument, NULL, 'n'},
    {"own-optional", no_argument, NULL, 'o'},     {"ca", required_argument, NULL, 'c'},
    {"challenge", required_argument, NULL, 'm'},  {"account", required_argument, NULL, 'a'},
    {"timeout-ms", required_argument, NULL, 'w'}, {"repeat", required_argument, NULL, 'x'},
    {"txt", required_argument, NULL, 'v'},        {NULL, 0, NULL, 0},
};

static int repeat = 1;
static const char *txt; /* look for this TXT record instead */

static void parse(int argc, char **argv, struct dnscheck_options *o)
{
    static const char *names[8];
    int c;
    o->ca_names = names;
    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (c) {
        case 'h':
            o->root_hints = optarg;
            break;
        case 't':
            o->trust_anchor = optarg;
            break;
        case 'r':
            if (!endpoint_parse(optarg, 53, &o->resolver))
                exit(2);
            break;
        case '4':
            take_ip(optarg, &o->ip4);
            break;
        case '6':
            take_ip(optarg, &o->ip6);
            break;
        case 'n':
            o->no_ipv6 = true;
            break;
        case 'o':
            o->own_optional = true;
            break;
        case 'c':
            names[o->ca_count++] = optarg;
            break;
        case 'm':
            o->challenge = optarg;
            break;
        case 'a':
            o->account_uri = optarg;
            break;
        case 'w':
            o->timeout_ms = atoi(optarg);
            break;
        case 'x':
            repeat = atoi(optarg);
            break;
        case 'v':
            txt = optarg;
            break;
        default:
            exit(2);
        }
    }
    if (optind + 1 != argc)
        exit(2);
    o->domain = argv[optind];
}

static void print_set(const char *name, const struct address_set *set)
{
    char ip[ENDPOINT_TEXT];
    printf("\"%s\":[", name);
    for (size_t i = 0; i < set->count; i++)
        printf("%s\"%s\"", i ? "," : "", endpoint_print_ip(&set->list[i], ip));
    printf("],");
}

static void print_result(const struct dnscheck_result *r)
{
    print_set("a", &r->a);
    print_set("aaaa", &r->aaaa);
    printf("\"chain\":[");
    for (size_t i = 0; i < r->chain_count; i++)
        printf("%s\"%s\"", i ? "," : "", r->chain[i]);
    printf(
        "],\"ttl\":%u,\"secure\":%s,\"ready\":%s,\"pending\":%s,\"local\":%s,\"interrupted\":%s,",
        r->ttl, r->secure ? "true" : "false", r->ready ? "true" : "false",
        r->pending ? "true" : "false", r->local ? "true" : "false",
        r->interrupted ? "true" : "false");
}

/* How often it was found, was absent, could not be told; and the last reason. */
static int look_for_txt(const struct dnscheck_options *o)
{
    int seen[3] = {0};
    struct fault f = {""};
    for (int i = 0; i < repeat; i++)
        seen[dnscheck_txt(o, o->domain, txt, &f)]++;
    printf("{\"found\":%d,\"absent\":%d,\"unknown\":%d,\"why\":\"%s\"}\n", seen[DNSCHECK_TXT_FOUND],
           seen[DNSCHECK_TXT_ABSENT], seen[DNSCHECK_TXT_UNKNOWN], f.text);
    return 0;
}

int main(int argc, char **argv)
{
    struct dnscheck_options o = {.stop = &stop};
    struct dnscheck_own own;
    struct dnscheck_result r;
    struct findings all = {0};

    parse(argc, argv, &o);
    signal(SIGINT, on_signal);
    if (txt)
        return look_for_txt(&o);
    dnscheck_own(&o, &own, &all);
    fprintf(stderr, "asking\n");
    int64_t start = clock_mono_ms();
    for (int i = 0; i < repeat; i++) {
        struct findings once = {0};
        dnscheck_domain(&o, &own, &r, &once);
        if (i + 1 == repeat)
            findings_move(&all, &once);
        findings_free(&once);
    }
    printf("{");
    print_result(&r);
    char *json = findings_json(&all);
    printf("\"ms\":%d,\"findings\":%s}\n", (int)(clock_mono_ms() - start), json);
    free(json);
    findings_free(&all);
    return 0;
}
