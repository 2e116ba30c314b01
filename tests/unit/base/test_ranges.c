/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

#include "base/ranges.h"
#include "base/rng.h"

enum { WIDTH = 300 };

/* Sorted, apart by at least one number, and just what the bitmap holds (base is added to it). */
static void compare(const struct ranges *ranges, const bool *bitmap, uint64_t base)
{
    uint64_t size = 0;
    size_t same = 0;
    for (size_t i = 0; i < WIDTH; i++) {
        same += ranges_has(ranges, base + i) == bitmap[i];
        size += bitmap[i];
    }
    ck_assert_uint_eq(same, WIDTH);
    ck_assert_uint_eq(ranges_size(ranges), size);
    for (size_t i = 0; i < ranges->count; i++) {
        ck_assert_uint_le(ranges->items[i].start, ranges->items[i].end);
        if (i > 0)
            ck_assert_uint_gt(ranges->items[i].start - ranges->items[i - 1].end, 1);
    }
}

static void try_at(uint64_t base, uint64_t seed)
{
    struct rng rng = rng_of(seed);
    struct ranges ranges;
    ranges_init(&ranges);
    for (int round = 0; round < 60; round++) {
        bool bitmap[WIDTH] = {false};
        ranges_clear(&ranges);
        uint64_t longest = rng_between(&rng, 1, 40);
        for (int step = 0; step < 40; step++) {
            uint64_t start = rng_below(&rng, WIDTH);
            uint64_t end = start + rng_below(&rng, longest);
            if (end >= WIDTH)
                end = WIDTH - 1;
            for (uint64_t i = start; i <= end; i++)
                bitmap[i] = true;
            ranges_add(&ranges, base + start, base + end);
            compare(&ranges, bitmap, base);
        }
    }
    ranges_done(&ranges);
}

START_TEST(does_what_a_bitmap_does)
{
    try_at(0, 1);
    try_at(1000, 2);
    try_at(UINT64_MAX - WIDTH + 1, 3); /* its last number is the largest there is */
}
END_TEST

START_TEST(neighbours_are_joined)
{
    struct ranges ranges;
    ranges_init(&ranges);
    ranges_add(&ranges, 10, 19);
    ranges_add(&ranges, 30, 39);
    ck_assert_uint_eq(ranges.count, 2);
    ranges_add(&ranges, 20, 29);
    ck_assert_uint_eq(ranges.count, 1);
    ck_assert_uint_eq(ranges.items[0].start, 10);
    ck_assert_uint_eq(ranges.items[0].end, 39);
    ranges_add(&ranges, 12, 13); /* inside: nothing changes */
    ck_assert_uint_eq(ranges_size(&ranges), 30);
    ranges_add(&ranges, 5, 100);
    ck_assert_uint_eq(ranges.count, 1);
    ck_assert_uint_eq(ranges_size(&ranges), 96);
    ranges_done(&ranges);
}
END_TEST

START_TEST(the_ends_of_the_numbers)
{
    struct ranges ranges;
    ranges_init(&ranges);
    ck_assert(!ranges_has(&ranges, 0));
    ranges_add(&ranges, UINT64_MAX, UINT64_MAX);
    ranges_add(&ranges, 0, 0);
    ck_assert_uint_eq(ranges.count, 2);
    ck_assert(ranges_has(&ranges, UINT64_MAX));
    ck_assert(!ranges_has(&ranges, UINT64_MAX - 1));
    ranges_add(&ranges, 1, UINT64_MAX - 2);
    ck_assert_uint_eq(ranges_size(&ranges), UINT64_MAX);
    ranges_add(&ranges, UINT64_MAX - 1, UINT64_MAX - 1);
    ck_assert_uint_eq(ranges.count, 1);
    ck_assert_uint_eq(ranges_size(&ranges), UINT64_MAX); /* one too many for 64 bits */
    ranges_done(&ranges);
}
END_TEST

Suite *suite_ranges(void)
{
    return UNIT_SUITE("ranges", 60, does_what_a_bitmap_does, neighbours_are_joined,
                      the_ends_of_the_numbers);
}
