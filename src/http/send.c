/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v1/channels/{t}/{c}/messages: one message, one command, one call. */
#include "http/handlers.h"
#include "http/item.h"
#include "http/jwrite.h"
#include "http/reply.h"
#include "http/tag.h"
#include "http/http.h"

static void send_done(struct request *req);

static void send_item(struct request *req, struct item *item)
{
    struct command_part part = {.channel = item->channel,
                                .has_expected_last_seq = item->has_expected_last_seq,
                                .expected_last_seq = item->expected_last_seq,
                                .messages = &item->message,
                                .messages_count = 1};
    struct command command = {.kind = COMMAND_APPEND, .append = {.parts = &part, .parts_count = 1}};
    request_prepare_command(req, &req->call, req->slot, command_encode(&command));
    request_wait_calls(req, &req->call, 1, send_done);
}

/* Where the new message is: the path of the collection, as the client wrote it, and the seq. */
static void set_location(struct request *req, uint64_t seq)
{
    char buffer[DIGITS_SIZE];
    const char *digits = digits_of(seq, buffer);
    size_t len = req->path.raw.len;
    char *location = arena_alloc(&req->arena, len + 1 + DIGITS_SIZE);
    memcpy(location, req->path.raw.data, len);
    location[len] = '/';
    memcpy(location + len + 1, digits, strlen(digits) + 1);
    req->location = location;
}

static void write_refusal(struct request *req, const struct msg_append_result *result)
{
    struct why why;
    item_explain(result, false, &why);
    reply_problem_begin(req, result->err, &why);
    if (result->err == ERR_SEQ_MISMATCH)
        jwrite_member_u64(&req->out, "last_seq", result->last_seq);
    reply_problem_end(req);
}

static void send_done(struct request *req)
{
    struct item *item = req->state;
    struct msg_result *result = req->call.result;
    reply_set_applied(req, req->call.applied_index);
    if (reply_calls_error(req))
        return;
    assert(result != NULL && result->appends_count == 1);
    const struct msg_append_result *append = &result->appends[0];
    if (append->err != OK) {
        write_refusal(req, append);
    } else {
        buf_put_u8(&req->out, '{');
        item_write_result(&req->out, item, true, append);
        buf_put_u8(&req->out, '}');
        set_location(req, append->seq);
        reply_send(req, append->duplicate ? 200 : 201, MEDIA_JSON);
    }
    msg_result_free(result);
}

/* If-Match names a state of the channel: it must be the present one, and the append then carries
 * its last seq, so that nothing comes between. */
static void if_match_read(struct request *req)
{
    struct item *item = req->state;
    struct msg_channel channel;
    if (reply_calls_error(req) || !tag_holds(req, 0, &channel))
        return;
    if (item->has_expected_last_seq && item->expected_last_seq != channel.last_seq) {
        struct msg_append_result refusal = {.err = ERR_SEQ_MISMATCH, .last_seq = channel.last_seq};
        write_refusal(req, &refusal);
        return;
    }
    item->has_expected_last_seq = true;
    item->expected_last_seq = channel.last_seq;
    send_item(req, item);
}

static enum err read_item(struct request *req, struct item *item, struct why *why)
{
    if (req->body_form == BODY_IS_RAW) {
        enum err err = item_read_raw(req, item);
        if (err != OK)
            *why = *item->why;
        return err;
    }
    if (req->query.count > 0 &&
        (query_has(&req->query, "from_uid") || query_has(&req->query, "client_msg_no") ||
         query_has(&req->query, "expected_last_seq")))
        return why_set(why, ERR_BAD_PARAMETER,
                       "'from_uid', 'client_msg_no' and 'expected_last_seq' are in the query only "
                       "beside a raw body");
    const struct jvalue *value = NULL;
    enum err err = jvalue_parse(req->body, 1, &req->arena, &value, why);
    if (err == OK) {
        err = item_read_json(req, value, false, item);
        if (err != OK)
            *why = *item->why;
    }
    return err;
}

void send_run(struct request *req)
{
    struct why why = {.err = OK};
    struct item *item = req->state = arena_alloc(&req->arena, sizeof(*item));
    enum err err = read_item(req, item, &why);
    if (err != OK) {
        reply_problem(req, err, &why);
        return;
    }
    if (req->headers.if_match != NULL) {
        request_ask(req, MSG_QUERY_CHANNEL);
        request_prepare_read(req, &req->call, req->slot, NODE_LINEARIZABLE);
        request_wait_calls(req, &req->call, 1, if_match_read);
        return;
    }
    send_item(req, item);
}
