/* SPDX-License-Identifier: Apache-2.0 */
/* Rows as bytes: decoded with their key, encoded, put as they are, and scanned in key order. */
#include "store/raw.h"

#include "base/alloc.h"
#include "store/internal.h"

enum { SMALL_KEY_BYTES = 1 + 2 + 1 };

static bool key_is(struct bytes key, const struct store_key *made)
{
    return bytes_is_equal(key, key_bytes(made));
}

static bool is_small(uint64_t which)
{
    return which == STORE_SLOT_FLOOR || which == STORE_SLOT_GENERATIONS ||
           which == STORE_SLOT_STATE || which == STORE_SLOT_MEMBERS;
}

static enum err decode_small(struct bytes key, struct bytes value, struct store_row *ret)
{
    if (key.len != SMALL_KEY_BYTES) {
        return ERR_CORRUPT;
    }
    ret->slot = (uint32_t)key.data[1] << 8 | key.data[2];
    ret->number = key.data[3];
    struct store_key made;
    key_slot_value(&made, ret->slot, key.data[3]);
    if (!key_is(key, &made) || !is_small(ret->number)) {
        return ERR_CORRUPT;
    }
    return record_opaque_decode(STORE_SLOTS, key, value, &ret->small);
}

static enum err decode_record(struct bytes key, struct bytes value, struct buf *extra,
                              struct store_row *ret)
{
    if (key.len < 2 || !key_delete_record_parse(key, &ret->number)) {
        return ERR_CORRUPT;
    }
    ret->slot = (uint32_t)key.data[0] << 8 | key.data[1];
    struct store_key made;
    key_delete_record(&made, ret->slot, ret->number);
    if (!key_is(key, &made)) {
        return ERR_CORRUPT;
    }
    enum err err = record_delete_record_decode(key, value, extra, &ret->record);
    ret->channel = ret->record.channel;
    return err;
}

enum err store_row_decode(enum store_family family, struct bytes key, struct bytes value,
                          struct buf *extra, struct store_row *ret)
{
    struct store_row row = {.family = family};
    bool parsed = true;
    enum err err;
    switch (family) {
    case STORE_SLOTS:
        err = decode_small(key, value, &row);
        break;
    case STORE_MESSAGES:
        parsed = key_channel_seq_parse(key, &row.slot, &row.channel, &row.number);
        err = record_message_decode(key, value, &row.message);
        break;
    case STORE_CHANNELS:
        parsed = key_channel_parse(key, &row.slot, &row.channel);
        err = record_channel_decode(key, value, &row.channel_row);
        break;
    case STORE_DELETED:
        parsed = key_channel_seq_parse(key, &row.slot, &row.channel, &row.number);
        err = record_deleted_decode(key, value, &row.deleted);
        break;
    case STORE_DELETE_LOG:
        err = decode_record(key, value, extra, &row);
        break;
    case STORE_DEDUP:
        parsed = key_dedup_parse(key, &row.number, &row.channel, &row.from_uid, &row.client_msg_no);
        err = record_dedup_decode(key, value, &row.dedup);
        row.slot = key.len < 2 ? 0 : (uint32_t)key.data[0] << 8 | key.data[1];
        break;
    case STORE_DEFAULT:
    case STORE_RAFT:
    case STORE_FAMILIES:
    default:
        return ERR_CORRUPT;
    }
    if (err == OK && (!parsed || (family != STORE_SLOTS && row.channel.id.len == 0))) {
        err = ERR_CORRUPT;
    }
    if (err == OK) {
        *ret = row;
    }
    return err;
}

static void make_key(const struct store_row *row, struct store_key *ret)
{
    switch (row->family) {
    case STORE_SLOTS:
        key_slot_value(ret, row->slot, (uint8_t)row->number);
        break;
    case STORE_MESSAGES:
    case STORE_DELETED:
        key_channel_seq(ret, row->slot, row->channel, row->number);
        break;
    case STORE_CHANNELS:
        key_channel(ret, row->slot, row->channel);
        break;
    case STORE_DELETE_LOG:
        key_delete_record(ret, row->slot, row->number);
        break;
    case STORE_DEDUP:
        key_dedup(ret, row->slot, row->number, row->channel, row->from_uid, row->client_msg_no);
        break;
    case STORE_DEFAULT:
    case STORE_RAFT:
    case STORE_FAMILIES:
    default:
        assert(!"a family of a slot's state");
    }
}

void store_row_encode(const struct store_row *row, struct buf *key, struct buf *value)
{
    struct store_key made;
    make_key(row, &made);
    buf_clear(key);
    buf_append_bytes(key, key_bytes(&made));
    struct bytes bytes = key_bytes(&made);
    switch (row->family) {
    case STORE_SLOTS:
        record_opaque_encode(value, STORE_SLOTS, bytes, row->small);
        break;
    case STORE_MESSAGES:
        record_message_encode(value, bytes, row->slot, &row->message);
        break;
    case STORE_CHANNELS:
        record_channel_encode(value, bytes, &row->channel_row);
        break;
    case STORE_DELETED:
        record_deleted_encode(value, bytes, &row->deleted);
        break;
    case STORE_DELETE_LOG:
        record_delete_record_encode(value, bytes, &row->record);
        break;
    case STORE_DEDUP:
        record_dedup_encode(value, bytes, &row->dedup);
        break;
    case STORE_DEFAULT:
    case STORE_RAFT:
    case STORE_FAMILIES:
    default:
        assert(!"a family of a slot's state");
    }
}

void store_batch_put_raw(struct store_batch *batch, enum store_family family, struct bytes key,
                         struct bytes value)
{
    enum { OPERATION_BYTES = 8 };
    struct engine *engine = batch->store->engine;
    engine->ops->batch_put(engine, batch->rows, family, key, value);
    batch->bytes += key.len + value.len + OPERATION_BYTES;
    batch->count++;
}

/* ---- iterators ---------------------------------------------------------------------------------- */
struct store_raw {
    struct store *store; /* borrowed */
    enum store_family family;
    bool is_started;
    enum err err;
    struct engine_iter *rows; /* owned; NULL: nothing can be there */
    struct store_key lower, upper;
};

static void set_bounds(struct store_raw *raw, const struct store_raw_range *range)
{
    if (range->channel != NULL) {
        assert(range->family == STORE_DEDUP);
        key_dedup(&raw->lower, range->slot, range->generation, *range->channel, BYTES_NONE,
                  BYTES_NONE);
        raw->lower.len -= 2; /* without the length of a from_uid */
        raw->upper = raw->lower;
        key_end_of_prefix(&raw->upper);
    } else if (range->family == STORE_DELETE_LOG) {
        key_delete_record(&raw->lower, range->slot, 0);
        key_delete_record(&raw->upper, range->slot, UINT64_MAX);
        key_step(&raw->upper);
    } else {
        key_slot(&raw->lower, range->slot);
        key_slot(&raw->upper, range->slot);
        key_end_of_prefix(&raw->upper);
    }
    if (range->after.len > 0 && bytes_compare(range->after, key_bytes(&raw->lower)) >= 0) {
        if (range->after.len >= KEY_MAX_BYTES) { /* no key's bytes: it came from outside */
            raw->err = ERR_BAD_FORMAT;
            return;
        }
        memcpy(raw->lower.data, range->after.data, range->after.len);
        raw->lower.len = (uint32_t)range->after.len;
        key_step(&raw->lower);
    }
}

struct store_raw *store_raw_open(struct store *store, const struct store_snapshot *snapshot,
                                 const struct store_raw_range *range)
{
    struct store_raw *raw = alloc(sizeof(*raw));
    memset(raw, 0, offsetof(struct store_raw, lower));
    raw->store = store;
    raw->family = range->family;
    set_bounds(raw, range);
    atomic_fetch_add(&store->open_iters, 1);
    if (bytes_compare(key_bytes(&raw->lower), key_bytes(&raw->upper)) < 0) {
        struct engine *engine = store->engine;
        raw->rows = engine->ops->iter_new(engine, store_engine_snapshot(snapshot), raw->family,
                                          key_bytes(&raw->lower), key_bytes(&raw->upper), true);
    }
    return raw;
}

bool store_raw_next(struct store_raw *raw)
{
    if (raw->err != OK || raw->rows == NULL) {
        return false;
    }
    const struct engine_ops *ops = raw->store->engine->ops;
    if (!raw->is_started) {
        ops->iter_first(raw->rows);
        raw->is_started = true;
    } else if (raw->rows->valid) {
        ops->iter_next(raw->rows);
    }
    if (!raw->rows->valid) {
        return false;
    }
    struct reader fields;
    raw->err = record_open(raw->family, raw->rows->key, raw->rows->value, &fields);
    return raw->err == OK;
}

struct bytes store_raw_key(const struct store_raw *raw)
{
    return raw->rows->key;
}

struct bytes store_raw_value(const struct store_raw *raw)
{
    return raw->rows->value;
}

enum err store_raw_done(struct store_raw *raw)
{
    if (raw == NULL) {
        return OK;
    }
    enum err err = raw->err;
    if (raw->rows != NULL) {
        enum err status = raw->store->engine->ops->iter_close(raw->rows);
        err = err == OK ? status : err;
    }
    atomic_fetch_sub(&raw->store->open_iters, 1);
    free(raw);
    return err;
}
