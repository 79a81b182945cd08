/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model test: random clients on real relays, held against a model of the rules.
 *
 *     model [--seeds A-B | --seed N] [--steps N] [--nodes N] [--shrink SECONDS]
 *     model --replay FILE [--verbose]
 *
 * Of three seeds one has a region of three relays, unless --nodes says how many all of them have.
 * A seed that fails is shrunk to a short list of steps, which is printed and saved for --replay.
 */
#include <getopt.h>
#include <libgen.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tests/model/limits.h"
#include "tests/model/trial.h"

#define PATIENCE_MS 40000 /* only a failure lasts so long */
#define LIMIT_S     600   /* for one seed */
#define SLOW_TRIES  3

struct options {
    const char *program;
    unsigned long first, last;
    unsigned long steps;
    unsigned long shrink_s;
    const char *replay;
    struct trial_options trial;
};

static bool parse(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {
        {"seeds", required_argument, NULL, 'a'},  {"seed", required_argument, NULL, 's'},
        {"steps", required_argument, NULL, 'n'},  {"nodes", required_argument, NULL, 'k'},
        {"shrink", required_argument, NULL, 't'}, {"replay", required_argument, NULL, 'r'},
        {"verbose", no_argument, NULL, 'v'},      {NULL, 0, NULL, 0}};
    int c;

    *o = (struct options){.program = argv[0],
                          .first = 1,
                          .last = 1,
                          .steps = 10000,
                          .shrink_s = 240,
                          .trial = {.show = true, .patience_ms = PATIENCE_MS}};
    o->trial.limit_s = LIMIT_S;
    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (c == 'a' && sscanf(optarg, "%lu-%lu", &o->first, &o->last) != 2)
            return false;
        if (c == 's')
            o->first = o->last = strtoul(optarg, NULL, 10);
        else if (c == 'n')
            o->steps = strtoul(optarg, NULL, 10);
        else if (c == 'k')
            o->trial.nodes = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 't')
            o->shrink_s = strtoul(optarg, NULL, 10);
        else if (c == 'r')
            o->replay = optarg;
        else if (c == 'v')
            o->trial.verbose = true;
        else if (c == '?')
            return false;
    }
    return optind == argc && o->trial.nodes <= NODES_MAX;
}

/* Says and saves what is left of a failing list. */
static void report(const struct options *o, const struct step *list, size_t count,
                   unsigned long seed)
{
    char *folder = mem_strdup(o->program);
    char *path = mem_printf("%s/seed-%lu.steps", dirname(folder), seed);
    FILE *out = fopen(path, "w");

    fprintf(stderr, "\nThese %zu steps fail (as far as it was shrunk):\n\n", count);
    if (count <= 200)
        step_write(stderr, list, count, o->trial.nodes);
    if (out != NULL) {
        step_write(out, list, count, o->trial.nodes);
        fclose(out);
    }
    fprintf(stderr, "\nAgain: %s --replay %s\nWhole: %s --seed %lu --steps %lu --nodes %u\n",
            o->program, path, o->program, seed, o->steps, o->trial.nodes);
    free(path);
    free(folder);
}

static int run_seed(const struct options *o, unsigned long seed)
{
    struct step *list = step_generate(seed, o->steps, o->trial.nodes);
    enum trial_result r = TRIAL_TOO_SLOW;
    size_t count = o->steps;

    for (int i = 0; i < SLOW_TRIES && r == TRIAL_TOO_SLOW; i++)
        r = trial_run(list, count, &o->trial, NULL);
    if (r == TRIAL_TOO_SLOW)
        printf("seed %lu: not judged, this machine stands still for too long\n", seed);
    if (r == TRIAL_FAILED) {
        fprintf(stderr, "seed %lu failed; shrinking it for up to %lu s\n", seed, o->shrink_s);
        count = trial_shrink(list, count, &o->trial, (int)o->shrink_s);
        trial_run(list, count, &o->trial, NULL);
        report(o, list, count, seed);
    }
    free(list);
    return r == TRIAL_FAILED;
}

static int run_seeds(const struct options *o)
{
    int64_t began = clock_mono_ms();

    for (unsigned long seed = o->first; seed <= o->last; seed++) {
        struct options one = *o;
        if (one.trial.nodes == 0)
            one.trial.nodes = seed % 3 == 0 ? NODES_MAX : 1;
        if (run_seed(&one, seed) != 0)
            return 1;
    }
    printf("model: %lu seeds of %lu steps: ok in %.1f s\n", o->last - o->first + 1, o->steps,
           (double)(clock_mono_ms() - began) / 1000);
    return 0;
}

static int replay(struct options *o)
{
    FILE *in = fopen(o->replay, "r");
    struct step *list;
    size_t count;
    enum trial_result r;

    if (in == NULL) {
        perror(o->replay);
        return 2;
    }
    list = step_read(in, &count, &o->trial.nodes);
    fclose(in);
    if (list == NULL)
        return 2;
    r = trial_run(list, count, &o->trial, NULL);
    free(list);
    printf("%s: %zu steps: %s\n", o->replay, count,
           r == TRIAL_PASSED   ? "ok"
           : r == TRIAL_FAILED ? "failed"
                               : "not judged, this machine stands still for too long");
    return r == TRIAL_FAILED;
}

int main(int argc, char **argv)
{
    struct options o;
    int status;

    if (!parse(argc, argv, &o) || sodium_init() < 0) {
        fprintf(stderr,
                "usage: model [--seeds A-B | --seed N] [--steps N] [--nodes 1..%d] "
                "[--shrink SECONDS]\n       model --replay FILE [--verbose]\n",
                NODES_MAX);
        return 2;
    }
    trial_start();
    status = o.replay != NULL ? replay(&o) : run_seeds(&o);
    trial_stop();
    return status;
}
