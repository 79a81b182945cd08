/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of values in bins that widen with the value, as HdrHistogram has them: quantiles are
 * right to 1.6 %, however many values there are. Pure. */
#ifndef TESTS_BENCH_LOAD_HISTOGRAM_H
#define TESTS_BENCH_LOAD_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BINS (64 + 36 * 64) /* values up to 2^42 are told apart */

struct histogram {
    uint64_t count, max;
    double sum;
    uint32_t bins[HISTOGRAM_BINS];
};

void histogram_add(struct histogram *h, uint64_t value);

/* The least value that a share of them (0..1) does not exceed; 0 when there are none. */
uint64_t histogram_quantile(const struct histogram *h, double share);

#endif
