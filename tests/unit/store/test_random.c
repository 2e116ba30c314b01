/* SPDX-License-Identifier: Apache-2.0 */
/* The same random steps on both engines must show the same rows all the time. */
#include "base/rng.h"
#include "fixture.h"

enum { STEPS = 20000, CHANNELS = 6, SEQS = 400, SNAPSHOTS = 3 };

struct pair {
    struct fixture f[ENGINES];
    struct store_snapshot *snapshots[SNAPSHOTS][ENGINES];
    struct rng rng;
    uint32_t rows_seen;
};

static struct channel channel_no(uint64_t i)
{
    static const char *const ids[CHANNELS] = {"a", "ab", "b", "a", "\xc3\xa9", "zz"};
    return channel_of(i == 3 ? 3 : 2, ids[i]);
}

static void change(struct pair *p)
{
    struct channel channel = channel_no(rng_below(&p->rng, CHANNELS));
    uint32_t slot = (uint32_t)rng_below(&p->rng, 3);
    uint64_t what = rng_below(&p->rng, 16), a = rng_between(&p->rng, 1, SEQS);
    uint64_t b = a + rng_below(&p->rng, rng_below(&p->rng, 4) == 0 ? SEQS : 20);
    for (int i = 0; i < ENGINES; i++) {
        struct store_batch *batch = p->f[i].batch;
        char text[64];
        struct row_message message = message_of(a, text);
        struct row_deleted deleted = deleted_of(a, b);
        struct seq_range range = {a, b};
        struct row_delete_record record = {.log_index = a, /* a log index is one channel's */
                                           .channel = channel_no(a % CHANNELS),
                                           .ranges = &range,
                                           .ranges_count = 1};
        struct row_entry entry = entry_of(a, b, "entry");
        if (what < 5)
            for (uint64_t seq = a; seq <= b; seq++)
                store_put_message(batch, slot, channel, seq, &message);
        else if (what == 5)
            store_remove_messages(batch, slot, channel, a, b);
        else if (what == 6)
            store_put_deleted(batch, slot, channel, &deleted);
        else if (what == 7)
            store_remove_deleted(batch, slot, channel, a);
        else if (what == 8)
            store_put_delete_record(batch, slot, &record);
        else if (what == 9)
            store_remove_delete_record(batch, slot, &record);
        else if (what == 10)
            store_put_dedup(batch, slot, b % 3, channel, TEXT("u"), bytes_of(&a, 1),
                            &(struct row_dedup){.seq = a});
        else if (what == 11 && a % 4 == 0)
            store_remove_dedup_generation(batch, slot, b % 3);
        else if (what == 12)
            store_put_entry(batch, slot, &entry);
        else if (what == 13)
            store_truncate_suffix(batch, slot, a, b);
        else if (what == 14)
            store_put_applied(batch, slot, &(struct row_applied){a, b, {a, b}});
        else if (what == 15 && a == 1)
            store_remove_slot_state(batch, slot);
    }
}

static void assert_same(struct pair *p, struct store_iter *const iters[ENGINES], bool seeks)
{
    for (uint32_t step = 0;; step++) {
        bool a = store_iter_next(iters[0]), b = store_iter_next(iters[1]);
        /* Once a row: each of Check's own assertions writes a line to a file. */
        if (a != b)
            ck_abort_msg("one engine has more rows than the other");
        if (!a)
            break;
        p->rows_seen++;
        if (store_iter_seq(iters[0]) != store_iter_seq(iters[1]) ||
            !channel_is_equal(store_iter_channel(iters[0]), store_iter_channel(iters[1])))
            ck_abort_msg("the engines show different rows: seqs %llu and %llu",
                         (unsigned long long)store_iter_seq(iters[0]),
                         (unsigned long long)store_iter_seq(iters[1]));
        if (seeks && rng_below(&p->rng, 5) == 0) {
            uint64_t seq = rng_below(&p->rng, SEQS * 2);
            store_iter_seek(iters[0], seq);
            store_iter_seek(iters[1], seq);
        }
        if (seeks && step > 50)
            break;
    }
    assert_ok(store_iter_done(iters[0]));
    assert_ok(store_iter_done(iters[1]));
}

static void look(struct pair *p)
{
    struct channel channel = channel_no(rng_below(&p->rng, CHANNELS));
    uint32_t slot = (uint32_t)rng_below(&p->rng, 3);
    uint64_t what = rng_below(&p->rng, 9), from = rng_below(&p->rng, SEQS);
    uint64_t to = from + rng_below(&p->rng, SEQS), at = rng_below(&p->rng, SNAPSHOTS + 1);
    bool descending = rng_below(&p->rng, 2) == 0;
    struct store_iter *iters[ENGINES];
    struct row_applied applied[ENGINES];
    uint64_t seqs[ENGINES] = {0};
    enum err errs[ENGINES];
    for (int i = 0; i < ENGINES; i++) {
        struct store *s = p->f[i].store;
        const struct store_snapshot *snapshot = at < SNAPSHOTS ? p->snapshots[at][i] : NULL;
        struct store_value value;
        struct row_message message;
        store_value_init(&value);
        if (what < 2)
            iters[i] = store_iter_messages(s, snapshot, slot, channel, from, to, descending);
        else if (what == 2)
            iters[i] = store_iter_deleted(s, snapshot, slot, channel, from, to, descending);
        else if (what == 3)
            iters[i] =
                store_iter_delete_log(s, snapshot, slot, descending ? &channel : NULL, from, to);
        else if (what == 4)
            iters[i] = store_iter_dedup(s, snapshot, slot);
        else if (what == 5)
            iters[i] = store_iter_entries(s, slot, from, to);
        else if (what == 6)
            iters[i] = store_iter_slot_messages(s, snapshot, slot);
        assert_ok(store_get_applied(s, snapshot, slot, &applied[i]));
        errs[i] =
            store_find_message_before(s, snapshot, slot, channel, from, &value, &seqs[i], &message);
        store_value_done(&value);
    }
    ck_assert_int_eq(errs[0], errs[1]);
    ck_assert_uint_eq(seqs[0], seqs[1]);
    ck_assert_mem_eq(&applied[0], &applied[1], sizeof(applied[0]));
    if (what < 7)
        assert_same(p, iters, what < 3);
}

static void renew_snapshot(struct pair *p, uint64_t at)
{
    for (int i = 0; i < ENGINES; i++) {
        store_snapshot_free(p->f[i].store, p->snapshots[at][i]);
        p->snapshots[at][i] = store_snapshot_new(p->f[i].store);
    }
}

static void restart(struct pair *p)
{
    for (int i = 0; i < ENGINES; i++) {
        for (int at = 0; at < SNAPSHOTS; at++) {
            store_snapshot_free(p->f[i].store, p->snapshots[at][i]);
            p->snapshots[at][i] = NULL;
        }
        fixture_reopen(&p->f[i]);
    }
}

START_TEST(both_engines_show_the_same)
{
    struct pair p = {.rng = rng_of(20240229)};
    for (int i = 0; i < ENGINES; i++)
        fixture_open(&p.f[i], i);
    for (uint32_t step = 0; step < STEPS; step++) {
        uint64_t what = rng_below(&p.rng, 1000);
        if (what < 600)
            change(&p);
        if (what < 400)
            for (int i = 0; i < ENGINES; i++)
                fixture_write(&p.f[i], what < 20);
        else if (what >= 600 && what < 990)
            look(&p);
        else if (what >= 990 && what < 997)
            renew_snapshot(&p, what % SNAPSHOTS);
        else if (what == 997)
            assert_ok(store_flush(p.f[ON_ROCKS].store, NULL));
        else if (what == 998 && step % 4 == 0)
            restart(&p);
    }
    ck_assert_uint_gt(p.rows_seen, STEPS);
    restart(&p);
    look(&p);
    for (int i = 0; i < ENGINES; i++)
        fixture_done(&p.f[i]);
}
END_TEST

Suite *suite_random(void)
{
    return UNIT_SUITE("random", 300, both_engines_show_the_same);
}
