/* SPDX-License-Identifier: Apache-2.0 */
/* Batches: every put and removal of a row, and the write of all of them at once. */
#include "base/alloc.h"
#include "store/internal.h"

struct store_batch *store_batch_new(struct store *store)
{
    struct store_batch *batch = alloc_zero(sizeof(*batch));
    batch->store = store;
    batch->rows = store->engine->ops->batch_new(store->engine);
    return batch;
}

void store_batch_free(struct store_batch *batch)
{
    if (batch == NULL)
        return;
    batch->store->engine->ops->batch_free(batch->rows);
    buf_done(&batch->value);
    free(batch->applied);
    free(batch->applied_is_set);
    free(batch->applied_slots);
    free(batch);
}

void store_batch_clear(struct store_batch *batch)
{
    batch->store->engine->ops->batch_clear(batch->rows);
    batch->bytes = 0;
    batch->count = 0;
    memset(batch->tombstones, 0, sizeof(batch->tombstones));
    for (uint32_t i = 0; i < batch->applied_count; i++)
        batch->applied_is_set[batch->applied_slots[i]] = false;
    batch->applied_count = 0;
}

/* Beside the bytes of key and value, what RocksDB writes before them. */
enum { OPERATION_BYTES = 8, PAGE_BYTES = 400 };

size_t store_batch_bytes(const struct store_batch *batch)
{
    uint32_t pages = store_pages(batch->store->identity.slot_count);
    if (pages > batch->applied_count)
        pages = batch->applied_count;
    return batch->bytes + (size_t)pages * PAGE_BYTES;
}

uint32_t store_batch_count(const struct store_batch *batch)
{
    return batch->count + batch->applied_count;
}

void store_batch_put(struct store_batch *batch, enum store_family family,
                     const struct store_key *key)
{
    struct engine *engine = batch->store->engine;
    engine->ops->batch_put(engine, batch->rows, family, key_bytes(key), buf_bytes(&batch->value));
    batch->bytes += key->len + batch->value.len + OPERATION_BYTES;
    batch->count++;
}

void store_batch_remove(struct store_batch *batch, enum store_family family,
                        const struct store_key *key)
{
    struct engine *engine = batch->store->engine;
    engine->ops->batch_delete(engine, batch->rows, family, key_bytes(key));
    batch->bytes += key->len + OPERATION_BYTES;
    batch->count++;
}

void store_batch_remove_range(struct store_batch *batch, enum store_family family,
                              const struct store_key *start, const struct store_key *end)
{
    struct engine *engine = batch->store->engine;
    engine->ops->batch_delete_range(engine, batch->rows, family, key_bytes(start), key_bytes(end));
    batch->bytes += start->len + end->len + OPERATION_BYTES;
    batch->count++;
    batch->tombstones[family]++;
}

/* ---- slot pages --------------------------------------------------------------------------------- */
void store_put_applied(struct store_batch *batch, uint32_t slot, const struct row_applied *row)
{
    uint32_t slots = batch->store->identity.slot_count;
    assert(slot < slots);
    if (batch->applied == NULL) {
        batch->applied = alloc_array(slots, sizeof(*batch->applied));
        batch->applied_is_set = alloc_array(slots, sizeof(*batch->applied_is_set));
        batch->applied_slots = alloc_array(slots, sizeof(*batch->applied_slots));
    }
    if (!batch->applied_is_set[slot]) {
        batch->applied_is_set[slot] = true;
        batch->applied_slots[batch->applied_count++] = slot;
    }
    batch->applied[slot] = *row;
}

/* Puts the row of each page that the batch touches: the store's page under the batch's slots. */
static void put_pages(struct store *store, struct store_batch *batch)
{
    uint64_t done[SLOTS_MAX / PAGE_SLOTS / 64] = {0};
    for (uint32_t i = 0; i < batch->applied_count; i++) {
        uint32_t page = batch->applied_slots[i] / PAGE_SLOTS, first = page * PAGE_SLOTS;
        if (done[page / 64] >> page % 64 & 1)
            continue;
        done[page / 64] |= (uint64_t)1 << page % 64;
        struct row_applied rows[PAGE_SLOTS];
        memcpy(rows, &store->applied[first], sizeof(rows));
        for (uint32_t j = 0; j < PAGE_SLOTS && first + j < store->identity.slot_count; j++)
            if (batch->applied_is_set[first + j])
                rows[j] = batch->applied[first + j];
        struct store_key key;
        key_page(&key, page);
        record_page_encode(&batch->value, key_bytes(&key), rows);
        store_batch_put(batch, STORE_SLOTS, &key);
    }
}

static void take_pages(struct store *store, const struct store_batch *batch)
{
    for (uint32_t i = 0; i < batch->applied_count; i++) {
        uint32_t slot = batch->applied_slots[i];
        store->applied[slot] = batch->applied[slot];
    }
}

/* ---- write -------------------------------------------------------------------------------------- */
/* Each new range tombstone makes the next read of its memtable dearer: near 1,000 of them the
 * memtable is written out. */
static void count_tombstones(struct store *store, const struct store_batch *batch)
{
#ifdef LETHE_MUTANT_no_tombstone_count
    return;
#endif
    for (int i = 0; i < STORE_FAMILIES; i++) {
        if (batch->tombstones[i] == 0)
            continue;
        uint_fast32_t count =
            atomic_fetch_add(&store->tombstones[i], batch->tombstones[i]) + batch->tombstones[i];
        if (count < TOMBSTONES_MAX)
            continue;
        atomic_store(&store->tombstones[i], 0);
        if (store->engine->ops->flush(store->engine, (enum store_family)i, false, NULL) != OK)
            atomic_store(&store->flush_failed, true);
    }
}

enum err store_write(struct store *store, struct store_batch *batch, bool sync, struct why *why)
{
    assert(batch->store == store && !store->read_only);
    bool has_pages = batch->applied_count > 0;
    if (has_pages) {
        mutex_lock(&store->pages_lock);
        put_pages(store, batch);
    }
    enum err err = store->engine->ops->write(store->engine, batch->rows, sync, why);
    if (has_pages) {
        if (err == OK)
            take_pages(store, batch);
        mutex_unlock(&store->pages_lock);
    }
    if (err == OK) {
        atomic_fetch_add(&store->writes, 1);
        atomic_fetch_add(&store->synced_writes, sync);
        atomic_fetch_add(&store->written_bytes, batch->bytes);
        count_tombstones(store, batch);
    }
    store_batch_clear(batch);
    return err;
}

/* ---- the other members -------------------------------------------------------------------------- */
void store_put_peer(struct store_batch *batch, uint64_t node_id, const struct row_peer *row)
{
    struct store_key key;
    key_peer(&key, node_id);
    record_peer_encode(&batch->value, key_bytes(&key), row);
    store_batch_put(batch, STORE_DEFAULT, &key);
}

/* ---- the state machine's rows ------------------------------------------------------------------- */
void store_put_message(struct store_batch *batch, uint32_t slot, struct channel channel,
                       uint64_t seq, const struct row_message *row)
{
    struct store_key key;
    key_channel_seq(&key, slot, channel, seq);
    record_message_encode(&batch->value, key_bytes(&key), slot, row);
    store_batch_put(batch, STORE_MESSAGES, &key);
}

void store_remove_messages(struct store_batch *batch, uint32_t slot, struct channel channel,
                           uint64_t start, uint64_t end)
{
    assert(start <= end);
    struct store_key key, after;
    if (end - start < POINT_DELETES_MAX - 1) {
        for (uint64_t seq = start; seq - start <= end - start; seq++) {
            key_channel_seq(&key, slot, channel, seq);
            store_batch_remove(batch, STORE_MESSAGES, &key);
        }
        return;
    }
    key_channel_seq(&key, slot, channel, start);
    key_channel_seq(&after, slot, channel, end);
    key_step(&after);
    store_batch_remove_range(batch, STORE_MESSAGES, &key, &after);
}

void store_put_channel(struct store_batch *batch, uint32_t slot, struct channel channel,
                       const struct row_channel *row)
{
    struct store_key key;
    key_channel(&key, slot, channel);
    record_channel_encode(&batch->value, key_bytes(&key), row);
    store_batch_put(batch, STORE_CHANNELS, &key);
}

void store_put_deleted(struct store_batch *batch, uint32_t slot, struct channel channel,
                       const struct row_deleted *row)
{
    struct store_key key;
    key_channel_seq(&key, slot, channel, row->start);
    record_deleted_encode(&batch->value, key_bytes(&key), row);
    store_batch_put(batch, STORE_DELETED, &key);
}

void store_remove_deleted(struct store_batch *batch, uint32_t slot, struct channel channel,
                          uint64_t start)
{
    struct store_key key;
    key_channel_seq(&key, slot, channel, start);
    store_batch_remove(batch, STORE_DELETED, &key);
}

void store_put_delete_record(struct store_batch *batch, uint32_t slot,
                             const struct row_delete_record *row)
{
    struct store_key key;
    key_delete_record(&key, slot, row->log_index);
    record_delete_record_encode(&batch->value, key_bytes(&key), row);
    store_batch_put(batch, STORE_DELETE_LOG, &key);
    key_delete_index(&key, slot, row->channel, row->log_index);
    record_opaque_encode(&batch->value, STORE_DELETE_LOG, key_bytes(&key), BYTES_NONE);
    store_batch_put(batch, STORE_DELETE_LOG, &key);
}

void store_remove_delete_record(struct store_batch *batch, uint32_t slot,
                                const struct row_delete_record *row)
{
    struct store_key key;
    key_delete_record(&key, slot, row->log_index);
    store_batch_remove(batch, STORE_DELETE_LOG, &key);
    key_delete_index(&key, slot, row->channel, row->log_index);
    store_batch_remove(batch, STORE_DELETE_LOG, &key);
}

void store_put_dedup(struct store_batch *batch, uint32_t slot, uint64_t generation,
                     struct channel channel, struct bytes from_uid, struct bytes client_msg_no,
                     const struct row_dedup *row)
{
    struct store_key key;
    key_dedup(&key, slot, generation, channel, from_uid, client_msg_no);
    record_dedup_encode(&batch->value, key_bytes(&key), row);
    store_batch_put(batch, STORE_DEDUP, &key);
}

void store_remove_dedup_generation(struct store_batch *batch, uint32_t slot, uint64_t generation)
{
    struct store_key start, end;
    key_dedup_generation(&start, slot, generation);
    end = start;
    key_end_of_prefix(&end);
    store_batch_remove_range(batch, STORE_DEDUP, &start, &end);
}

void store_remove_slot_state(struct store_batch *batch, uint32_t slot)
{
    static const enum store_family families[] = {STORE_MESSAGES, STORE_CHANNELS, STORE_DELETED,
                                                 STORE_DELETE_LOG, STORE_DEDUP};
    struct store_key start, end;
    key_slot(&start, slot);
    key_slot(&end, slot);
    key_end_of_prefix(&end);
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        store_batch_remove_range(batch, families[i], &start, &end);
    store_put_slot_value(batch, slot, STORE_SLOT_FLOOR, BYTES_NONE);
    store_put_slot_value(batch, slot, STORE_SLOT_GENERATIONS, BYTES_NONE);
    store_put_slot_value(batch, slot, STORE_SLOT_STATE, BYTES_NONE);
    store_put_slot_value(batch, slot, STORE_SLOT_MEMBERS, BYTES_NONE);
}
