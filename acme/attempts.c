/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/attempts.h"

#include <stdlib.h>
#include <string.h>

#include "acme/schedule.h"
#include "base/mem.h"

#define MINUTE          60
#define HOUR            3600
#define DAY             (24 * HOUR)
#define LIMIT_COUNT     5
#define LIMIT_EACH      (7 * DAY / LIMIT_COUNT)
#define LIMIT_SLACK     600       /* the CA's clock is another one */
#define LIMIT_LIVES     (6 * DAY) /* the shortest certificates of a CA with this limit live 160 h */
#define UNFINISHED_FREE 3         /* so many crashes in a row hold nothing up */
#define UNFINISHED_MAX  6
#define CLOCK_SLACK     60

const struct ca_record *attempts_find(const struct state *s, const char *directory)
{
    for (size_t i = 0; i < STATE_CAS; i++) {
        if (s->cas[i].directory && strcmp(s->cas[i].directory, directory) == 0)
            return &s->cas[i];
    }
    return NULL;
}

static time_t used(const struct ca_record *r)
{
    return r->failed_at > r->issued_at ? r->failed_at : r->issued_at;
}

struct ca_record *attempts_of(struct state *s, const char *directory)
{
    const struct ca_record *known = attempts_find(s, directory);
    if (known)
        return &s->cas[known - s->cas];
    struct ca_record *r = &s->cas[0];
    for (size_t i = 0; i < STATE_CAS && r->directory; i++) {
        if (!s->cas[i].directory || used(&s->cas[i]) < used(r))
            r = &s->cas[i];
    }
    state_free_ca(r);
    r->directory = mem_strdup(directory);
    return r;
}

static struct ca_record *note(struct state *s, const char *directory, const struct failure *fail,
                              time_t now, int64_t remaining, uint32_t random)
{
    struct ca_record *r = attempts_of(s, directory);
    r->failures[fail->class]++;
    r->class = fail->class;
    /* A wrong clock would make it long ago. */
    if (fail->class != FAILURE_CLOCK && (r->failing_since == 0 || r->failing_since > now))
        r->failing_since = now;
    r->failed_at = now;
    r->next_try = now + schedule_delay(fail->class, r->failures[fail->class], remaining,
                                       fail->retry_after, random);
    return r;
}

void attempts_put_off(struct state *s, const char *directory, const struct failure *fail,
                      time_t now, int64_t remaining)
{
    note(s, directory, fail, now, remaining, 0);
}

void attempts_heed(struct state *s, const char *directory, const struct failure *fail, time_t now,
                   int64_t remaining)
{
    struct ca_record *r = attempts_of(s, directory);
    time_t until = now + schedule_heed(fail->class, remaining, fail->retry_after);
    if (until <= now || until <= attempts_next_try(r, now))
        return;
    r->class = fail->class;
    r->failed_at = now;
    r->next_try = until;
}

void attempts_failed(struct state *s, const char *directory, const struct failure *fail, time_t now,
                     int64_t remaining, uint32_t random)
{
    const struct ca_record *r = note(s, directory, fail, now, remaining, random);
    s->unfinished = 0;
    s->failures = r->failures[fail->class];
    s->total++;
    s->class = fail->class;
    s->failed_at = now;
    s->next_try = r->next_try;
    state_set(&s->problem_type, fail->type[0] ? fail->type : NULL);
    state_set(&s->problem, fail->text);
    state_set(&s->failed_ca, directory);
}

static void forgive(struct ca_record *r, bool at_once)
{
    memset(r->failures, 0, sizeof r->failures);
    r->failing_since = 0;
    if (!at_once)
        return;
    r->class = FAILURE_NONE;
    r->failed_at = 0;
    r->next_try = 0;
}

static bool is_about(const struct issued *got, const char *name)
{
    return got->at != 0 && (!got->name || strcmp(got->name, name) == 0);
}

/* What counts for a name: its own place; a new one takes a free place, or the oldest. */
static struct issued *issued_of(struct ca_record *r, const char *name)
{
    struct issued *oldest = &r->issued[0];
    for (size_t i = 0; i < STATE_NAMES; i++) {
        if (is_about(&r->issued[i], name))
            return &r->issued[i];
        if (r->issued[i].at < oldest->at)
            oldest = &r->issued[i];
    }
    free(oldest->name);
    *oldest = (struct issued){0};
    return oldest;
}

static time_t earlier(time_t a, time_t b)
{
    return a < b ? a : b;
}

/* A limit cannot be emptier than empty. A CA that has another one, or none, may have issued more.
 */
static time_t whole_at(const struct issued *got)
{
    return earlier(got->whole_at, got->at + LIMIT_COUNT * LIMIT_EACH);
}

void attempts_issued(struct state *s, const char *directory, const char *name, time_t now)
{
    struct ca_record *r = attempts_of(s, directory);
    struct issued *got = issued_of(r, name);
    bool believed = got->at <= now + CLOCK_SLACK; /* else a clock was wrong */
    time_t from = believed && whole_at(got) > now ? whole_at(got) : now;
    state_set(&got->name, name);
    r->issued_at = got->at = now;
    got->whole_at = from + LIMIT_EACH;
    got->whole_at = whole_at(got);
}

bool attempts_begin(struct state *s, bool by_timer, time_t now)
{
    int64_t wait = s->unfinished < UNFINISHED_FREE  ? 0
                   : s->unfinished < UNFINISHED_MAX ? MINUTE << s->unfinished
                                                    : HOUR;
    if (!by_timer)
        return true;
    if (s->begun_at <= now && now < s->begun_at + wait)
        return false;
    s->unfinished += s->unfinished < UNFINISHED_MAX;
    s->begun_at = now;
    return true;
}

void attempts_succeeded(struct state *s, const char *directory)
{
    s->unfinished = 0;
    for (size_t i = 0; i < STATE_CAS; i++) {
        const char *one = s->cas[i].directory;
        forgive(&s->cas[i], one && strcmp(one, directory) == 0);
    }
    s->failures = 0;
    s->total = 0;
    s->class = FAILURE_NONE;
    s->next_try = 0;
}

bool attempts_forgive_clock(struct state *s, time_t now)
{
    if (s->class != FAILURE_CLOCK)
        return false;
    for (size_t i = 0; i < STATE_CAS; i++) {
        if (s->cas[i].class == FAILURE_CLOCK && attempts_next_try(&s->cas[i], now) > now)
            return false;
    }
    s->total = 0;
    for (size_t i = 0; i < STATE_CAS; i++) {
        struct ca_record *r = &s->cas[i];
        r->failures[FAILURE_CLOCK] = 0;
        if (r->class == FAILURE_CLOCK)
            r->class = FAILURE_NONE;
        for (enum failure_class c = FAILURE_NONE + 1; c < FAILURE_CLASSES; c++)
            s->total += r->failures[c];
    }
    s->class = FAILURE_NONE;
    s->failures = 0;
    s->next_try = 0;
    return true;
}

time_t attempts_next_try(const struct ca_record *r, time_t now)
{
    if (!r || r->next_try <= now || r->failed_at > now + CLOCK_SLACK ||
        r->next_try - now > schedule_longest(r->class))
        return 0;
    return r->next_try;
}

time_t attempts_room(const struct ca_record *r, const char *name, int64_t lifetime, time_t now)
{
    for (size_t i = 0; r && lifetime >= LIMIT_LIVES && i < STATE_NAMES; i++) {
        const struct issued *got = &r->issued[i];
        time_t room = whole_at(got) - (LIMIT_COUNT - 1) * LIMIT_EACH + LIMIT_SLACK;
        if (is_about(got, name) && got->at <= now + CLOCK_SLACK)
            return room > now ? room : 0;
    }
    return 0;
}

unsigned attempts_curable(const struct ca_record *r, bool emergency)
{
    static const enum failure_class curable[] = {
        FAILURE_NETWORK, FAILURE_OVERLOAD,      FAILURE_RATE_LIMIT, FAILURE_PAUSED,
        FAILURE_TERMS,   FAILURE_CONFIGURATION, FAILURE_PROTOCOL,
    };
    unsigned sum =
        r && emergency ? r->failures[FAILURE_REACHABILITY] + r->failures[FAILURE_PREFLIGHT] : 0;
    for (size_t i = 0; r && i < sizeof curable / sizeof *curable; i++)
        sum += r->failures[curable[i]];
    return sum;
}
