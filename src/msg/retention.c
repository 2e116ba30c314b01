/* SPDX-License-Identifier: Apache-2.0 */
/* Up to which seq a channel's limits would have it deleted. Reads a few rows: counts and bytes come from
 * running totals, an age from a search. A limit is acted upon when it is exceeded by a 64th, so that a
 * channel at its limit is not deleted from at every message. */
#include "msg/inner.h"

enum { SLACK = 64 };

struct plan {
    struct msg *msg;
    const struct msg_channel *channel;
    struct msg_retention_plan *ret;
};

static void want(struct plan *plan, uint64_t through, const char *reason)
{
    if (through > plan->ret->through_seq) {
        plan->ret->through_seq = through;
        plan->ret->reason = reason;
    }
}

/* What a form of delete would end at; 0: it would delete nothing. */
static enum err end_of(struct plan *plan, const struct msg_delete_request *request, uint64_t *ret,
                       struct why *why)
{
    struct arena arena;
    struct msg_delete_result result = {.err = OK};
    arena_init(&arena);
    enum err err = msg_preview_delete(plan->msg, request, &arena, &result, NULL, why);
    *ret = err == OK && result.logged && result.ranges_count > 0 ? result.end_seq : 0;
    arena_done(&arena);
    return err;
}

static enum err by_count(struct plan *plan, struct why *why)
{
    const struct msg_channel *channel = plan->channel;
    uint64_t max = channel->retention_max_messages, end = 0;
    if (max == 0 || channel->message_count <= max + max / SLACK) {
        return OK;
    }
    struct msg_delete_request request = {
        .channel = channel->channel, .form = MSG_DELETE_KEEP, .keep = max};
    enum err err = end_of(plan, &request, &end, why);
    want(plan, end, "max_messages");
    return err;
}

static enum err by_age(struct plan *plan, uint64_t now_ms, struct why *why)
{
    uint64_t max_ms = plan->channel->retention_max_age_ms, end = 0;
    uint64_t late_ms = max_ms + max_ms / SLACK;
    if (max_ms == 0 || now_ms <= late_ms) {
        return OK;
    }
    struct msg_delete_request request = {.channel = plan->channel->channel,
                                         .form = MSG_DELETE_BEFORE,
                                         .before_ms = now_ms - late_ms};
    enum err err = end_of(plan, &request, &end, why);
    if (err != OK || end == 0) {
        return err;
    }
    request.before_ms = now_ms - max_ms;
    err = end_of(plan, &request, &end, why);
    want(plan, end, "max_age");
    return err;
}

/* The lowest seq of the visible run [from, to] with at least `bytes` in [from, seq]; base: the running
 * total in front of it. */
static enum err find_in_run(struct view *view, uint64_t from, uint64_t to, uint64_t base,
                            uint64_t bytes, uint64_t *ret_seq, struct why *why)
{
    while (from < to) {
        uint64_t middle = from + (to - from) / 2;
        struct row_message row;
        enum err err = store_get_message(view->store, view->snapshot, view->slot, view->channel,
                                         middle, &view->scrap, &row);
        if (err != OK) {
            return view_fault(view, err, "a message", middle, why);
        }
        if (row.totals.bytes - base >= bytes) {
            to = middle;
        } else {
            from = middle + 1;
        }
    }
    *ret_seq = from;
    return OK;
}

/* Walks over the runs between deleted intervals until `excess` visible bytes are passed. */
static enum err find_bytes(struct view *view, uint64_t excess, uint64_t *ret_seq, struct why *why)
{
    uint64_t from = 1, base = 0, to = view->last_seq, total = view->totals.bytes;
    struct store_iter *iter = store_iter_deleted(view->store, view->snapshot, view->slot,
                                                 view->channel, 1, view->last_seq, false);
    while (store_iter_next(iter)) {
        const struct row_deleted *interval = store_iter_deleted_row(iter);
        uint64_t run = interval->start > from ? interval->before_start.bytes - base : 0;
        if (run >= excess) {
            to = interval->start - 1;
            total = interval->before_start.bytes;
            break;
        }
        excess -= run;
        from = interval->end + 1;
        base = interval->at_end.bytes;
    }
    enum err err = store_iter_done(iter);
    if (err != OK) {
        return view_fault(view, err, "deleted intervals", from, why);
    }
    *ret_seq = 0;
    if (from > to || total - base < excess) {
        return OK; /* counts that do not fit: a check's business */
    }
    return find_in_run(view, from, to, base, excess, ret_seq, why);
}

static enum err by_bytes(struct plan *plan, struct why *why)
{
    const struct msg_channel *channel = plan->channel;
    uint64_t max = channel->retention_max_bytes, end = 0;
    if (max == 0 || channel->bytes <= max + max / SLACK) {
        return OK;
    }
    struct view view;
    enum err err = view_open(plan->msg, channel->channel, &view, why);
    if (err != OK) {
        return err;
    }
    uint64_t bytes = view.totals.bytes - view.row.deleted_bytes;
    if (bytes > max) {
        err = find_bytes(&view, bytes - max, &end, why);
    }
    view_close(&view);
    want(plan, end, "max_bytes");
    return err;
}

enum err msg_plan_retention(struct msg *msg, const struct msg_channel *channel, uint64_t now_ms,
                            struct msg_retention_plan *ret, struct why *why)
{
    struct plan plan = {.msg = msg, .channel = channel, .ret = ret};
    *ret = (struct msg_retention_plan){.through_seq = 0};
    enum err err = by_count(&plan, why);
    if (err == OK) {
        err = by_bytes(&plan, why);
    }
    return err == OK ? by_age(&plan, now_ms, why) : err;
}
