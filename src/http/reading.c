/* SPDX-License-Identifier: Apache-2.0 */
#include "http/reading.h"

#include "http/http.h"
#include "http/jwrite.h"
#include "http/reply.h"
#include "http/times.h"
#include "sys/clock.h"

static const char *const names[] = {
    [NODE_LINEARIZABLE] = "linearizable", [NODE_LEADER] = "leader", [NODE_LOCAL] = "local"};

enum { DAY_MS = 24 * 3600 * 1000, SLICE_MS = 250 };

enum err reading_parse(struct request *req, struct reading *ret, struct why *why)
{
    struct bytes text;
    *ret = (struct reading){.consistency = NODE_LINEARIZABLE};
    if (query_find(&req->query, "consistency", &text)) {
        size_t i = 0;
        while (i < ARRAY_LEN(names) && !bytes_is_equal(text, bytes_of_string(names[i])))
            i++;
        if (i == ARRAY_LEN(names))
            return why_set(why, ERR_BAD_PARAMETER,
                           "'consistency' is none of 'linearizable', 'leader', 'local'");
        ret->consistency = (enum node_consistency)i;
    }
    if (query_find(&req->query, "max_staleness", &text)) {
        if (ret->consistency != NODE_LOCAL)
            return why_set(why, ERR_BAD_PARAMETER,
                           "'max_staleness' goes with 'consistency=local' only");
        if (!times_parse_duration(text, DAY_MS, &ret->max_staleness_ms) ||
            ret->max_staleness_ms == 0)
            return why_set(why, ERR_BAD_PARAMETER,
                           "'max_staleness' is not a time like 2s, 500ms, at most a day");
    }
    return query_number(&req->query, "min_index", 0, HTTP_MAX_INTEGER, &ret->min_index, why);
}

static void slice_done(struct request *req);

/* The node keeps a call until its deadline, and `min_index` may be far ahead: such a read waits in
 * slices, so that a server that stops need not wait for it. */
static void start_slice(struct request *req, struct reading *reading)
{
    struct node_call *call = &req->call;
    request_prepare_read(req, call, req->slot, reading->consistency);
    call->min_index = reading->min_index;
    call->max_staleness_ms = reading->max_staleness_ms;
    uint64_t end_ms = clock_mono_ms() + SLICE_MS;
    if (end_ms + SLICE_MS > call->deadline_ms)
        reading->is_whole = true; /* the last one */
    if (!reading->is_whole)
        call->deadline_ms = end_ms;
    request_wait_calls(req, call, 1, slice_done);
}

static void slice_done(struct request *req)
{
    struct reading *reading = req->state;
    const struct node_call *call = &req->call;
    bool met_deadline = call->err != OK && clock_mono_ms() >= call->deadline_ms;
    if (!met_deadline || reading->is_whole) {
        reading->next(req);
        return;
    }
    if (http_is_stopping(req->http)) {
        struct why why;
        why_set(&why, ERR_DRAINING, "this node is stopping");
        reply_problem(req, ERR_DRAINING, &why);
        return;
    }
    /* Where anything but min_index is behind, asking again would only move the goal. */
    reading->is_whole = call->applied_index >= reading->min_index;
    start_slice(req, reading);
}

void reading_start(struct request *req, struct reading *reading, request_handler *next)
{
    assert(req->state == reading);
    reading->next = next;
    reading->is_whole = reading->min_index == 0;
    start_slice(req, reading);
}

void reading_write(struct request *req, const struct reading *reading, uint64_t applied_index)
{
    struct buf *out = &req->out;
    jwrite_key(out, "read");
    buf_put_u8(out, '{');
    jwrite_member_text(out, "consistency", names[reading->consistency]);
    jwrite_member_u64(out, "slot", req->slot);
    jwrite_member_u64(out, "applied_index", applied_index);
    jwrite_member_u64(out, "leader", req->call.leader);
    jwrite_member_u64(out, "served_by", req->call.served_by);
    jwrite_member_u64(out, "staleness_ms", req->call.staleness_ms);
    buf_put_u8(out, '}');
}

bool reading_channel(struct request *req, struct msg_channel *ret)
{
    struct msg_answer answer;
    struct why why = {.err = OK};
    if (reply_calls_error(req))
        return false;
    enum err err = request_answer(req, &req->call, 0, &answer, &why);
    if (err != OK) {
        reply_problem(req, err, &why);
        return false;
    }
    *ret = answer.channel;
    reply_set_applied(req, ret->applied_index);
    return true;
}
