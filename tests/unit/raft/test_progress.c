/* SPDX-License-Identifier: Apache-2.0 */
/* Windows, refusals and fills of one peer's progress. */
#include "raft/progress.h"
#include "suites.h"

static struct raft_options options;

static struct progress begin(raft_index last)
{
    struct progress ret;
    raft_options_init(&options, 1, 1, 1);
    options.inflight_max_packets = 4;
    options.inflight_max_bytes = 100;
    progress_init(&ret, 2, 7, last, 0);
    return ret;
}

START_TEST(window_in_packets_and_bytes)
{
    struct progress p = begin(10);
    ck_assert(progress_ack(&p, 10));
    progress_replicate(&p);
    for (int i = 0; i < 4; i++) {
        ck_assert(!progress_window_full(&p, &options));
        progress_sent(&p, p.next, p.next + 1, 20);
        progress_check(&p, &options);
    }
    ck_assert(progress_window_full(&p, &options)); /* packets */
    ck_assert_uint_eq(p.next, 19);
    ck_assert(progress_ack(&p, 13)); /* the first packet whole, the second in part */
    ck_assert_uint_eq(p.inflight_count, 3);
    ck_assert_uint_eq(p.inflight_bytes, 60);
    progress_sent(&p, 19, 19, 40);
    ck_assert(progress_window_full(&p, &options)); /* bytes, exactly, and packets */
    ck_assert(!progress_ack(&p, 12));              /* late: changes nothing */
    ck_assert_uint_eq(p.match, 13);
    ck_assert(progress_ack(&p, 19));
    ck_assert_uint_eq(p.inflight_count, 0);
    ck_assert_uint_eq(p.inflight_bytes, 0);
    progress_sent(&p, 20, 20, 1000); /* one large entry is never stuck */
    ck_assert(progress_window_full(&p, &options));
    progress_check(&p, &options);
    progress_done(&p);
}
END_TEST

START_TEST(stale_refusals)
{
    struct progress p = begin(10);            /* PROBE at 10 */
    ck_assert(!progress_refuse(&p, 9, 3, 0)); /* answers no probe that is out */
    ck_assert_uint_eq(p.next, 11);
    ck_assert(progress_refuse(&p, 10, 4, 0));
    ck_assert_uint_eq(p.next, 5);
    ck_assert(progress_ack(&p, 4));
    ck_assert(progress_refuse(&p, 4, 1, 0)); /* next stays above match */
    ck_assert_uint_eq(p.next, 5);
    progress_replicate(&p);
    progress_sent(&p, 5, 9, 10);
    ck_assert(progress_ack(&p, 9));
    ck_assert(!progress_refuse(&p, 7, 2, 0)); /* below match: of an older packet */
    ck_assert_int_eq(p.state, RAFT_REPLICATE);
    progress_sent(&p, 10, 12, 10);
    ck_assert(progress_refuse(&p, 12, 11, 0));
    ck_assert_int_eq(p.state, RAFT_PROBE);
    ck_assert_uint_eq(p.next, 10);
    ck_assert_uint_eq(p.inflight_count, 0);
    progress_replicate(&p);
    progress_sent(&p, 10, 14, 10);
    ck_assert(progress_refuse(&p, 14, 13, 11)); /* 10 and 11 are compacted: behind what it has */
    ck_assert_uint_eq(p.next, 14);
    progress_check(&p, &options);
    progress_done(&p);
}
END_TEST

START_TEST(refusal_at_zero_never_wraps)
{
    struct progress p = begin(0);
    ck_assert(progress_refuse(&p, 0, 0, 0));
    ck_assert_uint_eq(p.next, 1);
    progress_check(&p, &options);
    progress_done(&p);
}
END_TEST

START_TEST(filled_short)
{
    struct progress p = begin(10);
    progress_ack(&p, 10);
    progress_replicate(&p);
    progress_sent(&p, 11, 20, 30);
    progress_sent(&p, 21, 30, 30);
    progress_filled(&p, 15, 5, 12); /* the first carried 11-15: the second begins behind a gap */
    ck_assert_uint_eq(p.next, 16);
    ck_assert_uint_eq(p.inflight_count, 1);
    ck_assert_uint_eq(p.inflight_bytes, 12);
    progress_filled(&p, 15, 5, 12);
    ck_assert_uint_eq(p.next, 16);
    progress_sent(&p, 16, 18, 5);
    p.unfilled = true;
    progress_filled(&p, 15, 0, 0); /* nothing at all from 16 on */
    ck_assert(!p.unfilled);
    ck_assert_uint_eq(p.next, 16);
    ck_assert_uint_eq(p.inflight_count, 1);
    progress_filled(&p, 40, 3, 9); /* of no packet that is out */
    ck_assert_uint_eq(p.next, 16);
    progress_check(&p, &options);
    progress_done(&p);
}
END_TEST

START_TEST(rounds)
{
    struct progress p = begin(100);
    ck_assert_uint_eq(p.round_ticks, UINT32_MAX);
    progress_ack(&p, 50);
    progress_round(&p, 150, 10);
    ck_assert_uint_eq(p.round_ticks, UINT32_MAX);
    progress_ack(&p, 100);
    progress_round(&p, 150, 20);
    ck_assert_uint_eq(p.round_ticks, 20);
    progress_ack(&p, 150);
    progress_round(&p, 151, 23);
    ck_assert_uint_eq(p.round_ticks, 3);
    progress_done(&p);
}
END_TEST

Suite *suite_progress(void)
{
    return UNIT_SUITE("progress", 5, window_in_packets_and_bytes, stale_refusals,
                      refusal_at_zero_never_wraps, filled_short, rounds);
}
