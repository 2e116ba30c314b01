/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: a forwarded call and its result arrive as they were sent; an error of another version
 * never looks like a proven refusal. */
#include "tests/unit/wire/damage.h"
#include "tests/unit/wire/probe.h"
#include "tests/unit/wire/values.h"
#include "unit.h"
#include "wire/frame.h"
#include "wire/limits.h"

#include "base/alloc.h"

static struct bytes body_of(const struct buf *buf)
{
    return bytes_of(buf->data + FRAME_HEADER_BYTES, buf->len - FRAME_HEADER_BYTES);
}

START_TEST(round_trip_requests)
{
    struct rng rng = rng_of(41);
    struct arena arena;
    struct buf buf = BUF_INIT;
    arena_init(&arena);
    for (int i = 0; i < 10000; i++) {
        struct call_request request, again;
        gen_request(&rng, &arena, &request);
        buf_clear(&buf);
        call_encode_request(&buf, &request);
        ck_assert_int_eq(call_decode_request(body_of(&buf), &again, NULL), OK);
        ck_assert(same_request(&request, &again));
        if (i < 100)
            damage_all(body_of(&buf), probe_request);
        arena_clear(&arena);
    }
    buf_done(&buf);
    arena_done(&arena);
}
END_TEST

START_TEST(round_trip_responses)
{
    struct rng rng = rng_of(42);
    struct arena arena;
    struct buf buf = BUF_INIT;
    arena_init(&arena);
    for (int i = 0; i < 10000; i++) {
        struct call_response response, again;
        gen_response(&rng, &arena, &response);
        buf_clear(&buf);
        call_encode_response(&buf, &response);
        ck_assert_int_eq(call_decode_response(body_of(&buf), &again, NULL), OK);
        ck_assert(same_response(&response, &again));
        if (i < 100)
            damage_all(body_of(&buf), probe_response);
        arena_clear(&arena);
    }
    buf_done(&buf);
    arena_done(&arena);
}
END_TEST

START_TEST(round_trip_results)
{
    struct rng rng = rng_of(43);
    struct arena arena;
    struct buf buf = BUF_INIT;
    arena_init(&arena);
    for (int i = 0; i < 20000; i++) {
        struct wire_result result, again;
        gen_result(&rng, &arena, &result);
        buf_clear(&buf);
        wire_result_encode(&buf, &result);
        ck_assert_int_eq(wire_result_decode(buf_bytes(&buf), &arena, &again, NULL), OK);
        ck_assert(same_result(&result, &again));
        if (i < 100)
            damage_all(buf_bytes(&buf), probe_result);
        arena_clear(&arena);
    }
    buf_done(&buf);
    arena_done(&arena);
}
END_TEST

START_TEST(truncated_calls_are_refused)
{
    struct rng rng = rng_of(44);
    struct arena arena;
    struct buf buf = BUF_INIT;
    struct call_request request;
    struct call_response response;
    struct wire_result result;
    arena_init(&arena);
    for (int i = 0; i < 200; i++) {
        buf_clear(&buf);
        gen_request(&rng, &arena, &request);
        call_encode_request(&buf, &request);
        /* Without all of its origin it is what earlier builds send. */
        size_t origin_bytes = request.request_id.len + request.trace_id.len;
        size_t earlier_len = body_of(&buf).len - (origin_bytes > 0 ? origin_bytes + 2 : 0);
        for (size_t len = 0; len < body_of(&buf).len; len++)
            ck_assert(probe_request(bytes_of(body_of(&buf).data, len)) == (len == earlier_len));
        buf_clear(&buf);
        gen_response(&rng, &arena, &response);
        call_encode_response(&buf, &response);
        for (size_t len = 0; len < body_of(&buf).len; len++)
            ck_assert(!probe_response(bytes_of(body_of(&buf).data, len)));
        buf_clear(&buf);
        gen_result(&rng, &arena, &result);
        wire_result_encode(&buf, &result);
        for (size_t len = 0; len < buf.len; len++)
            ck_assert(!probe_result(bytes_of(buf.data, len)));
    }
    buf_done(&buf);
    arena_done(&arena);
}
END_TEST

static enum err err_of_slug(const char *slug)
{
    struct buf buf = BUF_INIT;
    struct call_response response;
    buf_put_le64(&buf, 1);
    buf_put_block(&buf, bytes_of_string(slug));
    buf_put_varint(&buf, 0);
    buf_put_varint(&buf, 0);
    buf_put_varint(&buf, 0);
    ck_assert_int_eq(call_decode_response(buf_bytes(&buf), &response, NULL), OK);
    buf_done(&buf);
    return response.err;
}

START_TEST(errors_travel_as_slugs)
{
    for (int i = 1; i < ERR_COUNT; i++)
        ck_assert_int_eq(err_of_slug(err_slug((enum err)i)), i);
    ck_assert_int_eq(err_of_slug(""), OK);
    ck_assert_int_eq(err_of_slug("not_invented_yet"), ERR_OUTCOME_UNKNOWN);
    ck_assert_int_eq(err_of_slug("ok"), ERR_OUTCOME_UNKNOWN);
    ck_assert_int_eq(err_of_slug("internal"), ERR_INTERNAL);
}
END_TEST

START_TEST(long_texts_are_cut)
{
    char text[WIRE_WHY_MAX_BYTES + 50];
    struct call_response response = {.id = 1, .err = ERR_BUSY}, again;
    struct buf buf = BUF_INIT;
    memset(text, 'x', sizeof(text));
    response.text = bytes_of(text, sizeof(text));
    call_encode_response(&buf, &response);
    ck_assert_int_eq(call_decode_response(body_of(&buf), &again, NULL), OK);
    ck_assert_uint_eq(again.text.len, WIRE_WHY_MAX_BYTES);
    buf_done(&buf);
}
END_TEST

START_TEST(the_largest_result)
{
    struct wire_append_result *appends = alloc_array(ENTRY_MESSAGES_MAX, sizeof(*appends));
    for (uint32_t i = 0; i < ENTRY_MESSAGES_MAX; i++)
        appends[i] = (struct wire_append_result){.err = ERR_CLIENT_MSG_NO_REUSED, .seq = i};
    struct wire_result result = {.kind = 1, .appends = appends}, again;
    struct buf buf = BUF_INIT, frame = BUF_INIT;
    struct arena arena;
    arena_init(&arena);
    result.appends_count = ENTRY_MESSAGES_MAX;
    wire_result_encode(&buf, &result);
    ck_assert_int_eq(wire_result_decode(buf_bytes(&buf), &arena, &again, NULL), OK);
    ck_assert(same_result(&result, &again));
    struct call_response response = {.id = 1, .result = buf_bytes(&buf)};
    ck_assert_uint_le(response.result.len, call_max_body_bytes());
    call_encode_response(&frame, &response);
    ck_assert(probe_response(body_of(&frame)));
    arena_done(&arena);
    buf_done(&buf);
    buf_done(&frame);
    free(appends);
}
END_TEST

Suite *suite_call(void);
Suite *suite_call(void)
{
    return UNIT_SUITE("call", 120, round_trip_requests, round_trip_responses, round_trip_results,
                      truncated_calls_are_refused, errors_travel_as_slugs, long_texts_are_cut,
                      the_largest_result);
}
