/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: rows arrive as they were read; a chunk's checksum ties them to slot, session, term, number and
 * cursor; chunks end where they should. */
#include "tests/unit/wire/damage.h"
#include "tests/unit/wire/probe.h"
#include "tests/unit/wire/values.h"
#include "unit.h"
#include "wire/frame.h"

#include "base/alloc.h"

static struct bytes body_of(const struct buf *buf)
{
    return bytes_of(buf->data + FRAME_HEADER_BYTES, buf->len - FRAME_HEADER_BYTES);
}

START_TEST(round_trip_without_rows)
{
    struct rng rng = rng_of(61);
    struct arena arena;
    struct buf buf = BUF_INIT;
    arena_init(&arena);
    for (int i = 0; i < 20000; i++) {
        struct chunk chunk, again;
        gen_chunk(&rng, &arena, &chunk);
        buf_clear(&buf);
        chunk_encode(&buf, &chunk);
        ck_assert_int_eq(chunk_decode(body_of(&buf), &again, NULL), OK);
        ck_assert(same_chunk(&chunk, &again));
        if (i < 100)
            damage_all(body_of(&buf), probe_chunk);
        arena_clear(&arena);
    }
    buf_done(&buf);
    arena_done(&arena);
}
END_TEST

static bool same_row(const struct chunk_row *a, const struct chunk_row *b)
{
    return a->family == b->family && bytes_is_equal(a->key, b->key) &&
           bytes_is_equal(a->value, b->value);
}

START_TEST(round_trip_of_rows)
{
    struct rng rng = rng_of(62);
    struct arena arena;
    struct buf buf = BUF_INIT;
    arena_init(&arena);
    for (int i = 0; i < 2000; i++) {
        struct chunk_out out;
        uint64_t session = gen_number(&rng);
        chunk_out_init(&out, 17, session, 5, 0);
        for (uint64_t number = 0; number < 3; number++) {
            struct chunk_row rows[20], row;
            struct chunk chunk;
            uint32_t count = (uint32_t)rng_below(&rng, 21), seen = 0;
            ck_assert(chunk_out_is_empty(&out));
            for (uint32_t k = 0; k < count; k++) {
                gen_row(&rng, &arena, &rows[k]);
                ck_assert(chunk_out_add(&out, &rows[k]));
            }
            struct bytes cursor = gen_bytes(&rng, &arena, 0, 50);
            buf_clear(&buf);
            chunk_out_end(&out, cursor, &buf);
            ck_assert_int_eq(chunk_decode(body_of(&buf), &chunk, NULL), OK);
            ck_assert(probe_chunk(body_of(&buf)));
            ck_assert(chunk.kind == CHUNK_ROWS && chunk.slot == 17 && chunk.term == 5);
            ck_assert_uint_eq(chunk.session, session);
            ck_assert_uint_eq(chunk.rows.number, number);
            ck_assert_uint_eq(chunk.rows.count, count);
            ck_assert(bytes_is_equal(chunk.rows.cursor, cursor));
            struct reader reader = reader_of(chunk.rows.rows);
            while (chunk_row_next(&reader, &row))
                ck_assert(same_row(&row, &rows[seen++]));
            ck_assert_uint_eq(seen, count);
        }
        chunk_out_done(&out);
        arena_clear(&arena);
    }
    buf_done(&buf);
    arena_done(&arena);
}
END_TEST

START_TEST(damaged_rows_are_noticed)
{
    struct rng rng = rng_of(63);
    struct arena arena;
    struct buf buf = BUF_INIT;
    struct chunk_out out;
    arena_init(&arena);
    chunk_out_init(&out, 0, 0x1122334455667788, 300, 4000);
    for (int i = 0; i < 10; i++) {
        struct chunk_row row;
        gen_row(&rng, &arena, &row);
        ck_assert(chunk_out_add(&out, &row));
    }
    chunk_out_end(&out, bytes_of_string("cursor"), &buf);
    ck_assert(probe_chunk(body_of(&buf)));
    ck_assert_uint_eq(damage_all(body_of(&buf), probe_chunk), 0);
    struct bytes body = body_of(&buf);
    buf.data[FRAME_HEADER_BYTES + body.len - 1] ^= 1;
    struct chunk chunk;
    ck_assert_int_eq(chunk_decode(body, &chunk, NULL), ERR_CORRUPT);
    chunk_out_done(&out);
    buf_done(&buf);
    arena_done(&arena);
}
END_TEST

START_TEST(chunks_end_when_they_are_full)
{
    static const uint8_t value[1000];
    struct chunk_out out;
    struct buf buf = BUF_INIT;
    struct chunk chunk;
    struct chunk_row row = {3, bytes_of_string("key"), bytes_of(value, sizeof(value))};
    chunk_out_init(&out, 1, 2, 3, 0);
    uint32_t count = 0;
    while (chunk_out_add(&out, &row))
        count++;
    ck_assert_uint_gt(count, 250);
    ck_assert_uint_lt(count, 262);
    chunk_out_end(&out, BYTES_NONE, &buf);
    ck_assert_uint_le(buf.len, WIRE_CHUNK_SOFT_BYTES + 100);
    ck_assert(probe_chunk(body_of(&buf)));

    /* Rows without anything in them: then their number ends the chunk. */
    struct chunk_row empty = {0};
    count = 0;
    while (chunk_out_add(&out, &empty))
        count++;
    ck_assert_uint_gt(count, 10000);
    buf_clear(&buf);
    chunk_out_end(&out, BYTES_NONE, &buf);
    ck_assert_int_eq(chunk_decode(body_of(&buf), &chunk, NULL), OK);
    ck_assert_uint_eq(chunk.rows.count, count);

    /* One row of the largest size has a chunk for itself. */
    uint8_t *large = alloc_zero(chunk_max_value_bytes());
    uint8_t key[WIRE_ROW_KEY_MAX_BYTES] = {1};
    uint8_t cursor[WIRE_CURSOR_MAX_BYTES] = {2};
    row.key = bytes_of(key, sizeof(key));
    row.value = bytes_of(large, chunk_max_value_bytes());
    ck_assert(chunk_out_add(&out, &row));
    ck_assert(!chunk_out_add(&out, &empty));
    buf_clear(&buf);
    chunk_out_end(&out, bytes_of(cursor, sizeof(cursor)), &buf);
    ck_assert(probe_chunk(body_of(&buf)));
    free(large);
    chunk_out_done(&out);
    buf_done(&buf);
}
END_TEST

START_TEST(impossible_chunks)
{
    static const char *const bodies[] = {
        "",
        "0500000000000000000000", /* a kind beyond the last */
        "0100"
        "0000000000000000"
        "00"
        "000000", /* a fetch without credits */
        "0100"
        "0000000000000000"
        "00"
        "004100", /* too many credits */
        "0100"
        "0000000000000000"
        "00"
        "00010000", /* something behind the end */
        "0400"
        "0000000000000000"
        "00"
        "00", /* stopped for no reason */
        "0200"
        "0000000000000000"
        "00"
        "00"
        "00000000"
        "00"
        "7f0000", /* 127 rows in 2 bytes */
    };
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        size_t len;
        uint8_t *bytes = damage_unhex(bodies[i], &len);
        struct chunk chunk;
        ck_assert_int_eq(chunk_decode(bytes_of(bytes, len), &chunk, NULL), ERR_BAD_FORMAT);
        free(bytes);
    }
}
END_TEST

Suite *suite_chunk(void);
Suite *suite_chunk(void)
{
    return UNIT_SUITE("chunk", 120, round_trip_without_rows, round_trip_of_rows,
                      damaged_rows_are_noticed, chunks_end_when_they_are_full, impossible_chunks);
}
