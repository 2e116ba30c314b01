/* SPDX-License-Identifier: Apache-2.0 */
/* Latencies as HdrHistogram keeps them: exact below 2048, above with 11 bits of precision (an
 * error under 0.1 %), in memory that does not grow. Values are what the caller counts: here
 * microseconds. Thread: one; merge them when the threads have ended. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_BITS = 11,
    HISTOGRAM_HALF = 1 << (HISTOGRAM_BITS - 1),
    HISTOGRAM_SHIFTS = 32, /* values up to 2^42 */
    HISTOGRAM_SLOTS = (HISTOGRAM_SHIFTS + 1) * HISTOGRAM_HALF
};

struct histogram {
    uint64_t count, sum, min, max;
    uint64_t slots[HISTOGRAM_SLOTS];
};

void histogram_clear(struct histogram *histogram);
void histogram_add(struct histogram *histogram, uint64_t value);
void histogram_merge(struct histogram *into, const struct histogram *from);
/* The value that so many percent do not exceed (the largest one of its step); 0 when empty. */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);
double histogram_mean(const struct histogram *histogram);

#endif
