/* SPDX-License-Identifier: Apache-2.0 */
/* A channel in one snapshot: what every query begins with. The figures come from few rows: the
 * channel row, the last message row, and, only when something was ever deleted, the interval that
 * starts at 1. Counts and bytes are differences of running totals. */
#include "msg/inner.h"

enum err view_fault(const struct view *view, enum err err, const char *what, uint64_t seq,
                    struct why *why)
{
    if (err == ERR_NOT_FOUND) {
        err = ERR_CORRUPT; /* a row that must be there */
    }
    return why_set(why, err, "cannot read %s at seq %" PRIu64 " of channel %u/'%.*s' in slot %u",
                   what, seq, view->channel.type, (int)view->channel.id.len,
                   (const char *)view->channel.id.data, view->slot);
}

static enum err load_first(struct view *view, struct why *why)
{
    view->first_seq = view->last_seq == 0 ? 0 : 1;
    if (view->row.deleted_count == 0 || view->last_seq == 0) {
        return OK;
    }
    struct row_deleted interval;
    enum err err = store_find_deleted_before(view->store, view->snapshot, view->slot, view->channel,
                                             1, &interval);
    if (err == ERR_NOT_FOUND) {
        return OK;
    }
    if (err != OK) {
        return view_fault(view, err, "the first deleted interval", 1, why);
    }
    view->first_seq = interval.end >= view->last_seq ? 0 : interval.end + 1;
    return OK;
}

static enum err load_last(struct view *view, struct why *why)
{
    uint64_t seq;
    struct row_message row;
    view->last_seq = view->row.last_seq;
    view->last_timestamp_ms = view->row.last_timestamp_ms;
    view->totals = view->row.totals_at_last;
    enum err err = store_find_message_before(view->store, view->snapshot, view->slot, view->channel,
                                             MSG_SEQ_MAX, &view->scrap, &seq, &row);
    if (err == ERR_NOT_FOUND) {
        return OK;
    }
    if (err != OK) {
        return view_fault(view, err, "the last message", MSG_SEQ_MAX, why);
    }
    if (seq > view->last_seq) {
        view->last_seq = seq;
        view->last_timestamp_ms = row.timestamp_ms;
        view->totals = row.totals;
    }
    return OK;
}

enum err view_load_row(struct view *view, struct channel channel, const struct row_channel *row,
                       struct why *why)
{
    view->channel = channel;
    view->exists = true;
    view->row = *row;
    return view_load_figures(view, why);
}

static enum err load_row(struct view *view, struct channel channel, struct why *why)
{
    view->channel = channel;
    enum err err = store_get_channel(view->store, view->snapshot, view->slot, channel, &view->value,
                                     &view->row);
    if (err == ERR_NOT_FOUND) {
        return OK;
    }
    if (err != OK) {
        return view_fault(view, err, "the channel row", 0, why);
    }
    view->exists = true;
    return OK;
}

enum err view_load_figures(struct view *view, struct why *why)
{
    if (!view->exists) {
        return OK;
    }
    enum err err = load_last(view, why);
    return err == OK ? load_first(view, why) : err;
}

enum err view_open(struct msg *msg, struct channel channel, struct view *ret, struct why *why)
{
    enum err err = view_open_row(msg, channel, ret, why);
    if (err != OK) {
        return err;
    }
    err = view_load_figures(ret, why);
    if (err != OK) {
        view_close(ret);
    }
    return err;
}

enum err view_open_row(struct msg *msg, struct channel channel, struct view *ret, struct why *why)
{
    *ret = (struct view){.store = msg->store,
                         .snapshot = store_snapshot_new(msg->store),
                         .slot = channel_slot(channel, msg->slot_count),
                         .channel = channel};
    store_value_init(&ret->value);
    store_value_init(&ret->scrap);
    enum err err = store_get_applied(ret->store, ret->snapshot, ret->slot, &ret->applied);
    if (err != OK) {
        err = view_fault(ret, err, "the applied index", 0, why);
    } else {
        err = load_row(ret, channel, why);
    }
    if (err != OK) {
        view_close(ret);
    }
    return err;
}

void view_close(struct view *view)
{
    store_value_done(&view->value);
    store_value_done(&view->scrap);
    store_snapshot_free(view->store, view->snapshot);
    view->snapshot = NULL;
}

enum err view_find_interval(struct view *view, uint64_t seq, bool *ret_found, struct range *ret,
                            struct why *why)
{
    *ret_found = false;
    if (view->row.deleted_count == 0) {
        return OK;
    }
    struct row_deleted interval;
    enum err err = store_find_deleted_before(view->store, view->snapshot, view->slot, view->channel,
                                             seq, &interval);
    if (err == ERR_NOT_FOUND) {
        return OK;
    }
    if (err != OK) {
        return view_fault(view, err, "a deleted interval", seq, why);
    }
    if (interval.end >= seq) {
        *ret_found = true;
        *ret = (struct range){interval.start, interval.end};
    }
    return OK;
}

enum err view_last_before(struct view *view, uint64_t from, uint64_t to, uint64_t time_ms,
                          uint64_t *ret_seq, struct why *why)
{
    uint64_t low = from, high = to, found = 0;
    while (low <= high && high != 0) {
        uint64_t middle = low + (high - low) / 2;
        uint64_t seq;
        struct row_message row;
        enum err err = store_find_message_before(view->store, view->snapshot, view->slot,
                                                 view->channel, middle, &view->scrap, &seq, &row);
        if (err != OK && err != ERR_NOT_FOUND) {
            return view_fault(view, err, "a message", middle, why);
        }
        if (err == ERR_NOT_FOUND || seq < low) {
            low = middle + 1; /* all of [low, middle] are deleted */
        } else if (row.timestamp_ms < time_ms) {
            found = seq;
            low = middle + 1;
        } else {
            high = seq - 1;
        }
    }
    *ret_seq = found;
    return OK;
}

void view_channel(const struct view *view, struct arena *arena, struct msg_channel *ret)
{
    *ret = (struct msg_channel){
        .channel = {view->channel.type, arena_copy(arena, view->channel.id)},
        .slot = view->slot,
        .first_seq = view->first_seq,
        .last_seq = view->last_seq,
        .message_count = view->last_seq - view->row.deleted_count,
        .deleted_count = view->row.deleted_count,
        .bytes = view->totals.bytes - view->row.deleted_bytes,
        .last_timestamp_ms = view->last_timestamp_ms,
        .delete_version = view->row.delete_version,
        .created_ms = view->row.created_ms,
        .applied_index = view->applied.index,
    };
    if (view->row.retention.len == MSG_RETENTION_BYTES) {
        struct reader reader = reader_of(view->row.retention);
        ret->retention_max_age_ms = reader_le64(&reader);
        ret->retention_max_messages = reader_le64(&reader);
        ret->retention_max_bytes = reader_le64(&reader);
    }
}

/* One piece of arena memory for all slices of a message. */
void message_copy(struct arena *arena, uint64_t seq, const struct row_message *row,
                  struct msg_message *ret)
{
    const struct bytes from[] = {row->payload, row->from_uid, row->client_msg_no, row->topic};
    struct bytes to[ARRAY_LEN(from)];
    size_t len = 0;
    for (size_t i = 0; i < ARRAY_LEN(from); i++) {
        len += from[i].len;
    }
    uint8_t *at = arena_alloc(arena, len);
    for (size_t i = 0; i < ARRAY_LEN(from); i++) {
        if (from[i].len != 0) {
            memcpy(at, from[i].data, from[i].len);
        }
        to[i] = bytes_of(at, from[i].len);
        at += from[i].len;
    }
    *ret = (struct msg_message){
        .seq = seq,
        .message_id = row->message_id,
        .timestamp_ms = row->timestamp_ms,
        .payload = to[0],
        .from_uid = to[1],
        .client_msg_no = to[2],
        .topic = to[3],
        .payload_encoding = row->payload_encoding,
        .setting = row->setting,
        .header = {row->header[0], row->header[1], row->header[2]},
        .expire_s = row->expire_s,
    };
}
