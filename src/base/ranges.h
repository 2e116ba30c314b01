/* SPDX-License-Identifier: Apache-2.0 */
/* A set of uint64 as sorted, merged, inclusive intervals. Not thread-safe. */
#ifndef BASE_RANGES_H
#define BASE_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct range {
    uint64_t start, end; /* both inclusive; start <= end */
};

struct ranges {
    struct range *items; /* owned; sorted, neither overlapping nor touching */
    size_t count, capacity;
};

void ranges_init(struct ranges *ranges);
void ranges_done(struct ranges *ranges);
void ranges_clear(struct ranges *ranges);
void ranges_add(struct ranges *ranges, uint64_t start, uint64_t end); /* merges neighbours too */
bool ranges_has(const struct ranges *ranges, uint64_t value);
uint64_t ranges_size(const struct ranges *ranges); /* how many numbers are in it */

#endif
