/* SPDX-License-Identifier: Apache-2.0 */
/* The Raft log of each slot: entries, hard state, base, configs. Two removals, never mixed:
 * truncate_suffix takes what another leader overwrites, compact_prefix what is applied durably and
 * writes the new base in the same batch. */
#include "store/internal.h"

void store_put_hard_state(struct store_batch *batch, uint32_t slot,
                          const struct row_hard_state *row)
{
    struct store_key key;
    key_hard_state(&key, slot);
    record_hard_state_encode(&batch->value, key_bytes(&key), row);
    store_batch_put(batch, STORE_RAFT, &key);
}

void store_put_entry(struct store_batch *batch, uint32_t slot, const struct row_entry *row)
{
    struct store_key key;
    key_entry(&key, slot, row->index);
    record_entry_encode(&batch->value, key_bytes(&key), row);
    store_batch_put(batch, STORE_RAFT, &key);
}

static void remove_entries(struct store_batch *batch, uint32_t slot, uint64_t first, uint64_t last)
{
    struct store_key key, after;
    if (first > last)
        return;
    if (last - first < POINT_DELETES_MAX - 1) {
        for (uint64_t index = first; index <= last; index++) {
            key_entry(&key, slot, index);
            store_batch_remove(batch, STORE_RAFT, &key);
        }
        return;
    }
    key_entry(&key, slot, first);
    key_entry(&after, slot, last);
    key_step(&after);
    store_batch_remove_range(batch, STORE_RAFT, &key, &after);
}

void store_truncate_suffix(struct store_batch *batch, uint32_t slot, uint64_t from, uint64_t last)
{
    remove_entries(batch, slot, from, last);
}

void store_compact_prefix(struct store_batch *batch, uint32_t slot, uint64_t first,
                          uint64_t through, uint64_t through_term)
{
    remove_entries(batch, slot, first, through);
    struct store_key key;
    struct buf base = BUF_INIT;
    buf_put_varint(&base, through);
    buf_put_varint(&base, through_term);
    key_slot_value(&key, slot, STORE_SLOT_BASE);
    record_opaque_encode(&batch->value, STORE_SLOTS, key_bytes(&key), buf_bytes(&base));
    store_batch_put(batch, STORE_SLOTS, &key);
    buf_done(&base);
}

void store_put_config(struct store_batch *batch, uint32_t slot, uint64_t index, uint64_t term,
                      struct bytes config)
{
    struct store_key key;
    key_config(&key, slot, index);
    record_config_encode(&batch->value, key_bytes(&key), term, config);
    store_batch_put(batch, STORE_SLOTS, &key);
}

void store_remove_config(struct store_batch *batch, uint32_t slot, uint64_t index)
{
    struct store_key key;
    key_config(&key, slot, index);
    store_batch_remove(batch, STORE_SLOTS, &key);
}

void store_put_slot_value(struct store_batch *batch, uint32_t slot, enum store_slot_key which,
                          struct bytes value)
{
    struct store_key key;
    key_slot_value(&key, slot, (uint8_t)which);
    if (value.len == 0) {
        store_batch_remove(batch, STORE_SLOTS, &key);
        return;
    }
    record_opaque_encode(&batch->value, STORE_SLOTS, key_bytes(&key), value);
    store_batch_put(batch, STORE_SLOTS, &key);
}

/* ---- reads ---------------------------------------------------------------------------------------- */
enum err store_get_hard_state(struct store *store, uint32_t slot, struct row_hard_state *ret)
{
    struct store_key key;
    struct buf raw = BUF_INIT;
    key_hard_state(&key, slot);
    enum err err = store->engine->ops->get(store->engine, NULL, STORE_RAFT, key_bytes(&key), &raw);
    if (err == OK)
        err = record_hard_state_decode(key_bytes(&key), buf_bytes(&raw), ret);
    buf_done(&raw);
    return err;
}

enum err store_get_entry(struct store *store, uint32_t slot, uint64_t index,
                         struct store_value *value, struct row_entry *ret)
{
    struct store_key key;
    key_entry(&key, slot, index);
    enum err err =
        store->engine->ops->get(store->engine, NULL, STORE_RAFT, key_bytes(&key), &value->raw);
    if (err != OK)
        return err;
    return record_entry_decode(key_bytes(&key), buf_bytes(&value->raw), ret);
}

static enum err get_base(struct store *store, uint32_t slot, uint64_t *ret_index,
                         uint64_t *ret_term)
{
    struct store_value value;
    struct bytes bytes = BYTES_NONE;
    store_value_init(&value);
    enum err err = store_get_slot_value(store, NULL, slot, STORE_SLOT_BASE, &value, &bytes);
    uint64_t index = 0, term = 0;
    if (err == OK) {
        struct reader reader = reader_of(bytes);
        index = reader_varint(&reader);
        term = reader_varint(&reader);
        if (!reader_is_done(&reader))
            err = ERR_CORRUPT;
    } else if (err == ERR_NOT_FOUND) {
        err = OK;
    }
    store_value_done(&value);
    if (err == OK) {
        *ret_index = index;
        *ret_term = term;
    }
    return err;
}

/* The last entry of the log by one seek; ERR_NOT_FOUND when it has none. */
static enum err find_last_entry(struct store *store, uint32_t slot, uint64_t *ret_index,
                                uint64_t *ret_term)
{
    const struct engine_ops *ops = store->engine->ops;
    struct store_key lower, upper;
    struct row_entry row;
    key_entry(&lower, slot, 0);
    key_entry(&upper, slot, UINT64_MAX);
    struct engine_iter *iter =
        ops->iter_new(store->engine, NULL, STORE_RAFT, key_bytes(&lower), key_bytes(&upper), false);
    ops->iter_last(iter);
    enum err err = ERR_NOT_FOUND;
    if (iter->valid)
        err = record_entry_decode(iter->key, iter->value, &row);
    enum err status = ops->iter_close(iter);
    if (err == OK || err == ERR_NOT_FOUND)
        err = status == OK ? err : status;
    if (err == OK) {
        *ret_index = row.index;
        *ret_term = row.term;
    }
    return err;
}

enum err store_log_bounds(struct store *store, uint32_t slot, uint64_t *ret_base_index,
                          uint64_t *ret_base_term, uint64_t *ret_last)
{
    uint64_t base_index, base_term, last, last_term;
    enum err err = get_base(store, slot, &base_index, &base_term);
    if (err != OK)
        return err;
    err = find_last_entry(store, slot, &last, &last_term);
    if (err != OK && err != ERR_NOT_FOUND)
        return err;
    *ret_base_index = base_index;
    *ret_base_term = base_term;
    *ret_last = err == OK && last > base_index ? last : base_index;
    return OK;
}

enum err store_log_last(struct store *store, uint32_t slot, uint64_t *ret_index, uint64_t *ret_term)
{
    uint64_t base_index, base_term, last, last_term;
    enum err err = get_base(store, slot, &base_index, &base_term);
    if (err != OK)
        return err;
    err = find_last_entry(store, slot, &last, &last_term);
    if (err != OK && err != ERR_NOT_FOUND)
        return err;
    bool has_entry = err == OK && last > base_index;
    *ret_index = has_entry ? last : base_index;
    *ret_term = has_entry ? last_term : base_term;
    return OK;
}
