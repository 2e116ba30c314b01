/* SPDX-License-Identifier: Apache-2.0 */
/* Catch-ups over random histories: after a delta or a full install every stored row of the slot is
 * the leader's, whatever was missed and however often it broke in between, and both go on equal. */
#include "transfer.h"

#include <stdio.h>
#include <stdlib.h>

#include "unit.h"

Suite *suite_delta(void);

struct met {
    uint32_t deltas, refused, crashes, repeated, restarted, behind;
};

static uint64_t floor_of(struct rig *rig, uint32_t slot)
{
    struct msg_slot_state state;
    rig_flush(rig);
    ck_assert_ok(msg_get_slot_state(rig->msg, slot, &state, why));
    return state.floor;
}

/* The chunk just written comes once more, and one out of turn. */
static void disturb(struct transfer *transfer, const struct chunk *written)
{
    struct why why = {0};
    ck_assert_int_eq(msg_sink_rows(transfer->sink, &written->rows, &why), OK);
    struct chunk_rows late = written->rows;
    late.number += 2;
    ck_assert_int_eq(msg_sink_rows(transfer->sink, &late, &why), ERR_IGNORED);
}

static void run_disturbed(struct transfer *transfer, struct rng *rng, bool crashes, struct met *met)
{
    while (!transfer->done) {
        struct chunk chunk;
        transfer_make(transfer, &chunk);
        ck_assert_ok(msg_sink_rows(transfer->sink, &chunk.rows, why));
        if (rng_below(rng, 4) == 0) {
            disturb(transfer, &chunk);
            met->repeated++;
        }
        if (crashes && rng_below(rng, 6) == 0) {
            if (rng_below(rng, 2) == 0) {
                rig_sync(transfer->to);
            }
            uint32_t unsynced = memdisk_unsynced_batches(transfer->to->disk);
            transfer_crash(transfer, (int64_t)rng_below(rng, unsynced + 1));
            met->crashes++;
        }
    }
}

static void random_delta(struct pair *pair, uint32_t slot, struct rng *rng, struct met *met)
{
    uint64_t floor = floor_of(&pair->leader, slot), applied = pair->follower.index[slot];
    uint32_t max_rows = (uint32_t)rng_between(rng, 1, 12);
    if (floor > applied) {
        struct msg_source *source;
        struct why why = {0};
        ck_assert_int_eq(msg_source_open(pair->leader.msg, slot, &source, &why), OK);
        ck_assert_int_eq(msg_source_start(source, MSG_INSTALL_DELTA, applied, &why), ERR_CONFLICT);
        msg_source_close(source);
        pair_transfer(pair, slot, MSG_INSTALL_FULL, 0, max_rows);
        met->refused++;
        return;
    }
    uint64_t base = rng_below(rng, 3) == 0 ? rng_between(rng, floor, applied) : applied;
    met->behind += base < applied;
    struct transfer transfer;
    transfer_begin(&transfer, pair, slot, MSG_INSTALL_DELTA, base, max_rows);
    while (rng_below(rng, 3) != 0 && !transfer.done) {
        /* The session dies on the way; the next one has another snapshot and begins at A again. */
        uint64_t steps = rng_below(rng, 40);
        while (steps-- > 0 && !transfer.done) {
            transfer_step(&transfer);
        }
        transfer_drop(&transfer);
        pair_run(pair, (uint32_t)rng_below(rng, 60), false);
        if (floor_of(&pair->leader, slot) > base) {
            pair_transfer(pair, slot, MSG_INSTALL_FULL, 0, max_rows);
            met->refused++;
            return;
        }
        transfer_begin(&transfer, pair, slot, MSG_INSTALL_DELTA, base, max_rows);
        met->restarted++;
    }
    run_disturbed(&transfer, rng, !pair->rocks, met);
    transfer_finish(&transfer);
    pair_compare(pair, slot);
    met->deltas++;
}

static void run_seed(uint64_t seed, bool rocks, struct met *met)
{
    struct pair pair;
    struct rng rng = rng_of(seed * 31 + 5);
    pair_open(&pair, seed, rocks);
    pair_run(&pair, (uint32_t)rng_between(&rng, 0, 400), true);
    for (int round = 0; round < 2; round++) {
        rig_sync(&pair.follower);
        pair_run(&pair, (uint32_t)rng_between(&rng, 1, 150), false);
        for (uint32_t slot = 0; slot < RIG_SLOTS; slot++) {
            random_delta(&pair, slot, &rng, met);
        }
        /* A restarted delta ran the leader on, beyond what the other slot had caught up to. */
        for (uint32_t slot = 0; slot < RIG_SLOTS; slot++) {
            pair_transfer(&pair, slot, MSG_INSTALL_FULL, 0, 0);
        }
        /* Caches know of what was installed: the same commands still give the same. */
        pair_run(&pair, 60, true);
        pair_compare(&pair, 0);
        pair_compare(&pair, 1);
    }
    pair_close(&pair);
}

static uint64_t seeds_wanted(uint64_t usual)
{
    const char *text = getenv("DELTA_SEEDS");
    return text != NULL ? strtoull(text, NULL, 10) : usual;
}

START_TEST(delta_makes_equal_in_memory)
{
    struct met met = {0};
    uint64_t seeds = seeds_wanted(60);
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        run_seed(seed, false, &met);
    }
    printf("delta: %u deltas, %u went full, %u crashes, %u restarted, %u from behind\n", met.deltas,
           met.refused, met.crashes, met.restarted, met.behind);
    ck_assert_uint_gt(met.deltas, seeds);
    ck_assert_uint_gt(met.refused, seeds / 8);
    ck_assert_uint_gt(met.crashes, seeds * 4);
    ck_assert_uint_gt(met.restarted, seeds);
    ck_assert_uint_gt(met.repeated, seeds * 4);
    ck_assert_uint_gt(met.behind, seeds / 4);
}
END_TEST

START_TEST(delta_makes_equal_on_rocksdb)
{
    struct met met = {0};
    for (uint64_t seed = 101; seed <= 104; seed++) {
        run_seed(seed, true, &met);
    }
    ck_assert_uint_gt(met.deltas, 4);
}
END_TEST

Suite *suite_delta(void)
{
    return UNIT_SUITE("delta", 600, delta_makes_equal_in_memory, delta_makes_equal_on_rocksdb);
}
