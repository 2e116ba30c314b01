/* SPDX-License-Identifier: Apache-2.0 */
/* What a delete would do: every form resolved into ranges, and the counts. The leader proposes the
 * resolved ranges, so that all replicas delete the same seqs whatever their clocks say. Reads
 * intervals, and a few messages for `before`; never the messages that would go. */
#include "msg/inner.h"

struct preview {
    struct view *view;
    struct range *ranges;
    uint32_t count;
};

static uint64_t overlap(struct range range, uint64_t start, uint64_t end)
{
    uint64_t from = range.start > start ? range.start : start;
    uint64_t to = range.end < end ? range.end : end;
    return from > to ? 0 : to - from + 1;
}

/* Adds [start, end], cut at last_seq. */
static enum err add_range(struct preview *preview, uint64_t start, uint64_t end, bool clamp,
                          struct why *why)
{
    uint64_t last_seq = preview->view->last_seq;
    if (start == 0 || start > end) {
        return why_set(why, ERR_BAD_RANGE, "the range %" PRIu64 "-%" PRIu64 " is impossible", start,
                       end);
    }
    if (end > last_seq && !clamp) {
        return why_set(why, ERR_END_BEYOND_LAST, "end %" PRIu64 " is above the last seq, %" PRIu64,
                       end, last_seq);
    }
    end = end > last_seq ? last_seq : end;
    if (start > end) {
        return OK;
    }
    struct range *last = preview->count > 0 ? &preview->ranges[preview->count - 1] : NULL;
    if (last != NULL && start <= last->end) {
        return why_set(why, ERR_BAD_RANGE, "the ranges are not ascending at %" PRIu64, start);
    }
    if (last != NULL && last->end + 1 == start) {
        last->end = end;
    } else {
        preview->ranges[preview->count++] = (struct range){start, end};
    }
    return OK;
}

/* The seq of the keep-th newest visible message, which is the first one to stay. keep is at least
 * 1 and below the number of visible messages. */
static enum err find_kept(struct view *view, uint64_t keep, uint64_t *ret_seq, struct why *why)
{
    uint64_t high = view->last_seq, left = keep;
    struct store_iter *iter = store_iter_deleted(view->store, view->snapshot, view->slot,
                                                 view->channel, 1, view->last_seq, true);
    while (store_iter_next(iter)) {
        const struct row_deleted *interval = store_iter_deleted_row(iter);
        uint64_t visible = high - interval->end;
        if (visible >= left) {
            break;
        }
        left -= visible;
        high = interval->start - 1;
    }
    enum err err = store_iter_done(iter);
    *ret_seq = high - left + 1;
    return err == OK ? OK : view_fault(view, err, "deleted intervals", high, why);
}

static enum err resolve_keep(struct preview *preview, uint64_t keep, struct why *why)
{
    struct view *view = preview->view;
    uint64_t visible = view->last_seq - view->row.deleted_count;
    if (visible <= keep) {
        return OK;
    }
    uint64_t kept = view->last_seq + 1;
    if (keep > 0) {
        enum err err = find_kept(view, keep, &kept, why);
        if (err != OK) {
            return err;
        }
    }
    return add_range(preview, view->first_seq, kept - 1, false, why);
}

static enum err resolve_before(struct preview *preview, uint64_t before_ms, struct why *why)
{
    struct view *view = preview->view;
    uint64_t seq;
    if (view->first_seq == 0) {
        return OK;
    }
    enum err err = view_last_before(view, view->first_seq, view->last_seq, before_ms, &seq, why);
    if (err != OK || seq == 0) {
        return err;
    }
    return add_range(preview, view->first_seq, seq, false, why);
}

static enum err resolve(struct preview *preview, const struct msg_delete_request *request,
                        struct why *why)
{
    switch (request->form) {
    case MSG_DELETE_RANGES:
        for (uint32_t i = 0; i < request->ranges_count; i++) {
            enum err err = add_range(preview, request->ranges[i].start, request->ranges[i].end,
                                     request->clamp, why);
            if (err != OK) {
                return err;
            }
        }
        return OK;
    case MSG_DELETE_THROUGH:
        return add_range(preview, 1, request->through_seq, request->clamp, why);
    case MSG_DELETE_KEEP:
        return resolve_keep(preview, request->keep, why);
    case MSG_DELETE_BEFORE:
        return resolve_before(preview, request->before_ms, why);
    case MSG_DELETE_ALL:
        return preview->view->last_seq == 0
                   ? OK
                   : add_range(preview, 1, preview->view->last_seq, false, why);
    }
    return why_set(why, ERR_BAD_PARAMETER, "delete form %d is not known", (int)request->form);
}

static enum err count_deleted(const struct preview *preview, uint64_t *ret_already, struct why *why)
{
    struct view *view = preview->view;
    *ret_already = 0;
    for (uint32_t i = 0; view->row.deleted_count > 0 && i < preview->count; i++) {
        struct range range = preview->ranges[i];
        struct store_iter *iter = store_iter_deleted(view->store, view->snapshot, view->slot,
                                                     view->channel, range.start, range.end, false);
        while (store_iter_next(iter)) {
            const struct row_deleted *interval = store_iter_deleted_row(iter);
            *ret_already += overlap(range, interval->start, interval->end);
        }
        enum err err = store_iter_done(iter);
        if (err != OK) {
            return view_fault(view, err, "deleted intervals", range.start, why);
        }
    }
    return OK;
}

/* The first visible seq once the ranges are gone: walks over intervals and ranges in turn. */
static enum err first_after(const struct preview *preview, uint64_t *ret_seq, struct why *why)
{
    struct view *view = preview->view;
    uint64_t at = view->first_seq;
    for (uint32_t i = 0; at != 0 && i < preview->count;) {
        const struct range *range = &preview->ranges[i];
        if (range->end < at) {
            i++;
            continue;
        }
        if (range->start > at) {
            break;
        }
        at = range->end + 1;
        bool found = false;
        struct range interval;
        enum err err = view_find_interval(view, at, &found, &interval, why);
        if (err != OK) {
            return err;
        }
        if (found) {
            at = interval.end + 1;
        }
    }
    *ret_seq = at > view->last_seq ? 0 : at;
    return OK;
}

static enum err fill_result(const struct preview *preview, struct msg_delete_result *ret,
                            struct why *why)
{
    *ret = (struct msg_delete_result){.first_seq = preview->view->first_seq,
                                      .last_seq = preview->view->last_seq};
    if (preview->count == 0) {
        return OK;
    }
    uint64_t size = 0;
    for (uint32_t i = 0; i < preview->count; i++) {
        size += preview->ranges[i].end - preview->ranges[i].start + 1;
    }
    enum err err = count_deleted(preview, &ret->already_deleted, why);
    if (err == OK) {
        err = first_after(preview, &ret->first_seq, why);
    }
    ret->logged = true;
    ret->ranges = preview->ranges;
    ret->ranges_count = preview->count;
    ret->start_seq = preview->ranges[0].start;
    ret->end_seq = preview->ranges[preview->count - 1].end;
    ret->deleted_count = size - ret->already_deleted;
    return err;
}

enum err msg_preview_delete(struct msg *msg, const struct msg_delete_request *request,
                            struct arena *arena, struct msg_delete_result *ret,
                            uint64_t *ret_applied_index, struct why *why)
{
    struct view view;
    enum err err = view_open(msg, request->channel, &view, why);
    if (err != OK) {
        return err;
    }
    struct preview preview = {.view = &view};
    uint32_t capacity = request->form == MSG_DELETE_RANGES ? request->ranges_count : 1;
    preview.ranges = arena_alloc(arena, (capacity + 1) * sizeof(*preview.ranges));
    struct msg_delete_result result;
    err = resolve(&preview, request, why);
    if (err == OK) {
        err = fill_result(&preview, &result, why);
    }
    if (err == ERR_END_BEYOND_LAST) { /* the answer: what the last seq is */
        result = (struct msg_delete_result){.err = err, .last_seq = view.last_seq};
        err = OK;
    }
    if (err == OK) {
        *ret = result;
    }
    if (ret_applied_index != NULL) {
        *ret_applied_index = view.applied.index;
    }
    view_close(&view);
    return err;
}
