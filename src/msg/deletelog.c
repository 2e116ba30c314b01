/* SPDX-License-Identifier: Apache-2.0 */
/* The delete log as clients see it. Records at or below the floor are gone; above it the log is
 * complete. */
#include "msg/inner.h"

static void copy_record(struct arena *arena, uint32_t slot, const struct row_delete_record *row,
                        struct msg_delete_record *ret)
{
    struct range *ranges = arena_alloc(arena, row->ranges_count * sizeof(*ranges));
    for (uint32_t i = 0; i < row->ranges_count; i++) {
        ranges[i] = (struct range){row->ranges[i].start, row->ranges[i].end};
    }
    *ret = (struct msg_delete_record){
        .slot = slot,
        .log_index = row->log_index,
        .deleted_at_ms = row->deleted_at_ms,
        .channel = {row->channel.type, arena_copy(arena, row->channel.id)},
        .ranges = ranges,
        .ranges_count = row->ranges_count,
        .deleted_count = row->deleted_count,
        .already_deleted = row->already_deleted,
        .operator_name = arena_copy(arena, row->operator_name),
        .reason = arena_copy(arena, row->reason),
        .request_id = arena_copy(arena, row->request_id),
    };
}

static bool is_wanted(const struct msg_deletes_query *query, const struct row_delete_record *row)
{
    if (query->since_ms != 0 && row->deleted_at_ms < query->since_ms) {
        return false;
    }
    if (query->until_ms != 0 && row->deleted_at_ms > query->until_ms) {
        return false;
    }
    if (query->operator_name.len != 0 &&
        !bytes_is_equal(row->operator_name, query->operator_name)) {
        return false;
    }
    return query->reason.len == 0 || bytes_is_equal(row->reason, query->reason);
}

/* What lies before each record: the record before it, or the floor, behind which none was collected. */
static enum err find_before(struct msg *msg, const struct store_snapshot *snapshot, uint32_t slot,
                            uint64_t floor, struct msg_delete_record *record)
{
    record->after_index = floor < record->log_index ? floor : 0;
    enum err err = store_find_delete_before(msg->store, snapshot, slot, record->after_index,
                                            record->log_index, &record->after_index);
    return err == ERR_NOT_FOUND ? OK : err;
}

static enum err collect_records(struct msg *msg, const struct store_snapshot *snapshot,
                                const struct msg_deletes_query *query, uint64_t floor,
                                struct arena *arena, struct msg_deletes *ret, struct why *why)
{
    uint32_t limit = query->limit == 0 || query->limit > MSG_LIST_MAX ? MSG_LIST_MAX : query->limit;
    uint32_t count = 0, capacity = 0;
    struct msg_delete_record *records = NULL;
    bool more = false;
    uint64_t before = 0; /* the record that the iterator showed last, of the whole slot's */
    struct store_iter *iter =
        query->since_index == UINT64_MAX
            ? NULL
            : store_iter_delete_log(msg->store, snapshot, query->slot, query->channel,
                                    query->since_index + 1, UINT64_MAX);
    while (!more && iter != NULL && store_iter_next(iter)) {
        const struct row_delete_record *row = store_iter_delete_record(iter);
        uint64_t after_index = query->channel == NULL ? before : 0;
        before = row->log_index;
        if (!is_wanted(query, row)) {
            continue;
        }
        if (count == limit) {
            more = true;
            break;
        }
        if (count == capacity) {
            capacity = capacity == 0 ? 32 : capacity * 2;
            struct msg_delete_record *grown = arena_alloc(arena, capacity * sizeof(*grown));
            if (count != 0) {
                memcpy(grown, records, count * sizeof(*grown));
            }
            records = grown;
        }
        copy_record(arena, query->slot, row, &records[count]);
        records[count++].after_index = after_index;
    }
    enum err err = store_iter_done(iter);
    for (uint32_t i = 0; err == OK && i < count; i++) {
        if (records[i].after_index == 0) {
            err = find_before(msg, snapshot, query->slot, floor, &records[i]);
        }
    }
    if (err != OK) {
        return why_set(why, err, "cannot read the delete log of slot %u", query->slot);
    }
    ret->records = records;
    ret->count = count;
    ret->more = more;
    return OK;
}

enum err msg_list_deletes(struct msg *msg, const struct msg_deletes_query *query,
                          struct arena *arena, struct msg_deletes *ret, struct why *why)
{
    struct store_snapshot *snapshot = store_snapshot_new(msg->store);
    struct row_applied applied;
    struct slot_state_row state;
    struct msg_deletes found = {0};
    enum err err = store_get_applied(msg->store, snapshot, query->slot, &applied);
    if (err != OK) {
        why_set(why, err, "cannot read the applied index of slot %u", query->slot);
    } else {
        err = slot_read_state(msg->store, snapshot, query->slot, &state, why);
    }
    if (err == OK) {
        err = collect_records(msg, snapshot, query, state.floor, arena, &found, why);
    }
    if (err == OK) {
        found.last_index = state.floor;
        enum err none = store_find_delete_before(msg->store, snapshot, query->slot, state.floor,
                                                 UINT64_MAX, &found.last_index);
        err = none == ERR_NOT_FOUND ? OK : none;
    }
    store_snapshot_free(msg->store, snapshot);
    if (err == OK) {
        found.floor = state.floor;
        found.applied_index = applied.index;
        *ret = found;
    }
    return err;
}

enum err msg_count_deletes(struct msg *msg, uint32_t slot, uint64_t since_index, uint64_t max,
                           uint64_t *ret_count, uint64_t *ret_oldest_ms, struct why *why)
{
    uint64_t count = 0, oldest_ms = 0;
    struct store_iter *iter =
        since_index == UINT64_MAX
            ? NULL
            : store_iter_delete_log(msg->store, NULL, slot, NULL, since_index + 1, UINT64_MAX);
    while (count < max && iter != NULL && store_iter_next(iter)) {
        if (count == 0) {
            oldest_ms = store_iter_delete_record(iter)->deleted_at_ms;
        }
        count++;
    }
    enum err err = store_iter_done(iter);
    if (err != OK) {
        return why_set(why, err, "cannot read the delete log of slot %u", slot);
    }
    *ret_count = count;
    *ret_oldest_ms = oldest_ms;
    return OK;
}

enum err msg_get_delete(struct msg *msg, uint32_t slot, uint64_t log_index, struct arena *arena,
                        struct msg_delete_record *ret, struct why *why)
{
    struct store_snapshot *snapshot = store_snapshot_new(msg->store);
    struct store_value value;
    store_value_init(&value);
    struct row_delete_record row;
    enum err err = store_get_delete_record(msg->store, snapshot, slot, log_index, &value, &row);
    if (err == OK) {
        copy_record(arena, slot, &row, ret);
    } else if (err == ERR_NOT_FOUND) {
        struct slot_state_row state;
        err = slot_read_state(msg->store, snapshot, slot, &state, why);
        if (err == OK && log_index <= state.floor) {
            err = why_set(why, ERR_COLLECTED, "records up to %u-%" PRIu64 " were collected", slot,
                          state.floor);
        } else if (err == OK) {
            err = why_set(why, ERR_NOT_FOUND, "no delete has the id %u-%" PRIu64, slot, log_index);
        }
    } else {
        why_set(why, err, "cannot read the delete record %u-%" PRIu64, slot, log_index);
    }
    store_value_done(&value);
    store_snapshot_free(msg->store, snapshot);
    return err;
}
