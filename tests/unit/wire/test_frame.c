/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: however a stream is cut into reads, the same frames come out; damage ends the stream; a
 * stranger gets nothing but a handshake. */
#include "tests/unit/wire/damage.h"
#include "tests/unit/wire/probe.h"
#include "tests/unit/wire/values.h"
#include "unit.h"
#include "wire/frame.h"
#include "wire/limits.h"

#include "base/alloc.h"

/* A stream of frames with bodies that are not looked into. */
static uint32_t gen_stream(struct rng *rng, struct arena *arena, struct buf *buf)
{
    uint32_t count = (uint32_t)rng_between(rng, 1, 8);
    for (uint32_t i = 0; i < count; i++) {
        enum frame_kind kind = (enum frame_kind)rng_between(rng, 1, FRAME_KINDS - 1);
        uint32_t max = frame_max_bytes((uint8_t)kind);
        max = max > 3000 ? 3000 : max;
        frame_encode(buf, kind, gen_bytes(rng, arena, 0, rng_below(rng, 2) == 0 ? max : 20));
    }
    return count;
}

START_TEST(random_splits)
{
    struct rng rng = rng_of(11);
    struct arena arena;
    struct buf buf = BUF_INIT;
    arena_init(&arena);
    for (int i = 0; i < 20000; i++) {
        gen_stream(&rng, &arena, &buf);
        ck_assert(probe_stream(buf_bytes(&buf), rng_next(&rng)));
        buf_clear(&buf);
        arena_clear(&arena);
    }
    buf_done(&buf);
    arena_done(&arena);
}
END_TEST

START_TEST(frames_come_out_as_they_went_in)
{
    struct rng rng = rng_of(12);
    struct arena arena;
    struct frame_reader reader;
    arena_init(&arena);
    frame_reader_init(&reader);
    frame_reader_trust(&reader);
    for (int i = 0; i < 10000; i++) {
        enum frame_kind kind = (enum frame_kind)rng_between(&rng, 1, FRAME_KINDS - 1);
        struct bytes body = gen_bytes(&rng, &arena, 0, WIRE_PING_MAX_BYTES);
        struct buf buf = BUF_INIT;
        struct frame frame;
        bool has = true;
        frame_encode(&buf, kind, body);
        ck_assert_uint_eq(buf.len, FRAME_HEADER_BYTES + body.len);
        frame_reader_feed(&reader, bytes_of(buf.data, buf.len - 1));
        ck_assert_int_eq(frame_reader_next(&reader, &frame, &has, NULL), OK);
        ck_assert(!has);
        frame_reader_feed(&reader, bytes_of(buf.data + buf.len - 1, 1));
        ck_assert_int_eq(frame_reader_next(&reader, &frame, &has, NULL), OK);
        ck_assert(has);
        ck_assert_uint_eq(frame.kind, kind);
        ck_assert(bytes_is_equal(frame.body, body));
        ck_assert_int_eq(frame_reader_next(&reader, &frame, &has, NULL), OK);
        ck_assert(!has);
        buf_done(&buf);
        arena_clear(&arena);
    }
    frame_reader_done(&reader);
    arena_done(&arena);
}
END_TEST

static bool probe_one(struct bytes bytes)
{
    return bytes.len > 0 && probe_stream(bytes, bytes.len);
}

START_TEST(damage_is_noticed)
{
    struct rng rng = rng_of(13);
    struct arena arena;
    arena_init(&arena);
    for (int i = 0; i < 30; i++) {
        struct buf buf = BUF_INIT;
        enum frame_kind kind = (enum frame_kind)rng_between(&rng, 1, FRAME_KINDS - 1);
        frame_encode(&buf, kind, gen_bytes(&rng, &arena, 0, WIRE_PING_MAX_BYTES));
        ck_assert(probe_one(buf_bytes(&buf)));
        ck_assert_uint_eq(damage_all(buf_bytes(&buf), probe_one), 0);
        buf_done(&buf);
        arena_clear(&arena);
    }
    arena_done(&arena);
}
END_TEST

static enum err read_one(struct bytes bytes, bool trusted, bool *ret_has)
{
    struct frame_reader reader;
    struct frame frame;
    frame_reader_init(&reader);
    if (trusted)
        frame_reader_trust(&reader);
    frame_reader_feed(&reader, bytes);
    *ret_has = false;
    enum err err = frame_reader_next(&reader, &frame, ret_has, NULL);
    frame_reader_done(&reader);
    return err;
}

START_TEST(a_stranger_may_only_say_hello)
{
    for (int kind = 1; kind < FRAME_KINDS; kind++) {
        struct buf buf = BUF_INIT;
        bool has;
        frame_encode(&buf, (enum frame_kind)kind, BYTES_NONE);
        bool is_hello = kind == FRAME_HELLO || kind == FRAME_HELLO_REPLY;
        ck_assert_int_eq(read_one(buf_bytes(&buf), false, &has), is_hello ? OK : ERR_BAD_FORMAT);
        ck_assert(has == is_hello);
        ck_assert_int_eq(read_one(buf_bytes(&buf), true, &has), OK);
        ck_assert(has);
        buf_done(&buf);
    }
}
END_TEST

/* Only the header is there: that must be enough to refuse it. */
START_TEST(bad_headers_are_refused_early)
{
    for (int kind = 1; kind < FRAME_KINDS; kind++) {
        struct buf buf = BUF_INIT;
        bool has;
        frame_encode(&buf, (enum frame_kind)kind, BYTES_NONE);
        buf_set_le32(&buf, 8, frame_max_bytes((uint8_t)kind));
        ck_assert_int_eq(read_one(buf_bytes(&buf), true, &has), OK);
        ck_assert(!has);
        buf_set_le32(&buf, 8, frame_max_bytes((uint8_t)kind) + 1);
        ck_assert_int_eq(read_one(buf_bytes(&buf), true, &has), ERR_BAD_FORMAT);
        buf_done(&buf);
    }
    static const struct {
        size_t at;
        uint8_t value;
        enum err err;
    } rows[] = {
        {0, 'l', ERR_BAD_FORMAT}, {3, 0, ERR_BAD_FORMAT},
        {4, 0, ERR_WRONG_FORMAT}, {4, WIRE_VERSION_MAX + 1, ERR_WRONG_FORMAT},
        {5, 0, ERR_WRONG_FORMAT}, {5, FRAME_KINDS, ERR_WRONG_FORMAT},
        {6, 1, ERR_WRONG_FORMAT}, {12, 0, ERR_BAD_FORMAT},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf buf = BUF_INIT;
        bool has;
        frame_encode_ping(&buf, false, 1);
        ck_assert_uint_ne(buf.data[rows[i].at], rows[i].value);
        buf.data[rows[i].at] = rows[i].value;
        ck_assert_int_eq(read_one(buf_bytes(&buf), true, &has), rows[i].err);
        buf_done(&buf);
    }
}
END_TEST

/* The buffer must follow what is really there, not what the largest frame once needed. */
START_TEST(memory_stays_bounded)
{
    struct frame_reader reader;
    struct buf buf = BUF_INIT;
    uint8_t *large = alloc_zero(WIRE_BODY_MAX_BYTES);
    frame_encode(&buf, FRAME_PACKETS, bytes_of(large, WIRE_BODY_MAX_BYTES));
    frame_reader_init(&reader);
    frame_reader_trust(&reader);
    for (int round = 0; round < 3; round++) {
        struct frame frame;
        bool has = false;
        for (size_t at = 0; at < buf.len;) {
            size_t len = buf.len - at < 65536 ? buf.len - at : 65536;
            frame_reader_feed(&reader, bytes_of(buf.data + at, len));
            at += len;
            ck_assert_int_eq(frame_reader_next(&reader, &frame, &has, NULL), OK);
            ck_assert(has == (at == buf.len));
        }
        ck_assert_uint_eq(frame.body.len, WIRE_BODY_MAX_BYTES);
        ck_assert_uint_le(reader.buf.capacity, 3 * (size_t)WIRE_BODY_MAX_BYTES);
    }
    struct buf ping = BUF_INIT;
    struct frame frame;
    uint64_t number = 0;
    bool has = false;
    frame_encode_ping(&ping, true, 0x1122334455667788);
    frame_reader_feed(&reader, buf_bytes(&ping));
    ck_assert_uint_lt(reader.buf.capacity, 65536);
    ck_assert_int_eq(frame_reader_next(&reader, &frame, &has, NULL), OK);
    ck_assert(has && frame.kind == FRAME_PONG);
    ck_assert_int_eq(frame_decode_ping(frame.body, &number, NULL), OK);
    ck_assert_uint_eq(number, 0x1122334455667788);
    ck_assert_int_eq(frame_decode_ping(bytes_of(large, 7), &number, NULL), ERR_BAD_FORMAT);
    ck_assert_int_eq(frame_decode_ping(bytes_of(large, 9), &number, NULL), ERR_BAD_FORMAT);
    buf_done(&ping);
    buf_done(&buf);
    frame_reader_done(&reader);
    free(large);
}
END_TEST

Suite *suite_frame(void);
Suite *suite_frame(void)
{
    return UNIT_SUITE("frame", 120, random_splits, frames_come_out_as_they_went_in,
                      damage_is_noticed, a_stranger_may_only_say_hello,
                      bad_headers_are_refused_early, memory_stays_bounded);
}
