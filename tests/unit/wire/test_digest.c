/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: digests arrive with their index and verdict; "unknown" stays unknown. */
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

START_TEST(round_trip)
{
    struct rng rng = rng_of(71);
    struct arena arena;
    struct buf buf = BUF_INIT;
    arena_init(&arena);
    for (int i = 0; i < 10000; i++) {
        struct wire_digest digests[8];
        const struct wire_digest *again = NULL;
        uint32_t count = (uint32_t)rng_below(&rng, 9), count_again = 99;
        for (uint32_t k = 0; k < count; k++)
            gen_digest(&rng, &digests[k]);
        buf_clear(&buf);
        digest_encode(&buf, digests, count);
        ck_assert_int_eq(digest_decode(body_of(&buf), &arena, &again, &count_again, NULL), OK);
        ck_assert_uint_eq(count, count_again);
        for (uint32_t k = 0; k < count; k++)
            ck_assert(same_digest(&digests[k], &again[k]));
        if (i < 100)
            damage_all(body_of(&buf), probe_digests);
        for (size_t len = 0; i < 100 && len < body_of(&buf).len; len++)
            ck_assert(!probe_digests(bytes_of(body_of(&buf).data, len)));
        arena_clear(&arena);
    }
    buf_done(&buf);
    arena_done(&arena);
}
END_TEST

START_TEST(as_many_as_there_may_be)
{
    struct wire_digest *digests = alloc_array(DIGESTS_MAX, sizeof(*digests));
    struct buf buf = BUF_INIT;
    for (uint32_t i = 0; i < DIGESTS_MAX; i++) {
        digests[i].slot = SLOTS_MAX - 1;
        digests[i].index = UINT64_MAX;
    }
    digest_encode(&buf, digests, DIGESTS_MAX);
    ck_assert(probe_digests(body_of(&buf)));
    /* One more, and it is all there: the limit alone is in the way. */
    size_t size = (buf.len - FRAME_HEADER_BYTES - 2) / DIGESTS_MAX;
    struct buf more = BUF_INIT;
    buf_append_bytes(&more, body_of(&buf));
    buf_append(&more, buf.data + FRAME_HEADER_BYTES + 2, size);
    more.data[0]++;
    ck_assert(!probe_digests(buf_bytes(&more)));
    buf_done(&more);
    buf_done(&buf);
    free(digests);
}
END_TEST

Suite *suite_digest(void);
Suite *suite_digest(void)
{
    return UNIT_SUITE("digest", 60, round_trip, as_many_as_there_may_be);
}
