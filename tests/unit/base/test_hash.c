/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

#include "base/hash.h"
#include "base/rng.h"

START_TEST(is_xxh3)
{
    /* The published values of XXH3 for no bytes without a seed: digests on disk depend on it. */
    char text[HASH128_HEX_SIZE];
    hash128_hex(hash128_of(BYTES_NONE, 0), text);
    ck_assert_str_eq(text, "99aa06d3014798d86001c324468d497f");
    ck_assert_uint_eq(hash64_of(BYTES_NONE, 0), 0x2d06800538d394c2ull);
}
END_TEST

START_TEST(the_key_and_each_bit_matter)
{
    uint8_t data[40] = {0};
    struct bytes bytes = bytes_of(data, sizeof(data));
    struct hash128 hash = hash128_of(bytes, 1);
    ck_assert(!hash128_is_equal(hash, hash128_of(bytes, 2)));
    ck_assert(hash128_is_equal(hash, hash128_of(bytes, 1)));
    for (size_t bit = 0; bit < sizeof(data) * 8; bit++) {
        data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        ck_assert(!hash128_is_equal(hash, hash128_of(bytes, 1)));
        data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
}
END_TEST

/* A sum in any order, with things added and taken away in between, is that of what is left. */
START_TEST(sums_are_of_a_multiset)
{
    enum { ITEMS = 200 };
    struct rng rng = rng_of(12);
    struct hash128 items[ITEMS], forward = {0, 0}, backward = {0, 0};
    for (int i = 0; i < ITEMS; i++) {
        items[i] = (struct hash128){rng_next(&rng), rng_next(&rng)};
        forward = hash128_add(forward, items[i]);
        struct hash128 passing = {rng_next(&rng), rng_next(&rng)};
        forward = hash128_sub(hash128_add(forward, passing), passing);
    }
    for (int i = ITEMS - 1; i >= 0; i--)
        backward = hash128_add(backward, items[i]);
    ck_assert(hash128_is_equal(forward, backward));
    ck_assert(!hash128_is_equal(forward, hash128_add(backward, items[0])));
    for (int i = 0; i < ITEMS; i++)
        forward = hash128_sub(forward, items[i]);
    ck_assert(hash128_is_equal(forward, (struct hash128){0, 0}));
}
END_TEST

START_TEST(carries_and_borrows)
{
    struct hash128 sum = hash128_add((struct hash128){UINT64_MAX, 4}, (struct hash128){1, 0});
    ck_assert(hash128_is_equal(sum, (struct hash128){0, 5}));
    ck_assert(hash128_is_equal(hash128_sub(sum, (struct hash128){1, 0}),
                               (struct hash128){UINT64_MAX, 4}));
    struct hash128 wrapped = hash128_sub((struct hash128){0, 0}, (struct hash128){1, 0});
    ck_assert(hash128_is_equal(wrapped, (struct hash128){UINT64_MAX, UINT64_MAX}));
    char text[HASH128_HEX_SIZE];
    hash128_hex((struct hash128){0xab, 1}, text);
    ck_assert_str_eq(text, "000000000000000100000000000000ab");
}
END_TEST

Suite *suite_hash(void)
{
    return UNIT_SUITE("hash", 10, is_xxh3, the_key_and_each_bit_matter, sums_are_of_a_multiset,
                      carries_and_borrows);
}
