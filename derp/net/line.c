/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/net/line.h"

#define STANDING_US     30000   /* what may wait in front of the narrowest link, in time */
#define RTT_MAX_US      1000000 /* a longer way is not believed */
#define WINDOW_MIN      4096    /* less, and single segments would wait for acknowledgements */
#define WINDOW_AT_FIRST 32768
#define WAIT_MAX_MS     20

bool line_has_queue(uint32_t rtt_us, uint32_t min_rtt_us, uint32_t at_least_us)
{
    return rtt_us > min_rtt_us && rtt_us - min_rtt_us >= at_least_us;
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
