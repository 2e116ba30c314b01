/* SPDX-License-Identifier: Apache-2.0 */
/* How much a delta and a full install of a slot would send, about: a few seeks for each channel,
 * sums from running totals, so that the choice costs nothing beside the transfer. Payload bytes are
 * exact but for messages both appended and deleted since the base in more than INTERVALS_MAX
 * places; what rows cost beside them is a figure from the layout. */
#include "msg/installing.h"

enum {
    MESSAGE_OVERHEAD_BYTES = 110,
    DEDUP_ROW_BYTES = 110,
    CHANNEL_ROW_BYTES = 110,
    INTERVAL_BYTES = 110,
    RECORD_BYTES = 120,
    RANGE_BYTES = 6,
    VALUES_BYTES = 200,
    INTERVALS_MAX = 1000, /* in a channel's suffix that are looked at */
    CHANNELS_PER_ITERATOR = 4096
};

struct estimate {
    struct msg_source *source;
    uint64_t base;
    struct msg_source_estimate *ret;
    struct view view; /* its snapshot is the source's */
};

static void add(uint64_t *bytes, uint64_t *rows, uint64_t count, uint64_t each)
{
    *bytes += count * each;
    *rows += count;
}

/* Messages from first on that are not deleted, and their payload bytes. */
static enum err measure_suffix(struct estimate *estimate, uint64_t first, uint64_t *ret_count,
                               uint64_t *ret_bytes, struct why *why)
{
    struct view *view = &estimate->view;
    struct row_message row;
    enum err err = store_get_message(view->store, view->snapshot, view->slot, view->channel, first,
                                     &view->scrap, &row);
    if (err != OK) {
        return source_fault(estimate->source, err, "messages", why);
    }
    uint64_t count = view->last_seq - first + 1;
    uint64_t bytes = view->totals.bytes - (row.totals.bytes - row.payload.len);
    if (view->row.deleted_count > 0) {
        struct store_iter *iter = store_iter_deleted(view->store, view->snapshot, view->slot,
                                                     view->channel, first, MSG_SEQ_MAX, false);
        for (int i = 0; i < INTERVALS_MAX && store_iter_next(iter); i++) {
            const struct row_deleted *interval = store_iter_deleted_row(iter);
            count -= interval->end - interval->start + 1;
            bytes -= interval->at_end.bytes - interval->before_start.bytes;
        }
        err = store_iter_done(iter);
    }
    *ret_count = count;
    *ret_bytes = bytes;
    return err == OK ? OK : source_fault(estimate->source, err, "deleted intervals", why);
}

static enum err add_channel(struct estimate *estimate, struct channel channel,
                            const struct row_channel *row, struct why *why)
{
    struct msg_source_estimate *ret = estimate->ret;
    struct view *view = &estimate->view;
    enum err err = view_load_row(view, channel, row, why);
    if (err != OK) {
        return err;
    }
    uint64_t intervals =
        row->delete_version < row->deleted_count ? row->delete_version : row->deleted_count;
    add(&ret->full_bytes, &ret->full_rows, view->last_seq - row->deleted_count,
        MESSAGE_OVERHEAD_BYTES + channel.id.len);
    ret->full_bytes += view->totals.bytes - row->deleted_bytes;
    add(&ret->full_bytes, &ret->full_rows, 1 + intervals, CHANNEL_ROW_BYTES + channel.id.len);
    if (!ret->delta_possible) {
        return OK;
    }
    uint64_t first, below, count = 0, bytes = 0;
    err = source_find_suffix(estimate->source, channel, estimate->base, &first, &below, why);
    if (err == OK && first != 0) {
        err = measure_suffix(estimate, first, &count, &bytes, why);
    }
    if (err != OK) {
        return err;
    }
    ret->delta_bytes += bytes;
    add(&ret->delta_bytes, &ret->delta_rows, count, MESSAGE_OVERHEAD_BYTES + channel.id.len);
    if (first != 0 || row->log_index > estimate->base) {
        add(&ret->delta_bytes, &ret->delta_rows, 1, CHANNEL_ROW_BYTES + channel.id.len);
    }
    return OK;
}

static enum err add_channels(struct estimate *estimate, struct why *why)
{
    struct msg_source *source = estimate->source;
    struct install_cursor after;
    after.id_len = 0;
    uint32_t seen;
    enum err err = OK;
    do {
        struct store_iter *iter = store_iter_channels(source->store, source->snapshot, source->slot,
                                                      -1, BYTES_NONE, cursor_channel(&after));
        seen = 0;
        while (err == OK && seen < CHANNELS_PER_ITERATOR && store_iter_next(iter)) {
            struct channel channel = store_iter_channel(iter);
            seen++;
            cursor_set_channel(&after, channel);
            err = add_channel(estimate, channel, store_iter_channel_row(iter), why);
        }
        enum err done = store_iter_done(iter);
        if (err == OK && done != OK) {
            err = source_fault(source, done, "channels", why);
        }
    } while (err == OK && seen == CHANNELS_PER_ITERATOR);
    return err;
}

/* Delete records since the base, and the intervals that come with them. */
static enum err add_records(struct estimate *estimate, struct why *why)
{
    struct msg_source *source = estimate->source;
    struct msg_source_estimate *ret = estimate->ret;
    add(&ret->full_bytes, &ret->full_rows, source->state.delete_records, RECORD_BYTES);
    if (!ret->delta_possible) {
        return OK;
    }
    struct store_iter *iter = store_iter_delete_log(source->store, source->snapshot, source->slot,
                                                    NULL, estimate->base + 1, UINT64_MAX);
    while (store_iter_next(iter)) {
        const struct row_delete_record *record = store_iter_delete_record(iter);
        add(&ret->delta_bytes, &ret->delta_rows, 1,
            RECORD_BYTES + (uint64_t)record->ranges_count * RANGE_BYTES);
        add(&ret->delta_bytes, &ret->delta_rows, record->ranges_count, INTERVAL_BYTES);
    }
    enum err err = store_iter_done(iter);
    return err == OK ? OK : source_fault(source, err, "delete log", why);
}

/* Dedup rows go with their messages: as many of the slot's as messages go. */
static void add_dedup(struct estimate *estimate, uint64_t messages)
{
    const struct slot_state_row *state = &estimate->source->state;
    struct msg_source_estimate *ret = estimate->ret;
    uint64_t rows = 0;
    for (uint32_t i = 0; i < state->generations_count; i++) {
        rows += state->generations[i].rows;
    }
    add(&ret->full_bytes, &ret->full_rows, rows, DEDUP_ROW_BYTES);
    if (ret->delta_possible) {
        add(&ret->delta_bytes, &ret->delta_rows, rows < messages ? rows : messages,
            DEDUP_ROW_BYTES);
    }
}

enum err msg_source_estimate(struct msg_source *source, uint64_t base,
                             struct msg_source_estimate *ret, struct why *why)
{
    struct msg_source_estimate result = {.full_bytes = VALUES_BYTES, .delta_bytes = VALUES_BYTES};
    result.delta_possible = base >= source->state.floor && base <= source->applied.index;
    struct estimate estimate = {.source = source, .base = base, .ret = &result};
    estimate.view.store = source->store;
    estimate.view.snapshot = source->snapshot;
    estimate.view.slot = source->slot;
    store_value_init(&estimate.view.value);
    store_value_init(&estimate.view.scrap);
    enum err err = add_channels(&estimate, why);
    uint64_t messages = result.delta_rows;
    if (err == OK) {
        err = add_records(&estimate, why);
    }
    store_value_done(&estimate.view.value);
    store_value_done(&estimate.view.scrap);
    if (err != OK) {
        return err;
    }
    add_dedup(&estimate, messages);
    if (!result.delta_possible) {
        result.delta_bytes = result.delta_rows = UINT64_MAX;
    }
    *ret = result;
    return OK;
}
