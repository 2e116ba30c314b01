/* SPDX-License-Identifier: Apache-2.0 */
/* Figures of one channel, lists of channels, and of a slot as a whole. */
#include "msg/inner.h"

enum err msg_get_channel(struct msg *msg, struct channel channel, struct arena *arena,
                         struct msg_channel *ret, struct why *why)
{
    struct view view;
    enum err err = view_open(msg, channel, &view, why);
    if (err != OK) {
        return err;
    }
    view_channel(&view, arena, ret);
    view_close(&view);
    return OK;
}

static uint32_t list_limit(uint32_t limit)
{
    return limit == 0 || limit > MSG_LIST_MAX ? MSG_LIST_MAX : limit;
}

static enum err collect_channels(struct view *view, const struct msg_channels_query *query,
                                 struct arena *arena, struct msg_channels *ret, struct why *why)
{
    uint32_t limit = list_limit(query->limit), count = 0, capacity = 0;
    struct msg_channel *channels = NULL;
    bool more = false;
    enum err err = OK;
    struct store_iter *iter = store_iter_channels(view->store, view->snapshot, view->slot,
                                                  query->type, query->prefix, query->after);
    while (err == OK && !more && store_iter_next(iter)) {
        if (count == limit) {
            more = true;
            break;
        }
        if (count == capacity) {
            capacity = capacity == 0 ? 32 : capacity * 2;
            struct msg_channel *grown = arena_alloc(arena, capacity * sizeof(*grown));
            if (count != 0) {
                memcpy(grown, channels, count * sizeof(*grown));
            }
            channels = grown;
        }
        err = view_load_row(view, store_iter_channel(iter), store_iter_channel_row(iter), why);
        if (err == OK) {
            view_channel(view, arena, &channels[count++]);
        }
    }
    enum err done = store_iter_done(iter);
    if (err != OK) {
        return err;
    }
    if (done != OK) {
        return why_set(why, done, "cannot list the channels of slot %u", view->slot);
    }
    *ret = (struct msg_channels){.channels = channels, .count = count, .more = more};
    return OK;
}

enum err msg_list_channels(struct msg *msg, const struct msg_channels_query *query,
                           struct arena *arena, struct msg_channels *ret, struct why *why)
{
    struct view view = {
        .store = msg->store, .snapshot = store_snapshot_new(msg->store), .slot = query->slot};
    store_value_init(&view.value);
    store_value_init(&view.scrap);
    enum err err = store_get_applied(view.store, view.snapshot, view.slot, &view.applied);
    if (err != OK) {
        why_set(why, err, "cannot read the applied index of slot %u", view.slot);
    } else {
        err = collect_channels(&view, query, arena, ret, why);
    }
    view_close(&view);
    return err;
}

enum err msg_get_slot_state(struct msg *msg, uint32_t slot, struct msg_slot_state *ret,
                            struct why *why)
{
    struct store_snapshot *snapshot = store_snapshot_new(msg->store);
    struct row_applied applied;
    struct slot_state_row row;
    enum err err = store_get_applied(msg->store, snapshot, slot, &applied);
    if (err != OK) {
        why_set(why, err, "cannot read the applied index of slot %u", slot);
    } else {
        err = slot_read_state(msg->store, snapshot, slot, &row, why);
    }
    store_snapshot_free(msg->store, snapshot);
    if (err != OK) {
        return err;
    }
    uint64_t dedup_rows = 0;
    for (uint32_t i = 0; i < row.generations_count; i++) {
        dedup_rows += row.generations[i].rows;
    }
    *ret = (struct msg_slot_state){
        .slot = slot,
        .applied_index = applied.index,
        .applied_term = applied.term,
        .digest = applied.digest,
        .floor = row.floor,
        .delete_log_count = row.delete_records,
        .channels_count = row.channels,
        .dedup_rows = dedup_rows,
        .dedup_generations = row.has_generations_row ? row.generations_count : 0,
        .dedup_started_ms = row.generations[row.generations_count - 1].started_ms,
    };
    return OK;
}
