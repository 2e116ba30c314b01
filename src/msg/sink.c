/* SPDX-License-Identifier: Apache-2.0 */
/* The receiving half of a catch-up.
 *
 * Beside the rows it keeps a state of its own (sink_state.c) from the first batch on.
 * Each batch of rows has it, so that after a crash rows, digest and cursor are of one moment. Full:
 * the first batch removed the slot's whole state, rows come in strict key order and their hashes are
 * summed, nothing is read. Delta (sink_delta.c): reads before it writes, so that a row that is there
 * already counts once; the digest moves from that of the slot at A.
 *
 * The stream ended well only when its cursor says so and target, counts, digest and the derived
 * figures (STATE) all agree. Only then a batch sets the applied index and removes marker and state:
 * until then the slot has none of its own (full: 0) or an old one (delta: A). */
#include "msg/installing.h"

enum err sink_fault(const struct msg_sink *sink, enum err err, const char *what, struct why *why)
{
    return why_set(why, err, "cannot read the %s of slot %u in an install", what, sink->slot);
}

void sink_add(struct msg_sink *sink, struct hash128 hash)
{
    sink->run.digest = hash128_add(sink->run.digest, hash);
}

void sink_sub(struct msg_sink *sink, struct hash128 hash)
{
    sink->run.digest = hash128_sub(sink->run.digest, hash);
}

/* ---- rows ------------------------------------------------------------------------------------------ */
enum err sink_write(struct msg_sink *sink, struct why *why)
{
    sink_channel_leave(sink); /* what it read is not the newest any more */
    sink->has_changed = sink->has_changed || store_batch_count(sink->batch) > 0;
    sink->has_intervals = false;
    sink_put_state(sink, sink->batch);
    enum err err = store_write(sink->store, sink->batch, false, why);
    if (err == OK) {
        sink->saved = sink->run;
    }
    return err;
}

struct generation *sink_find_generation(struct msg_sink *sink, uint64_t id)
{
    struct slot_state_row *state = &sink->run.state;
    for (uint32_t i = 0; i < state->generations_count; i++) {
        if (state->generations[i].id == id) {
            return &state->generations[i];
        }
    }
    return NULL;
}

enum err sink_set_generations(struct msg_sink *sink, struct bytes value, struct why *why)
{
    struct slot_state_row fresh = {0};
    enum err err = slot_decode_generations(sink->slot, value, &fresh, why);
    if (err != OK) {
        return err;
    }
    for (uint32_t i = 0; i < fresh.generations_count; i++) {
        const struct generation *own = sink_find_generation(sink, fresh.generations[i].id);
        if (own != NULL) {
            fresh.generations[i].rows = own->rows;
            fresh.generations[i].digest = own->digest;
        }
    }
    struct slot_state_row *state = &sink->run.state;
    memcpy(state->generations, fresh.generations, sizeof(fresh.generations));
    state->generations_count = fresh.generations_count;
    state->has_generations_row = true;
    return OK;
}

static enum err take_value(struct msg_sink *sink, const struct store_row *row, struct why *why)
{
    struct reader reader = reader_of(row->small);
    sink_add(sink, msg_slot_value_hash(sink->slot, (enum store_slot_key)row->number, row->small));
    switch ((enum store_slot_key)row->number) {
    case STORE_SLOT_FLOOR:
        sink->run.state.floor = reader_le64(&reader);
        return reader_is_done(&reader)
                   ? OK
                   : why_set(why, ERR_CORRUPT, "a damaged floor of slot %u", sink->slot);
    case STORE_SLOT_GENERATIONS:
        return sink_set_generations(sink, row->small, why);
    case STORE_SLOT_BASE:
    case STORE_SLOT_INSTALLING:
    case STORE_SLOT_TOMBSTONE:
    case STORE_SLOT_STATE:
    case STORE_SLOT_SINK:
    case STORE_SLOT_QUARANTINE:
    case STORE_SLOT_MEMBERS:
    case STORE_SLOT_KNOWN_MEMBERS:
        break;
    }
    return OK;
}

static enum err take_dedup(struct msg_sink *sink, const struct store_row *row, struct why *why)
{
    struct generation *generation = sink_find_generation(sink, row->number);
    if (generation == NULL) {
        return why_set(why, ERR_CORRUPT,
                       "a dedup row of the dead generation %" PRIu64 " of slot %u", row->number,
                       sink->slot);
    }
    struct hash128 hash = row_dedup_hash(sink->slot, row->number, row->channel, row->from_uid,
                                         row->client_msg_no, &row->dedup);
    generation->rows++;
    generation->digest = hash128_add(generation->digest, hash);
    sink_add(sink, hash);
    return OK;
}

/* A row of a full install: nothing of the slot was there, it only counts. */
static enum err take(struct msg_sink *sink, const struct store_row *row,
                     const struct chunk_row *raw, struct why *why)
{
    enum err err = OK;
    switch (row->family) {
    case STORE_SLOTS:
        err = take_value(sink, row, why);
        break;
    case STORE_MESSAGES:
        sink_add(sink, row_message_hash(sink->slot, row->channel, row->number, &row->message));
        break;
    case STORE_CHANNELS:
        sink->run.state.channels++;
        sink_add(sink, row_channel_hash(sink->slot, row->channel, &row->channel_row));
        break;
    case STORE_DELETED:
        sink_add(sink, row_deleted_hash(sink->slot, row->channel, &row->deleted));
        break;
    case STORE_DELETE_LOG:
        sink->run.state.delete_records++;
        sink_add(sink, row_delete_record_hash(sink->slot, &row->record));
        store_put_delete_record(sink->batch, sink->slot, &row->record);
        return OK; /* with its index */
    case STORE_DEDUP:
        err = take_dedup(sink, row, why);
        break;
    case STORE_DEFAULT:
    case STORE_RAFT:
    case STORE_FAMILIES:
    default:
        assert(!"store_row_decode knows no other");
    }
    if (err == OK) {
        store_batch_put_raw(sink->batch, row->family, raw->key, raw->value);
    }
    return err;
}

static enum err bad_chunk(const struct msg_sink *sink, const char *what, struct why *why)
{
    return why_set(why, ERR_CORRUPT, "chunk %" PRIu64 " of an install of slot %u: %s",
                   sink->next_number, sink->slot, what);
}

/* The strict order of a full install, within a chunk and from one to the next. */
struct order {
    uint8_t step;
    struct bytes key;
};

static struct order order_of(const struct install_cursor *at)
{
    return (struct order){at->step, bytes_of(at->key, at->key_len)};
}

static bool follows(const struct chunk_row *row, struct order *last)
{
    uint8_t step = step_of_family((enum store_family)row->family);
    bool fits = step > last->step || (step == last->step && bytes_compare(row->key, last->key) > 0);
    *last = (struct order){step, row->key};
    return fits;
}

/* Whether cursor is where a chunk ends that has these counts and this last row. */
static bool ends_at(const struct msg_sink *sink, const struct install_cursor *cursor,
                    const uint64_t *counts, struct order last)
{
    if (cursor->kind != sink->kind || cursor->base != sink->base ||
        cursor->target != sink->target.index ||
        memcmp(cursor->counts, counts, sizeof(cursor->counts)) != 0) {
        return false;
    }
    if (sink->kind == MSG_INSTALL_DELTA || cursor->step > last.step) {
        return true;
    }
    return cursor->step == last.step &&
           (last.step == STEP_VALUES ||
            bytes_is_equal(bytes_of(cursor->key, cursor->key_len), last.key));
}

static enum err take_rows(struct msg_sink *sink, const struct chunk_rows *rows, uint64_t *counts,
                          struct order *last, struct why *why)
{
    struct reader reader = reader_of(rows->rows);
    struct chunk_row raw;
    uint32_t count = 0;
    while (chunk_row_next(&reader, &raw)) {
        struct store_row row;
        enum err err =
            store_row_decode((enum store_family)raw.family, raw.key, raw.value, &sink->extra, &row);
        if (err == ERR_WRONG_FORMAT) {
            return why_set(why, err, "a row of an unknown version in an install of slot %u",
                           sink->slot);
        }
        if (err != OK || row.slot != sink->slot) {
            return bad_chunk(sink, err != OK ? "a damaged row" : "a row of another slot", why);
        }
        if (sink->kind == MSG_INSTALL_FULL && !follows(&raw, last)) {
            return bad_chunk(sink, "rows out of order", why);
        }
        err = sink->kind == MSG_INSTALL_FULL ? take(sink, &row, &raw, why)
                                             : sink_merge(sink, &row, &raw, why);
        if (err != OK) {
            return err;
        }
        counts[raw.family]++;
        count++;
    }
    return reader.failed || reader_left(&reader) != 0 || count != rows->count
               ? bad_chunk(sink, "its rows are cut off", why)
               : OK;
}

/* What of a chunk was not written is as if it had never come. */
static void undo(struct msg_sink *sink)
{
    sink_channel_leave(sink);
    store_batch_clear(sink->batch);
    sink->has_intervals = false;
    sink->run = sink->saved;
}

static enum err take_chunk(struct msg_sink *sink, const struct chunk_rows *rows, struct why *why)
{
    struct install_cursor from = {.step = 0}, to;
    enum err err = cursor_decode(rows->cursor, &to, why);
    if (err != OK) {
        return bad_chunk(sink, "a damaged cursor", why);
    }
    if (sink->cursor.len != 0) {
        err = cursor_decode(buf_bytes(&sink->cursor), &from, why);
        if (err != OK) {
            return err;
        }
    }
    uint64_t counts[STORE_FAMILIES];
    memcpy(counts, sink->counts, sizeof(counts));
    struct order last = order_of(&from);
    err = take_rows(sink, rows, counts, &last, why);
    if (err == OK && !ends_at(sink, &to, counts, last)) {
        err = bad_chunk(sink, "a cursor that does not fit its rows", why);
    }
    if (err != OK) {
        return err;
    }
    memcpy(sink->counts, counts, sizeof(counts));
    sink->next_number++;
    sink->rows += rows->count;
    sink->bytes += rows->rows.len;
    buf_clear(&sink->cursor);
    buf_append_bytes(&sink->cursor, rows->cursor);
    return sink_write(sink, why);
}

enum err msg_sink_rows(struct msg_sink *sink, const struct chunk_rows *rows, struct why *why)
{
    if (rows->number < sink->next_number) {
        return OK;
    }
    if (rows->number > sink->next_number) {
        return why_set(why, ERR_IGNORED, "chunk %" PRIu64 " of slot %u came, %" PRIu64 " is next",
                       rows->number, sink->slot, sink->next_number);
    }
    enum err err = take_chunk(sink, rows, why);
    if (err != OK) {
        undo(sink);
    }
    return err;
}

/* ---- end ------------------------------------------------------------------------------------------- */
#ifndef LETHE_MUTANT_early_end_ok
static enum err differs(const struct msg_sink *sink, const char *what, struct why *why)
{
    return why_set(why, ERR_CORRUPT, "an install of slot %u ended with another %s", sink->slot,
                   what);
}

/* STATE is derived from rows and not in the digest: hold it against what the rows gave. */
static enum err check_state(struct msg_sink *sink, struct why *why)
{
    const struct slot_state_row *state = &sink->run.state;
    struct bytes stored;
    enum err err = store_get_slot_value(sink->store, NULL, sink->slot, STORE_SLOT_STATE,
                                        &sink->value, &stored);
    if (err == ERR_NOT_FOUND) {
        return state->channels == 0 && state->delete_records == 0 ? OK
                                                                  : differs(sink, "state", why);
    }
    if (err != OK) {
        return sink_fault(sink, err, "small values", why);
    }
    struct slot slot = {.channels = state->channels, .delete_records = state->delete_records};
    memcpy(slot.generations, state->generations, sizeof(slot.generations));
    slot.generations_count = state->generations_count;
    struct arena arena;
    arena_init(&arena);
    bool is_equal = bytes_is_equal(stored, slot_encode_state(&slot, &arena));
    arena_done(&arena);
    return is_equal ? OK : differs(sink, "state", why);
}

static enum err check_end(struct msg_sink *sink, const struct chunk_end *end, struct why *why)
{
    struct install_cursor at;
    enum err err = OK;
    if (sink->cursor.len == 0) {
        return differs(sink, "number of chunks: none", why);
    }
    err = cursor_decode(buf_bytes(&sink->cursor), &at, why);
    if (err != OK) {
        return err;
    }
    if (at.step != STEP_DONE || end->number != sink->next_number) {
        return differs(sink, "number of chunks", why);
    }
    if (end->target.index != sink->target.index || end->target.term != sink->target.term) {
        return differs(sink, "target", why);
    }
    if (end->counts_count != STORE_FAMILIES ||
        memcmp(end->counts, sink->counts, sizeof(sink->counts)) != 0) {
        return differs(sink, "number of rows", why);
    }
    if (!hash128_is_equal(end->digest, sink->run.digest)) {
        return differs(sink, "digest", why);
    }
    return check_state(sink, why);
}
#endif

static void remove_marker(struct msg_sink *sink, struct store_batch *batch)
{
    store_put_slot_value(batch, sink->slot, STORE_SLOT_INSTALLING, BYTES_NONE);
    store_put_slot_value(batch, sink->slot, STORE_SLOT_SINK, BYTES_NONE);
}

enum err msg_sink_finish(struct msg_sink *sink, const struct chunk_end *end,
                         struct store_batch *batch, struct why *why)
{
#ifndef LETHE_MUTANT_early_end_ok
    enum err err = check_end(sink, end, why);
    if (err != OK) {
        return err;
    }
#else
    (void)why;
#endif
    struct row_applied applied = {
        .index = end->target.index, .term = end->target.term, .digest = end->digest};
    store_put_applied(batch, sink->slot, &applied);
    remove_marker(sink, batch);
    slot_forget(sink->msg, sink->slot);
    return OK;
}

enum err msg_sink_abandon(struct msg_sink *sink, struct store_batch *batch, struct why *why)
{
    if (sink->has_changed) {
        return why_set(why, ERR_CONFLICT, "an install of slot %u changed rows: it must be ended",
                       sink->slot);
    }
    remove_marker(sink, batch);
    return OK;
}
