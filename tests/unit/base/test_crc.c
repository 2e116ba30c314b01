/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

#include "base/alloc.h"
#include "base/crc.h"
#include "base/check.h"
#include "base/rng.h"

/* RFC 3720 B.4, and the check value of the catalogue of CRCs. */
START_TEST(castagnoli_vectors)
{
    uint8_t zeros[32] = {0}, ones[32], rising[32], falling[32];
    for (int i = 0; i < 32; i++) {
        ones[i] = 0xff;
        rising[i] = (uint8_t)i;
        falling[i] = (uint8_t)(31 - i);
    }
    const struct {
        struct bytes bytes;
        uint32_t crc;
    } cases[] = {{BYTES_NONE, 0},
                 {bytes_of_string("123456789"), 0xe3069283},
                 {bytes_of_string("a"), 0xc1d04330},
                 {bytes_of(zeros, 32), 0x8a9136aa},
                 {bytes_of(ones, 32), 0x62a8ab43},
                 {bytes_of(rising, 32), 0x46dd794e},
                 {bytes_of(falling, 32), 0x113fdb5c}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ck_assert_uint_eq(crc32c(cases[i].bytes), cases[i].crc);
        ck_assert_uint_eq(crc32c_portable(0, cases[i].bytes), cases[i].crc);
    }
}
END_TEST

START_TEST(ieee_vectors)
{
    ck_assert_uint_eq(crc32_ieee(bytes_of_string("123456789")), 0xcbf43926);
    ck_assert_uint_eq(crc32_ieee(bytes_of_string("a")), 0xe8b7be43);
    ck_assert_uint_eq(crc32_ieee(BYTES_NONE), 0);
    ck_assert_uint_eq(crc32_ieee(bytes_of_string("")), 0);
}
END_TEST

/* One bit a step, straight from the polynomial. */
static uint32_t slow_crc32c(struct bytes bytes)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= bytes.data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78 : 0);
    }
    return ~crc;
}

START_TEST(both_ways_agree_at_any_length_and_address)
{
    struct rng rng = rng_of(3);
    uint8_t *data = alloc(4096);
    for (size_t i = 0; i < 4096; i++)
        data[i] = (uint8_t)rng_next(&rng);
    for (int round = 0; round < 2000; round++) {
        size_t start = rng_below(&rng, 64);
        size_t len = rng_below(&rng, round % 10 == 0 ? 4000 : 100);
        struct bytes bytes = bytes_of(data + start, len);
        uint32_t expected = slow_crc32c(bytes);
        ck_assert_uint_eq(crc32c(bytes), expected);
        ck_assert_uint_eq(crc32c_portable(0, bytes), expected);
        size_t cut = rng_below(&rng, len + 1);
        uint32_t first = crc32c(bytes_of(bytes.data, cut));
        struct bytes rest = bytes_of(bytes.data + cut, len - cut);
        ck_assert_uint_eq(crc32c_more(first, rest), expected);
        ck_assert_uint_eq(crc32c_portable(first, rest), expected);
    }
    free(data);
}
END_TEST

START_TEST(every_flipped_bit_shows)
{
    uint8_t data[100];
    memset(data, 0x5a, sizeof(data));
    uint32_t good = crc32c(bytes_of(data, sizeof(data)));
    for (size_t bit = 0; bit < sizeof(data) * 8; bit++) {
        data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        ck_assert_uint_ne(crc32c(bytes_of(data, sizeof(data))), good);
        data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
}
END_TEST

Suite *suite_crc(void)
{
    return UNIT_SUITE("crc", 30, castagnoli_vectors, ieee_vectors,
                      both_ways_agree_at_any_length_and_address, every_flipped_bit_shows);
}
