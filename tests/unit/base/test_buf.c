/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/rng.h"

START_TEST(grows_and_is_cleared)
{
    struct buf buf = BUF_INIT;
    for (int i = 0; i < 10000; i++)
        buf_append(&buf, "0123456789", 10);
    ck_assert_uint_eq(buf.len, 100000);
    ck_assert(bytes_has_prefix(buf_bytes(&buf), bytes_of_string("01234567890123")));
    buf_clear(&buf);
    ck_assert_uint_eq(buf.len, 0);
    ck_assert_uint_ge(buf.capacity, 100000);
    ck_assert_str_eq(buf_string(&buf), "");
    buf_append_string(&buf, "new");
    buf_append_bytes(&buf, bytes_of_string("er"));
    buf_append_bytes(&buf, BYTES_NONE);
    ck_assert_str_eq(buf_string(&buf), "newer");
    ck_assert_uint_eq(buf.len, 5);
    size_t len;
    uint8_t *taken = buf_take(&buf, &len);
    ck_assert_uint_eq(len, 5);
    ck_assert_ptr_null(buf.data);
    free(taken);
    buf_done(&buf);
}
END_TEST

/* Of nothing: no memory where there is none, a place behind the end where there is some. */
START_TEST(extends_by_nothing)
{
    struct buf buf = BUF_INIT;
    (void)buf_extend(&buf, 0);
    ck_assert_uint_eq(buf.len, 0);
    buf_append(&buf, NULL, 0);
    buf_append_bytes(&buf, BYTES_NONE);
    ck_assert_uint_eq(buf.len, 0);
    buf_append_string(&buf, "abc");
    ck_assert_ptr_eq(buf_extend(&buf, 0), buf.data + 3);
    ck_assert_uint_eq(buf.len, 3);
    buf_append(&buf, NULL, 0);
    ck_assert_str_eq(buf_string(&buf), "abc");
    uint8_t *at = buf_extend(&buf, 2);
    ck_assert_ptr_eq(at, buf.data + 3);
    ck_assert_uint_eq(buf.len, 5);
    buf_done(&buf);
}
END_TEST

START_TEST(prints)
{
    struct buf buf = BUF_INIT;
    struct buf expected = BUF_INIT;
    for (int i = 0; i < 300; i++) {
        buf_printf(&buf, "%d%s;", i, "xyz");
        char piece[32];
        int len = snprintf(piece, sizeof(piece), "%dxyz;", i);
        buf_append(&expected, piece, (size_t)len);
    }
    ck_assert(bytes_is_equal(buf_bytes(&buf), buf_bytes(&expected)));
    buf_clear(&buf);
    buf_printf(&buf, "%5000d", 7); /* far more than it reserves at first */
    ck_assert_uint_eq(buf.len, 5000);
    ck_assert_uint_eq(buf.data[4999], '7');
    buf_done(&buf);
    buf_done(&expected);
}
END_TEST

START_TEST(byte_orders_are_right)
{
    struct buf buf = BUF_INIT;
    buf_put_u8(&buf, 0x01);
    buf_put_le16(&buf, 0x0203);
    buf_put_be16(&buf, 0x0203);
    buf_put_le32(&buf, 0x04050607);
    buf_put_be32(&buf, 0x04050607);
    buf_put_le64(&buf, 0x08090a0b0c0d0e0full);
    buf_put_be64(&buf, 0x08090a0b0c0d0e0full);
    const uint8_t expected[] = {1,  3,  2,  2,  3, 7, 6, 5, 4,  4,  5,  6,  7,  15, 14,
                                13, 12, 11, 10, 9, 8, 8, 9, 10, 11, 12, 13, 14, 15};
    ck_assert(bytes_is_equal(buf_bytes(&buf), bytes_of(expected, sizeof(expected))));
    buf_set_le32(&buf, 1, 0xaabbccdd);
    buf_set_le64(&buf, 5, 0x1122334455667788ull);
    const uint8_t changed[] = {1, 0xdd, 0xcc, 0xbb, 0xaa, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33};
    ck_assert(bytes_has_prefix(buf_bytes(&buf), bytes_of(changed, sizeof(changed))));
    buf_done(&buf);
}
END_TEST

START_TEST(varints_are_leb128)
{
    const struct {
        uint64_t value;
        size_t len;
        uint8_t bytes[10];
    } cases[] = {{0, 1, {0}},
                 {127, 1, {0x7f}},
                 {128, 2, {0x80, 0x01}},
                 {300, 2, {0xac, 0x02}},
                 {UINT64_MAX, 10, {255, 255, 255, 255, 255, 255, 255, 255, 255, 1}}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf buf = BUF_INIT;
        buf_put_varint(&buf, cases[i].value);
        ck_assert(bytes_is_equal(buf_bytes(&buf), bytes_of(cases[i].bytes, cases[i].len)));
        struct reader reader = reader_of(buf_bytes(&buf));
        ck_assert_uint_eq(reader_varint(&reader), cases[i].value);
        ck_assert(reader_is_done(&reader));
        buf_done(&buf);
    }
    const uint8_t too_long[] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1};
    const uint8_t too_large[] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 2};
    const uint8_t cut[] = {0x80, 0x80};
    const struct bytes bad[] = {bytes_of(too_long, sizeof(too_long)),
                                bytes_of(too_large, sizeof(too_large)), bytes_of(cut, sizeof(cut)),
                                BYTES_NONE};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct reader reader = reader_of(bad[i]);
        ck_assert_uint_eq(reader_varint(&reader), 0);
        ck_assert(reader.failed);
    }
}
END_TEST

/* Writes a random row of values, reads it back, and reads it cut at each place: what was read
 * before the cut is right, what is behind it is 0, and `failed` says so. */
enum { KINDS = 9, VALUES_MAX = 20 };

static uint64_t value_for(struct rng *rng, unsigned kind)
{
    static const unsigned bits[KINDS] = {8, 16, 16, 32, 32, 64, 64, 64, 5};
    return rng_next(rng) >> (64 - bits[kind]) >> (kind == 7 ? rng_below(rng, 64) : 0);
}

static void put(struct buf *buf, unsigned kind, uint64_t value)
{
    static const uint8_t block[32] = "0123456789abcdefghijklmnopqrstu";
    switch (kind) {
    case 0:
        buf_put_u8(buf, (uint8_t)value);
        break;
    case 1:
        buf_put_le16(buf, (uint16_t)value);
        break;
    case 2:
        buf_put_be16(buf, (uint16_t)value);
        break;
    case 3:
        buf_put_le32(buf, (uint32_t)value);
        break;
    case 4:
        buf_put_be32(buf, (uint32_t)value);
        break;
    case 5:
        buf_put_le64(buf, value);
        break;
    case 6:
        buf_put_be64(buf, value);
        break;
    case 7:
        buf_put_varint(buf, value);
        break;
    default:
        buf_put_block(buf, bytes_of(block, value));
    }
}

static uint64_t get(struct reader *reader, unsigned kind)
{
    switch (kind) {
    case 0:
        return reader_u8(reader);
    case 1:
        return reader_le16(reader);
    case 2:
        return reader_be16(reader);
    case 3:
        return reader_le32(reader);
    case 4:
        return reader_be32(reader);
    case 5:
        return reader_le64(reader);
    case 6:
        return reader_be64(reader);
    case 7:
        return reader_varint(reader);
    default:
        return reader_block(reader).len;
    }
}

START_TEST(reads_what_was_written_and_no_more)
{
    struct rng rng = rng_of(99);
    for (int round = 0; round < 300; round++) {
        struct buf buf = BUF_INIT;
        unsigned kinds[VALUES_MAX];
        uint64_t values[VALUES_MAX];
        size_t ends[VALUES_MAX];
        size_t count = rng_between(&rng, 1, VALUES_MAX);
        for (size_t i = 0; i < count; i++) {
            kinds[i] = (unsigned)rng_below(&rng, KINDS);
            values[i] = value_for(&rng, kinds[i]);
            put(&buf, kinds[i], values[i]);
            ends[i] = buf.len;
        }
        for (size_t cut = 0; cut <= buf.len; cut++) {
            uint8_t *copy = alloc_copy(buf.data, cut); /* so that a sanitizer guards its end */
            struct reader reader = reader_of(bytes_of(copy, cut));
            for (size_t i = 0; i < count; i++) {
                uint64_t got = get(&reader, kinds[i]);
                ck_assert_uint_eq(got, ends[i] <= cut ? values[i] : 0);
                ck_assert_int_eq(reader.failed, ends[i] > cut);
            }
            ck_assert_int_eq(reader_is_done(&reader), cut == buf.len);
            ck_assert_uint_eq(reader_left(&reader), 0);
            free(copy);
        }
        buf_done(&buf);
    }
}
END_TEST

START_TEST(a_block_longer_than_the_rest_is_refused)
{
    struct buf buf = BUF_INIT;
    buf_put_varint(&buf, UINT64_MAX);
    buf_append_string(&buf, "abc");
    struct reader reader = reader_of(buf_bytes(&buf));
    ck_assert_uint_eq(reader_block(&reader).len, 0);
    ck_assert(reader.failed);
    ck_assert_uint_eq(reader_u8(&reader), 0); /* and it stays so */
    reader = reader_of(bytes_of_string("abc"));
    ck_assert_uint_eq(reader_bytes(&reader, SIZE_MAX).len, 0);
    ck_assert(reader.failed);
    reader = reader_of(BYTES_NONE);
    ck_assert(reader_is_done(&reader));
    buf_done(&buf);
}
END_TEST

static void set_outside(void)
{
    struct buf buf = BUF_INIT;
    buf_put_le32(&buf, 1);
    buf_set_le32(&buf, 1, 2);
}

static void reserve_impossible(void)
{
    struct buf buf = BUF_INIT;
    buf_put_u8(&buf, 1);
    buf_reserve(&buf, SIZE_MAX);
    buf_put_u8(&buf, 1);
}

START_TEST(misuse_aborts)
{
    ck_assert_int_eq(dies(reserve_impossible), 1);
    ck_assert_int_eq(dies(set_outside), 1);
}
END_TEST

Suite *suite_buf(void)
{
    return UNIT_SUITE("buf", 60, grows_and_is_cleared, extends_by_nothing, prints,
                      byte_orders_are_right, varints_are_leb128, reads_what_was_written_and_no_more,
                      a_block_longer_than_the_rest_is_refused, misuse_aborts);
}
