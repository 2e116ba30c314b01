/* SPDX-License-Identifier: Apache-2.0 */
/* The small state of a slot.
 *
 * Beside its rows a slot has three small values in the family `slots`:
 *
 *   FLOOR        le64                                  absent: 0
 *   GENERATIONS  u8 version, le32 count, count x (le64 id, le64 started_ms), oldest first
 *                absent: one generation (0, 0), the one before any DEDUP_GENERATION command
 *   STATE        u8 version, le64 channels, le64 delete records, le32 count,
 *                count x (le64 rows, le64 low, le64 high): the dedup rows of each generation and
 *                their digest, so that a whole generation can go without a look at its rows
 *                absent: zeros
 *
 * MEMBERS        (slot 0) le64 revision, the table of the cluster's nodes (wire/members.h)
 *                absent: there was never one
 *
 * FLOOR, GENERATIONS and MEMBERS are logical state and count in the slot's digest; STATE is derived from
 * rows (msg_recompute holds it against them) and does not. FLOOR, GENERATIONS and MEMBERS are written
 * with the command that changes them, STATE once per batch. */
#include "msg/inner.h"

enum { STATE_VERSION = 1, GENERATIONS_VERSION = 1 };

void slot_add(struct slot *slot, struct hash128 hash)
{
    slot->applied.digest = hash128_add(slot->applied.digest, hash);
}

void slot_sub(struct slot *slot, struct hash128 hash)
{
    slot->applied.digest = hash128_sub(slot->applied.digest, hash);
}

void slot_touch(struct msg *msg, struct slot *slot)
{
    if (slot->is_touched) {
        return;
    }
    slot->is_touched = true;
    msg->touched_slots[msg->touched_count++] = slot->id;
}

struct bytes slot_encode_floor(uint64_t floor, struct arena *arena)
{
    struct buf buf = BUF_INIT;
    buf_put_le64(&buf, floor);
    struct bytes copy = arena_copy(arena, buf_bytes(&buf));
    buf_done(&buf);
    return copy;
}

struct bytes slot_encode_generations(const struct slot *slot, struct arena *arena)
{
    struct buf buf = BUF_INIT;
    buf_put_u8(&buf, GENERATIONS_VERSION);
    buf_put_le32(&buf, slot->generations_count);
    for (uint32_t i = 0; i < slot->generations_count; i++) {
        buf_put_le64(&buf, slot->generations[i].id);
        buf_put_le64(&buf, slot->generations[i].started_ms);
    }
    struct bytes copy = arena_copy(arena, buf_bytes(&buf));
    buf_done(&buf);
    return copy;
}

struct bytes slot_encode_state(const struct slot *slot, struct arena *arena)
{
    struct buf buf = BUF_INIT;
    buf_put_u8(&buf, STATE_VERSION);
    buf_put_le64(&buf, slot->channels);
    buf_put_le64(&buf, slot->delete_records);
    buf_put_le32(&buf, slot->generations_count);
    for (uint32_t i = 0; i < slot->generations_count; i++) {
        buf_put_le64(&buf, slot->generations[i].rows);
        buf_put_le64(&buf, slot->generations[i].digest.low);
        buf_put_le64(&buf, slot->generations[i].digest.high);
    }
    struct bytes copy = arena_copy(arena, buf_bytes(&buf));
    buf_done(&buf);
    return copy;
}

struct hash128 slot_value_hash(uint32_t slot, enum store_slot_key key, struct bytes value)
{
    struct buf buf = BUF_INIT;
    buf_put_le32(&buf, slot);
    buf_put_u8(&buf, (uint8_t)key);
    buf_append_bytes(&buf, value);
    struct hash128 hash = hash128_of(buf_bytes(&buf), MSG_KEY_SLOT_VALUE);
    buf_done(&buf);
    return hash;
}

struct hash128 msg_slot_value_hash(uint32_t slot, enum store_slot_key key, struct bytes value)
{
    bool is_logical =
        key == STORE_SLOT_FLOOR || key == STORE_SLOT_GENERATIONS || key == STORE_SLOT_MEMBERS;
    return is_logical && value.len != 0 ? slot_value_hash(slot, key, value) : (struct hash128){0};
}

static enum err bad_value(uint32_t slot, const char *name, struct why *why)
{
    return why_set(why, ERR_CORRUPT, "slot %u has a damaged '%s' value", slot, name);
}

/* A value that may be absent: then *ret is empty. */
static enum err read_value(struct store *store, const struct store_snapshot *snapshot,
                           uint32_t slot, enum store_slot_key key, struct store_value *value,
                           struct bytes *ret, struct why *why)
{
    enum err err = store_get_slot_value(store, snapshot, slot, key, value, ret);
    if (err == ERR_NOT_FOUND) {
        *ret = BYTES_NONE;
        return OK;
    }
    return err == OK ? OK : why_set(why, err, "cannot read value %d of slot %u", (int)key, slot);
}

enum err slot_decode_generations(uint32_t slot, struct bytes value, struct slot_state_row *ret,
                                 struct why *why)
{
    if (value.len == 0) {
        ret->generations_count = 1;
        ret->generations[0] = (struct generation){0};
        return OK;
    }
    struct reader reader = reader_of(value);
    uint8_t version = reader_u8(&reader);
    uint32_t count = reader_le32(&reader);
    if (version != GENERATIONS_VERSION || count == 0 || count > MSG_GENERATIONS_MAX) {
        return bad_value(slot, "generations", why);
    }
    for (uint32_t i = 0; i < count; i++) {
        ret->generations[i] = (struct generation){.id = reader_le64(&reader)};
        ret->generations[i].started_ms = reader_le64(&reader);
    }
    ret->generations_count = count;
    ret->has_generations_row = true;
    return reader_is_done(&reader) ? OK : bad_value(slot, "generations", why);
}

static enum err decode_state(uint32_t slot, struct bytes value, struct slot_state_row *ret,
                             struct why *why)
{
    if (value.len == 0) {
        return OK;
    }
    struct reader reader = reader_of(value);
    if (reader_u8(&reader) != STATE_VERSION) {
        return bad_value(slot, "state", why);
    }
    ret->channels = reader_le64(&reader);
    ret->delete_records = reader_le64(&reader);
    if (reader_le32(&reader) != ret->generations_count) {
        return bad_value(slot, "state", why);
    }
    for (uint32_t i = 0; i < ret->generations_count; i++) {
        ret->generations[i].rows = reader_le64(&reader);
        ret->generations[i].digest.low = reader_le64(&reader);
        ret->generations[i].digest.high = reader_le64(&reader);
    }
    return reader_is_done(&reader) ? OK : bad_value(slot, "state", why);
}

enum err slot_read_state(struct store *store, const struct store_snapshot *snapshot, uint32_t slot,
                         struct slot_state_row *ret, struct why *why)
{
    struct slot_state_row row = {0};
    struct store_value value;
    store_value_init(&value);
    struct bytes bytes;
    enum err err = read_value(store, snapshot, slot, STORE_SLOT_FLOOR, &value, &bytes, why);
    if (err == OK && bytes.len != 0) {
        struct reader reader = reader_of(bytes);
        row.floor = reader_le64(&reader);
        err = reader_is_done(&reader) ? OK : bad_value(slot, "floor", why);
    }
    if (err == OK) {
        err = read_value(store, snapshot, slot, STORE_SLOT_GENERATIONS, &value, &bytes, why);
    }
    if (err == OK) {
        err = slot_decode_generations(slot, bytes, &row, why);
    }
    if (err == OK) {
        err = read_value(store, snapshot, slot, STORE_SLOT_STATE, &value, &bytes, why);
    }
    if (err == OK) {
        err = decode_state(slot, bytes, &row, why);
    }
    if (err == OK) {
        err = read_value(store, snapshot, slot, STORE_SLOT_MEMBERS, &value, &bytes, why);
    }
    if (err == OK && bytes.len != 0) {
        struct reader reader = reader_of(bytes);
        row.members_revision = reader_le64(&reader);
        row.members_hash = slot_value_hash(slot, STORE_SLOT_MEMBERS, bytes);
        err = row.members_revision != 0 ? OK : bad_value(slot, "members", why);
    }
    store_value_done(&value);
    if (err == OK) {
        *ret = row;
    }
    return err;
}

enum err slot_open(struct msg *msg, uint32_t id, struct slot **ret, struct why *why)
{
    assert(id < msg->slot_count);
    if (msg->slots[id] != NULL) {
        *ret = msg->slots[id];
        return OK;
    }
    struct slot_state_row row;
    enum err err = slot_read_state(msg->store, NULL, id, &row, why);
    if (err != OK) {
        return err;
    }
    struct row_applied applied;
    err = store_get_applied(msg->store, NULL, id, &applied);
    if (err != OK) {
        return why_set(why, err, "cannot read the applied index of slot %u", id);
    }
    struct slot *slot = alloc_zero(sizeof(*slot));
    slot->id = id;
    slot->applied = applied;
    slot->floor = row.floor;
    slot->channels = row.channels;
    slot->delete_records = row.delete_records;
    slot->members_revision = row.members_revision;
    slot->members_hash = row.members_hash;
    memcpy(slot->generations, row.generations, sizeof(row.generations));
    slot->generations_count = row.generations_count;
    slot->has_generations_row = row.has_generations_row;
    msg->slots[id] = slot;
    *ret = slot;
    return OK;
}

void slot_forget(struct msg *msg, uint32_t id)
{
    assert(msg->slots[id] == NULL || !msg->slots[id]->is_touched);
    heads_forget(msg, id);
    free(msg->slots[id]);
    msg->slots[id] = NULL;
}
