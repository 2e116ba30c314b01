/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ranges.h"

#include "base/alloc.h"
#include "base/check.h"

#include <string.h>

void ranges_init(struct ranges *ranges)
{
    *ranges = (struct ranges){NULL, 0, 0};
}

void ranges_done(struct ranges *ranges)
{
    free(ranges->items);
    ranges_init(ranges);
}

void ranges_clear(struct ranges *ranges)
{
    ranges->count = 0;
}

/* The first interval that ends at value or after it; count when there is none. */
static size_t first_ending_from(const struct ranges *ranges, uint64_t value)
{
    size_t low = 0, high = ranges->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ranges->items[middle].end < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Makes items[at .. at + old) one item. */
static void splice_one(struct ranges *ranges, size_t at, size_t old, struct range item)
{
    if (old == 0 && ranges->count == ranges->capacity) {
        ranges->capacity = ranges->capacity == 0 ? 8 : ranges->capacity * 2;
        ranges->items = alloc_resize(ranges->items, ranges->capacity, sizeof(struct range));
    }
    size_t behind = ranges->count - at - old;
    if (old != 1 && behind > 0)
        memmove(&ranges->items[at + 1], &ranges->items[at + old], behind * sizeof(struct range));
    ranges->items[at] = item;
    ranges->count = ranges->count + 1 - old;
}

void ranges_add(struct ranges *ranges, uint64_t start, uint64_t end)
{
    assert(start <= end);
    /* Neighbours count too: what ends at start - 1 or begins at end + 1 is joined. */
    size_t at = first_ending_from(ranges, start == 0 ? 0 : start - 1);
    size_t after = at;
    struct range item = {start, end};
    while (after < ranges->count && (end == UINT64_MAX || ranges->items[after].start <= end + 1)) {
        if (ranges->items[after].start < item.start)
            item.start = ranges->items[after].start;
        if (ranges->items[after].end > item.end)
            item.end = ranges->items[after].end;
        after++;
    }
    splice_one(ranges, at, after - at, item);
}

bool ranges_has(const struct ranges *ranges, uint64_t value)
{
    size_t at = first_ending_from(ranges, value);
    return at < ranges->count && ranges->items[at].start <= value;
}

uint64_t ranges_size(const struct ranges *ranges)
{
    uint64_t ret = 0;
    for (size_t i = 0; i < ranges->count; i++) {
        uint64_t less_one = ranges->items[i].end - ranges->items[i].start;
        /* Only the set of all 2^64 numbers does not fit. */
        if (less_one == UINT64_MAX)
            return UINT64_MAX;
        ret += less_one + 1;
    }
    return ret;
}
