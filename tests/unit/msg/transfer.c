/* SPDX-License-Identifier: Apache-2.0 */
#include "transfer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "wire/frame.h"

static const char marker[] = "session 7";

void pair_open(struct pair *pair, uint64_t seed, bool rocks)
{
    *pair = (struct pair){.rocks = rocks};
    pair->leader.cache_channels = pair->follower.cache_channels = 3;
    if (rocks) {
        rig_open_rocks(&pair->leader);
        rig_open_rocks(&pair->follower);
    } else {
        rig_open_memory(&pair->leader);
        rig_open_memory(&pair->follower);
    }
    model_init(&pair->model);
    pair->history = (struct history){.rng = rng_of(seed), .time_ms = 100000};
    arena_init(&pair->history.arena);
}

void pair_close(struct pair *pair)
{
    rig_close(&pair->leader);
    rig_close(&pair->follower);
    model_done(&pair->model);
    arena_done(&pair->history.arena);
}

static struct msg_result *apply_both(struct pair *pair, uint32_t slot,
                                     const struct command *command, bool both)
{
    pair->leader.time_ms = pair->follower.time_ms = command->time_ms;
    struct msg_result *result = rig_apply(&pair->leader, slot, command);
    if (both) {
        ck_assert_uint_eq(pair->follower.index[slot] + 1, pair->leader.index[slot]);
        msg_result_free(rig_apply(&pair->follower, slot, command));
    }
    return result;
}

void pair_run(struct pair *pair, uint32_t operations, bool both)
{
    for (uint32_t i = 0; i < operations; i++) {
        uint32_t slot;
        struct command command = history_next(&pair->history, &pair->model, &slot);
        struct msg_result *result = apply_both(pair, slot, &command, both);
        model_apply(&pair->model, slot, pair->leader.index[slot], &command, result);
        msg_result_free(result);
        if (rng_below(&pair->history.rng, 10) == 0) {
            rig_flush(&pair->leader);
        }
    }
    rig_flush(&pair->leader);
    rig_flush(&pair->follower);
}

void pair_apply(struct pair *pair, uint32_t slot, const struct command *command, bool both)
{
    struct command timed = *command;
    timed.time_ms = pair->history.time_ms += 10;
    msg_result_free(apply_both(pair, slot, &timed, both));
}

void pair_append(struct pair *pair, const char *channel, struct command_message message, bool both)
{
    struct command_part part = {
        .channel = channel_of(channel), .messages = &message, .messages_count = 1};
    struct command command = {.kind = COMMAND_APPEND, .append = {&part, 1}};
    pair_apply(pair, rig_slot(part.channel), &command, both);
}

void pair_fill(struct pair *pair, const char *channel, uint32_t n, bool both)
{
    enum { BATCH = 1000 };
    struct command_message *messages = alloc_array(BATCH, sizeof(*messages));
    while (n > 0) {
        uint32_t count = n < BATCH ? n : BATCH;
        for (uint32_t i = 0; i < count; i++) {
            messages[i] = message_of("payload", NULL);
        }
        struct command_part part = {
            .channel = channel_of(channel), .messages = messages, .messages_count = count};
        struct command command = {.kind = COMMAND_APPEND, .append = {&part, 1}};
        pair_apply(pair, rig_slot(part.channel), &command, both);
        n -= count;
    }
    free(messages);
}

void pair_delete(struct pair *pair, const char *channel, const struct range *ranges, uint32_t count,
                 bool both)
{
    struct command command = {.kind = COMMAND_DELETE,
                              .delete_ = {.channel = channel_of(channel),
                                          .ranges = ranges,
                                          .ranges_count = count,
                                          .operator_name = bytes_of_string("op")}};
    pair_apply(pair, rig_slot(command.delete_.channel), &command, both);
}

void pair_delete_one(struct pair *pair, const char *channel, uint64_t start, uint64_t end,
                     bool both)
{
    struct range range = {start, end};
    pair_delete(pair, channel, &range, 1, both);
}

/* ---- what is stored ------------------------------------------------------------------------------ */
static void dump_bytes(struct buf *ret, struct bytes bytes)
{
    for (size_t i = 0; i < bytes.len && i < 40; i++) {
        buf_printf(ret, "%02x", bytes.data[i]);
    }
    struct hash128 hash = hash128_of(bytes, 1);
    buf_printf(ret, "/%zu/%016" PRIx64 " ", bytes.len, hash.low);
}

static void dump_index(struct rig *rig, uint32_t slot, struct buf *ret)
{
    struct store_iter *channels =
        store_iter_channels(rig->store, NULL, slot, -1, BYTES_NONE, (struct channel){0});
    while (store_iter_next(channels)) {
        struct channel channel = store_iter_channel(channels);
        struct store_iter *records =
            store_iter_delete_log(rig->store, NULL, slot, &channel, 0, UINT64_MAX);
        while (store_iter_next(records)) {
            buf_printf(ret, "index %.*s %" PRIu64 "\n", (int)channel.id.len,
                       (const char *)channel.id.data, store_iter_seq(records));
        }
        ck_assert_int_eq(store_iter_done(records), OK);
    }
    ck_assert_int_eq(store_iter_done(channels), OK);
}

void state_dump(struct rig *rig, uint32_t slot, struct buf *ret)
{
    static const enum store_family families[] = {STORE_MESSAGES, STORE_CHANNELS, STORE_DELETED,
                                                 STORE_DELETE_LOG, STORE_DEDUP};
    static const enum store_slot_key keys[] = {STORE_SLOT_FLOOR, STORE_SLOT_GENERATIONS,
                                               STORE_SLOT_STATE, STORE_SLOT_MEMBERS};
    rig_flush(rig);
    rig_dump(rig, slot, ret);
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        struct store_raw_range range = {.family = families[i], .slot = slot};
        struct store_raw *raw = store_raw_open(rig->store, NULL, &range);
        while (store_raw_next(raw)) {
            buf_printf(ret, "family %d ", (int)families[i]);
            dump_bytes(ret, store_raw_key(raw));
            dump_bytes(ret, store_raw_value(raw));
            buf_append_string(ret, "\n");
        }
        ck_assert_int_eq(store_raw_done(raw), OK);
    }
    struct store_value value;
    store_value_init(&value);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct bytes bytes;
        enum err err = store_get_slot_value(rig->store, NULL, slot, keys[i], &value, &bytes);
        ck_assert(err == OK || err == ERR_NOT_FOUND);
        buf_printf(ret, "value %d ", (int)keys[i]);
        dump_bytes(ret, err == OK ? bytes : BYTES_NONE);
        buf_append_string(ret, "\n");
    }
    store_value_done(&value);
    dump_index(rig, slot, ret);
}

void pair_compare(struct pair *pair, uint32_t slot)
{
    struct buf want = BUF_INIT, got = BUF_INIT;
    state_dump(&pair->leader, slot, &want);
    state_dump(&pair->follower, slot, &got);
    ck_assert_str_eq(buf_string(&want), buf_string(&got));
    buf_done(&want);
    buf_done(&got);
    struct hash128 digest = rig_check(&pair->leader, slot);
    ck_assert(hash128_is_equal(digest, rig_check(&pair->follower, slot)));
}

void rig_sync(struct rig *rig)
{
    struct store_batch *batch = store_batch_new(rig->store);
    rig_flush(rig);
    ck_assert_ok(store_write(rig->store, batch, true, why));
    store_batch_free(batch);
}

bool rig_has_value(struct rig *rig, uint32_t slot, enum store_slot_key key)
{
    struct store_value value;
    struct bytes bytes;
    store_value_init(&value);
    enum err err = store_get_slot_value(rig->store, NULL, slot, key, &value, &bytes);
    ck_assert(err == OK || err == ERR_NOT_FOUND);
    store_value_done(&value);
    return err == OK;
}

/* ---- transfers -------------------------------------------------------------------------------------- */
void transfer_begin(struct transfer *transfer, struct pair *pair, uint32_t slot,
                    enum msg_install_kind kind, uint64_t base, uint32_t max_rows)
{
    *transfer = (struct transfer){
        .from = &pair->leader, .to = &pair->follower, .slot = slot, .max_rows = max_rows};
    rig_flush(transfer->from);
    ck_assert_ok(msg_source_open(transfer->from->msg, slot, &transfer->source, why));
    ck_assert_ok(msg_source_start(transfer->source, kind, base, why));
    struct msg_source_info info;
    msg_source_info(transfer->source, &info);
    struct msg_sink_options options = {
        .slot = slot,
        .kind = kind,
        .base = base,
        .target = {.term = info.applied_term, .index = info.applied_index},
        .marker = bytes_of_string(marker)};
    struct store_batch *batch = store_batch_new(transfer->to->store);
    ck_assert_ok(msg_sink_begin(transfer->to->msg, &options, batch, &transfer->sink, why));
    ck_assert_ok(store_write(transfer->to->store, batch, true, why));
    store_batch_free(batch);
}

void transfer_make(struct transfer *transfer, struct chunk *ret)
{
    struct msg_sink_info info;
    struct chunk_out out;
    msg_sink_info(transfer->sink, &info);
    chunk_out_init(&out, transfer->slot, 7, 1, info.next_number);
    ck_assert_ok(msg_source_next(transfer->source, info.cursor, transfer->max_rows,
                                 transfer->max_bytes, &out, &transfer->cursor, &transfer->done,
                                 why));
    ck_assert(transfer->done || !chunk_out_is_empty(&out));
    buf_clear(&transfer->frame);
    chunk_out_end(&out, buf_bytes(&transfer->cursor), &transfer->frame);
    chunk_out_done(&out);
    transfer->chunks++;
    transfer->bytes += transfer->frame.len;
    ck_assert_ok(chunk_decode(bytes_of(transfer->frame.data + FRAME_HEADER_BYTES,
                                       transfer->frame.len - FRAME_HEADER_BYTES),
                              ret, why));
    ck_assert_uint_le(ret->rows.count, transfer->max_rows != 0 ? transfer->max_rows : UINT32_MAX);
}

void transfer_step(struct transfer *transfer)
{
    struct chunk chunk;
    transfer_make(transfer, &chunk);
    ck_assert_ok(msg_sink_rows(transfer->sink, &chunk.rows, why));
}

void transfer_run(struct transfer *transfer)
{
    while (!transfer->done) {
        transfer_step(transfer);
    }
}

void transfer_end_of(struct transfer *transfer, struct chunk_end *ret)
{
    struct msg_sink_info info;
    *ret = (struct chunk_end){0};
    msg_sink_info(transfer->sink, &info);
    ck_assert_ok(msg_source_end(transfer->source, info.cursor, ret, why));
    ret->number = info.next_number;
}

void transfer_drop(struct transfer *transfer)
{
    msg_sink_free(transfer->sink);
    msg_source_close(transfer->source);
    transfer->sink = NULL;
    transfer->source = NULL;
    buf_done(&transfer->frame);
    buf_done(&transfer->cursor);
}

void transfer_finish(struct transfer *transfer)
{
    struct chunk_end end;
    transfer_end_of(transfer, &end);
    struct store_batch *batch = store_batch_new(transfer->to->store);
    ck_assert_ok(msg_sink_finish(transfer->sink, &end, batch, why));
    ck_assert_ok(store_write(transfer->to->store, batch, true, why));
    store_batch_free(batch);
    transfer->to->index[transfer->slot] = end.target.index;
    transfer_drop(transfer);
    ck_assert(!rig_has_value(transfer->to, transfer->slot, STORE_SLOT_INSTALLING));
    ck_assert(!rig_has_value(transfer->to, transfer->slot, STORE_SLOT_SINK));
}

void transfer_crash(struct transfer *transfer, int64_t keep)
{
    msg_sink_free(transfer->sink);
    transfer->sink = NULL;
    rig_crash(transfer->to, keep);
    transfer->done = false;
    ck_assert_ok(msg_sink_resume(transfer->to->msg, transfer->slot, &transfer->sink, why));
}

void pair_transfer(struct pair *pair, uint32_t slot, enum msg_install_kind kind, uint64_t base,
                   uint32_t max_rows)
{
    struct transfer transfer;
    transfer_begin(&transfer, pair, slot, kind, base, max_rows);
    transfer_run(&transfer);
    transfer_finish(&transfer);
    pair_compare(pair, slot);
}
