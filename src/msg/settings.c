/* SPDX-License-Identifier: Apache-2.0 */
/* Three small commands: RAISE_FLOOR collects delete records, SET_RETENTION keeps a channel's limits
 * in its row (three le64; absent when there are none), MEMBERS keeps the table of the cluster's nodes
 * as a value of slot 0 (le64 revision, table) when it was made from the one in force. All go through the log because they change
 * logical state, and digests at equal log indices must agree. */
#include "msg/inner.h"

enum err floor_apply(struct msg *msg, struct slot *slot, const struct entry *entry, struct why *why)
{
    uint64_t floor = entry->command->raise_floor.floor;
    if (floor > entry->index) {
        floor = entry->index; /* the future is not collected */
    }
    uint64_t removed = 0;
    if (floor > slot->floor) {
        enum err err = msg_apply_flush(msg, why); /* records may be in the open batch */
        if (err != OK) {
            return err;
        }
        struct store_iter *iter = store_iter_delete_log(msg->store, NULL, slot->id, NULL, 0, floor);
        struct hash128 gone = {0};
        while (store_iter_next(iter)) {
            const struct row_delete_record *record = store_iter_delete_record(iter);
            gone = hash128_add(gone, row_delete_record_hash(slot->id, record));
            store_remove_delete_record(msg->batch, slot->id, record);
            removed++;
        }
        err = store_iter_done(iter);
        if (err != OK) {
            store_batch_clear(msg->batch); /* nothing else is in it */
            return why_set(why, err, "cannot read the delete log of slot %u", slot->id);
        }
        if (slot->floor != 0) {
            slot_sub(slot, slot_value_hash(slot->id, STORE_SLOT_FLOOR,
                                           slot_encode_floor(slot->floor, &msg->arena)));
        }
        struct bytes value = slot_encode_floor(floor, &msg->arena);
        slot_sub(slot, gone);
        slot_add(slot, slot_value_hash(slot->id, STORE_SLOT_FLOOR, value));
        store_put_slot_value(msg->batch, slot->id, STORE_SLOT_FLOOR, value);
        slot->floor = floor;
        slot->delete_records -= removed;
        slot->state_changed = true;
    }
    if (entry->result != NULL) {
        entry->result->floor = slot->floor;
        entry->result->removed = removed;
    }
    return OK;
}

enum err retention_apply(struct msg *msg, struct slot *slot, const struct entry *entry,
                         struct why *why)
{
    const struct command_set_retention *set = &entry->command->set_retention;
    struct head *head;
    enum err err = head_get(msg, slot, set->channel, &head, why);
    if (err != OK) {
        return err;
    }
    bool none = set->max_age_ms == 0 && set->max_messages == 0 && set->max_bytes == 0;
    if (!head->exists && none) {
        return OK;
    }
    if (!head->exists) {
        head->row.created_ms = entry->command->time_ms;
    }
    struct buf buf = BUF_INIT;
    buf_put_le64(&buf, set->max_age_ms);
    buf_put_le64(&buf, set->max_messages);
    buf_put_le64(&buf, set->max_bytes);
    static_assert(MSG_RETENTION_BYTES == 24, "three le64");
    memcpy(head->retention, buf.data, MSG_RETENTION_BYTES);
    buf_done(&buf);
    head->row.retention = none ? BYTES_NONE : bytes_of(head->retention, MSG_RETENTION_BYTES);
    head_put_row(msg, slot, head, entry->index);
    return OK;
}

enum err members_apply(struct msg *msg, struct slot *slot, const struct entry *entry,
                       struct why *why)
{
    (void)why;
    const struct command_members *command = &entry->command->members;
    bool fits = slot->id == 0 && command->expected_revision == slot->members_revision;
    if (fits) {
        struct buf buf = BUF_INIT;
        buf_put_le64(&buf, slot->members_revision + 1);
        buf_append_bytes(&buf, command->table);
        struct hash128 hash = slot_value_hash(slot->id, STORE_SLOT_MEMBERS, buf_bytes(&buf));
        slot_sub(slot, slot->members_hash);
        slot_add(slot, hash);
        store_put_slot_value(msg->batch, slot->id, STORE_SLOT_MEMBERS, buf_bytes(&buf));
        buf_done(&buf);
        slot->members_hash = hash;
        slot->members_revision++;
    }
    if (entry->result != NULL) {
        entry->result->members_err = fits ? OK : ERR_CONFLICT;
        entry->result->members_revision = slot->members_revision;
    }
    return OK;
}
