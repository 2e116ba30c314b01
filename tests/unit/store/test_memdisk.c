/* SPDX-License-Identifier: Apache-2.0 */
/* The disk in memory: what crashes leave, faults on demand, damage, copies; and its table against a
 * plain model. */
#include <stdio.h>

#include "base/rng.h"
#include "fixture.h"
#include "store/memory.h"

static const char *messages(struct fixture *f)
{
    return seqs_of(store_iter_slot_messages(f->store, NULL, 1));
}

static void put_one(struct fixture *f, uint64_t seq, bool sync)
{
    char text[64];
    struct row_message row = message_of(seq, text);
    store_put_message(f->batch, 1, channel_of(2, "c"), seq, &row);
    fixture_write(f, sync);
}

static void crash(struct fixture *f, int64_t keep)
{
    fixture_close(f);
    memdisk_crash(f->disk, keep);
    assert_ok(fixture_try(f));
}

START_TEST(crash_loses_only_an_unsynced_suffix)
{
    for (int64_t keep = -1; keep <= 4; keep++) {
        struct fixture f;
        fixture_open(&f, ON_MEMORY);
        put_one(&f, 1, false);
        put_one(&f, 2, true);
        ck_assert_uint_eq(memdisk_unsynced_batches(f.disk), 0);
        put_one(&f, 3, false);
        store_remove_messages(f.batch, 1, channel_of(2, "c"), 1, 3);
        put_one(&f, 4, false); /* one batch: a removal and a put */
        put_one(&f, 3, false);
        ck_assert_uint_eq(memdisk_unsynced_batches(f.disk), 3);
        ck_assert_str_eq(messages(&f), "3,4");
        crash(&f, keep);
        const char *left[] = {"3,4", "1,2", "1,2,3", "4", "3,4", "3,4"};
        ck_assert_str_eq(messages(&f), left[keep + 1]);
        ck_assert_uint_eq(memdisk_unsynced_batches(f.disk), 0); /* the boot number was synced */
        /* And what was left can be written over and crash again. */
        put_one(&f, 9, false);
        crash(&f, 0);
        ck_assert_str_eq(messages(&f), left[keep + 1]);
        fixture_done(&f);
    }
}
END_TEST

START_TEST(empty_synced_batch_makes_all_durable)
{
    struct fixture f;
    fixture_open(&f, ON_MEMORY);
    put_one(&f, 1, false);
    put_one(&f, 2, false);
    fixture_write(&f, true);
    crash(&f, 0);
    ck_assert_str_eq(messages(&f), "1,2");
    fixture_done(&f);
}
END_TEST

START_TEST(torn_batch_keeps_its_first_rows)
{
    struct fixture f;
    fixture_open(&f, ON_MEMORY);
    put_one(&f, 1, false);
    put_messages(&f, 1, channel_of(2, "c"), 2, 5);
    put_one(&f, 6, false);
    fixture_close(&f);
    memdisk_crash_torn(f.disk, 1, 2);
    assert_ok(fixture_try(&f));
    ck_assert_str_eq(messages(&f), "1,2,3");
    fixture_done(&f);
}
END_TEST

START_TEST(failed_write_has_an_unknown_outcome)
{
    for (int present = 0; present <= 1; present++) {
        for (int sync = 0; sync <= 1; sync++) {
            struct fixture f;
            char text[64];
            struct row_message row = message_of(2, text);
            enum memdisk_outcome outcome = present ? MEMDISK_PRESENT : MEMDISK_ABSENT;
            fixture_open(&f, ON_MEMORY);
            if (sync)
                memdisk_fail_sync(f.disk, 1, outcome);
            else
                memdisk_fail_write(f.disk, 2, outcome);
            put_one(&f, 1, false);
            store_put_message(f.batch, 1, channel_of(2, "c"), 2, &row);
            store_put_applied(f.batch, 1, &(struct row_applied){5, 5, {0, 0}});
            assert_err(store_write(f.store, f.batch, true, &f.why), ERR_DISK_FAILED);
            ck_assert_uint_eq(store_batch_count(f.batch), 0);
            ck_assert_str_eq(messages(&f), "1"); /* absent as long as this store is open */
            store_put_message(f.batch, 1, channel_of(2, "c"), 3, &row);
            assert_err(store_write(f.store, f.batch, false, &f.why), ERR_DISK_FAILED);
            assert_err(store_poll(f.store, &f.why), ERR_DISK_FAILED);
            fixture_reopen(&f);
            ck_assert_str_eq(messages(&f), present ? "1,2" : "1");
            struct row_applied applied;
            assert_ok(store_get_applied(f.store, NULL, 1, &applied));
            ck_assert_uint_eq(applied.index, present ? 5 : 0);
            assert_ok(store_poll(f.store, &f.why));
            put_one(&f, 4, true);
            fixture_done(&f);
        }
    }
}
END_TEST

START_TEST(doubtful_batch_needs_those_before_it)
{
    for (int64_t keep = -1; keep <= 1; keep++) {
        struct fixture f;
        fixture_open(&f, ON_MEMORY);
        put_one(&f, 1, false);
        memdisk_fail_write(f.disk, 1, MEMDISK_PRESENT);
        char text[64];
        struct row_message row = message_of(2, text);
        store_put_message(f.batch, 1, channel_of(2, "c"), 2, &row);
        assert_err(store_write(f.store, f.batch, true, &f.why), ERR_DISK_FAILED);
        crash(&f, keep);
        ck_assert_str_eq(messages(&f), keep == 0 ? "" : "1,2");
        fixture_done(&f);
    }
}
END_TEST

START_TEST(failed_read_is_never_an_absence)
{
    for (uint64_t n = 1; n <= 6; n++) {
        struct fixture f;
        struct store_value value;
        struct row_message row;
        fixture_open(&f, ON_MEMORY);
        store_value_init(&value);
        put_messages(&f, 1, channel_of(2, "c"), 1, 4);
        memdisk_fail_read(f.disk, n);
        char expected[64] = "";
        const char *shown[] = {" disk_failed",      "1 disk_failed",       "1,2 disk_failed",
                               "1,2,3 disk_failed", "1,2,3,4 disk_failed", "1,2,3,4"};
        snprintf(expected, sizeof(expected), "%s", shown[n - 1]);
        ck_assert_str_eq(messages(&f), expected);
        assert_err(store_get_message(f.store, NULL, 1, channel_of(2, "c"), 9, &value, &row),
                   ERR_DISK_FAILED);
        uint64_t base, term, last;
        assert_err(store_log_bounds(f.store, 1, &base, &term, &last), ERR_DISK_FAILED);
        assert_err(store_poll(f.store, &f.why), ERR_DISK_FAILED);
        fixture_reopen(&f);
        ck_assert_str_eq(messages(&f), "1,2,3,4");
        store_value_done(&value);
        fixture_done(&f);
    }
}
END_TEST

START_TEST(full_disk_says_so)
{
    struct fixture f;
    struct store_stats stats;
    fixture_open(&f, ON_MEMORY);
    memdisk_set_space(f.disk, 1000, 5000);
    store_stats(f.store, &stats);
    ck_assert_uint_eq(stats.disk_free_bytes, 1000);
    ck_assert_uint_eq(stats.disk_total_bytes, 5000);
    put_one(&f, 1, true);
    memdisk_set_space(f.disk, 0, 5000);
    assert_err(store_write(f.store, f.batch, true, &f.why), ERR_DISK_FAILED);
    fixture_close(&f);
    assert_err(fixture_try(&f), ERR_DISK_FAILED); /* the boot number finds no room */
    memdisk_set_space(f.disk, 1000, 5000);
    assert_ok(fixture_try(&f));
    ck_assert_str_eq(messages(&f), "1");
    fixture_done(&f);
}
END_TEST

START_TEST(damage_is_found_wherever_it_is)
{
    for (uint64_t bit = 0; bit < 800; bit += 7) {
        struct fixture f;
        fixture_open(&f, ON_MEMORY);
        put_messages(&f, 1, channel_of(2, "c"), 1, 3);
        ck_assert_uint_eq(memdisk_rows(f.disk, STORE_MESSAGES), 3);
        ck_assert(memdisk_flip(f.disk, STORE_MESSAGES, 1, bit));
        ck_assert(!memdisk_flip(f.disk, STORE_DEDUP, 1, bit));
        ck_assert_str_eq(messages(&f), "1 corrupt");
        fixture_done(&f);
    }
    struct fixture f;
    fixture_open(&f, ON_MEMORY);
    put_messages(&f, 1, channel_of(2, "c"), 1, 3);
    ck_assert(memdisk_misplace(f.disk, STORE_MESSAGES, 0, 2));
    ck_assert(!memdisk_misplace(f.disk, STORE_MESSAGES, 1, 4));
    ck_assert_str_eq(messages(&f), "1,2 corrupt");
    fixture_done(&f);
}
END_TEST

START_TEST(refused_log_is_too_short)
{
    struct fixture f;
    fixture_open(&f, ON_MEMORY);
    fixture_close(&f);
    memdisk_refuse_log(f.disk, true);
    assert_err(fixture_try(&f), ERR_LOG_TOO_SHORT);
    memdisk_refuse_log(f.disk, false);
    assert_ok(fixture_try(&f));
    fixture_done(&f);
}
END_TEST

START_TEST(clone_is_an_older_state)
{
    struct fixture f;
    fixture_open(&f, ON_MEMORY);
    put_one(&f, 1, true);
    put_one(&f, 2, false);
    promise_set(store_promise(f.store), 1, &(struct promise_row){1, 1, 0, 0});
    assert_ok(promise_write(store_promise(f.store), &f.why));
    struct memdisk *older = memdisk_clone(f.disk); /* while it is open */
    put_one(&f, 3, true);
    ck_assert_str_eq(messages(&f), "1,2,3");
    fixture_close(&f);
    struct memdisk *newer = f.disk;
    f.disk = f.options.memdisk = older;
    memdisk_crash(older, 0);
    f.options.accept_short_log = true;
    assert_ok(fixture_try(&f));
    ck_assert_str_eq(messages(&f), "1,2");
    ck_assert_uint_eq(store_identity(f.store)->boot, 2);
    struct promise_row row;
    promise_get(store_promise(f.store), 1, &row);
    ck_assert_uint_eq(row.term, 1);
    memdisk_free(newer);
    memdisk_free(NULL);
    fixture_close(&f);
    memdisk_wipe(f.disk);
    assert_ok(fixture_try(&f));
    ck_assert(store_identity(f.store)->created);
    fixture_done(&f);
}
END_TEST

/* Old versions are there as long as a crash or a reader may need them, and no longer. */
START_TEST(versions_are_collected)
{
    struct fixture f;
    fixture_open(&f, ON_MEMORY);
    put_one(&f, 1, true);
    struct store_stats stats;
    store_stats(f.store, &stats);
    uint64_t floor = stats.memtable_bytes, keys = stats.estimated_keys;
    struct store_snapshot *snapshot = store_snapshot_new(f.store);
    for (int i = 0; i < 1000; i++)
        put_one(&f, 1, i % 10 == 0);
    put_messages(&f, 1, channel_of(2, "c"), 2, 500);
    store_remove_messages(f.batch, 1, channel_of(2, "c"), 2, 500);
    fixture_write(&f, true);
    store_stats(f.store, &stats);
    ck_assert_uint_gt(stats.memtable_bytes, 100 * floor / 10);
    ck_assert_str_eq(messages(&f), "1");
    store_snapshot_free(f.store, snapshot);
    store_stats(f.store, &stats);
    ck_assert_uint_eq(stats.memtable_bytes, floor);
    ck_assert_uint_eq(stats.estimated_keys, keys);
    ck_assert_uint_eq(f.disk->changes_count, 0);
    fixture_done(&f);
}
END_TEST

START_TEST(same_steps_give_the_same_disk)
{
    uint64_t bytes[2];
    for (int run = 0; run < 2; run++) {
        struct memtable table;
        struct rng rng = rng_of(5);
        memtable_init(&table, 1);
        for (uint64_t seq = 1; seq <= 2000; seq++) {
            uint64_t key = rng_below(&rng, 500);
            memtable_put(&table, bytes_of(&key, sizeof(key)), seq, TEXT("v"), seq % 3 == 0);
        }
        bytes[run] = table.height;
        for (struct memtable_node *node = table.head[0]; node != NULL; node = node->next[0])
            bytes[run] = bytes[run] * 31 + node->height;
        memtable_done(&table);
    }
    ck_assert_uint_eq(bytes[0], bytes[1]);
}
END_TEST

Suite *suite_memdisk(void)
{
    return UNIT_SUITE(
        "memdisk", 60, crash_loses_only_an_unsynced_suffix, empty_synced_batch_makes_all_durable,
        torn_batch_keeps_its_first_rows, failed_write_has_an_unknown_outcome,
        doubtful_batch_needs_those_before_it, failed_read_is_never_an_absence, full_disk_says_so,
        damage_is_found_wherever_it_is, refused_log_is_too_short, clone_is_an_older_state,
        versions_are_collected, same_steps_give_the_same_disk);
}
