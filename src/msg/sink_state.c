/* SPDX-License-Identifier: Apache-2.0 */
/* What a sink stores of itself, and how one begins and goes on after a restart.
 *
 * What is stored while one is unfinished, beside the rows themselves: the caller's marker (value
 * INSTALLING) and the sink's own state (value SINK), both from the first batch on:
 *
 *   u8 version, kind, flags (1: rows were changed, 2: a GENERATIONS row is there)
 *   varints base, target index, target term, next number, rows, bytes; a varint for each family:
 *   rows received; le64 low, high: running digest; varints floor, channels, delete records,
 *   generations; of each: varints id, started_ms, rows, le64 low, high; block cursor */
#include "msg/installing.h"

enum { SINK_VERSION = 1, FLAG_HAS_CHANGED = 1, FLAG_HAS_GENERATIONS = 2 };

/* ---- what is stored ------------------------------------------------------------------------------- */
static void put_hash(struct buf *buf, struct hash128 hash)
{
    buf_put_le64(buf, hash.low);
    buf_put_le64(buf, hash.high);
}

static struct hash128 get_hash(struct reader *reader)
{
    struct hash128 hash = {.low = reader_le64(reader)};
    hash.high = reader_le64(reader);
    return hash;
}

void sink_put_state(const struct msg_sink *sink, struct store_batch *batch)
{
    const struct slot_state_row *state = &sink->run.state;
    struct buf buf = BUF_INIT;
    buf_put_u8(&buf, SINK_VERSION);
    buf_put_u8(&buf, (uint8_t)sink->kind);
    buf_put_u8(&buf, (uint8_t)((sink->has_changed ? FLAG_HAS_CHANGED : 0) |
                               (state->has_generations_row ? FLAG_HAS_GENERATIONS : 0)));
    const uint64_t numbers[] = {sink->base,        sink->target.index, sink->target.term,
                                sink->next_number, sink->rows,         sink->bytes};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        buf_put_varint(&buf, numbers[i]);
    }
    for (int i = 0; i < STORE_FAMILIES; i++) {
        buf_put_varint(&buf, sink->counts[i]);
    }
    put_hash(&buf, sink->run.digest);
    buf_put_varint(&buf, state->floor);
    buf_put_varint(&buf, state->channels);
    buf_put_varint(&buf, state->delete_records);
    buf_put_varint(&buf, state->generations_count);
    for (uint32_t i = 0; i < state->generations_count; i++) {
        buf_put_varint(&buf, state->generations[i].id);
        buf_put_varint(&buf, state->generations[i].started_ms);
        buf_put_varint(&buf, state->generations[i].rows);
        put_hash(&buf, state->generations[i].digest);
    }
    buf_put_block(&buf, buf_bytes(&sink->cursor));
    store_put_slot_value(batch, sink->slot, STORE_SLOT_SINK, buf_bytes(&buf));
    buf_done(&buf);
}

static bool get_generations(struct reader *reader, struct slot_state_row *state)
{
    uint64_t count = reader_varint(reader);
    if (count == 0 || count > MSG_GENERATIONS_MAX) {
        return false;
    }
    state->generations_count = (uint32_t)count;
    for (uint32_t i = 0; i < count; i++) {
        struct generation *generation = &state->generations[i];
        generation->id = reader_varint(reader);
        generation->started_ms = reader_varint(reader);
        generation->rows = reader_varint(reader);
        generation->digest = get_hash(reader);
    }
    return true;
}

static bool get_state(struct msg_sink *sink, struct bytes value)
{
    struct slot_state_row *state = &sink->run.state;
    struct reader reader = reader_of(value);
    if (reader_u8(&reader) != SINK_VERSION) {
        return false;
    }
    sink->kind = (enum msg_install_kind)reader_u8(&reader);
    uint8_t flags = reader_u8(&reader);
    sink->has_changed = (flags & FLAG_HAS_CHANGED) != 0;
    state->has_generations_row = (flags & FLAG_HAS_GENERATIONS) != 0;
    sink->base = reader_varint(&reader);
    sink->target.index = reader_varint(&reader);
    sink->target.term = reader_varint(&reader);
    sink->next_number = reader_varint(&reader);
    sink->rows = reader_varint(&reader);
    sink->bytes = reader_varint(&reader);
    for (int i = 0; i < STORE_FAMILIES; i++) {
        sink->counts[i] = reader_varint(&reader);
    }
    sink->run.digest = get_hash(&reader);
    state->floor = reader_varint(&reader);
    state->channels = reader_varint(&reader);
    state->delete_records = reader_varint(&reader);
    if (!get_generations(&reader, state)) {
        return false;
    }
    struct bytes cursor = reader_block(&reader);
    if (!reader_is_done(&reader) ||
        (sink->kind != MSG_INSTALL_DELTA && sink->kind != MSG_INSTALL_FULL)) {
        return false;
    }
    buf_clear(&sink->cursor);
    buf_append_bytes(&sink->cursor, cursor);
    return true;
}

static struct msg_sink *sink_new(struct msg *msg, uint32_t slot)
{
    assert(slot < msg->slot_count);
    struct msg_sink *sink = alloc_zero(sizeof(*sink));
    sink->msg = msg;
    sink->store = msg->store;
    sink->slot = slot;
    sink->batch = store_batch_new(msg->store);
    store_value_init(&sink->value);
    store_value_init(&sink->scrap);
    return sink;
}

void msg_sink_free(struct msg_sink *sink)
{
    if (sink == NULL) {
        return;
    }
    sink_channel_leave(sink);
    store_batch_free(sink->batch);
    store_value_done(&sink->value);
    store_value_done(&sink->scrap);
    buf_done(&sink->cursor);
    buf_done(&sink->extra);
    free(sink);
}

/* The state of an unfinished install; ERR_NOT_FOUND: there is none. */
static enum err load(struct msg_sink *sink, struct why *why)
{
    struct bytes value;
    enum err err =
        store_get_slot_value(sink->store, NULL, sink->slot, STORE_SLOT_SINK, &sink->value, &value);
    if (err == ERR_NOT_FOUND) {
        return why_set(why, err, "no install of slot %u is unfinished", sink->slot);
    }
    if (err == OK && !get_state(sink, value)) {
        err = ERR_CORRUPT;
    }
    if (err != OK) {
        return sink_fault(sink, err, "unfinished state", why);
    }
    sink->saved = sink->run;
    return OK;
}

enum err msg_sink_resume(struct msg *msg, uint32_t slot, struct msg_sink **ret, struct why *why)
{
    struct msg_sink *sink = sink_new(msg, slot);
    enum err err = load(sink, why);
    if (err != OK) {
        msg_sink_free(sink);
        return err;
    }
    *ret = sink;
    return OK;
}

void msg_sink_info(const struct msg_sink *sink, struct msg_sink_info *ret)
{
    *ret = (struct msg_sink_info){.kind = sink->kind,
                                  .base = sink->base,
                                  .target = sink->target,
                                  .next_number = sink->next_number,
                                  .cursor = buf_bytes(&sink->cursor),
                                  .has_changed = sink->has_changed,
                                  .rows = sink->rows,
                                  .bytes = sink->bytes};
}

/* ---- begin ----------------------------------------------------------------------------------------- */
static enum err begin_delta(struct msg_sink *sink, const struct msg_sink_options *options,
                            struct why *why)
{
    struct row_applied applied;
    enum err err = store_get_applied(sink->store, NULL, sink->slot, &applied);
    if (err != OK) {
        return sink_fault(sink, err, "applied index", why);
    }
    if (options->base > applied.index || applied.index > options->target.index) {
        return why_set(why, ERR_CONFLICT,
                       "a delta of slot %u from %" PRIu64 " to %" PRIu64 ", but %" PRIu64
                       " is applied",
                       sink->slot, options->base, options->target.index, applied.index);
    }
    err = load(sink, why);
    if (err == OK && sink->kind == MSG_INSTALL_FULL) {
        return why_set(why, ERR_CONFLICT, "slot %u has an unfinished full install", sink->slot);
    }
    if (err == OK && sink->has_changed && sink->target.index > options->target.index) {
        return why_set(why, ERR_CONFLICT, "slot %u has rows of a delta up to %" PRIu64, sink->slot,
                       sink->target.index);
    }
    if (err == ERR_NOT_FOUND) {
        sink->run.digest = applied.digest;
        err = slot_read_state(sink->store, NULL, sink->slot, &sink->run.state, why);
    }
    return err;
}

static void begin_full(struct msg_sink *sink, struct store_batch *batch)
{
    static const struct row_applied nothing;
    sink->run.state.generations_count =
        1; /* generation 0, as long as no GENERATIONS row says more */
    sink->has_changed = true;
#ifndef LETHE_MUTANT_merge_snapshot
    store_remove_slot_state(batch, sink->slot);
#endif
    store_put_applied(batch, sink->slot, &nothing);
}

enum err msg_sink_begin(struct msg *msg, const struct msg_sink_options *options,
                        struct store_batch *batch, struct msg_sink **ret, struct why *why)
{
    assert(options->marker.len != 0);
    enum err err = msg_apply_flush(msg, why);
    if (err != OK) {
        return err;
    }
    slot_forget(msg, options->slot);
    struct msg_sink *sink = sink_new(msg, options->slot);
    if (options->kind == MSG_INSTALL_DELTA) {
        err = begin_delta(sink, options, why);
    } else {
        assert(options->kind == MSG_INSTALL_FULL);
        begin_full(sink, batch);
    }
    if (err != OK) {
        msg_sink_free(sink);
        return err;
    }
    sink->kind = options->kind;
    sink->base = options->base;
    sink->target = options->target;
    sink->next_number = sink->rows = sink->bytes = 0;
    memset(sink->counts, 0, sizeof(sink->counts));
    buf_clear(&sink->cursor);
    sink->saved = sink->run;
#ifndef LETHE_MUTANT_no_marker
    store_put_slot_value(batch, sink->slot, STORE_SLOT_INSTALLING, options->marker);
#endif
    sink_put_state(sink, batch);
    *ret = sink;
    return OK;
}

enum err msg_drop(struct msg *msg, uint32_t slot, struct bytes marker, struct store_batch *batch,
                  struct why *why)
{
    static const struct row_applied nothing;
    assert(marker.len != 0);
    enum err err = msg_apply_flush(msg, why);
    if (err != OK) {
        return err;
    }
    slot_forget(msg, slot);
    store_remove_slot_state(batch, slot);
    store_put_applied(batch, slot, &nothing);
    store_put_slot_value(batch, slot, STORE_SLOT_SINK, BYTES_NONE);
    store_put_slot_value(batch, slot, STORE_SLOT_INSTALLING, marker);
    return OK;
}
