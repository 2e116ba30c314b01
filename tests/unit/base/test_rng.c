/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

#include "base/rng.h"

START_TEST(is_splitmix64)
{
    /* The first numbers of the published generator for the seed 0: seeds of failures that were
     * found must show the same for ever. */
    struct rng rng = rng_of(0);
    ck_assert_uint_eq(rng_next(&rng), 0xe220a8397b1dcdafull);
    ck_assert_uint_eq(rng_next(&rng), 0x6e789e6aa1b965f4ull);
    ck_assert_uint_eq(rng_next(&rng), 0x06c45d188009454full);
}
END_TEST

START_TEST(stays_within_its_bounds_and_reaches_all)
{
    struct rng rng = rng_of(1);
    unsigned hits[10] = {0};
    for (int i = 0; i < 10000; i++) {
        uint64_t value = rng_between(&rng, 5, 14);
        ck_assert_uint_ge(value, 5);
        ck_assert_uint_le(value, 14);
        hits[value - 5]++;
    }
    for (int i = 0; i < 10; i++) {
        ck_assert_uint_gt(hits[i], 850);
        ck_assert_uint_lt(hits[i], 1150);
    }
    ck_assert_uint_eq(rng_below(&rng, 0), 0);
    ck_assert_uint_eq(rng_below(&rng, 1), 0);
    ck_assert_uint_eq(rng_between(&rng, 9, 9), 9);
    /* All 2^64 numbers: both halves come up. */
    unsigned high = 0;
    for (int i = 0; i < 1000; i++)
        high += rng_between(&rng, 0, UINT64_MAX) > UINT64_MAX / 2;
    ck_assert_uint_gt(high, 400);
    ck_assert_uint_lt(high, 600);
}
END_TEST

Suite *suite_rng(void)
{
    return UNIT_SUITE("rng", 10, is_splitmix64, stays_within_its_bounds_and_reaches_all);
}
