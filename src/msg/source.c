/* SPDX-License-Identifier: Apache-2.0 */
/* The sending half of a catch-up: rows out of one snapshot.
 *
 * All of it is a function of (snapshot, kind, base, cursor): a chunk that is asked for twice is the
 * same twice, and a link that broke costs nothing but the chunks that were on their way. Counts of
 * what was sent are in the cursor for that reason: the END that belongs to a stream is what its last
 * cursor says, however often parts of it went out.
 *
 * A full install sends, in key order: the slot's small values, then messages, channels, intervals,
 * delete records and dedup rows, as they are stored (their CRC is checked when read, nothing is
 * encoded anew). A delta is source_delta.c. Iterators live within one chunk. */
#include "msg/installing.h"

enum err source_fault(const struct msg_source *source, enum err err, const char *what,
                      struct why *why)
{
    if (err == ERR_NOT_FOUND) {
        err = ERR_CORRUPT; /* a row that must be there */
    }
    return why_set(why, err, "cannot read the %s of slot %u for an install", what, source->slot);
}

enum err msg_source_open(struct msg *msg, uint32_t slot, struct msg_source **ret, struct why *why)
{
    struct msg_source *source = alloc_zero(sizeof(*source));
    source->store = msg->store;
    source->slot = slot;
    source->snapshot = store_snapshot_new(msg->store);
    store_value_init(&source->value);
    enum err err = store_get_applied(source->store, source->snapshot, slot, &source->applied);
    if (err != OK) {
        source_fault(source, err, "applied index", why);
    } else {
        err = slot_read_state(source->store, source->snapshot, slot, &source->state, why);
    }
    if (err != OK) {
        msg_source_close(source);
        return err;
    }
    *ret = source;
    return OK;
}

void msg_source_close(struct msg_source *source)
{
    if (source == NULL) {
        return;
    }
    store_snapshot_free(source->store, source->snapshot);
    store_value_done(&source->value);
    buf_done(&source->key);
    buf_done(&source->row);
    free(source->changes.starts);
    free(source);
}

void msg_source_info(const struct msg_source *source, struct msg_source_info *ret)
{
    *ret = (struct msg_source_info){.applied_index = source->applied.index,
                                    .applied_term = source->applied.term,
                                    .digest = source->applied.digest,
                                    .floor = source->state.floor};
}

enum err msg_source_start(struct msg_source *source, enum msg_install_kind kind, uint64_t base,
                          struct why *why)
{
    assert(source->kind == 0);
    assert(kind == MSG_INSTALL_DELTA || (kind == MSG_INSTALL_FULL && base == 0));
    if (kind == MSG_INSTALL_DELTA && (base < source->state.floor || base > source->applied.index)) {
        return why_set(why, ERR_CONFLICT,
                       "no delta of slot %u since %" PRIu64 ": the delete log begins at %" PRIu64
                       ", applied is %" PRIu64,
                       source->slot, base, source->state.floor, source->applied.index);
    }
    source->kind = kind;
    source->base = base;
    return OK;
}

/* ---- rows into a chunk --------------------------------------------------------------------------- */
bool feed_add(struct feed *feed, enum store_family family, struct bytes key, struct bytes value)
{
    const struct chunk_out *chunk = feed->chunk;
    struct chunk_row row = {(uint8_t)family, key, value};
    if (!chunk_out_is_empty(chunk) && (chunk->head.rows.count >= feed->max_rows ||
                                       chunk->rows.len + key.len + value.len > feed->max_bytes)) {
        feed->is_full = true;
    } else {
        feed->is_full = !chunk_out_add(feed->chunk, &row);
    }
    if (!feed->is_full) {
        feed->at.counts[family]++;
    }
    return !feed->is_full;
}

bool feed_add_row(struct feed *feed, const struct store_row *row)
{
    struct msg_source *source = feed->source;
    store_row_encode(row, &source->key, &source->row);
    return feed_add(feed, row->family, buf_bytes(&source->key), buf_bytes(&source->row));
}

static enum err feed_values(struct feed *feed, struct why *why)
{
    static const enum store_slot_key keys[] = {STORE_SLOT_FLOOR, STORE_SLOT_GENERATIONS,
                                               STORE_SLOT_STATE, STORE_SLOT_MEMBERS};
    struct msg_source *source = feed->source;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (keys[i] <= feed->at.number) {
            continue;
        }
        struct store_row row = {.family = STORE_SLOTS, .slot = source->slot, .number = keys[i]};
        enum err err = store_get_slot_value(source->store, source->snapshot, source->slot, keys[i],
                                            &source->value, &row.small);
        if (err == ERR_NOT_FOUND) {
            continue;
        }
        if (err != OK) {
            return source_fault(source, err, "small values", why);
        }
        if (!feed_add_row(feed, &row)) {
            return OK;
        }
        feed->at.number = keys[i];
    }
    return OK;
}

static enum err feed_family(struct feed *feed, enum store_family family, struct why *why)
{
    struct msg_source *source = feed->source;
    struct store_raw_range range = {
        .family = family, .slot = source->slot, .after = bytes_of(feed->at.key, feed->at.key_len)};
    struct store_raw *raw = store_raw_open(source->store, source->snapshot, &range);
    while (store_raw_next(raw) &&
           feed_add(feed, family, store_raw_key(raw), store_raw_value(raw))) {
        cursor_set_key(&feed->at, store_raw_key(raw));
    }
    enum err err = store_raw_done(raw);
    return err == OK ? OK : source_fault(source, err, "rows", why);
}

static enum err feed_step(struct feed *feed, struct why *why)
{
    switch ((enum install_step)feed->at.step) {
    case STEP_VALUES:
        return feed_values(feed, why);
    case STEP_MESSAGES:
        return feed_family(feed, STORE_MESSAGES, why);
    case STEP_CHANNELS:
        return feed_family(feed, STORE_CHANNELS, why);
    case STEP_DELETED:
        return feed_family(feed, STORE_DELETED, why);
    case STEP_DELETE_LOG:
        return feed_family(feed, STORE_DELETE_LOG, why);
    case STEP_DEDUP:
        return feed_family(feed, STORE_DEDUP, why);
    case STEP_RECORDS:
        return feed_records(feed, why);
    case STEP_CHANGES:
        return feed_changes(feed, why);
    case STEP_DONE:
        break;
    }
    return OK;
}

static void leave_step(struct install_cursor *at)
{
    bool is_last = at->step == STEP_DEDUP || at->step == STEP_CHANGES;
    if (is_last) {
        at->step = STEP_DONE;
    } else if (at->step == STEP_VALUES && at->kind == MSG_INSTALL_DELTA) {
        at->step = STEP_RECORDS;
    } else {
        at->step++;
    }
    at->part = 0;
    at->number = at->generation = 0;
    at->id_len = at->key_len = 0;
}

static enum err read_cursor(const struct msg_source *source, struct bytes bytes,
                            struct install_cursor *ret, struct why *why)
{
    if (bytes.len == 0) {
        memset(ret, 0, sizeof(*ret));
        ret->kind = (uint8_t)source->kind;
        ret->step = STEP_VALUES;
        ret->base = source->base;
        ret->target = source->applied.index;
        return OK;
    }
    enum err err = cursor_decode(bytes, ret, why);
    if (err != OK) {
        return err;
    }
    if (ret->kind != source->kind || ret->base != source->base ||
        ret->target != source->applied.index) {
        return why_set(why, ERR_BAD_FORMAT, "a cursor of another install of slot %u", source->slot);
    }
    return OK;
}

enum err msg_source_next(struct msg_source *source, struct bytes cursor, uint32_t max_rows,
                         size_t max_bytes, struct chunk_out *chunk, struct buf *ret_cursor,
                         bool *ret_done, struct why *why)
{
    assert(source->kind != 0);
    struct feed feed;
    enum err err = read_cursor(source, cursor, &feed.at, why);
    if (err != OK) {
        return err;
    }
    feed.source = source;
    feed.chunk = chunk;
    feed.max_rows = max_rows != 0 ? max_rows : WIRE_CHUNK_ROWS_MAX;
    feed.max_bytes = max_bytes != 0 ? max_bytes : WIRE_CHUNK_SOFT_BYTES;
    feed.is_full = false;
    while (err == OK && !feed.is_full && feed.at.step != STEP_DONE) {
        err = feed_step(&feed, why);
        if (err == OK && !feed.is_full) {
            leave_step(&feed.at);
        }
    }
    if (err != OK) {
        return err;
    }
    cursor_encode(&feed.at, ret_cursor);
    *ret_done = feed.at.step == STEP_DONE;
    return OK;
}

enum err msg_source_end(const struct msg_source *source, struct bytes cursor, struct chunk_end *ret,
                        struct why *why)
{
    struct install_cursor at;
    enum err err = read_cursor(source, cursor, &at, why);
    if (err != OK) {
        return err;
    }
    if (at.step != STEP_DONE) {
        return why_set(why, ERR_BAD_FORMAT, "this install of slot %u is not at its end",
                       source->slot);
    }
    ret->target = (struct raft_pos){.term = source->applied.term, .index = source->applied.index};
    ret->digest = source->applied.digest;
    memset(ret->counts, 0, sizeof(ret->counts));
    memcpy(ret->counts, at.counts, sizeof(at.counts));
    ret->counts_count = STORE_FAMILIES;
    return OK;
}
