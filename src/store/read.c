/* SPDX-License-Identifier: Apache-2.0 */
/* Reads of single rows. */
#include "store/internal.h"

void store_value_init(struct store_value *value)
{
    buf_init(&value->raw);
    buf_init(&value->extra);
}

void store_value_done(struct store_value *value)
{
    buf_done(&value->raw);
    buf_done(&value->extra);
}

struct store_snapshot *store_snapshot_new(struct store *store)
{
    atomic_fetch_add(&store->open_snapshots, 1);
    return (struct store_snapshot *)(void *)store->engine->ops->snapshot_new(store->engine);
}

void store_snapshot_free(struct store *store, struct store_snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    store->engine->ops->snapshot_free(store->engine, (struct engine_snapshot *)(void *)snapshot);
    atomic_fetch_sub(&store->open_snapshots, 1);
}

static enum err get(struct store *store, const struct store_snapshot *snapshot,
                    enum store_family family, const struct store_key *key, struct buf *ret)
{
    return store->engine->ops->get(store->engine, store_engine_snapshot(snapshot), family,
                                   key_bytes(key), ret);
}

enum err store_get_peer(struct store *store, uint64_t node_id, struct row_peer *ret)
{
    struct store_key key;
    struct buf raw = BUF_INIT;
    key_peer(&key, node_id);
    enum err err = get(store, NULL, STORE_DEFAULT, &key, &raw);
    if (err == OK)
        err = record_peer_decode(key_bytes(&key), buf_bytes(&raw), ret);
    buf_done(&raw);
    return err;
}

enum err store_get_slot_value(struct store *store, const struct store_snapshot *snapshot,
                              uint32_t slot, enum store_slot_key which, struct store_value *value,
                              struct bytes *ret)
{
    struct store_key key;
    key_slot_value(&key, slot, (uint8_t)which);
    enum err err = get(store, snapshot, STORE_SLOTS, &key, &value->raw);
    if (err != OK)
        return err;
    return record_opaque_decode(STORE_SLOTS, key_bytes(&key), buf_bytes(&value->raw), ret);
}

enum err store_get_applied(struct store *store, const struct store_snapshot *snapshot,
                           uint32_t slot, struct row_applied *ret)
{
    struct store_key key;
    struct row_applied rows[PAGE_SLOTS];
    struct buf raw = BUF_INIT;
    assert(slot < store->identity.slot_count);
    key_page(&key, slot / PAGE_SLOTS);
    enum err err = get(store, snapshot, STORE_SLOTS, &key, &raw);
    if (err == OK)
        err = record_page_decode(key_bytes(&key), buf_bytes(&raw), rows);
    buf_done(&raw);
    if (err == ERR_NOT_FOUND) {
        *ret = (struct row_applied){0};
        return OK;
    }
    if (err == OK)
        *ret = rows[slot % PAGE_SLOTS];
    return err;
}

void store_last_applied(struct store *store, uint32_t slot, struct row_applied *ret)
{
    assert(slot < store->identity.slot_count);
    mutex_lock(&store->pages_lock);
    *ret = store->applied[slot];
    mutex_unlock(&store->pages_lock);
}

enum err store_get_message(struct store *store, const struct store_snapshot *snapshot,
                           uint32_t slot, struct channel channel, uint64_t seq,
                           struct store_value *value, struct row_message *ret)
{
    struct store_key key;
    key_channel_seq(&key, slot, channel, seq);
    enum err err = get(store, snapshot, STORE_MESSAGES, &key, &value->raw);
    if (err != OK)
        return err;
    return record_message_decode(key_bytes(&key), buf_bytes(&value->raw), ret);
}

enum err store_get_channel(struct store *store, const struct store_snapshot *snapshot,
                           uint32_t slot, struct channel channel, struct store_value *value,
                           struct row_channel *ret)
{
    struct store_key key;
    key_channel(&key, slot, channel);
    enum err err = get(store, snapshot, STORE_CHANNELS, &key, &value->raw);
    if (err != OK)
        return err;
    return record_channel_decode(key_bytes(&key), buf_bytes(&value->raw), ret);
}

enum err store_get_delete_record(struct store *store, const struct store_snapshot *snapshot,
                                 uint32_t slot, uint64_t log_index, struct store_value *value,
                                 struct row_delete_record *ret)
{
    struct store_key key;
    key_delete_record(&key, slot, log_index);
    enum err err = get(store, snapshot, STORE_DELETE_LOG, &key, &value->raw);
    if (err != OK)
        return err;
    return record_delete_record_decode(key_bytes(&key), buf_bytes(&value->raw), &value->extra, ret);
}

enum err store_get_dedup(struct store *store, const struct store_snapshot *snapshot, uint32_t slot,
                         uint64_t generation, struct channel channel, struct bytes from_uid,
                         struct bytes client_msg_no, struct row_dedup *ret)
{
    struct store_key key;
    struct buf raw = BUF_INIT;
    key_dedup(&key, slot, generation, channel, from_uid, client_msg_no);
    enum err err = get(store, snapshot, STORE_DEDUP, &key, &raw);
    if (err == OK)
        err = record_dedup_decode(key_bytes(&key), buf_bytes(&raw), ret);
    buf_done(&raw);
    return err;
}

/* The channel's row with the highest number at or below seq; its value is copied to raw, its key to
 * ret_key. */
static enum err find_before(struct store *store, const struct store_snapshot *snapshot,
                            enum store_family family, uint32_t slot, struct channel channel,
                            uint64_t seq, struct store_key *ret_key, struct buf *raw)
{
    const struct engine_ops *ops = store->engine->ops;
    struct store_key lower, upper;
    key_channel_seq(&lower, slot, channel, 0);
    key_channel_seq(&upper, slot, channel, seq);
    key_step(&upper);
    struct engine_iter *iter = ops->iter_new(store->engine, store_engine_snapshot(snapshot), family,
                                             key_bytes(&lower), key_bytes(&upper), false);
    ops->iter_last(iter);
    enum err err = ERR_NOT_FOUND;
    if (iter->valid) {
        assert(iter->key.len <= sizeof(ret_key->data));
        memcpy(ret_key->data, iter->key.data, iter->key.len);
        ret_key->len = (uint32_t)iter->key.len;
        buf_clear(raw);
        buf_append_bytes(raw, iter->value);
        err = OK;
    }
    enum err status = ops->iter_close(iter);
    return status == OK ? err : status;
}

enum err store_find_message_before(struct store *store, const struct store_snapshot *snapshot,
                                   uint32_t slot, struct channel channel, uint64_t seq,
                                   struct store_value *value, uint64_t *ret_seq,
                                   struct row_message *ret)
{
    struct store_key key;
    enum err err =
        find_before(store, snapshot, STORE_MESSAGES, slot, channel, seq, &key, &value->raw);
    if (err == OK)
        err = record_message_decode(key_bytes(&key), buf_bytes(&value->raw), ret);
    if (err != OK)
        return err;
    struct channel found;
    uint32_t found_slot;
    return key_channel_seq_parse(key_bytes(&key), &found_slot, &found, ret_seq) ? OK : ERR_CORRUPT;
}

enum err store_find_deleted_before(struct store *store, const struct store_snapshot *snapshot,
                                   uint32_t slot, struct channel channel, uint64_t seq,
                                   struct row_deleted *ret)
{
    struct store_key key;
    struct buf raw = BUF_INIT;
    enum err err = find_before(store, snapshot, STORE_DELETED, slot, channel, seq, &key, &raw);
    if (err == OK)
        err = record_deleted_decode(key_bytes(&key), buf_bytes(&raw), ret);
    buf_done(&raw);
    return err;
}

enum err store_find_delete_before(struct store *store, const struct store_snapshot *snapshot,
                                  uint32_t slot, uint64_t above, uint64_t below,
                                  uint64_t *ret_index)
{
    if (below == 0 || above >= below - 1)
        return ERR_NOT_FOUND;
    const struct engine_ops *ops = store->engine->ops;
    struct store_key lower, upper;
    key_delete_record(&lower, slot, above + 1);
    key_delete_record(&upper, slot, below);
    struct engine_iter *iter =
        ops->iter_new(store->engine, store_engine_snapshot(snapshot), STORE_DELETE_LOG,
                      key_bytes(&lower), key_bytes(&upper), false);
    ops->iter_last(iter);
    enum err err = ERR_NOT_FOUND;
    if (iter->valid)
        err = key_delete_record_parse(iter->key, ret_index) ? OK : ERR_CORRUPT;
    enum err status = ops->iter_close(iter);
    return status == OK ? err : status;
}
