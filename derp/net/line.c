/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/net/line.h"

#define STANDING_US     30000   /* what may wait in front of the narrowest link, in time */
#define RTT_MAX_US      1000000 /* a longer way is not believed */
#define WINDOW_MIN      4096    /* less, and single segments would wait for acknowledgements */
#define WINDOW_AT_FIRST 32768
#define WAIT_MAX_MS     20
#define MEASURED_MS     100 /* shorter, and it may be a burst */
#define MEASURED_RTTS   2   /* fewer, and it may be between two bursts of acknowledgements */
#define OWN_RTTS        2   /* so much more than what was measured is believed */
#define PAUSE_MS        50  /* a busy line is looked at each WAIT_MAX_MS */

bool line_has_queue(uint32_t rtt_us, uint32_t min_rtt_us, uint32_t at_least_us)
{
    return rtt_us > min_rtt_us && rtt_us - min_rtt_us >= at_least_us;
}

static void mark(struct line *l, const struct line_sample *s)
{
    l->acked = s->acked;
    l->marked_ms = s->now_ms;
    l->had_queue = false;
    l->ran_dry = false;
}

void line_found_slow(struct line *l, const struct line_sample *s)
{
    mark(l, s);
    l->looked_ms = s->now_ms;
    l->rate = 0;
    l->before = 0;
}

void line_ran_dry(struct line *l)
{
    l->ran_dry = true;
}

/* Was it the line that let no more through? Not when nothing waited, or nothing more was to be
 * sent. And where the round trip is longer than a queue of our own makes it, somebody else's is
 * there: a window made of what was acknowledged would only become smaller each time. */
static bool is_the_lines(const struct line *l, const struct line_sample *s)
{
    return l->had_queue && !l->ran_dry &&
           s->rtt_us <= OWN_RTTS * ((uint64_t)s->min_rtt_us + STANDING_US);
}

static void note(struct line *l, const struct line_sample *s, uint32_t rate)
{
    /* Behind a lost packet nothing is acknowledged for a while. */
    uint32_t better = rate > l->before ? rate : l->before;

    if (is_the_lines(l, s))
        l->rate = better > 0 ? better : l->rate;
    else if (l->rate > 0 && rate > l->rate)
        l->rate = rate;
    l->before = rate;
}

bool line_is_fast(struct line *l, const struct line_sample *s)
{
    bool paused = s->now_ms - l->looked_ms > PAUSE_MS;
    uint32_t ms, rate;
    bool fast;

    l->looked_ms = s->now_ms;
    if (paused)
        mark(l, s);
    l->had_queue |= line_has_queue(s->rtt_us, s->min_rtt_us, LINE_QUEUE_KEPT_US);
    ms = s->now_ms - l->marked_ms;
    if (ms < MEASURED_MS || ms < s->rtt_us / 1000 * MEASURED_RTTS)
        return false;
    rate = (uint32_t)((uint64_t)(s->acked - l->acked) * 1000 / ms);
    note(l, s, rate);
    fast = rate > LINE_FAST || (!l->had_queue && s->rate > LINE_FAST);
    mark(l, s);
    return fast;
}

uint64_t line_rate(const struct line *l, const struct line_sample *s)
{
    uint64_t most = (uint64_t)l->rate * OWN_RTTS;

    return most > 0 && most < s->rate ? most : s->rate;
}

size_t line_window(uint64_t rate, uint32_t min_rtt_us)
{
    uint64_t rtt_us = min_rtt_us < RTT_MAX_US ? min_rtt_us : RTT_MAX_US;
    uint64_t window = rate * (rtt_us + STANDING_US) / 1000000;

    if (rate == 0)
        return WINDOW_AT_FIRST;
    return window < WINDOW_MIN ? WINDOW_MIN : (size_t)window;
}

int line_wait_ms(size_t held, size_t window, uint64_t rate)
{
    uint64_t ms = rate == 0 || held < window ? 1 : (held - window) * 1000 / rate + 1;

    return ms < WAIT_MAX_MS ? (int)ms : WAIT_MAX_MS;
}
