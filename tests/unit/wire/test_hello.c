/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: a handshake says exactly who the peer is; a later version's handshake can be read; texts
 * that would spoil a log line are refused. */
#include "tests/unit/wire/damage.h"
#include "tests/unit/wire/probe.h"
#include "tests/unit/wire/values.h"
#include "unit.h"
#include "wire/frame.h"
#include "wire/limits.h"

static struct bytes body_of(const struct buf *buf)
{
    return bytes_of(buf->data + FRAME_HEADER_BYTES, buf->len - FRAME_HEADER_BYTES);
}

START_TEST(round_trip)
{
    struct rng rng = rng_of(51);
    struct arena arena;
    struct buf buf = BUF_INIT;
    arena_init(&arena);
    for (int i = 0; i < 10000; i++) {
        struct hello hello, again;
        struct hello_reply reply, reply_again;
        gen_hello(&rng, &arena, &hello);
        buf_clear(&buf);
        hello_encode(&buf, &hello);
        ck_assert_int_eq(hello_decode(body_of(&buf), &again, NULL), OK);
        ck_assert(same_hello(&hello, &again));
        if (i < 30)
            damage_all(body_of(&buf), probe_hello);
        gen_hello_reply(&rng, &arena, &reply);
        buf_clear(&buf);
        hello_encode_reply(&buf, &reply);
        ck_assert_int_eq(hello_decode_reply(body_of(&buf), &reply_again, NULL), OK);
        ck_assert(same_hello_reply(&reply, &reply_again));
        if (i < 30)
            damage_all(body_of(&buf), probe_hello_reply);
        arena_clear(&arena);
    }
    buf_done(&buf);
    arena_done(&arena);
}
END_TEST

START_TEST(later_versions_may_say_more)
{
    struct rng rng = rng_of(52);
    struct arena arena;
    struct buf buf = BUF_INIT;
    struct hello hello, again;
    arena_init(&arena);
    gen_hello(&rng, &arena, &hello);
    hello_encode(&buf, &hello);
    size_t len = buf.len;
    buf_append_string(&buf, "a field of the future");
    ck_assert_int_eq(hello_decode(body_of(&buf), &again, NULL), OK);
    ck_assert(same_hello(&hello, &again));
    /* Builds before software and zone, or before flags, end in front of them: that is whole, every other
     * cut is not. */
    size_t whole = len, old = len - 3 - hello.software.len - hello.zone.len;
    for (; len > FRAME_HEADER_BYTES; len--) {
        struct bytes cut = bytes_of(buf.data + FRAME_HEADER_BYTES, len - 1 - FRAME_HEADER_BYTES);
        bool is_old = len - 1 == old;
        bool is_flagless = len == whole;
        ck_assert_int_eq(hello_decode(cut, &again, NULL) == OK, is_old || is_flagless);
        if (is_flagless)
            ck_assert(again.flags == 0 && bytes_is_equal(again.zone, hello.zone));
        if (is_old)
            ck_assert(again.software.len == 0 && again.zone.len == 0 && again.node == hello.node);
    }
    buf_done(&buf);
    arena_done(&arena);
}
END_TEST

START_TEST(impossible_hellos)
{
    struct rng rng = rng_of(53);
    struct arena arena;
    struct hello hello, again;
    struct buf buf = BUF_INIT;
    arena_init(&arena);
    gen_hello(&rng, &arena, &hello);
    hello.cluster_id = bytes_of_string("blue");
    hello.lane = HELLO_LANE_MAIN;
    hello_encode(&buf, &hello);
    size_t at = FRAME_HEADER_BYTES;
    static const struct {
        size_t at;
        uint8_t value;
    } rows[] = {
        {4, 0},              /* lane */
        {4, 9},     {12, 1}, /* node above 65535 */
        {60, 255},           /* slot count */
        {62, '\n'},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t before = buf.data[at + rows[i].at];
        buf.data[at + rows[i].at] = rows[i].value;
        ck_assert_int_eq(hello_decode(body_of(&buf), &again, NULL), ERR_BAD_FORMAT);
        buf.data[at + rows[i].at] = before;
    }
    ck_assert_int_eq(hello_decode(body_of(&buf), &again, NULL), OK);
    buf_done(&buf);
    arena_done(&arena);
}
END_TEST

START_TEST(versions_are_chosen)
{
    static const struct {
        uint16_t min, max, common;
    } rows[] = {
        {WIRE_VERSION_MIN, WIRE_VERSION_MAX, WIRE_VERSION_MAX},
        {WIRE_VERSION_MAX, WIRE_VERSION_MAX + 1, WIRE_VERSION_MAX},
        {1, 9, WIRE_VERSION_MAX},
        {WIRE_VERSION_MAX + 1, WIRE_VERSION_MAX + 2, 0},
        {0, 0, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct hello hello = {.version_min = rows[i].min, .version_max = rows[i].max};
        ck_assert_uint_eq(hello_common_version(&hello), rows[i].common);
    }
}
END_TEST

Suite *suite_hello(void);
Suite *suite_hello(void)
{
    return UNIT_SUITE("hello", 120, round_trip, later_versions_may_say_more, impossible_hellos,
                      versions_are_chosen);
}
