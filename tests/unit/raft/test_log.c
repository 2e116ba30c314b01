/* SPDX-License-Identifier: Apache-2.0 */
/* The log without its entries: trail and hints, sums, and the clamp of tickets under way. */
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "raft/log.h"
#include "suites.h"

static struct raft_log log_at(raft_term term, raft_index index)
{
    struct raft_boot boot = {.base = {term, index}, .last = index, .applied = index};
    struct raft_log ret;
    log_init(&ret, &boot);
    return ret;
}

static void append_runs(struct raft_log *log, const raft_term *terms, size_t count)
{
    for (size_t i = 0; i < count; i++)
        log_append(log, terms[i], 10);
    log_check(log);
}

START_TEST(trail)
{
    struct raft_log log = log_at(2, 10);
    ck_assert_uint_eq(log_term(&log, 10), 2);
    ck_assert_uint_eq(log_term(&log, 9), 0);
    ck_assert_uint_eq(log_term(&log, 11), 0);
    append_runs(&log, (raft_term[]){2, 2, 3, 3, 3, 7}, 6); /* 11-12:2 13-15:3 16:7 */
    raft_term want[] = {2, 2, 2, 3, 3, 3, 7, 0};
    for (raft_index i = 10; i <= 17; i++)
        ck_assert_uint_eq(log_term(&log, i), want[i - 10]);
    log_truncate(&log, 15);
    log_check(&log);
    ck_assert_uint_eq(log_last(&log).index, 14);
    ck_assert_uint_eq(log_last(&log).term, 3);
    append_runs(&log, (raft_term[]){5}, 1);
    log_compact(&log, 13);
    log_check(&log);
    ck_assert_uint_eq(log.base.term, 3);
    ck_assert_uint_eq(log_term(&log, 12), 0);
    ck_assert_uint_eq(log_term(&log, 14), 3);
    log_compact(&log, 15);
    log_check(&log);
    ck_assert_uint_eq(log.base.term, 5);
    ck_assert_uint_eq(log.trail_count, 0);
    log_done(&log);
}
END_TEST

START_TEST(hints)
{
    static const struct {
        raft_index index;
        raft_term term;
        raft_index want;
        raft_term want_term;
    } cases[] = {
        {16, 7, 16, 7}, {16, 6, 15, 3}, {15, 2, 12, 2}, {14, 3, 14, 3}, {14, 9, 14, 9},
        {99, 9, 16, 7}, {99, 3, 15, 3}, {16, 1, 10, 2}, {12, 0, 10, 2}, {10, 5, 10, 2},
        {3, 9, 10, 2},  {13, 2, 12, 2}, {11, 2, 11, 2}, {13, 3, 13, 3},
    };
    struct raft_log log = log_at(2, 10);
    append_runs(&log, (raft_term[]){2, 2, 3, 3, 3, 7}, 6);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct raft_pos hint = log_find_hint(&log, cases[i].index, cases[i].term);
        ck_assert_uint_eq(hint.index, cases[i].want);
        /* What is returned is a position of this log. */
        ck_assert_uint_eq(hint.term, log_term(&log, hint.index));
    }
    log_done(&log);
}
END_TEST

/* Two logs that share a prefix find its end in at most one round a diverging term. */
START_TEST(hints_find_the_common_prefix)
{
    struct rng rng = rng_of(77);
    for (int round = 0; round < 2000; round++) {
        struct raft_log a = log_at(1, 5), b = log_at(1, 5);
        raft_term term_a = 1, term_b;
        unsigned shared = (unsigned)rng_below(&rng, 20), terms = 0;
        for (unsigned i = 0; i < shared; i++) {
            term_a += rng_below(&rng, 4) == 0;
            log_append(&a, term_a, 1);
            log_append(&b, term_a, 1);
        }
        term_b = term_a + 1;
        term_a += 2;
        for (unsigned i = (unsigned)rng_below(&rng, 40); i > 0; i--) {
            unsigned step = rng_below(&rng, 6) == 0 ? 2 : 0;
            term_a += step;
            terms += step > 0;
            log_append(&a, term_a, 1);
        }
        for (unsigned i = (unsigned)rng_below(&rng, 40); i > 0; i--) {
            unsigned step = rng_below(&rng, 6) == 0 ? 2 : 0;
            term_b += step;
            terms += step > 0;
            log_append(&b, term_b, 1);
        }
        raft_index probe = a.last; /* a leads */
        unsigned rounds = 0;
        while (log_term(&b, probe) != log_term(&a, probe)) {
            struct raft_pos hint = log_find_hint(&b, probe, log_term(&a, probe));
            raft_index next = log_find_hint(&a, hint.index, hint.term).index;
            ck_assert_uint_lt(next, probe);
            probe = next;
            rounds++;
        }
        ck_assert_uint_eq(probe, 5 + shared);
        ck_assert_uint_le(rounds, terms + 3);
        log_done(&a);
        log_done(&b);
    }
}
END_TEST

START_TEST(clamp_aba)
{
    struct raft_log log = log_at(1, 10);
    append_runs(&log, (raft_term[]){1, 1, 1}, 3); /* 11-13:1 in ticket 1 */
    log_ticket(&log, 1, 13);
    ck_assert_uint_eq(log_ticket_of(&log, 12), 1);
    log_truncate(&log, 12);
    append_runs(&log, (raft_term[]){2, 2}, 2); /* 12-13:2 in ticket 2 */
    log_ticket(&log, 2, 13);
    ck_assert_uint_eq(log_ticket_of(&log, 11), 1);
    ck_assert_uint_eq(log_ticket_of(&log, 13), 2);
    log_persisted(&log, 1); /* the old write ends late: it vouches for 11 alone */
    ck_assert_uint_eq(log.durable, 11);
    log_persisted(&log, 2);
    ck_assert_uint_eq(log.durable, 13);
    log_truncate(&log, 13); /* what was durable and is cut is durable no more */
    ck_assert_uint_eq(log.durable, 12);
    log_append(&log, 3, 1);
    ck_assert_uint_eq(log.durable, 12);
    ck_assert_uint_eq(log_ticket_of(&log, 12), 0);
    ck_assert_uint_eq(log_ticket_of(&log, 13), UINT64_MAX);
    log_check(&log);
    log_done(&log);
}
END_TEST

/* Against a model that keeps, for each ticket, the very entries it wrote. */
START_TEST(clamp_random)
{
    enum { TICKETS = 60, ENTRIES = 128 };
    struct rng rng = rng_of(99);
    for (int round = 0; round < 300; round++) {
        struct raft_log log = log_at(1, 0);
        uint64_t id_at[ENTRIES] = {0}, durable_id[ENTRIES] = {0}, written[TICKETS + 1][ENTRIES];
        raft_index last_of[TICKETS + 1] = {0};
        uint64_t id = 0, seq = 0, durable_seq = 0;
        raft_term term = 1;
        memset(written, 0, sizeof(written));
        for (int step = 0; step < TICKETS; step++) {
            if (log.last > 0 && rng_below(&rng, 3) == 0)
                log_truncate(&log, 1 + rng_below(&rng, log.last));
            term++;
            for (uint64_t n = 1 + rng_below(&rng, 2); n > 0; n--) {
                log_append(&log, term, 1);
                id_at[log.last] = ++id;
            }
            log_ticket(&log, ++seq, log.last);
            memcpy(written[seq], id_at, sizeof(id_at));
            last_of[seq] = log.last;
            if (rng_below(&rng, 2)) {
                durable_seq += rng_below(&rng, seq - durable_seq + 1);
                log_persisted(&log, durable_seq);
                memset(durable_id, 0, sizeof(durable_id));
                memcpy(durable_id, written[durable_seq],
                       (last_of[durable_seq] + 1) * sizeof(uint64_t));
            }
            for (raft_index i = 1; i <= log.durable; i++)
                ck_assert_uint_eq(durable_id[i], id_at[i]);
            log_check(&log);
        }
        log_persisted(&log, seq);
        ck_assert_uint_eq(log.durable, log.last);
        log_done(&log);
    }
}
END_TEST

START_TEST(sums)
{
    struct raft_log log = log_at(1, 100);
    for (uint32_t i = 1; i <= 300; i++)
        log_append(&log, 1, i);
    ck_assert_uint_eq(log_bytes(&log, 100, 400), 300 * 301 / 2);
    ck_assert_uint_eq(log_bytes(&log, 110, 112), 11 + 12);
    ck_assert_uint_eq(log_bytes(&log, 112, 112), 0);
    ck_assert_uint_eq(log_fit(&log, 101, 400, 6), 103);
    ck_assert_uint_eq(log_fit(&log, 101, 400, 0), 101);
    ck_assert_uint_eq(log_fit(&log, 101, 102, 1000), 102);
    ck_assert_uint_eq(log_fit(&log, 400, 400, 1), 400);
    log_raise_floor(&log, 350);
    ck_assert_uint_eq(log_bytes(&log, 350, 352), 251 + 252);
    log_truncate(&log, 352);
    ck_assert_uint_eq(log_bytes(&log, 350, 351), 251);
    log_raise_floor(&log, 351);
    log_check(&log);
    log_append(&log, 2, 7);
    ck_assert_uint_eq(log_bytes(&log, 351, 352), 7);
    log_done(&log);
}
END_TEST

START_TEST(burst_gives_memory_back)
{
    struct raft_log log = log_at(1, 0);
    for (int i = 0; i < 20000; i++)
        log_append(&log, 1, 1);
    ck_assert_uint_ge(log.sums_capacity, 20000);
    log_raise_floor(&log, 20000);
    ck_assert_uint_eq(log.sums_capacity, 0);
    log_append(&log, 1, 5);
    ck_assert_uint_eq(log_bytes(&log, 20000, 20001), 5);
    log_done(&log);
}
END_TEST

START_TEST(install_keeps_or_drops)
{
    struct raft_log log = log_at(1, 10);
    append_runs(&log, (raft_term[]){1, 2, 2, 2}, 4); /* 11:1 12-14:2 */
    log_ticket(&log, 1, 14);
    log_install(&log, (struct raft_pos){2, 12}); /* it holds the target: the rest stays */
    log_check(&log);
    ck_assert_uint_eq(log.base.index, 12);
    ck_assert_uint_eq(log.last, 14);
    log_install(&log, (struct raft_pos){5, 13}); /* another term there: a dead leader's tail */
    log_check(&log);
    ck_assert_uint_eq(log.last, 13);
    ck_assert_uint_eq(log.durable, 0);
    log_ticket(&log, 2, 13);
    log_persisted(&log, 1);
    ck_assert_uint_eq(log.durable, 0);
    log_persisted(&log, 2);
    ck_assert_uint_eq(log.durable, 13);
    log_install(&log, (struct raft_pos){6, 50});
    ck_assert_uint_eq(log_last(&log).term, 6);
    log_done(&log);
}
END_TEST

START_TEST(boot)
{
    struct raft_trail_run runs[] = {{2, 11}, {4, 14}};
    uint32_t sizes[] = {7, 8, 9};
    struct raft_boot record = {.base = {2, 10},
                               .last = 15,
                               .trail = runs,
                               .trail_count = 2,
                               .sizes = sizes,
                               .applied = 12};
    struct raft_log log;
    log_init(&log, &record);
    log_check(&log);
    ck_assert_uint_eq(log.floor, 12);
    ck_assert_uint_eq(log.durable, 15);
    ck_assert_uint_eq(log_bytes(&log, 12, 15), 24);
    ck_assert_uint_eq(log_bytes(&log, 13, 14), 8);
    ck_assert_uint_eq(log_term(&log, 13), 2);
    ck_assert_uint_eq(log_term(&log, 15), 4);
    log_done(&log);
}
END_TEST

Suite *suite_log(void)
{
    return UNIT_SUITE("log", 20, trail, hints, hints_find_the_common_prefix, clamp_aba,
                      clamp_random, sums, burst_gives_memory_back, install_keeps_or_drops, boot);
}
