/* SPDX-License-Identifier: Apache-2.0 */
/* Iterators. Every one has both bounds, so that it never runs over the deleted rows of a neighbour.
 * A step moves the engine's iterator and decodes the row where it lies: slices point into the
 * engine's memory, nothing is copied or allocated per row. A row that fails its CRC ends the
 * iteration, as an error of the engine does; store_iter_done tells. */
#include "base/alloc.h"
#include "store/internal.h"

enum kind {
    KIND_ENTRIES,
    KIND_CONFIGS,
    KIND_MESSAGES,
    KIND_SLOT_MESSAGES,
    KIND_CHANNELS,
    KIND_DELETED,
    KIND_SLOT_DELETED,
    KIND_DELETE_LOG,
    KIND_DELETE_INDEX, /* the delete log of one channel: an index that leads to the records */
    KIND_DEDUP
};

struct store_iter {
    struct store *store; /* borrowed */
    enum kind kind;
    bool descending, is_started, has_ended;
    bool seeks; /* the next step goes to at */
    enum err err;
    struct engine_iter *rows; /* owned */
    uint64_t at, from; /* KIND_DELETED, KIND_MESSAGES: where to go; the lower end asked for */
    const struct store_snapshot *snapshot; /* KIND_DELETE_INDEX: of its record reads */
    struct store_snapshot *own_snapshot;   /* owned; may be NULL */
    bool all_types;                        /* KIND_CHANNELS with a prefix: seeks it in each type */

    /* The row it stands on. */
    uint32_t slot;
    uint64_t seq, term, generation;
    struct channel channel;
    struct bytes opaque, from_uid, client_msg_no;
    union {
        struct row_entry entry;
        struct row_message message;
        struct row_channel channel;
        struct row_deleted deleted;
        struct row_delete_record delete_record;
        struct row_dedup dedup;
    } row;
    struct buf raw, extra; /* owned; KIND_DELETE_INDEX, KIND_DELETE_LOG */

    /* Not zeroed. Bounds [lower, upper); prefix: a channel key up to the number, or the beginning
     * of the ids asked for. */
    struct store_key lower, upper;
    struct bytes prefix;
    uint8_t prefix_data[CHANNEL_ID_MAX_BYTES];
};

static struct store_iter *iter_new(struct store *store, enum kind kind)
{
    struct store_iter *iter = alloc(sizeof(*iter));
    memset(iter, 0, offsetof(struct store_iter, lower));
    iter->prefix = BYTES_NONE;
    iter->store = store;
    iter->kind = kind;
    atomic_fetch_add(&store->open_iters, 1);
    return iter;
}

/* Once lower and upper are set. */
static struct store_iter *start(struct store_iter *iter, const struct store_snapshot *snapshot,
                                enum store_family family)
{
    struct engine *engine = iter->store->engine;
    bool is_scan = iter->kind == KIND_SLOT_MESSAGES || iter->kind == KIND_SLOT_DELETED ||
                   iter->kind == KIND_DEDUP;
    /* Bounds the wrong way round are an empty range, and no engine is asked. */
    if (bytes_compare(key_bytes(&iter->lower), key_bytes(&iter->upper)) >= 0)
        iter->has_ended = true;
    else
        iter->rows =
            engine->ops->iter_new(engine, store_engine_snapshot(snapshot), family,
                                  key_bytes(&iter->lower), key_bytes(&iter->upper), is_scan);
    return iter;
}

struct store_iter *store_iter_entries(struct store *store, uint32_t slot, uint64_t from,
                                      uint64_t to)
{
    struct store_iter *iter = iter_new(store, KIND_ENTRIES);
    iter->slot = slot;
    key_entry(&iter->lower, slot, from);
    key_entry(&iter->upper, slot, to);
    key_step(&iter->upper);
    return start(iter, NULL, STORE_RAFT);
}

struct store_iter *store_iter_configs(struct store *store, uint32_t slot)
{
    struct store_iter *iter = iter_new(store, KIND_CONFIGS);
    iter->slot = slot;
    key_config(&iter->lower, slot, 0);
    key_config(&iter->upper, slot, UINT64_MAX);
    key_step(&iter->upper);
    return start(iter, NULL, STORE_SLOTS);
}

struct store_iter *store_iter_messages(struct store *store, const struct store_snapshot *snapshot,
                                       uint32_t slot, struct channel channel, uint64_t from,
                                       uint64_t to, bool descending)
{
    struct store_iter *iter = iter_new(store, KIND_MESSAGES);
    iter->descending = descending;
    iter->from = from;
    key_channel_seq(&iter->lower, slot, channel, from);
    key_channel_seq(&iter->upper, slot, channel, to);
    key_step(&iter->upper);
    return start(iter, snapshot, STORE_MESSAGES);
}

/* All keys of the slot, or of all slots. */
static void bound_slot(struct store_iter *iter, uint32_t slot)
{
    if (slot == STORE_ALL_SLOTS) {
        key_slot(&iter->lower, 0);
        key_slot(&iter->upper, UINT16_MAX);
        return;
    }
    key_slot(&iter->lower, slot);
    key_slot(&iter->upper, slot);
    key_end_of_prefix(&iter->upper);
}

struct store_iter *store_iter_slot_messages(struct store *store,
                                            const struct store_snapshot *snapshot, uint32_t slot)
{
    struct store_iter *iter = iter_new(store, KIND_SLOT_MESSAGES);
    bound_slot(iter, slot);
    return start(iter, snapshot, STORE_MESSAGES);
}

struct store_iter *store_iter_channels(struct store *store, const struct store_snapshot *snapshot,
                                       uint32_t slot, int type, struct bytes prefix,
                                       struct channel after)
{
    struct store_iter *iter = iter_new(store, KIND_CHANNELS);
    if (prefix.len > CHANNEL_ID_MAX_BYTES) { /* no id begins with it */
        iter->has_ended = true;
        return iter;
    }
    if (type < 0) {
        bound_slot(iter, slot);
        iter->all_types = prefix.len > 0;
    } else {
        key_channel_prefix(&iter->lower, slot, (uint32_t)type, prefix);
        key_channel_prefix(&iter->upper, slot, (uint32_t)type, prefix);
        key_end_of_prefix(&iter->upper);
    }
    if (prefix.len > 0)
        memcpy(iter->prefix_data, prefix.data, prefix.len);
    iter->prefix = bytes_of(iter->prefix_data, prefix.len);
    if (after.id.len > 0) {
        struct store_key next;
        key_channel(&next, slot, after);
        key_step(&next);
        if (bytes_compare(key_bytes(&next), key_bytes(&iter->lower)) > 0)
            iter->lower = next;
    }
    return start(iter, snapshot, STORE_CHANNELS);
}

struct store_iter *store_iter_deleted(struct store *store, const struct store_snapshot *snapshot,
                                      uint32_t slot, struct channel channel, uint64_t from,
                                      uint64_t to, bool descending)
{
    struct store_iter *iter = iter_new(store, KIND_DELETED);
    iter->descending = descending;
    iter->from = from;
    iter->has_ended = from > to;
    /* An interval that begins before from may touch it, so the bound is the channel's. */
    key_channel_seq(&iter->lower, slot, channel, 0);
    key_channel_seq(&iter->upper, slot, channel, to);
    key_step(&iter->upper);
    if (!descending) {
        iter->seeks = true;
        iter->at = from;
    }
    return start(iter, snapshot, STORE_DELETED);
}

struct store_iter *store_iter_slot_deleted(struct store *store,
                                           const struct store_snapshot *snapshot, uint32_t slot)
{
    struct store_iter *iter = iter_new(store, KIND_SLOT_DELETED);
    bound_slot(iter, slot);
    return start(iter, snapshot, STORE_DELETED);
}

struct store_iter *store_iter_delete_log(struct store *store, const struct store_snapshot *snapshot,
                                         uint32_t slot, const struct channel *channel,
                                         uint64_t from, uint64_t to)
{
    struct store_iter *iter =
        iter_new(store, channel == NULL ? KIND_DELETE_LOG : KIND_DELETE_INDEX);
    iter->slot = slot;
    if (channel == NULL) {
        key_delete_record(&iter->lower, slot, from);
        key_delete_record(&iter->upper, slot, to);
    } else {
        key_delete_index(&iter->lower, slot, *channel, from);
        key_delete_index(&iter->upper, slot, *channel, to);
        /* Index and records must be of one state. */
        iter->snapshot = snapshot;
        if (snapshot == NULL)
            iter->snapshot = snapshot = iter->own_snapshot = store_snapshot_new(store);
    }
    key_step(&iter->upper);
    return start(iter, snapshot, STORE_DELETE_LOG);
}

struct store_iter *store_iter_dedup(struct store *store, const struct store_snapshot *snapshot,
                                    uint32_t slot)
{
    struct store_iter *iter = iter_new(store, KIND_DEDUP);
    iter->slot = slot;
    bound_slot(iter, slot);
    return start(iter, snapshot, STORE_DEDUP);
}

/* ---- steps -------------------------------------------------------------------------------------- */
/* The channel's key with this number. The upper bound has the name: number and one more byte are
 * behind it. */
static void key_at(const struct store_iter *iter, uint64_t seq, struct store_key *ret)
{
    struct channel channel;
    uint32_t slot;
    uint64_t bound;
    bool parsed = key_channel_seq_parse(bytes_of(iter->upper.data, iter->upper.len - 1), &slot,
                                        &channel, &bound);
    assert(parsed);
    key_channel_seq(ret, slot, channel, seq);
}

/* Ascending over intervals: the one that begins at or before `at`, when it reaches there; else the
 * next one. */
static void seek_interval(struct store_iter *iter, const struct store_key *key)
{
    const struct engine_ops *ops = iter->store->engine->ops;
    struct row_deleted row;
    ops->iter_seek_before(iter->rows, key_bytes(key));
    if (!iter->rows->valid) {
        ops->iter_first(iter->rows);
        return;
    }
    iter->err = record_deleted_decode(iter->rows->key, iter->rows->value, &row);
    if (iter->err == OK && row.end < iter->at)
        ops->iter_next(iter->rows);
}

static void seek(struct store_iter *iter)
{
    const struct engine_ops *ops = iter->store->engine->ops;
    struct store_key key;
    key_at(iter, iter->at, &key);
    if (iter->descending)
        ops->iter_seek_before(iter->rows, key_bytes(&key));
    else if (iter->kind == KIND_DELETED)
        seek_interval(iter, &key);
    else
        ops->iter_seek(iter->rows, key_bytes(&key));
}

static void move(struct store_iter *iter)
{
    const struct engine_ops *ops = iter->store->engine->ops;
    if (iter->seeks)
        seek(iter);
    else if (!iter->is_started && iter->descending)
        ops->iter_last(iter->rows);
    else if (!iter->is_started)
        ops->iter_first(iter->rows);
    else if (!iter->rows->valid)
        return;
    else if (iter->descending)
        ops->iter_prev(iter->rows);
    else
        ops->iter_next(iter->rows);
    iter->is_started = true;
    iter->seeks = false;
}

static enum err decode_index(struct store_iter *iter, struct bytes key, struct bytes value)
{
    struct bytes nothing;
    struct store_key record;
    struct engine *engine = iter->store->engine;
    enum err err = record_opaque_decode(STORE_DELETE_LOG, key, value, &nothing);
    if (err != OK)
        return err;
    if (!key_delete_index_parse(key, &iter->seq))
        return ERR_CORRUPT;
    key_delete_record(&record, iter->slot, iter->seq);
    err = engine->ops->get(engine, store_engine_snapshot(iter->snapshot), STORE_DELETE_LOG,
                           key_bytes(&record), &iter->raw);
    if (err == ERR_NOT_FOUND)
        return ERR_CORRUPT; /* both are put and removed in one batch */
    if (err != OK)
        return err;
    err = record_delete_record_decode(key_bytes(&record), buf_bytes(&iter->raw), &iter->extra,
                                      &iter->row.delete_record);
    iter->channel = iter->row.delete_record.channel;
    return err;
}

static enum err decode(struct store_iter *iter)
{
    struct bytes key = iter->rows->key, value = iter->rows->value;
    bool parsed = true;
    enum err err = OK;
    switch (iter->kind) {
    case KIND_ENTRIES:
        err = record_entry_decode(key, value, &iter->row.entry);
        iter->seq = iter->row.entry.index;
        break;
    case KIND_CONFIGS:
        err = record_config_decode(key, value, &iter->term, &iter->opaque);
        parsed = key_config_parse(key, &iter->seq);
        break;
    case KIND_MESSAGES:
    case KIND_SLOT_MESSAGES:
        err = record_message_decode(key, value, &iter->row.message);
        parsed = key_channel_seq_parse(key, &iter->slot, &iter->channel, &iter->seq);
        break;
    case KIND_CHANNELS:
        err = record_channel_decode(key, value, &iter->row.channel);
        parsed = key_channel_parse(key, &iter->slot, &iter->channel);
        break;
    case KIND_DELETED:
    case KIND_SLOT_DELETED:
        err = record_deleted_decode(key, value, &iter->row.deleted);
        parsed = key_channel_seq_parse(key, &iter->slot, &iter->channel, &iter->seq);
        break;
    case KIND_DELETE_LOG:
        err = record_delete_record_decode(key, value, &iter->extra, &iter->row.delete_record);
        iter->seq = iter->row.delete_record.log_index;
        iter->channel = iter->row.delete_record.channel;
        break;
    case KIND_DELETE_INDEX:
        err = decode_index(iter, key, value);
        break;
    case KIND_DEDUP:
        err = record_dedup_decode(key, value, &iter->row.dedup);
        parsed = key_dedup_parse(key, &iter->generation, &iter->channel, &iter->from_uid,
                                 &iter->client_msg_no);
        iter->seq = iter->row.dedup.seq;
        break;
    }
    return err == OK && !parsed ? ERR_CORRUPT : err;
}

/* With a prefix and all types: true when the row fits; else goes where the next one may be. */
static bool fits_prefix(struct store_iter *iter)
{
    uint32_t slot, type;
    struct channel channel;
    struct store_key key;
    if (!iter->all_types || !key_channel_parse(iter->rows->key, &slot, &channel) ||
        bytes_has_prefix(channel.id, iter->prefix))
        return true;
    type = channel.type;
    if (bytes_compare(channel.id, iter->prefix) > 0 && ++type > UINT8_MAX) {
        iter->has_ended = true;
        return false;
    }
    key_channel_prefix(&key, slot, type, iter->prefix);
    iter->store->engine->ops->iter_seek(iter->rows, key_bytes(&key));
    return false;
}

bool store_iter_next(struct store_iter *iter)
{
    if (iter->err != OK || iter->has_ended)
        return false;
    move(iter);
    while (iter->err == OK && iter->rows->valid && !fits_prefix(iter))
        if (iter->has_ended)
            return false;
    if (iter->err != OK || !iter->rows->valid)
        return false;
    iter->err = decode(iter);
    if (iter->err != OK)
        return false;
    if (iter->kind == KIND_DELETED && iter->descending && iter->row.deleted.end < iter->from) {
        iter->has_ended = true;
        return false;
    }
    return true;
}

void store_iter_seek(struct store_iter *iter, uint64_t seq)
{
    assert(iter->kind == KIND_MESSAGES || iter->kind == KIND_DELETED);
    iter->seeks = true;
    iter->at = seq;
}

/* ---- what it stands on -------------------------------------------------------------------------- */
uint32_t store_iter_slot(const struct store_iter *iter)
{
    return iter->slot;
}

uint64_t store_iter_seq(const struct store_iter *iter)
{
    return iter->seq;
}

struct channel store_iter_channel(const struct store_iter *iter)
{
    return iter->channel;
}

const struct row_message *store_iter_message(struct store_iter *iter)
{
    assert(iter->kind == KIND_MESSAGES || iter->kind == KIND_SLOT_MESSAGES);
    return &iter->row.message;
}

const struct row_channel *store_iter_channel_row(struct store_iter *iter)
{
    assert(iter->kind == KIND_CHANNELS);
    return &iter->row.channel;
}

const struct row_deleted *store_iter_deleted_row(struct store_iter *iter)
{
    assert(iter->kind == KIND_DELETED || iter->kind == KIND_SLOT_DELETED);
    return &iter->row.deleted;
}

const struct row_delete_record *store_iter_delete_record(struct store_iter *iter)
{
    assert(iter->kind == KIND_DELETE_LOG || iter->kind == KIND_DELETE_INDEX);
    return &iter->row.delete_record;
}

const struct row_entry *store_iter_entry(struct store_iter *iter)
{
    assert(iter->kind == KIND_ENTRIES);
    return &iter->row.entry;
}

struct bytes store_iter_config(struct store_iter *iter, uint64_t *ret_term)
{
    assert(iter->kind == KIND_CONFIGS);
    *ret_term = iter->term;
    return iter->opaque;
}

const struct row_dedup *store_iter_dedup_row(struct store_iter *iter, uint64_t *ret_generation,
                                             struct bytes *ret_from_uid,
                                             struct bytes *ret_client_msg_no)
{
    assert(iter->kind == KIND_DEDUP);
    *ret_generation = iter->generation;
    *ret_from_uid = iter->from_uid;
    *ret_client_msg_no = iter->client_msg_no;
    return &iter->row.dedup;
}

enum err store_iter_done(struct store_iter *iter)
{
    if (iter == NULL)
        return OK;
    enum err err = iter->err;
    if (iter->rows != NULL) {
        enum err status = iter->store->engine->ops->iter_close(iter->rows);
#ifndef LETHE_MUTANT_blind_iterator
        if (err == OK)
            err = status;
#else
        (void)status;
#endif
    }
    store_snapshot_free(iter->store, iter->own_snapshot);
    buf_done(&iter->raw);
    buf_done(&iter->extra);
    atomic_fetch_sub(&iter->store->open_iters, 1);
    free(iter);
    return err;
}
