/* SPDX-License-Identifier: Apache-2.0 */
/* Random histories against the naive model, in memory and on RocksDB; the same commands in
 * different batch splits; crashes at random points. A failing run prints its seed. */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "unit.h"

Suite *suite_history(void);

/* What a history met, so that a generator gone tame is noticed. */
struct coverage {
    uint32_t stored, duplicates, deleted_duplicates, reused, mismatches, failed_batches;
    uint32_t deletes, repeated, refused, empty, generations_dropped, records_collected;
};

struct run {
    struct coverage coverage;
    struct rig rig;
    struct model model;
    struct history history;
};

static void run_open(struct run *run, uint64_t seed, bool rocks)
{
    *run = (struct run){0};
    run->rig.cache_channels = 3; /* heads are dropped and rebuilt all the time */
    if (rocks) {
        rig_open_rocks(&run->rig);
    } else {
        rig_open_memory(&run->rig);
    }
    model_init(&run->model);
    run->history = (struct history){.rng = rng_of(seed), .time_ms = 100000};
    arena_init(&run->history.arena);
}

static void run_close(struct run *run)
{
    rig_close(&run->rig);
    model_done(&run->model);
    arena_done(&run->history.arena);
}

static void count(struct coverage *coverage, const struct msg_result *result)
{
    for (uint32_t i = 0; i < result->appends_count; i++) {
        const struct msg_append_result *append = &result->appends[i];
        coverage->stored += append->err == OK && !append->duplicate;
        coverage->duplicates += append->duplicate;
        coverage->deleted_duplicates += append->deleted;
        coverage->reused += append->err == ERR_CLIENT_MSG_NO_REUSED;
        coverage->mismatches += append->err == ERR_SEQ_MISMATCH;
        coverage->failed_batches += append->err == ERR_BATCH_FAILED;
    }
    if (result->kind == COMMAND_DELETE) {
        const struct msg_delete_result *deleted = &result->deleted;
        coverage->deletes += deleted->logged;
        coverage->repeated += deleted->already_deleted > 0;
        coverage->refused += deleted->err == ERR_END_BEYOND_LAST;
        coverage->empty += deleted->err == OK && !deleted->logged;
    }
    coverage->generations_dropped +=
        result->kind == COMMAND_DEDUP_GENERATION && result->removed > 0;
    coverage->records_collected += result->kind == COMMAND_RAISE_FLOOR && result->removed > 0;
}

static void assert_covered(const struct coverage *coverage)
{
    ck_assert_uint_gt(coverage->stored, 500);
    ck_assert_uint_gt(coverage->duplicates, 200);
    ck_assert_uint_gt(coverage->deleted_duplicates, 100);
    ck_assert_uint_gt(coverage->reused, 20);
    ck_assert_uint_gt(coverage->mismatches, 20);
    ck_assert_uint_gt(coverage->failed_batches, 20);
    ck_assert_uint_gt(coverage->deletes, 500);
    ck_assert_uint_gt(coverage->repeated, 100);
    ck_assert_uint_gt(coverage->refused, 50);
    ck_assert_uint_gt(coverage->empty, 3);
    ck_assert_uint_gt(coverage->generations_dropped, 5);
    ck_assert_uint_gt(coverage->records_collected, 5);
}

static void step(struct run *run)
{
    uint32_t slot;
    struct command command = history_next(&run->history, &run->model, &slot);
    run->rig.time_ms = command.time_ms;
    struct msg_result *result = rig_apply(&run->rig, slot, &command);
    model_apply(&run->model, slot, run->rig.index[slot], &command, result);
    count(&run->coverage, result);
    msg_result_free(result);
    struct rng *rng = &run->history.rng;
    if (rng_below(rng, 10) == 0) {
        rig_flush(&run->rig);
    }
    if (rng_below(rng, 300) == 0) {
        rig_flush(&run->rig);
        rig_reopen(&run->rig);
    }
}

static void run_history(uint64_t seed, uint32_t operations, uint32_t compare_every, bool rocks)
{
    struct run run;
    run_open(&run, seed, rocks);
    if (operations > 100) {
        printf("history seed %lu, %u operations\n", seed, operations);
        fflush(stdout);
    }
    for (uint32_t i = 1; i <= operations; i++) {
        step(&run);
        if (i % compare_every == 0) {
            uint32_t channel = (uint32_t)rng_below(&run.history.rng, MODEL_CHANNELS);
            model_compare_channel(&run.model, &run.rig, channel, &run.history.rng);
        }
        if (i % (compare_every * 10) == 0) {
            model_compare_slot(&run.model, &run.rig, (i / compare_every) % RIG_SLOTS);
        }
    }
    for (uint32_t slot = 0; slot < RIG_SLOTS; slot++) {
        model_compare_slot(&run.model, &run.rig, slot);
    }
    for (uint32_t channel = 0; channel < MODEL_CHANNELS; channel++) {
        model_compare_channel(&run.model, &run.rig, channel, &run.history.rng);
    }
    if (operations >= 3000) {
        assert_covered(&run.coverage);
    }
    run_close(&run);
}

static uint32_t scaled(uint32_t operations)
{
    const char *text = getenv("HISTORY_OPERATIONS");
    return text != NULL ? (uint32_t)strtoul(text, NULL, 10) : operations;
}

START_TEST(histories_in_memory_fit_the_model)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        run_history(seed, scaled(7000), 25, false);
    }
}
END_TEST

/* Short ones find what only happens in young channels. */
START_TEST(many_short_histories_fit_the_model)
{
    for (uint64_t seed = 100; seed < 160; seed++) {
        run_history(seed, 60, 3, false);
    }
}
END_TEST

START_TEST(histories_on_rocksdb_fit_the_model)
{
    run_history(1, scaled(3000), 20, true);
    run_history(2, scaled(3000), 20, true);
}
END_TEST

/* ---- the same commands again --------------------------------------------------------------------- */
struct recorded {
    uint32_t slot;
    uint64_t index;
    struct blob *blob;
};

static struct recorded *record(uint64_t seed, uint32_t operations)
{
    struct run run;
    run_open(&run, seed, false);
    struct recorded *log = alloc_array(operations, sizeof(*log));
    for (uint32_t i = 0; i < operations; i++) {
        struct command command = history_next(&run.history, &run.model, &log[i].slot);
        run.rig.time_ms = command.time_ms;
        log[i].blob = command_encode(&command);
        struct msg_result *result = rig_apply(&run.rig, log[i].slot, &command);
        log[i].index = run.rig.index[log[i].slot];
        model_apply(&run.model, log[i].slot, log[i].index, &command, result);
        msg_result_free(result);
    }
    run_close(&run);
    return log;
}

static void record_free(struct recorded *log, uint32_t operations)
{
    for (uint32_t i = 0; i < operations; i++) {
        blob_unref(log[i].blob);
    }
    free(log);
}

static void replay_one(struct rig *rig, const struct recorded *entry)
{
    ck_assert_ok(
        msg_apply(rig->msg, entry->slot, entry->index, 1, blob_bytes(entry->blob), NULL, why));
    rig->index[entry->slot] = entry->index;
}

START_TEST(batch_splits_do_not_matter)
{
    enum { OPERATIONS = 3000, SPLITS = 4 };
    struct recorded *log = record(7, OPERATIONS);
    struct buf dumps[SPLITS][RIG_SLOTS] = {0};
    for (int split = 0; split < SPLITS; split++) {
        struct rig rig = {.cache_channels = split == 1 ? 1 : 1000,
                          .batch_max_bytes = split == 2 ? 2000 : 0};
        if (split == 3) {
            rig_open_rocks(&rig);
        } else {
            rig_open_memory(&rig);
        }
        for (uint32_t i = 0; i < OPERATIONS; i++) {
            replay_one(&rig, &log[i]);
            if (split == 0) {
                rig_flush(&rig); /* the others: only where they must */
            }
        }
        for (uint32_t slot = 0; slot < RIG_SLOTS; slot++) {
            rig_check(&rig, slot);
            rig_dump(&rig, slot, &dumps[split][slot]);
        }
        rig_close(&rig);
    }
    for (int split = 1; split < SPLITS; split++) {
        for (uint32_t slot = 0; slot < RIG_SLOTS; slot++) {
            ck_assert_uint_gt(dumps[0][slot].len, 1000);
            ck_assert_str_eq(buf_string(&dumps[0][slot]), buf_string(&dumps[split][slot]));
        }
    }
    for (int split = 0; split < SPLITS; split++) {
        buf_done(&dumps[split][0]);
        buf_done(&dumps[split][1]);
    }
    record_free(log, OPERATIONS);
}
END_TEST

static void sync_disk(struct rig *rig)
{
    struct store_batch *batch = store_batch_new(rig->store);
    store_put_hard_state(batch, 0, &(struct row_hard_state){.term = 1});
    ck_assert_ok(store_write(rig->store, batch, true, why));
    store_batch_free(batch);
}

/* Applies the log with crashes in between: each loses a random suffix of unsynced batches, and what
 * lies above the applied index found is applied again.
 * Fails with LETHE_MUTANT_split_batch. */
static void run_crashes(uint64_t seed, const struct recorded *log, uint32_t operations,
                        struct buf *ret_dumps)
{
    struct rng rng = rng_of(seed);
    struct rig rig = {.cache_channels = 3};
    rig_open_memory(&rig);
    uint32_t crashes = 0, at = 0;
    while (at < operations) {
        if (log[at].index > rig.index[log[at].slot]) {
            replay_one(&rig, &log[at]);
        }
        at++;
        if (rng_below(&rng, 4) == 0) {
            rig_flush(&rig);
        }
        if (rng_below(&rng, 40) == 0) {
            sync_disk(&rig);
        }
        if (rng_below(&rng, 60) == 0 && crashes < 200) {
            crashes++;
            rig_crash(&rig, (int64_t)rng_below(&rng, memdisk_unsynced_batches(rig.disk) + 1));
            for (uint32_t slot = 0; slot < RIG_SLOTS; slot++) {
                rig_check(&rig, slot);
            }
            at = 0; /* entries at or below the applied indexes are passed over */
        }
    }
    ck_assert_uint_gt(crashes, 10);
    for (uint32_t slot = 0; slot < RIG_SLOTS; slot++) {
        rig_check(&rig, slot);
        rig_dump(&rig, slot, &ret_dumps[slot]);
    }
    rig_close(&rig);
}

START_TEST(crashes_lose_a_suffix_and_replay_gives_the_same)
{
    enum { OPERATIONS = 1500 };
    struct recorded *log = record(9, OPERATIONS);
    struct buf clean[RIG_SLOTS] = {0};
    struct rig rig = {0};
    rig_open_memory(&rig);
    for (uint32_t i = 0; i < OPERATIONS; i++) {
        replay_one(&rig, &log[i]);
    }
    for (uint32_t slot = 0; slot < RIG_SLOTS; slot++) {
        rig_dump(&rig, slot, &clean[slot]);
    }
    rig_close(&rig);
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct buf dumps[RIG_SLOTS] = {0};
        run_crashes(seed, log, OPERATIONS, dumps);
        for (uint32_t slot = 0; slot < RIG_SLOTS; slot++) {
            ck_assert_str_eq(buf_string(&clean[slot]), buf_string(&dumps[slot]));
            buf_done(&dumps[slot]);
        }
    }
    buf_done(&clean[0]);
    buf_done(&clean[1]);
    record_free(log, OPERATIONS);
}
END_TEST

Suite *suite_history(void)
{
    return UNIT_SUITE("history", 600, many_short_histories_fit_the_model,
                      histories_in_memory_fit_the_model, batch_splits_do_not_matter,
                      crashes_lose_a_suffix_and_replay_gives_the_same,
                      histories_on_rocksdb_fit_the_model);
}
