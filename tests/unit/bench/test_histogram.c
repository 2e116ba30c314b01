/* SPDX-License-Identifier: Apache-2.0 */
/* Percentiles against a sorted array: exact while values are small, within 0.1 % above. */
#include "base/alloc.h"
#include "base/rng.h"
#include "bench/histogram.h"
#include "suites.h"

static int by_value(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

START_TEST(test_empty)
{
    struct histogram *h = alloc(sizeof(*h));
    histogram_clear(h);
    ck_assert_uint_eq(histogram_percentile(h, 99), 0);
    ck_assert(histogram_mean(h) == 0);
    free(h);
}
END_TEST

START_TEST(test_small_values_are_exact)
{
    struct histogram *h = alloc(sizeof(*h));
    histogram_clear(h);
    for (uint64_t i = 1; i <= 1000; i++)
        histogram_add(h, i);
    ck_assert_uint_eq(histogram_percentile(h, 0), 1);
    ck_assert_uint_eq(histogram_percentile(h, 50), 500);
    ck_assert_uint_eq(histogram_percentile(h, 99), 990);
    ck_assert_uint_eq(histogram_percentile(h, 99.9), 999);
    ck_assert_uint_eq(histogram_percentile(h, 100), 1000);
    ck_assert(histogram_mean(h) == 500.5);
    free(h);
}
END_TEST

START_TEST(test_large_values_are_close)
{
    enum { COUNT = 20000 };
    struct histogram *h = alloc(sizeof(*h));
    uint64_t *values = alloc_array(COUNT, sizeof(*values));
    struct rng rng = rng_of(5);
    histogram_clear(h);
    for (size_t i = 0; i < COUNT; i++) {
        values[i] = rng_next(&rng) >> (24 + rng_below(&rng, 40));
        histogram_add(h, values[i]);
    }
    qsort(values, COUNT, sizeof(*values), by_value);
    static const double percents[] = {1, 10, 50, 90, 99, 99.9};
    for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
        uint64_t exact = values[(size_t)(percents[i] / 100 * COUNT + 0.5) - 1];
        uint64_t got = histogram_percentile(h, percents[i]);
        ck_assert_msg(got >= exact && (double)got <= (double)exact * 1.001 + 1,
                      "p%g is %llu, not %llu", percents[i], (unsigned long long)got,
                      (unsigned long long)exact);
    }
    ck_assert_uint_eq(histogram_percentile(h, 100), values[COUNT - 1]);
    free(values);
    free(h);
}
END_TEST

START_TEST(test_merge_is_adding_all)
{
    struct histogram *a = alloc(sizeof(*a)), *b = alloc(sizeof(*b)), *all = alloc(sizeof(*all));
    struct rng rng = rng_of(9);
    histogram_clear(a);
    histogram_clear(b);
    histogram_clear(all);
    for (int i = 0; i < 5000; i++) {
        uint64_t value = rng_below(&rng, 1000000);
        histogram_add(i % 3 == 0 ? a : b, value);
        histogram_add(all, value);
    }
    histogram_merge(a, b);
    ck_assert_mem_eq(a, all, sizeof(*a));
    free(a);
    free(b);
    free(all);
}
END_TEST

START_TEST(test_extremes_fit)
{
    struct histogram *h = alloc(sizeof(*h));
    histogram_clear(h);
    histogram_add(h, 0);
    histogram_add(h, UINT64_MAX);
    histogram_add(h, (uint64_t)1 << 42);
    ck_assert_uint_eq(h->count, 3);
    ck_assert_uint_eq(histogram_percentile(h, 1), 0);
    ck_assert_uint_eq(h->max, UINT64_MAX);
    free(h);
}
END_TEST

Suite *suite_histogram(void)
{
    return UNIT_SUITE("histogram", 10, test_empty, test_small_values_are_exact,
                      test_large_values_are_close, test_merge_is_adding_all, test_extremes_fit);
}
