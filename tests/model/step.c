/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/model/step.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/model/limits.h"

static const char *const names[] = {
#define STEP_NAME(id, name, args) [STEP_##id] = name,
    STEP_TABLE(STEP_NAME)
#undef STEP_NAME
};

static const char *const legends[] = {
#define STEP_LEGEND(id, name, args) [STEP_##id] = args,
    STEP_TABLE(STEP_LEGEND)
#undef STEP_LEGEND
};

#define CROWDED 2 /* keys that many connections share */

/* --- Chance --------------------------------------------------------------------------------- */

/* What the generator remembers, so that most of its steps make sense. */
struct generator {
    uint64_t random;
    unsigned nodes;
    bool taken[SLOTS];
    bool stalled[SLOTS];
};

/* splitmix64 */
static uint64_t next(struct generator *g)
{
    uint64_t z = g->random += 0x9e3779b97f4a7c15ULL;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return z ^ z >> 31;
}

static int32_t below(struct generator *g, int32_t n)
{
    return (int32_t)(next(g) % (uint64_t)n);
}

static bool one_in(struct generator *g, int32_t n)
{
    return below(g, n) == 0;
}

/* A slot that is taken (or free), if there is one. */
static int32_t slot(struct generator *g, bool taken)
{
    int32_t s = below(g, SLOTS);

    for (int i = 0; i < SLOTS && g->taken[s] != taken; i++)
        s = (s + 1) % SLOTS;
    return s;
}

/* Most packets are small, some are as long as they may be. */
static int32_t packet_size(struct generator *g)
{
    switch (below(g, 100)) {
    case 0:
        return 65536 - below(g, 4);
    case 1:
    case 2:
    case 3:
        return below(g, 16);
    case 4:
    case 5:
    case 6:
        return 58 + below(g, 8); /* around the shortest disco packet */
    case 7:
    case 8:
    case 9:
        return below(g, 16400);
    default:
        return below(g, one_in(g, 3) ? 1400 : 150);
    }
}

/* Mostly keys of clients that are there. */
static int32_t destination(struct generator *g)
{
    if (one_in(g, 10))
        return below(g, KEYS_ALL);
    if (one_in(g, 8))
        return below(g, CROWDED);
    return slot(g, true) % KEYS;
}

/* --- Steps ---------------------------------------------------------------------------------- */

static struct step connect_step(struct generator *g)
{
    struct step s = {.op = STEP_CONNECT};
    int32_t at = slot(g, false);

    s.args[0] = at;
    s.args[1] = at % KEYS;
    if (one_in(g, 3)) /* a duplicate, often of a key that has some already */
        s.args[1] = one_in(g, 2) ? below(g, CROWDED) : slot(g, true) % KEYS;
    s.args[2] = below(g, (int32_t)g->nodes);
    s.args[3] = one_in(g, 3) ? below(g, 16) : 0;
    g->taken[at] = true;
    g->stalled[at] = false;
    return s;
}

static struct step end_step(struct generator *g)
{
    static const enum step_op ops[] = {STEP_LEAVE, STEP_LEAVE, STEP_VANISH, STEP_VANISH,
                                       STEP_WRONG};
    struct step s = {.op = ops[below(g, 5)]};
    int32_t at = slot(g, true);

    s.args[0] = at;
    s.args[1] = s.op == STEP_WRONG ? below(g, 64) : one_in(g, 4);
    g->taken[at] = false;
    return s;
}

static struct step send_step(struct generator *g)
{
    struct step s = {.op = STEP_SEND};

    s.args[0] = slot(g, true);
    s.args[1] = one_in(g, 20) ? s.args[0] % KEYS : destination(g);
    s.args[2] = packet_size(g);
    s.args[3] = one_in(g, 3);
    s.args[4] = one_in(g, 12) ? 1 + below(g, s.args[2] > 2000 ? 6 : 40) : 1;
    if (!one_in(g, 3)) /* it waits for what comes next, or some of it does */
        s.args[5] = one_in(g, 4) ? below(g, 2000) : 1 << 30;
    return s;
}

static struct step stall_step(struct generator *g)
{
    struct step s = {.op = STEP_STALL};
    int32_t at = slot(g, true);

    s.args[0] = at;
    if (g->stalled[at])
        s.op = STEP_RESUME;
    else if (one_in(g, 12) && g->nodes == 1)
        s.op = STEP_STARVE;
    s.args[1] = s.op == STEP_STARVE ? slot(g, true) : 0;
    g->stalled[at] = !g->stalled[at];
    return s;
}

static struct step operator_step(struct generator *g)
{
    struct step s = {.op = STEP_CERTIFICATE, .args = {below(g, (int32_t)g->nodes)}};

    if (g->nodes > 1 && one_in(g, 6)) { /* links are up more often than down */
        s.op = STEP_LINK;
        s.args[1] = (s.args[0] + 1 + below(g, (int32_t)g->nodes - 1)) % (int32_t)g->nodes;
        s.args[2] = !one_in(g, 3);
        return s;
    }
    switch (below(g, 40)) {
    case 0:
        s = (struct step){.op = STEP_THIRST, .args = {slot(g, true)}};
        break;
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
        s.args[1] = below(g, 8);
        break;
    case 6:
    case 7:
    case 8:
    case 9:
        /* Nearly everyone, or everyone again. */
        s.op = STEP_ADMIT;
        s.args[1] = one_in(g, 2) ? -1 : ~(1 << below(g, KEYS) | 1 << below(g, KEYS)) & 0xfff;
        break;
    case 10:
    case 11:
    case 12:
    case 13:
    case 14:
    case 15:
        s.op = STEP_ABANDON;
        s.args[1] = below(g, 6);
        break;
    default:
        s = (struct step){.op = STEP_CHUNK, .args = {slot(g, true), 1 << below(g, 15)}};
    }
    return s;
}

static struct step word_step(struct generator *g)
{
    static const uint8_t types[] = {0x00, 0x01, 0x02, 0x03, 0x05, 0x06, 0x08, 0x09,
                                    0x13, 0x14, 0x15, 0x16, 0x20, 0x7f, 0x80, 0xff};
    struct step s = {.op = STEP_PING, .args = {slot(g, true)}};

    switch (below(g, 3)) {
    case 0:
        s.args[1] = one_in(g, 4) ? 8 + below(g, 993) : 8;
        s.args[2] = one_in(g, 8) ? 1 + below(g, 30) : 1;
        break;
    case 1:
        s.op = STEP_NOTE;
        s.args[1] = below(g, 2);
        break;
    default:
        s.op = STEP_UNKNOWN;
        s.args[1] = types[below(g, sizeof types)];
        s.args[2] = one_in(g, 16) ? 65568 - below(g, 3) : below(g, 100);
    }
    return s;
}

static struct step any_step(struct generator *g)
{
    int32_t dice = below(g, 1000);

    if (dice < 16)
        return connect_step(g);
    if (dice < 28)
        return end_step(g);
    if (dice < 36)
        return stall_step(g);
    if (dice < 42)
        return operator_step(g);
    if (dice < 52)
        return (struct step){.op = STEP_QUIET};
    if (dice < 160)
        return word_step(g);
    return send_step(g);
}

struct step *step_generate(uint64_t seed, size_t count, unsigned nodes)
{
    struct generator g = {.random = seed * 0x2545f4914f6cdd1dULL, .nodes = nodes};
    struct step *list = mem_alloc(count + 1, sizeof *list);

    for (size_t i = 0; i < count; i++)
        list[i] = i < 6 ? connect_step(&g) : any_step(&g);
    return list;
}

/* --- Text ----------------------------------------------------------------------------------- */

void step_print(FILE *out, const struct step *s)
{
    int last = STEP_ARGS - 1;

    while (last > 0 && s->args[last] == 0)
        last--;
    fprintf(out, "%s", names[s->op]);
    for (int i = 0; i <= last; i++)
        fprintf(out, " %d", (int)s->args[i]);
    fputc('\n', out);
}

void step_write(FILE *out, const struct step *list, size_t count, unsigned nodes)
{
    bool used[STEP_OPS] = {false};

    for (size_t i = 0; i < count; i++)
        used[list[i].op] = true;
    for (int op = 0; op < STEP_OPS; op++)
        if (used[op])
            fprintf(out, "# %s %s\n", names[op], legends[op]);
    fprintf(out, "nodes %u\n", nodes);
    for (size_t i = 0; i < count; i++)
        step_print(out, &list[i]);
}

static bool within(int32_t value, int32_t least, int32_t most)
{
    return value >= least && value <= most;
}

/* Are its numbers such as a generated step may have? */
static bool is_sane(const struct step *s, int32_t nodes)
{
    const int32_t *a = s->args;

    switch (s->op) {
    case STEP_QUIET:
        return true;
    case STEP_CONNECT:
        return within(a[0], 0, SLOTS - 1) && within(a[1], 0, KEYS - 1) &&
               within(a[2], 0, nodes - 1) && within(a[3], 0, 15);
    case STEP_SEND:
        return within(a[0], 0, SLOTS - 1) && within(a[1], 0, KEYS_ALL - 1) &&
               within(a[2], 0, 65536) && within(a[4], 0, 100) && a[5] >= 0;
    case STEP_PING:
        return within(a[0], 0, SLOTS - 1) && within(a[1], 8, 1000) && within(a[2], 0, 200);
    case STEP_UNKNOWN:
        return within(a[0], 0, SLOTS - 1) && within(a[1], 0, 255) && within(a[2], 0, 65568);
    case STEP_STARVE:
        return within(a[0], 0, SLOTS - 1) && within(a[1], 0, SLOTS - 1);
    case STEP_CHUNK:
        return within(a[0], 0, SLOTS - 1) && a[1] > 0;
    case STEP_LINK:
        return within(a[0], 0, nodes - 1) && within(a[1], 0, nodes - 1);
    case STEP_ABANDON:
    case STEP_CERTIFICATE:
        return within(a[0], 0, nodes - 1) && a[1] >= 0;
    case STEP_ADMIT:
        return within(a[0], 0, nodes - 1);
    default:
        return within(a[0], 0, SLOTS - 1);
    }
}

/* False for a line that is no step. */
static bool parse_step(char *line, unsigned nodes, struct step *s)
{
    char *rest = line, *word = strsep(&rest, " \n");

    *s = (struct step){.op = STEP_OPS};
    for (int op = 0; op < STEP_OPS; op++)
        if (strcmp(word, names[op]) == 0)
            s->op = (enum step_op)op;
    for (int i = 0; i < STEP_ARGS && rest != NULL && *rest != '\0' && *rest != '\n'; i++)
        s->args[i] = (int32_t)strtol(rest, &rest, 10);
    return s->op != STEP_OPS && is_sane(s, (int32_t)nodes);
}

struct step *step_read(FILE *in, size_t *count, unsigned *nodes)
{
    struct step *list = NULL;
    char line[200];

    *count = 0;
    *nodes = 1;
    while (fgets(line, sizeof line, in) != NULL) {
        if (line[0] == '#' || line[0] == '\n' || sscanf(line, "nodes %u", nodes) == 1)
            continue;
        list = mem_resize(list, *count + 1, sizeof *list);
        if (!within((int32_t)*nodes, 1, NODES_MAX) || !parse_step(line, *nodes, &list[*count])) {
            fprintf(stderr, "not a step: %s", line);
            free(list);
            return NULL;
        }
        (*count)++;
    }
    return list == NULL ? mem_alloc(1, sizeof *list) : list;
}
