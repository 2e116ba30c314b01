/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sys/random.h"
#include "sys/thread.h"

static int compare_u64(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;
    return *left < *right ? -1 : *left > *right;
}

/* Among 2^14 numbers of 64 bits two equal ones come up once in 10^11 runs. */
static void check_distinct(uint64_t *numbers, size_t count)
{
    size_t twice = 0;
    qsort(numbers, count, sizeof(*numbers), compare_u64);
    for (size_t i = 1; i < count; i++)
        twice += numbers[i] == numbers[i - 1];
    ck_assert_uint_eq(twice, 0);
}

enum { DRAWS = 4096, THREADS = 4 };

START_TEST(fills_the_whole_length)
{
    /* Each byte of each length changes at some time: none is forgotten. */
    for (size_t len = 0; len < 700; len += 13) {
        uint8_t data[700] = {0}, seen[700] = {0};
        for (int round = 0; round < 8; round++) {
            random_fill(data, len);
            for (size_t i = 0; i < len; i++)
                seen[i] |= data[i];
        }
        size_t missing = 0;
        for (size_t i = 0; i < len; i++)
            missing += seen[i] == 0;
        ck_assert_uint_eq(missing, 0);
        ck_assert_uint_eq(data[len], 0);
    }
}
END_TEST

START_TEST(bits_are_even)
{
    unsigned ones[64] = {0};
    for (int i = 0; i < DRAWS; i++) {
        uint64_t number = random_u64();
        for (int bit = 0; bit < 64; bit++)
            ones[bit] += (number >> bit) & 1;
    }
    /* 2048 +- 8 standard deviations of 32. */
    for (int bit = 0; bit < 64; bit++) {
        ck_assert_uint_gt(ones[bit], 2048 - 256);
        ck_assert_uint_lt(ones[bit], 2048 + 256);
    }
}
END_TEST

static void draw_salts(void *arg)
{
    uint64_t *numbers = arg;
    for (int i = 0; i < DRAWS; i++)
        random_salt(&numbers[i], sizeof(numbers[i]));
}

START_TEST(salts_differ_in_all_threads)
{
    uint64_t *numbers = alloc_array((size_t)DRAWS * THREADS, sizeof(*numbers));
    struct thread threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(thread_start(&threads[i], "salt", draw_salts, numbers + i * DRAWS), OK);
    for (size_t i = 0; i < THREADS; i++)
        thread_join(&threads[i]);
    check_distinct(numbers, (size_t)DRAWS * THREADS);
    free(numbers);
}
END_TEST

START_TEST(salts_of_any_length)
{
    const size_t lengths[] = {0, 1, 16, 1000, 1024, 1025, 5000};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        for (int round = 0; round < 20; round++) {
            uint8_t one[5001] = {0}, two[5001] = {0};
            random_salt(one, lengths[i]);
            random_salt(two, lengths[i]);
            ck_assert_uint_eq(one[lengths[i]], 0);
            if (lengths[i] >= 16)
                ck_assert_int_ne(memcmp(one, two, lengths[i]), 0);
        }
    }
}
END_TEST

Suite *suite_random(void)
{
    return UNIT_SUITE("random", 60, fills_the_whole_length, bits_are_even,
                      salts_differ_in_all_threads, salts_of_any_length);
}
