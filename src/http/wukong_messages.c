/* SPDX-License-Identifier: Apache-2.0 */
/* WuKongIM's routes about messages. Differences from the original that are meant: a send is answered
 * after commit, `more` is right at the edges, and every read is linearizable. */
#include <stdlib.h>

#include "http/access.h"
#include "http/base64.h"
#include "http/handlers.h"
#include "http/http.h"
#include "http/jwrite.h"
#include "http/reply.h"
#include "http/wukong.h"
#include "sys/random.h"
#include "wire/command.h"

enum { TOPIC_MAX_BYTES = 255, FOUND_MAX = 1000 };

static void refuse(struct request *req, enum err err, const struct why *why)
{
    reply_problem(req, err, why);
}

static void ask_read(struct request *req, request_handler *next)
{
    request_prepare_read(req, &req->call, req->slot, NODE_LINEARIZABLE);
    request_wait_calls(req, &req->call, 1, next);
}

/* ---- POST /message/send ---------------------------------------------------------------------------- */
static enum err read_header(const struct jvalue *object, struct command_message *message,
                            struct why *why)
{
    static const char *const names[] = {"no_persist", "red_dot", "sync_once"};
    const struct jvalue *header = jvalue_find(object, "header");
    if (header == NULL || header->kind == JVALUE_NULL)
        return OK;
    if (header->kind != JVALUE_OBJECT)
        return why_set(why, ERR_BAD_PARAMETER, "'header' is not an object");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        uint64_t value = 0;
        enum err err = wukong_number(header, names[i], UINT8_MAX, &value, why);
        if (err != OK)
            return err;
        message->header[i] = (uint8_t)value;
    }
    return OK;
}

static enum err read_payload(struct request *req, const struct jvalue *object,
                             struct command_message *message, struct why *why)
{
    const struct jvalue *payload = jvalue_find(object, "payload");
    uint64_t max = HTTP_TUNED(req->http, max_message_bytes);
    if (payload == NULL || payload->kind != JVALUE_STRING ||
        !base64_decode(payload->string, &req->arena, &message->payload))
        return why_set(why, ERR_BAD_PARAMETER, "'payload' is not there as valid base64");
    if (message->payload.len > max)
        return why_set(why, ERR_TOO_LARGE,
                       "'payload' of %zu bytes is larger than 'max_message_bytes' %llu",
                       message->payload.len, (unsigned long long)max);
    return OK;
}

static enum err read_message(struct request *req, struct command_message *message, struct why *why)
{
    const struct jvalue *object = NULL;
    uint64_t expire = 0, setting = 0;
    enum err err = wukong_parse(req, &object, why);
    if (err == OK)
        err = wukong_channel(req, object, "from_uid", why);
    if (err == OK)
        err = read_header(object, message, why);
    if (err == OK)
        err = wukong_text(object, "from_uid", HTTP_FROM_UID_MAX_BYTES, &message->from_uid, why);
    if (err == OK)
        err = wukong_text(object, "client_msg_no", HTTP_CLIENT_MSG_NO_MAX_BYTES,
                          &message->client_msg_no, why);
    if (err == OK)
        err = wukong_text(object, "topic", TOPIC_MAX_BYTES, &message->topic, why);
    if (err == OK)
        err = wukong_number(object, "expire", UINT32_MAX, &expire, why);
    if (err == OK)
        err = wukong_number(object, "setting", UINT8_MAX, &setting, why);
    if (err == OK)
        err = read_payload(req, object, message, why);
    message->expire_s = (uint32_t)expire;
    message->setting = (uint8_t)setting;
    return err;
}

static void send_done(struct request *req)
{
    const struct command_message *message = req->state;
    struct msg_result *result = req->call.result;
    reply_set_applied(req, req->call.applied_index);
    if (reply_calls_error(req))
        return;
    assert(result != NULL && result->appends_count == 1);
    const struct msg_append_result *append = &result->appends[0];
    if (append->err != OK) {
        refuse(req, append->err, NULL);
    } else {
        struct buf *out = &req->out;
        buf_append_string(out, "{\"status\":200,\"data\":{");
        jwrite_member_u64(out, "message_id", append->message_id);
        jwrite_member_digits(out, "message_idstr", append->message_id);
        jwrite_member_u64(out, "message_seq", append->seq);
        jwrite_member_string(out, "client_msg_no", message->client_msg_no);
        buf_append_string(out, "}}");
        reply_send(req, 200, MEDIA_JSON);
    }
    msg_result_free(result);
}

void wukong_send_run(struct request *req)
{
    struct why why = {.err = OK};
    struct command_message *message = req->state = arena_zero(&req->arena, sizeof(*message));
    enum err err = read_message(req, message, &why);
    random_salt(message->salt, sizeof(message->salt));
    struct command_part part = {.channel = req->channel, .messages = message, .messages_count = 1};
    struct command command = {.kind = COMMAND_APPEND, .append = {.parts = &part, .parts_count = 1}};
    if (err == OK)
        err = command_check(&command, &why);
    if (err != OK) {
        refuse(req, err, &why);
        return;
    }
    request_prepare_command(req, &req->call, req->slot, command_encode(&command));
    request_wait_calls(req, &req->call, 1, send_done);
}

/* ---- POST /channel/messagesync ------------------------------------------------------------------------ */
struct sync_state {
    uint64_t start_seq, end_seq; /* as they were asked */
    bool is_up, is_empty;
    struct msg_page_query query;
};

static void write_sync(struct request *req, uint64_t start_seq, uint64_t end_seq, bool more,
                       const struct msg_message *messages, uint32_t count, bool reversed)
{
    struct buf *out = &req->out;
    buf_put_u8(out, '{');
    jwrite_member_u64(out, "start_message_seq", start_seq);
    jwrite_member_u64(out, "end_message_seq", end_seq);
    jwrite_member_u64(out, "more", more);
    buf_append_string(out, ",\"messages\":[");
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            buf_put_u8(out, ',');
        wukong_write_message(req, &messages[reversed ? count - 1 - i : i]);
    }
    buf_append_string(out, "]}");
    reply_send(req, 200, MEDIA_JSON);
}

static void sync_read(struct request *req)
{
    const struct sync_state *state = req->state;
    struct msg_answer answer = {.err = OK};
    struct why why = {.err = OK};
    if (reply_calls_error(req))
        return;
    enum err err = state->is_empty ? OK : request_answer(req, &req->call, 0, &answer, &why);
    if (err != OK) {
        refuse(req, err, &why);
        return;
    }
    struct msg_page page = answer.page;
    reply_set_applied(req, state->is_empty ? req->call.applied_index : page.applied_index);
    write_sync(req, state->start_seq, state->end_seq, page.more, page.messages, page.messages_count,
               state->query.descending);
}

/* Up: seqs in [start, end), end 0 without an end. Down: seqs in (end, start], start 0 from the newest.
 * Both 0: the newest. */
static void set_window(struct sync_state *state)
{
    struct msg_page_query *query = &state->query;
    uint64_t start = state->start_seq, end = state->end_seq;
    if (start == 0 && end == 0) {
        query->newest = true;
    } else if (state->is_up) {
        query->from_seq = start == 0 ? 1 : start;
        query->to_seq = end == 0 ? 0 : end - 1;
        state->is_empty = end != 0 && query->from_seq > query->to_seq;
    } else {
        query->descending = true;
        query->from_seq = end + 1;
        query->to_seq = start;
        state->is_empty = start != 0 && query->from_seq > query->to_seq;
    }
}

void wukong_sync_run(struct request *req)
{
    const struct jvalue *object = NULL;
    struct why why = {.err = OK};
    struct sync_state *state = req->state = arena_zero(&req->arena, sizeof(*state));
    uint64_t limit = 0, mode = 0;
    enum err err = wukong_parse(req, &object, &why);
    if (err == OK)
        err = wukong_channel(req, object, "login_uid", &why);
    if (err == OK)
        err = wukong_number(object, "start_message_seq", HTTP_MAX_INTEGER - 1, &state->start_seq,
                            &why);
    if (err == OK)
        err = wukong_number(object, "end_message_seq", HTTP_MAX_INTEGER - 1, &state->end_seq, &why);
    if (err == OK)
        err = wukong_number(object, "limit", HTTP_MAX_INTEGER, &limit, &why);
    if (err == OK)
        err = wukong_number(object, "pull_mode", 1, &mode, &why);
    if (err != OK) {
        refuse(req, err, &why);
        return;
    }
    state->is_up = mode == 1;
    state->query.channel = req->channel;
    state->query.limit = limit == 0                 ? WUKONG_DEFAULT_LIMIT
                         : limit > WUKONG_MAX_LIMIT ? WUKONG_MAX_LIMIT
                                                    : (uint32_t)limit;
    set_window(state);
    if (!state->is_empty)
        request_ask(req, MSG_QUERY_PAGE)->page = state->query;
    ask_read(req, sync_read);
}

/* ---- POST /messages ------------------------------------------------------------------------------------- */
struct find_state {
    uint64_t *seqs, *ids;
    struct bytes *numbers; /* client_msg_nos */
    uint32_t seqs_count, ids_count, numbers_count;
    struct msg_message *found;
    uint32_t found_count;
};

static void add_found(struct find_state *state, const struct msg_message *messages, uint32_t count)
{
    for (uint32_t i = 0; i < count && state->found_count < FOUND_MAX * 2; i++)
        state->found[state->found_count++] = messages[i];
}

static int compare_seqs(const void *a, const void *b)
{
    const struct msg_message *left = a, *right = b;
    return left->seq < right->seq ? -1 : left->seq > right->seq;
}

static enum err find_all(struct request *req, struct find_state *state, struct why *why)
{
    struct msg_answer answer;
    enum err err = OK;
    for (uint32_t i = 0; err == OK && i < req->queries_count; i++) {
        err = request_answer(req, &req->call, i, &answer, why);
        bool is_one = req->queries[i].kind == MSG_QUERY_MESSAGE_ID;
        if (err == OK && is_one)
            add_found(state, &answer.message, 1);
        else if (err == OK)
            add_found(state, answer.page.messages, answer.page.messages_count);
        else if (err == ERR_NOT_FOUND && is_one)
            err = OK;
    }
    return err;
}

static void ask_all(struct request *req, const struct find_state *state)
{
    uint32_t count = 0;
    struct msg_query *queries =
        arena_zero(&req->arena, (1 + state->ids_count + state->numbers_count) * sizeof(*queries));
    if (state->seqs_count > 0)
        queries[count++] = (struct msg_query){.kind = MSG_QUERY_SEQS,
                                              .channel = req->channel,
                                              .seqs = state->seqs,
                                              .seqs_count = state->seqs_count};
    for (uint32_t i = 0; i < state->ids_count; i++)
        queries[count++] = (struct msg_query){
            .kind = MSG_QUERY_MESSAGE_ID, .channel = req->channel, .number = state->ids[i]};
    for (uint32_t i = 0; i < state->numbers_count; i++)
        queries[count++] = (struct msg_query){.kind = MSG_QUERY_CLIENT_MSG_NO,
                                              .channel = req->channel,
                                              .client_msg_no = state->numbers[i]};
    req->queries = queries;
    req->queries_count = count;
}

static void find_read(struct request *req)
{
    struct find_state *state = req->state;
    struct why why = {.err = OK};
    if (reply_calls_error(req))
        return;
    state->found = arena_alloc(&req->arena, FOUND_MAX * 2 * sizeof(*state->found));
    enum err err = find_all(req, state, &why);
    if (err != OK) {
        refuse(req, err, &why);
        return;
    }
    qsort(state->found, state->found_count, sizeof(*state->found), compare_seqs);
    uint32_t count = 0;
    for (uint32_t i = 0; i < state->found_count; i++) {
        if (count == 0 || state->found[count - 1].seq != state->found[i].seq)
            state->found[count++] = state->found[i];
    }
    write_sync(req, 0, 0, false, state->found, count, false);
}

static enum err read_list(struct request *req, const struct jvalue *object, const char *name,
                          struct find_state *state, uint64_t **ret_numbers, uint32_t *ret_count,
                          struct why *why)
{
    const struct jvalue *list = jvalue_find(object, name);
    if (list == NULL || list->kind == JVALUE_NULL)
        return OK;
    if (list->kind != JVALUE_ARRAY)
        return why_set(why, ERR_BAD_PARAMETER, "'%s' is not a list", name);
    if (list->count > FOUND_MAX)
        return why_set(why, ERR_TOO_LARGE, "'%s' has %u items, more than %d", name, list->count,
                       FOUND_MAX);
    bool are_texts = ret_numbers == NULL;
    if (are_texts)
        state->numbers = arena_alloc(&req->arena, (list->count + 1) * sizeof(*state->numbers));
    else
        *ret_numbers = arena_alloc(&req->arena, (list->count + 1) * sizeof(**ret_numbers));
    for (const struct jvalue *item = list->first; item != NULL; item = item->next) {
        bool fits = are_texts
                        ? item->kind == JVALUE_STRING && item->string.len > 0 &&
                              item->string.len <= HTTP_CLIENT_MSG_NO_MAX_BYTES
                        : item->kind == JVALUE_NUMBER && item->is_integer && item->integer > 0;
        if (!fits)
            return why_set(why, ERR_BAD_PARAMETER, "'%s' has an item that is not %s", name,
                           are_texts ? "a text of 1 to 128 bytes" : "a whole number from 1");
        if (are_texts)
            state->numbers[(*ret_count)++] = item->string;
        else
            (*ret_numbers)[(*ret_count)++] = (uint64_t)item->integer;
    }
    return OK;
}

void wukong_find_run(struct request *req)
{
    const struct jvalue *object = NULL;
    struct why why = {.err = OK};
    struct find_state *state = req->state = arena_zero(&req->arena, sizeof(*state));
    enum err err = wukong_parse(req, &object, &why);
    if (err == OK)
        err = wukong_channel(req, object, "login_uid", &why);
    if (err == OK)
        err = read_list(req, object, "message_seqs", state, &state->seqs, &state->seqs_count, &why);
    if (err == OK)
        err = read_list(req, object, "message_ids", state, &state->ids, &state->ids_count, &why);
    if (err == OK)
        err = read_list(req, object, "client_msg_nos", state, NULL, &state->numbers_count, &why);
    if (err != OK) {
        refuse(req, err, &why);
        return;
    }
    ask_all(req, state);
    ask_read(req, find_read);
}

/* ---- the end of a channel ---------------------------------------------------------------------------------- */
static void max_seq_read(struct request *req)
{
    struct msg_answer answer;
    struct why why = {.err = OK};
    if (reply_calls_error(req))
        return;
    enum err err = request_answer(req, &req->call, 0, &answer, &why);
    if (err != OK) {
        refuse(req, err, &why);
        return;
    }
    buf_put_u8(&req->out, '{');
    jwrite_member_u64(&req->out, "message_seq", answer.channel.last_seq);
    buf_put_u8(&req->out, '}');
    reply_send(req, 200, MEDIA_JSON);
}

static void last_read(struct request *req)
{
    struct msg_answer answer;
    struct why why = {.err = OK};
    if (reply_calls_error(req))
        return;
    enum err err = request_answer(req, &req->call, 0, &answer, &why);
    if (err == OK && answer.page.messages_count == 0)
        err = why_set(&why, ERR_NOT_FOUND, "the channel has no message");
    if (err != OK) {
        refuse(req, err, &why);
        return;
    }
    wukong_write_message(req, &answer.page.messages[0]);
    reply_send(req, 200, MEDIA_JSON);
}

static void run_of_query(struct request *req, enum msg_query_kind kind, request_handler *next)
{
    struct why why = {.err = OK};
    enum err err = wukong_channel_of_query(req, &why);
    if (err != OK) {
        refuse(req, err, &why);
        return;
    }
    struct msg_query *query = request_ask(req, kind);
    if (kind == MSG_QUERY_PAGE)
        query->page = (struct msg_page_query){.channel = req->channel, .newest = true, .limit = 1};
    ask_read(req, next);
}

void wukong_max_seq_run(struct request *req)
{
    run_of_query(req, MSG_QUERY_CHANNEL, max_seq_read);
}

void wukong_last_run(struct request *req)
{
    run_of_query(req, MSG_QUERY_PAGE, last_read);
}

/* ---- POST /messages/deleteRange ----------------------------------------------------------------------------- */
struct range_state {
    struct range range;
    struct bytes login_uid;
};

static void write_deleted(struct request *req, uint64_t count, uint64_t start, uint64_t end)
{
    struct buf *out = &req->out;
    buf_append_string(out, "{\"status\":200,\"data\":{");
    jwrite_member_u64(out, "deleted_count", count);
    jwrite_member_u64(out, "start_message_seq", start);
    jwrite_member_u64(out, "end_message_seq", end);
    buf_append_string(out, "}}");
    reply_send(req, 200, MEDIA_JSON);
}

static void range_done(struct request *req)
{
    struct msg_result *result = req->call.result;
    reply_set_applied(req, req->call.applied_index);
    if (reply_calls_error(req))
        return;
    assert(result != NULL);
    if (result->deleted.err != OK)
        refuse(req, result->deleted.err, NULL);
    else
        write_deleted(req, result->deleted.deleted_count, result->deleted.start_seq,
                      result->deleted.end_seq);
    msg_result_free(result);
}

static void range_resolved(struct request *req)
{
    const struct range_state *state = req->state;
    struct msg_answer answer;
    struct why why = {.err = OK};
    if (reply_calls_error(req))
        return;
    enum err err = request_answer(req, &req->call, 0, &answer, &why);
    struct msg_delete_result preview = answer.preview;
    if (err == OK && preview.err != OK)
        err = preview.err;
    if (err != OK) {
        refuse(req, err, &why);
        return;
    }
    if (!preview.logged || preview.ranges_count == 0) { /* all of it is beyond the end */
        write_deleted(req, 0, state->range.start, state->range.end);
        return;
    }
    struct bytes who =
        req->caller.name == NULL ? state->login_uid : bytes_of_string(req->caller.name);
    struct command command = {.kind = COMMAND_DELETE,
                              .delete_ = {.channel = req->channel,
                                          .ranges = preview.ranges,
                                          .ranges_count = preview.ranges_count,
                                          .operator_name = who,
                                          .request_id = bytes_of_string(req->id)}};
    request_prepare_command(req, &req->call, req->slot, command_encode(&command));
    request_wait_calls(req, &req->call, 1, range_done);
}

static enum err read_edge(const struct jvalue *object, const char *name, const char *other,
                          uint64_t *ret, struct why *why)
{
    enum err err = wukong_number(object, other, HTTP_MAX_INTEGER, ret, why);
    if (err == OK)
        err = wukong_number(object, name, HTTP_MAX_INTEGER, ret, why);
    if (err == OK && *ret == 0)
        err = why_set(why, ERR_BAD_PARAMETER, "'%s' is not a whole number from 1", name);
    return err;
}

void wukong_delete_range_run(struct request *req)
{
    const struct jvalue *object = NULL;
    struct why why = {.err = OK};
    struct range_state *state = req->state = arena_zero(&req->arena, sizeof(*state));
    enum err err = wukong_parse(req, &object, &why);
    if (err == OK)
        err = wukong_channel(req, object, "login_uid", &why);
    if (err == OK)
        err = wukong_text(object, "login_uid", HTTP_FROM_UID_MAX_BYTES, &state->login_uid, &why);
    if (err == OK)
        err = read_edge(object, "start_msg_seq", "start_message_seq", &state->range.start, &why);
    if (err == OK)
        err = read_edge(object, "end_msg_seq", "end_message_seq", &state->range.end, &why);
    if (err == OK && state->range.start > state->range.end)
        err = why_set(&why, ERR_BAD_RANGE, "'start_msg_seq' %llu is above 'end_msg_seq' %llu",
                      (unsigned long long)state->range.start, (unsigned long long)state->range.end);
    if (err != OK) {
        refuse(req, err, &why);
        return;
    }
    request_ask(req, MSG_QUERY_PREVIEW)->preview =
        (struct msg_delete_request){.channel = req->channel,
                                    .form = MSG_DELETE_RANGES,
                                    .ranges = &state->range,
                                    .ranges_count = 1,
                                    .clamp = true};
    ask_read(req, range_resolved);
}
