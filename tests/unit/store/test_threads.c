/* SPDX-License-Identifier: Apache-2.0 */
/* Several threads on one store, as the daemon has them: one writes the log with sync, one applies
 * without, two read snapshots, one keeps the promise file. For ThreadSanitizer as much as for what
 * is asserted: every snapshot shows whole batches only. */
#include "fixture.h"
#include "sys/thread.h"

enum { ROUNDS = 300 };

struct crew {
    struct fixture f;
    atomic_bool is_over;
    atomic_uint seen;
};

static void write_log(void *arg)
{
    struct crew *crew = arg;
    struct store_batch *batch = store_batch_new(crew->f.store);
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        struct row_entry row = entry_of(i, 1, "e");
        store_put_entry(batch, 1, &row);
        store_put_applied(batch, 17, &(struct row_applied){i, 1, {0, 0}});
        assert_ok(store_write(crew->f.store, batch, true, NULL));
        promise_set(store_promise(crew->f.store), 1, &(struct promise_row){0, 0, i, 1});
        assert_ok(promise_write(store_promise(crew->f.store), NULL));
    }
    store_batch_free(batch);
}

static void apply(void *arg)
{
    struct crew *crew = arg;
    struct store_batch *batch = store_batch_new(crew->f.store);
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        char text[64];
        struct row_message row = message_of(i, text);
        store_put_message(batch, 1, channel_of(2, "c"), i, &row);
        if (i > 10)
            store_remove_messages(batch, 1, channel_of(2, "c"), i - 10, i - 10);
        store_put_applied(batch, 18, &(struct row_applied){i, 1, {0, 0}}); /* the same page */
        assert_ok(store_write(crew->f.store, batch, false, NULL));
    }
    store_batch_free(batch);
}

static void read_snapshots(void *arg)
{
    struct crew *crew = arg;
    while (!atomic_load(&crew->is_over)) {
        struct store_snapshot *snapshot = store_snapshot_new(crew->f.store);
        struct row_applied applied;
        assert_ok(store_get_applied(crew->f.store, snapshot, 18, &applied));
        struct store_iter *iter = store_iter_messages(crew->f.store, snapshot, 1,
                                                      channel_of(2, "c"), 0, UINT64_MAX, false);
        uint64_t expected = applied.index > 10 ? applied.index - 9 : 1;
        while (store_iter_next(iter))
            ck_assert_uint_eq(store_iter_seq(iter), expected++);
        ck_assert_uint_eq(expected, applied.index + 1);
        assert_ok(store_iter_done(iter));
        store_snapshot_free(crew->f.store, snapshot);
        atomic_fetch_add(&crew->seen, 1);
    }
}

static void sync_promises(void *arg)
{
    struct crew *crew = arg;
    struct store_stats stats;
    while (!atomic_load(&crew->is_over)) {
        assert_ok(promise_sync(store_promise(crew->f.store), NULL));
        store_stats(crew->f.store, &stats);
        assert_ok(store_poll(crew->f.store, NULL));
    }
}

START_TEST(threads_share_a_store)
{
    struct crew crew = {0};
    struct thread writers[2] = {0}, others[3] = {0};
    fixture_open(&crew.f, _i);
    assert_ok(thread_start(&others[0], "read", read_snapshots, &crew));
    assert_ok(thread_start(&others[1], "read", read_snapshots, &crew));
    assert_ok(thread_start(&others[2], "sync", sync_promises, &crew));
    assert_ok(thread_start(&writers[0], "log", write_log, &crew));
    assert_ok(thread_start(&writers[1], "apply", apply, &crew));
    for (int i = 0; i < 2; i++)
        thread_join(&writers[i]);
    atomic_store(&crew.is_over, true);
    for (int i = 0; i < 3; i++)
        thread_join(&others[i]);
    ck_assert_uint_gt(atomic_load(&crew.seen), 0);
    struct row_applied applied;
    for (uint32_t slot = 17; slot <= 18; slot++) {
        assert_ok(store_get_applied(crew.f.store, NULL, slot, &applied));
        ck_assert_uint_eq(applied.index, ROUNDS); /* neither writer undid the other's half */
    }
    struct promise_row row;
    fixture_close(&crew.f);
    crew.f.options.accept_short_log = false;
    assert_ok(fixture_try(&crew.f));
    promise_get(store_promise(crew.f.store), 1, &row);
    ck_assert_uint_eq(row.last_index, ROUNDS);
    fixture_done(&crew.f);
}
END_TEST

Suite *suite_threads(void)
{
    return BOTH_SUITE("threads", threads_share_a_store);
}
