/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The probes of derp/client as a program that prints JSON, for tests and for trying a relay by
 * hand: derp_probe [options] ADDRESS:PORT NAME, or derp_probe --stun ADDRESS:PORT.
 */
#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "derp/client/probe.h"

static volatile int stop;

static void on_signal(int number)
{
    stop = number;
}

static json_t *tls_json(const struct derp_probe_tls *t)
{
    char sha256[65];

    if (!t->seen)
        return json_null();
    text_hex(t->sha256, sizeof(t->sha256), sha256);
    return json_pack("{s:b, s:s, s:I, s:I, s:I, s:b, s:b, s:s, s:s}", "tls13", t->is_tls13,
                     "sha256", sha256, "not_before", (json_int_t)t->not_before, "not_after",
                     (json_int_t)t->not_after, "chain_length", (json_int_t)t->chain_length, "meta",
                     t->has_meta, "verified", t->verified, "verify_error", t->verify_error,
                     "issuer", t->issuer);
}

static json_t *result_json(const struct derp_probe_result *r)
{
    char key[65];

    text_hex(r->server_key, sizeof(r->server_key), key);
    return json_pack("{s:o, s:s, s:b, s:b, s:b, s:i, s:I, s:I}", "tls", tls_json(&r->tls),
                     "server_key", key, "fast_start", r->fast_start, "logged_in", r->logged_in,
                     "relayed", r->relayed, "sent", (int)r->sent, "login_us",
                     (json_int_t)r->login_us, "rtt_us", (json_int_t)r->rtt_us);
}

static int finish(json_t *out, bool ok, const struct fault *f)
{
    json_object_set_new(out, "fault", ok ? json_null() : json_string(f->text));
    json_dumpf(out, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(out);
    return ok ? 0 : 1;
}

static int ask_stun(const struct endpoint *server, int timeout_ms)
{
    char text[ENDPOINT_TEXT] = "";
    struct endpoint mapped;
    struct fault f;
    int64_t rtt_us = 0;
    bool ok = stun_probe(server, timeout_ms, &stop, &mapped, &rtt_us, &f);

    if (ok)
        endpoint_print(&mapped, text);
    return finish(json_pack("{s:s, s:I}", "mapped", text, "rtt_us", (json_int_t)rtt_us), ok, &f);
}

static int usage(void)
{
    fprintf(stderr, "usage: derp_probe [--ca FILE] [--size N] [--timeout MS] [--require-verified] "
                    "[--no-fast-start] ADDRESS:PORT NAME\n"
                    "       derp_probe --stun [--timeout MS] ADDRESS:PORT\n");
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {{"ca", required_argument, NULL, 'c'},
                                          {"size", required_argument, NULL, 's'},
                                          {"timeout", required_argument, NULL, 't'},
                                          {"require-verified", no_argument, NULL, 'r'},
                                          {"no-fast-start", no_argument, NULL, 'n'},
                                          {"stun", no_argument, NULL, 'u'},
                                          {NULL, 0, NULL, 0}};
    struct derp_probe_options opt = {.timeout_ms = 10000, .stop = &stop};
    struct derp_probe_result result;
    struct fault f;
    bool stun = false;
    int c;

    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (c) {
        case 'c':
            opt.ca_file = optarg;
            break;
        case 's':
            opt.packet_len = strtoul(optarg, NULL, 10);
            break;
        case 't':
            opt.timeout_ms = (int)strtol(optarg, NULL, 10);
            break;
        case 'r':
            opt.require_verified = true;
            break;
        case 'n':
            opt.no_fast_start = true;
            break;
        case 'u':
            stun = true;
            break;
        default:
            return usage();
        }
    }
    if (argc - optind != (stun ? 1 : 2) || !endpoint_parse(argv[optind], 0, &opt.to) ||
        sodium_init() < 0)
        return usage();
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    if (stun)
        return ask_stun(&opt.to, opt.timeout_ms);
    opt.name = argv[optind + 1];
    bool ok = derp_probe(&opt, &result, &f);
    return finish(result_json(&result), ok, &f);
}
