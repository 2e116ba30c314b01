/* SPDX-License-Identifier: Apache-2.0 */
/* The Raft log: bounds by seeks, and its two removals, on both engines. */
#include <stdio.h>

#include "fixture.h"

static void put_entries(struct fixture *f, uint32_t slot, uint64_t from, uint64_t to, uint64_t term)
{
    for (uint64_t index = from; index <= to; index++) {
        char text[32];
        snprintf(text, sizeof(text), "e%llu", (unsigned long long)index);
        struct row_entry row = entry_of(index, term, text);
        store_put_entry(f->batch, slot, &row);
    }
}

static void assert_bounds(struct fixture *f, uint32_t slot, uint64_t base, uint64_t term,
                          uint64_t last)
{
    uint64_t base_index, base_term, last_index;
    assert_ok(store_log_bounds(f->store, slot, &base_index, &base_term, &last_index));
    ck_assert_uint_eq(base_index, base);
    ck_assert_uint_eq(base_term, term);
    ck_assert_uint_eq(last_index, last);
}

START_TEST(hard_state_is_one_row)
{
    struct fixture f;
    struct row_hard_state got = {1, 2, 3};
    fixture_open(&f, _i);
    assert_err(store_get_hard_state(f.store, 4, &got), ERR_NOT_FOUND);
    ck_assert_uint_eq(got.commit, 3); /* untouched */
    store_put_hard_state(f.batch, 4, &(struct row_hard_state){7, 2, 1000});
    store_put_hard_state(f.batch, 5, &(struct row_hard_state){8, 3, 0});
    fixture_write(&f, true);
    assert_ok(store_get_hard_state(f.store, 4, &got));
    ck_assert_uint_eq(got.term, 7);
    ck_assert_uint_eq(got.vote, 2);
    ck_assert_uint_eq(got.commit, 1000);
    assert_bounds(&f, 4, 0, 0, 0); /* it is no entry */
    fixture_done(&f);
}
END_TEST

START_TEST(entries_and_bounds)
{
    struct fixture f;
    struct store_value value;
    struct row_entry got;
    fixture_open(&f, _i);
    store_value_init(&value);
    assert_bounds(&f, 4, 0, 0, 0);
    put_entries(&f, 3, 1, 500, 1);
    put_entries(&f, 4, 1, 256, 2);
    put_entries(&f, 5, 1, 700, 3);
    fixture_write(&f, true);
    assert_bounds(&f, 4, 0, 0, 256);
    assert_ok(store_get_entry(f.store, 4, 255, &value, &got));
    ck_assert_uint_eq(got.index, 255);
    ck_assert_uint_eq(got.term, 2);
    ck_assert_uint_eq(got.kind, 1);
    assert_bytes(got.payload, TEXT("e255"));
    assert_err(store_get_entry(f.store, 4, 257, &value, &got), ERR_NOT_FOUND);
    ck_assert_str_eq(seqs_of(store_iter_entries(f.store, 4, 254, 999)), "254,255,256");
    ck_assert_str_eq(seqs_of(store_iter_entries(f.store, 4, 3, 5)), "3,4,5");
    ck_assert_str_eq(seqs_of(store_iter_entries(f.store, 4, 257, UINT64_MAX)), "");
    struct store_iter *iter = store_iter_entries(f.store, 4, 9, 9);
    ck_assert(store_iter_next(iter));
    assert_bytes(store_iter_entry(iter)->payload, TEXT("e9"));
    assert_ok(store_iter_done(iter));
    store_value_done(&value);
    fixture_done(&f);
}
END_TEST

START_TEST(truncate_suffix_overwrites)
{
    struct fixture f;
    fixture_open(&f, _i);
    put_entries(&f, 4, 1, 300, 1);
    put_entries(&f, 5, 1, 3, 1);
    fixture_write(&f, true);
    /* R9: delete the old tail and put the new entries, in one batch; here as a range ... */
    store_truncate_suffix(f.batch, 4, 101, 300);
    put_entries(&f, 4, 101, 102, 2);
    fixture_write(&f, true);
    assert_bounds(&f, 4, 0, 0, 102);
    /* ... and here as points. */
    store_truncate_suffix(f.batch, 4, 99, 102);
    put_entries(&f, 4, 99, 100, 3);
    fixture_write(&f, true);
    assert_bounds(&f, 4, 0, 0, 100);
    struct store_iter *iter = store_iter_entries(f.store, 4, 98, 200);
    const uint64_t terms[] = {1, 3, 3};
    for (int i = 0; i < 3; i++) {
        ck_assert(store_iter_next(iter));
        ck_assert_uint_eq(store_iter_entry(iter)->term, terms[i]);
    }
    ck_assert(!store_iter_next(iter));
    assert_ok(store_iter_done(iter));
    assert_bounds(&f, 5, 0, 0, 3);
    fixture_done(&f);
}
END_TEST

START_TEST(compact_prefix_moves_the_base)
{
    struct fixture f;
    fixture_open(&f, _i);
    put_entries(&f, 4, 1, 300, 6);
    put_entries(&f, 5, 1, 3, 1);
    fixture_write(&f, true);
    store_compact_prefix(f.batch, 4, 1, 50, 6);
    fixture_write(&f, true);
    assert_bounds(&f, 4, 50, 6, 300);
    ck_assert_str_eq(seqs_of(store_iter_entries(f.store, 4, 0, 53)), "51,52,53");
    store_compact_prefix(f.batch, 4, 51, 298, 6);
    fixture_write(&f, true);
    assert_bounds(&f, 4, 298, 6, 300);
    ck_assert_str_eq(seqs_of(store_iter_entries(f.store, 4, 0, 999)), "299,300");
    /* Everything goes: last is the base. */
    store_compact_prefix(f.batch, 4, 299, 300, 6);
    fixture_write(&f, true);
    assert_bounds(&f, 4, 300, 6, 300);
    /* An install moves the base past an empty log. */
    store_compact_prefix(f.batch, 4, 301, 1000, 9);
    fixture_write(&f, true);
    fixture_reopen(&f);
    assert_bounds(&f, 4, 1000, 9, 1000);
    put_entries(&f, 4, 1001, 1001, 9);
    fixture_write(&f, true);
    assert_bounds(&f, 4, 1000, 9, 1001);
    assert_bounds(&f, 5, 0, 0, 3);
    fixture_done(&f);
}
END_TEST

Suite *suite_raftlog(void)
{
    return BOTH_SUITE("raftlog", hard_state_is_one_row, entries_and_bounds,
                      truncate_suffix_overwrites, compact_prefix_moves_the_base);
}
