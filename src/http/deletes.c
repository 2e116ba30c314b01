/* SPDX-License-Identifier: Apache-2.0 */
/* The ways to delete. All of them become one request, which is resolved against the present state
 * after a linearizable read: what goes into the log are explicit ranges, so that every replica
 * deletes the same, whatever the form was. A dry run stops before the log. */
#include "base/ranges.h"
#include "base/utf8.h"
#include "http/deleting.h"
#include "http/handlers.h"
#include "http/jvalue.h"
#include "http/jwrite.h"
#include "http/reply.h"
#include "http/tag.h"
#include "http/times.h"
#include "sys/clock.h"
#include "wire/command.h"

struct delete_state {
    struct msg_delete_request request;
    struct bytes operator_name, reason;
    bool dry_run, erase;
};

/* ---- reading the request ------------------------------------------------------------------------ */
static enum err read_options(struct request *req, struct delete_state *state, struct why *why)
{
    enum err err =
        query_text(&req->query, "operator", HTTP_TEXT_MAX_BYTES, &state->operator_name, why);
    if (err == OK)
        err = query_text(&req->query, "reason", HTTP_TEXT_MAX_BYTES, &state->reason, why);
    if (err == OK)
        err = query_bool(&req->query, "dry_run", &state->dry_run, why);
    if (err == OK)
        err = query_bool(&req->query, "clamp", &state->request.clamp, why);
    if (err == OK)
        err = query_bool(&req->query, "erase", &state->erase, why);
    return err;
}

static void set_range(struct request *req, struct delete_state *state, uint64_t start, uint64_t end)
{
    struct range *range = arena_alloc(&req->arena, sizeof(*range));
    *range = (struct range){start, end};
    state->request.form = MSG_DELETE_RANGES;
    state->request.ranges = range;
    state->request.ranges_count = 1;
}

static enum err bad_range(uint64_t start, uint64_t end, struct why *why)
{
    return why_set(why, ERR_BAD_RANGE, "'start_seq' %llu is above 'end_seq' %llu",
                   (unsigned long long)start, (unsigned long long)end);
}

static enum err read_seq(const struct jvalue *value, const char *name, uint64_t min, uint64_t *ret,
                         struct why *why)
{
    if (value == NULL || value->kind != JVALUE_NUMBER || !value->is_integer ||
        value->integer < (int64_t)min)
        return why_set(why, ERR_BAD_PARAMETER, "'%s' is not a whole number from %llu to 2^63-1",
                       name, (unsigned long long)min);
    *ret = (uint64_t)value->integer;
    return OK;
}

static enum err read_body_range(struct request *req, const struct jvalue *body,
                                struct delete_state *state, struct why *why)
{
    uint64_t start = 0, end = 0;
    enum err err = read_seq(jvalue_find(body, "start_seq"), "start_seq", 1, &start, why);
    if (err == OK)
        err = read_seq(jvalue_find(body, "end_seq"), "end_seq", 1, &end, why);
    if (err == OK && start > end)
        err = bad_range(start, end, why);
    if (err == OK)
        set_range(req, state, start, end);
    return err;
}

/* Sorted and merged, into the arena. */
static void keep_ranges(struct request *req, struct delete_state *state,
                        const struct ranges *ranges)
{
    struct bytes copy =
        arena_copy(&req->arena, bytes_of(ranges->items, ranges->count * sizeof(*ranges->items)));
    state->request.form = MSG_DELETE_RANGES;
    state->request.ranges = (const struct range *)(const void *)copy.data;
    state->request.ranges_count = (uint32_t)ranges->count;
}

static enum err add_pair(const struct jvalue *pair, struct ranges *ranges, struct why *why)
{
    uint64_t start = 0, end = 0;
    if (pair->kind != JVALUE_ARRAY || pair->count != 2)
        return why_set(why, ERR_BAD_PARAMETER, "'ranges' is not a list of pairs [start, end]");
    enum err err = read_seq(pair->first, "ranges", 1, &start, why);
    if (err == OK)
        err = read_seq(pair->first->next, "ranges", 1, &end, why);
    if (err == OK && start > end)
        err = bad_range(start, end, why);
    if (err == OK)
        ranges_add(ranges, start, end);
    return err;
}

static enum err read_list(struct request *req, const struct jvalue *list, bool are_pairs,
                          struct delete_state *state, struct why *why)
{
    const char *name = are_pairs ? "ranges" : "seqs";
    uint32_t max = are_pairs ? HTTP_DELETE_MAX_RANGES : HTTP_DELETE_MAX_SEQS;
    if (list->kind != JVALUE_ARRAY || list->count == 0)
        return why_set(why, ERR_BAD_PARAMETER, "'%s' is not a list with something in it", name);
    if (list->count > max)
        return why_set(why, ERR_TOO_LARGE, "'%s' has %u items, more than %u", name, list->count,
                       max);
    struct ranges ranges;
    enum err err = OK;
    ranges_init(&ranges);
    for (const struct jvalue *item = list->first; item != NULL && err == OK; item = item->next) {
        uint64_t seq = 0;
        if (are_pairs) {
            err = add_pair(item, &ranges, why);
        } else {
            err = read_seq(item, name, 1, &seq, why);
            if (err == OK)
                ranges_add(&ranges, seq, seq);
        }
    }
    if (err == OK)
        keep_ranges(req, state, &ranges);
    ranges_done(&ranges);
    return err;
}

static enum err read_before(const struct jvalue *value, struct delete_state *state, struct why *why)
{
    state->request.form = MSG_DELETE_BEFORE;
    if (value->kind == JVALUE_NUMBER && value->is_integer && value->integer >= 0) {
        state->request.before_ms = (uint64_t)value->integer;
        return OK;
    }
    if (value->kind == JVALUE_STRING &&
        times_parse(value->string, clock_wall_ms(), &state->request.before_ms))
        return OK;
    return why_set(why, ERR_BAD_PARAMETER,
                   "'before' is neither RFC 3339 nor milliseconds nor a time ago like -1h");
}

static enum err read_flag(const struct jvalue *body, const char *name, bool *ret, struct why *why)
{
    const struct jvalue *value = jvalue_find(body, name);
    if (value == NULL || value->kind == JVALUE_NULL)
        return OK;
    if (value->kind != JVALUE_TRUE && value->kind != JVALUE_FALSE)
        return why_set(why, ERR_BAD_PARAMETER, "'%s' is neither true nor false", name);
    *ret = value->kind == JVALUE_TRUE;
    return OK;
}

static enum err read_text(const struct jvalue *body, const char *name, struct bytes *ret,
                          struct why *why)
{
    const struct jvalue *value = jvalue_find(body, name);
    if (value == NULL || value->kind == JVALUE_NULL)
        return OK;
    if (value->kind != JVALUE_STRING)
        return why_set(why, ERR_BAD_PARAMETER, "'%s' is not a string", name);
    if (value->string.len > HTTP_TEXT_MAX_BYTES)
        return why_set(why, ERR_BAD_PARAMETER, "'%s' of %zu bytes is longer than %d", name,
                       value->string.len, HTTP_TEXT_MAX_BYTES);
    if (utf8_has_control(value->string))
        return why_set(why, ERR_BAD_PARAMETER, "'%s' has a control character", name);
    *ret = value->string;
    return OK;
}

static bool has(const struct jvalue *body, const char *name)
{
    const struct jvalue *value = jvalue_find(body, name);
    return value != NULL && value->kind != JVALUE_NULL;
}

static enum err read_form(struct request *req, const struct jvalue *body,
                          struct delete_state *state, struct why *why)
{
    bool range = has(body, "start_seq") || has(body, "end_seq");
    int forms = range + has(body, "ranges") + has(body, "seqs") + has(body, "through_seq") +
                has(body, "keep") + has(body, "before");
    if (forms != 1)
        return why_set(why, ERR_BAD_PARAMETER,
                       "one of 'start_seq' and 'end_seq', 'ranges', 'seqs', 'through_seq', 'keep', "
                       "'before' must say what to delete; %d do",
                       forms);
    if (range)
        return read_body_range(req, body, state, why);
    if (has(body, "ranges"))
        return read_list(req, jvalue_find(body, "ranges"), true, state, why);
    if (has(body, "seqs"))
        return read_list(req, jvalue_find(body, "seqs"), false, state, why);
    if (has(body, "through_seq")) {
        state->request.form = MSG_DELETE_THROUGH;
        return read_seq(jvalue_find(body, "through_seq"), "through_seq", 1,
                        &state->request.through_seq, why);
    }
    if (has(body, "keep")) {
        state->request.form = MSG_DELETE_KEEP;
        return read_seq(jvalue_find(body, "keep"), "keep", 0, &state->request.keep, why);
    }
    return read_before(jvalue_find(body, "before"), state, why);
}

static enum err read_body(struct request *req, struct delete_state *state, struct why *why)
{
    const struct jvalue *body;
    enum err err = jvalue_parse(req->body, 3, &req->arena, &body, why);
    if (err != OK)
        return err;
    if (body->kind != JVALUE_OBJECT)
        return why_set(why, ERR_BAD_JSON, "the body is not an object");
    err = read_form(req, body, state, why);
    if (err == OK)
        err = read_flag(body, "dry_run", &state->dry_run, why);
    if (err == OK)
        err = read_flag(body, "erase", &state->erase, why);
    if (err == OK)
        err = read_flag(body, "clamp", &state->request.clamp, why);
    if (err == OK)
        err = read_text(body, "operator", &state->operator_name, why);
    if (err == OK)
        err = read_text(body, "reason", &state->reason, why);
    return err;
}

/* ---- answering ------------------------------------------------------------------------------------ */
static void write_result(struct request *req, const struct delete_state *state,
                         const struct msg_delete_result *result, uint64_t log_index)
{
    struct buf *out = &req->out;
    buf_put_u8(out, '{');
    jwrite_key(out, "delete_id");
    if (log_index == 0)
        buf_append_string(out, "null");
    else
        buf_printf(out, "\"%u-%llu\"", req->slot, (unsigned long long)log_index);
    jwrite_member_u64(out, "channel_type", req->channel.type);
    jwrite_member_string(out, "channel_id", req->channel.id);
    jwrite_member_u64(out, "start_seq", result->start_seq);
    jwrite_member_u64(out, "end_seq", result->end_seq);
    deleting_write_ranges(out, result->ranges, result->ranges_count);
    jwrite_member_u64(out, "deleted_count", result->deleted_count);
    jwrite_member_u64(out, "already_deleted", result->already_deleted);
    jwrite_member_u64(out, "first_seq", result->first_seq);
    jwrite_member_u64(out, "last_seq", result->last_seq);
    jwrite_member_bool(out, "dry_run", state->dry_run);
    jwrite_member_u64(out, "slot", req->slot);
    if (log_index == 0) {
        jwrite_member_null(out, "log_index");
        jwrite_member_null(out, "deleted_at");
    } else {
        jwrite_member_u64(out, "log_index", log_index);
        jwrite_member_u64(out, "deleted_at", result->deleted_at_ms);
        deleting_write_replicas(req, log_index);
    }
    buf_put_u8(out, '}');
    reply_send(req, 200, MEDIA_JSON);
}

static void delete_done(struct request *req)
{
    const struct delete_state *state = req->state;
    struct msg_result *result = req->call.result;
    reply_set_applied(req, req->call.applied_index);
    if (reply_calls_error(req))
        return;
    assert(result != NULL);
    if (result->deleted.err != OK)
        reply_problem(req, result->deleted.err, NULL);
    else
        write_result(req, state, &result->deleted, result->deleted.logged ? result->log_index : 0);
    msg_result_free(result);
}

static void send_delete(struct request *req, const struct delete_state *state,
                        const struct msg_delete_result *preview)
{
    /* Who it is stands firm once tokens are in use; what the request says is anybody's word. */
    struct bytes operator_name =
        req->caller.name == NULL ? state->operator_name : bytes_of_string(req->caller.name);
    struct command command = {.kind = COMMAND_DELETE,
                              .delete_ = {.channel = req->channel,
                                          .ranges = preview->ranges,
                                          .ranges_count = preview->ranges_count,
                                          .operator_name = operator_name,
                                          .reason = state->reason,
                                          .request_id = bytes_of_string(req->id)}};
    request_prepare_command(req, &req->call, req->slot, command_encode(&command));
    request_wait_calls(req, &req->call, 1, delete_done);
}

static void delete_resolved(struct request *req)
{
    const struct delete_state *state = req->state;
    struct msg_answer answer;
    struct msg_channel channel;
    struct why why = {.err = OK};
    if (reply_calls_error(req) || (req->headers.if_match != NULL && !tag_holds(req, 1, &channel)))
        return;
    enum err err = request_answer(req, &req->call, 0, &answer, &why);
    const struct msg_delete_result *preview = &answer.preview;
    if (err == OK && preview->err == ERR_END_BEYOND_LAST)
        err = why_set(&why, preview->err, "a range ends above the last seq, %llu",
                      (unsigned long long)preview->last_seq);
    reply_set_applied(req, answer.applied_index);
    if (err != OK) {
        reply_problem_begin(req, err, &why);
        if (err == ERR_END_BEYOND_LAST)
            jwrite_member_u64(&req->out, "last_seq", preview->last_seq);
        reply_problem_end(req);
    } else if (state->dry_run || !preview->logged || preview->ranges_count == 0) {
        write_result(req, state, preview, 0);
    } else {
        send_delete(req, state, preview);
    }
}

static void start(struct request *req, struct delete_state *state, enum err err, struct why *why)
{
    if (err == OK && state->erase)
        err = why_set(why, ERR_NOT_SUPPORTED, "this version does not have 'erase' yet");
    if (err != OK) {
        reply_problem(req, err, why);
        return;
    }
    state->request.channel = req->channel;
    request_ask(req, MSG_QUERY_PREVIEW)->preview = state->request;
    if (req->headers.if_match != NULL)
        request_ask(req, MSG_QUERY_CHANNEL);
    request_prepare_read(req, &req->call, req->slot, NODE_LINEARIZABLE);
    request_wait_calls(req, &req->call, 1, delete_resolved);
}

static struct delete_state *new_state(struct request *req)
{
    return req->state = arena_zero(&req->arena, sizeof(struct delete_state));
}

void delete_range_run(struct request *req)
{
    struct why why = {.err = OK};
    struct delete_state *state = new_state(req);
    uint64_t start_seq = 0, end_seq = 0;
    enum err err = read_options(req, state, &why);
    if (err == OK)
        err = query_number(&req->query, "start_seq", 1, HTTP_MAX_INTEGER, &start_seq, &why);
    if (err == OK)
        err = query_number(&req->query, "end_seq", 1, HTTP_MAX_INTEGER, &end_seq, &why);
    if (err == OK && (start_seq == 0 || end_seq == 0))
        err = why_set(&why, ERR_BAD_PARAMETER, "'%s' is missing",
                      start_seq == 0 ? "start_seq" : "end_seq");
    if (err == OK && start_seq > end_seq)
        err = bad_range(start_seq, end_seq, &why);
    if (err == OK)
        set_range(req, state, start_seq, end_seq);
    start(req, state, err, &why);
}

void delete_run(struct request *req)
{
    struct why why = {.err = OK};
    struct delete_state *state = new_state(req);
    enum err err = read_options(req, state, &why);
    if (err == OK)
        err = read_body(req, state, &why);
    start(req, state, err, &why);
}

void delete_channel_run(struct request *req)
{
    struct why why = {.err = OK};
    struct delete_state *state = new_state(req);
    state->request.form = MSG_DELETE_ALL;
    enum err err = read_options(req, state, &why);
    start(req, state, err, &why);
}
