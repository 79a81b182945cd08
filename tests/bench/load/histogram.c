/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/load/histogram.h"

#define SUB_BITS 6
#define SUBS     (1U << SUB_BITS)

/* Below SUBS each value has a bin; above, each power of two has SUBS of them. */
static unsigned bin_of(uint64_t value)
{
    unsigned shift, bin;

    if (value < SUBS)
        return (unsigned)value;
    shift = 63 - (unsigned)__builtin_clzll(value) - SUB_BITS;
    bin = SUBS + shift * SUBS + ((unsigned)(value >> shift) & (SUBS - 1));
    return bin < HISTOGRAM_BINS ? bin : HISTOGRAM_BINS - 1;
}

/* The greatest value of a bin. */
static uint64_t top_of(unsigned bin)
{
    unsigned shift = bin < SUBS ? 0 : bin / SUBS - 1;

    if (bin < SUBS)
        return bin;
    return ((uint64_t)(SUBS + bin % SUBS + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t value)
{
    h->bins[bin_of(value)]++;
    h->count++;
    h->sum += (double)value;
    if (value > h->max)
        h->max = value;
}

uint64_t histogram_quantile(const struct histogram *h, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)h->count + 0.5), seen = 0;

    if (wanted < 1)
        wanted = 1;
    for (unsigned i = 0; i < HISTOGRAM_BINS; i++) {
        seen += h->bins[i];
        if (seen >= wanted)
            return top_of(i) < h->max ? top_of(i) : h->max;
    }
    return h->max;
}
