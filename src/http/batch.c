/* SPDX-License-Identifier: Apache-2.0 */
/* Many messages in one request. They are sorted by slot: one command and one call each; within a
 * command one part for each channel, in the order in which the request has them. A message with
 * expected_last_seq begins a part of its own, since the expectation belongs to a part.
 *
 * A bad message (well-formed JSON, wrong content) fails alone, unless the batch is atomic. A body
 * that is not well-formed is refused as a whole, before anything is sent: so all is parsed first. */
#include "base/hash.h"
#include "http/handlers.h"
#include "http/item.h"
#include "http/jwrite.h"
#include "http/reply.h"

enum { PART_TABLE_SIZE = 4 * HTTP_BATCH_MAX_MESSAGES, NO_PART = UINT16_MAX };

struct part {
    struct channel channel;
    uint32_t slot_group;
    struct item *expected; /* the one whose expectation it carries; NULL */
    bool is_closed;        /* the next message of the channel begins another one */
    uint32_t messages_count, filled;
    struct command_message *messages;
    uint32_t first_position; /* of its first message in its command */
};

struct slot_group {
    uint32_t slot, parts_count, messages_count;
    uint64_t bytes;
};

struct batch {
    bool with_channel, is_atomic;
    struct item *items;
    uint32_t items_count;
    struct part *parts;
    uint32_t parts_count;
    struct slot_group *groups;
    uint32_t groups_count;
    uint16_t part_table[PART_TABLE_SIZE]; /* newest part of each channel, by hash */
};

/* ---- reading ---------------------------------------------------------------------------------- */
static enum err too_many(struct why *why)
{
    return why_set(why, ERR_TOO_LARGE, "the batch has more than %d messages",
                   HTTP_BATCH_MAX_MESSAGES);
}

static enum err read_json(struct request *req, struct batch *batch, struct why *why)
{
    const struct jvalue *body;
    enum err err = jvalue_parse(req->body, 3, &req->arena, &body, why);
    if (err != OK)
        return err;
    const struct jvalue *messages =
        body->kind == JVALUE_OBJECT ? jvalue_find(body, "messages") : NULL;
    if (messages == NULL || messages->kind != JVALUE_ARRAY)
        return why_set(why, ERR_BAD_JSON, "the body is not an object with an array 'messages'");
    if (messages->count > HTTP_BATCH_MAX_MESSAGES)
        return too_many(why);
    batch->items = arena_alloc(&req->arena, messages->count * sizeof(*batch->items));
    for (const struct jvalue *value = messages->first; value != NULL; value = value->next)
        (void)item_read_json(req, value, batch->with_channel, &batch->items[batch->items_count++]);
    return OK;
}

static bool is_blank(struct bytes line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.data[i] != ' ' && line.data[i] != '\t' && line.data[i] != '\r')
            return false;
    }
    return true;
}

static enum err read_line(struct request *req, struct batch *batch, struct bytes line,
                          uint32_t number, struct why *why)
{
    const struct jvalue *value;
    if (is_blank(line))
        return OK;
    if (batch->items_count == HTTP_BATCH_MAX_MESSAGES)
        return too_many(why);
    enum err err = jvalue_parse(line, 1, &req->arena, &value, why);
    if (err != OK) {
        if (why != NULL)
            why_wrap(why, "input line %u", number);
        return err;
    }
    (void)item_read_json(req, value, batch->with_channel, &batch->items[batch->items_count++]);
    return OK;
}

static enum err read_ndjson(struct request *req, struct batch *batch, struct why *why)
{
    uint32_t number = 0;
    struct bytes rest = req->body;
    batch->items = arena_alloc(&req->arena, HTTP_BATCH_MAX_MESSAGES * sizeof(*batch->items));
    while (rest.len > 0) {
        const uint8_t *end = memchr(rest.data, '\n', rest.len);
        size_t len = end == NULL ? rest.len : (size_t)(end - rest.data);
        enum err err = read_line(req, batch, bytes_of(rest.data, len), ++number, why);
        if (err != OK)
            return err;
        size_t taken = end == NULL ? len : len + 1;
        rest = bytes_of(rest.data + taken, rest.len - taken);
    }
    return OK;
}

/* ---- sorting ---------------------------------------------------------------------------------- */
/* Place of the channel's newest part in the table, or the free place where it goes. */
static uint32_t table_place(const struct batch *batch, struct channel channel)
{
    uint32_t place = (uint32_t)hash64_of(channel.id, channel.type) % PART_TABLE_SIZE;
    while (batch->part_table[place] != NO_PART &&
           !channel_is_equal(batch->parts[batch->part_table[place]].channel, channel))
        place = (place + 1) % PART_TABLE_SIZE;
    return place;
}

static uint32_t group_of(struct batch *batch, uint16_t *groups_by_slot, uint32_t slot)
{
    if (groups_by_slot[slot] == NO_PART) {
        groups_by_slot[slot] = (uint16_t)batch->groups_count;
        batch->groups[batch->groups_count++] = (struct slot_group){.slot = slot};
    }
    return groups_by_slot[slot];
}

static void add_item(struct batch *batch, struct item *item, uint16_t *groups_by_slot)
{
    uint32_t place = table_place(batch, item->channel);
    uint16_t index = batch->part_table[place];
    bool is_new = index == NO_PART || batch->parts[index].is_closed ||
                  (item->has_expected_last_seq && !batch->is_atomic);
    if (is_new) {
        index = batch->part_table[place] = (uint16_t)batch->parts_count++;
        uint32_t group = group_of(batch, groups_by_slot, item->slot);
        batch->parts[index] = (struct part){.channel = item->channel, .slot_group = group};
        batch->groups[group].parts_count++;
        if (item->has_expected_last_seq) {
            batch->parts[index].expected = item;
            batch->parts[index].is_closed = !batch->is_atomic;
        }
    }
    struct slot_group *group = &batch->groups[batch->parts[index].slot_group];
    item->part = index;
    batch->parts[index].messages_count++;
    group->messages_count++;
    group->bytes += item->message.payload.len + item->message.from_uid.len +
                    item->message.client_msg_no.len + HTTP_MESSAGE_OVERHEAD_BYTES;
    if (is_new)
        group->bytes += item->channel.id.len + HTTP_MESSAGE_OVERHEAD_BYTES;
}

/* Gives each good item its part, then each part its messages and its place in the command. */
static void sort_items(struct request *req, struct batch *batch)
{
    uint32_t slots = node_slot_count(http_node(req->http));
    uint16_t *groups_by_slot = arena_alloc(&req->arena, slots * sizeof(*groups_by_slot));
    memset(groups_by_slot, 0xff, slots * sizeof(*groups_by_slot));
    memset(batch->part_table, 0xff, sizeof(batch->part_table));
    batch->parts = arena_alloc(&req->arena, batch->items_count * sizeof(*batch->parts));
    batch->groups = arena_alloc(&req->arena, batch->items_count * sizeof(*batch->groups));
    for (uint32_t i = 0; i < batch->items_count; i++) {
        if (batch->items[i].err == OK)
            add_item(batch, &batch->items[i], groups_by_slot);
    }
    uint32_t *positions = arena_zero(&req->arena, (batch->groups_count + 1) * sizeof(*positions));
    for (uint32_t i = 0; i < batch->parts_count; i++) {
        struct part *part = &batch->parts[i];
        part->messages = arena_alloc(&req->arena, part->messages_count * sizeof(*part->messages));
        part->first_position = positions[part->slot_group];
        positions[part->slot_group] += part->messages_count;
    }
    for (uint32_t i = 0; i < batch->items_count; i++) {
        struct item *item = &batch->items[i];
        if (item->err != OK)
            continue;
        struct part *part = &batch->parts[item->part];
        item->position = part->first_position + part->filled;
        part->messages[part->filled++] = item->message;
    }
}

static struct blob *encode_group(struct request *req, const struct batch *batch, uint32_t group)
{
    uint32_t count = 0;
    struct command_part *parts =
        arena_alloc(&req->arena, batch->groups[group].parts_count * sizeof(*parts));
    for (uint32_t i = 0; i < batch->parts_count; i++) {
        const struct part *part = &batch->parts[i];
        if (part->slot_group != group)
            continue;
        parts[count++] = (struct command_part){
            .channel = part->channel,
            .has_expected_last_seq = part->expected != NULL,
            .expected_last_seq = part->expected == NULL ? 0 : part->expected->expected_last_seq,
            .messages = part->messages,
            .messages_count = part->messages_count};
    }
    struct command command = {.kind = COMMAND_APPEND,
                              .flags = batch->is_atomic ? COMMAND_ATOMIC : 0,
                              .append = {.parts = parts, .parts_count = count}};
    return command_encode(&command);
}

/* ---- answering -------------------------------------------------------------------------------- */
/* What became of an item: its result, or an error with a reason. */
static enum err outcome_of(struct request *req, const struct batch *batch, const struct item *item,
                           const struct msg_append_result **ret_result, const struct why **ret_why)
{
    if (item->err != OK) {
        *ret_why = item->why;
        return item->err;
    }
    const struct node_call *call = &req->calls[batch->parts[item->part].slot_group];
    if (call->err != OK) {
        *ret_why = &call->why;
        return call->err;
    }
    assert(item->position < call->result->appends_count);
    *ret_result = &call->result->appends[item->position];
    *ret_why = NULL;
    return (*ret_result)->err;
}

static bool write_item(struct request *req, const struct batch *batch, const struct item *item)
{
    const struct msg_append_result *result = NULL;
    const struct why *why = NULL;
    struct why told;
    enum err err = outcome_of(req, batch, item, &result, &why);
    if (err != OK && result != NULL) {
        item_explain(result, true, &told);
        why = &told;
    }
    buf_put_u8(&req->out, '{');
    if (err == OK) {
        jwrite_member_u64(&req->out, "status", result->duplicate ? 200 : 201);
        item_write_result(&req->out, item, batch->with_channel, result);
    } else {
        reply_problem_members(&req->out, err, why);
        if (item->message.client_msg_no.len > 0)
            jwrite_member_string(&req->out, "client_msg_no", item->message.client_msg_no);
        if (err == ERR_SEQ_MISMATCH && result != NULL)
            jwrite_member_u64(&req->out, "last_seq", result->last_seq);
    }
    buf_put_u8(&req->out, '}');
    return err == OK;
}

static void write_results(struct request *req, const struct batch *batch)
{
    bool lines = req->accepts == MEDIA_NDJSON ||
                 (req->body_form == BODY_IS_NDJSON && req->headers.accept == NULL) ||
                 (req->body_form == BODY_IS_NDJSON && strcmp(req->headers.accept, "*/*") == 0);
    uint32_t ok = 0;
    buf_reserve(&req->out, batch->items_count * 192 + 64);
    if (!lines)
        buf_append_string(&req->out, "{\"results\":[");
    for (uint32_t i = 0; i < batch->items_count; i++) {
        if (!lines && i > 0)
            buf_put_u8(&req->out, ',');
        ok += write_item(req, batch, &batch->items[i]);
        if (lines)
            buf_put_u8(&req->out, '\n');
    }
    buf_append_string(&req->out, lines ? "{\"done\":true" : "]");
    jwrite_member_u64(&req->out, "ok", ok);
    jwrite_member_u64(&req->out, "failed", batch->items_count - ok);
    buf_append_string(&req->out, lines ? "}\n" : "}");
    reply_send(req, 200, lines ? MEDIA_NDJSON : MEDIA_JSON);
}

static void refuse_whole(struct request *req, enum err err, const struct why *why, uint32_t index)
{
    reply_problem_begin(req, err, why);
    jwrite_member_u64(&req->out, "index", index);
    reply_problem_end(req);
}

static void refuse_by_result(struct request *req, const struct msg_append_result *result,
                             uint32_t index)
{
    struct why why;
    item_explain(result, true, &why);
    reply_problem_begin(req, result->err, &why);
    jwrite_member_u64(&req->out, "index", index);
    if (result->err == ERR_SEQ_MISMATCH)
        jwrite_member_u64(&req->out, "last_seq", result->last_seq);
    reply_problem_end(req);
}

/* The item that decides what is wrong with an atomic batch: the first one that failed itself. */
static bool refuse_atomic(struct request *req, const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->items_count; i++) {
        const struct msg_append_result *result = NULL;
        const struct why *why = NULL;
        enum err err = outcome_of(req, batch, &batch->items[i], &result, &why);
        if (err != OK && err != ERR_BATCH_FAILED) {
            if (result != NULL)
                refuse_by_result(req, result, i);
            else
                refuse_whole(req, err, why, i);
            return true;
        }
    }
    return false;
}

/* When no call went well, nothing was stored for certain, or it is unknown for all: the request as
 * a whole gets that status, which clients and proxies know what to do with. */
static bool refuse_all(struct request *req)
{
    const struct node_call *worst = NULL;
    for (uint32_t i = 0; i < req->calls_count; i++) {
        if (req->calls[i].err == OK)
            return false;
        if (worst == NULL || err_kind(req->calls[i].err) == ERR_KIND_UNKNOWN)
            worst = &req->calls[i];
    }
    if (worst == NULL)
        return false;
    reply_call_error(req, worst);
    return true;
}

static void batch_done(struct request *req)
{
    const struct batch *batch = req->state;
    if (req->calls_count == 1)
        reply_set_applied(req, req->calls[0].applied_index);
    if (!refuse_all(req) && !(batch->is_atomic && refuse_atomic(req, batch)))
        write_results(req, batch);
    for (uint32_t i = 0; i < req->calls_count; i++)
        msg_result_free(req->calls[i].result);
}

/* ---- starting --------------------------------------------------------------------------------- */
static bool check_atomic(struct request *req, const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->items_count; i++) {
        const struct item *item = &batch->items[i];
        if (item->err != OK) {
            refuse_whole(req, item->err, item->why, i);
            return false;
        }
        if (i > 0 && item->has_expected_last_seq) {
            struct why why;
            why_set(&why, ERR_BAD_PARAMETER,
                    "'expected_last_seq' of an atomic batch belongs to its first message");
            refuse_whole(req, ERR_BAD_PARAMETER, &why, i);
            return false;
        }
    }
    return true;
}

static bool check_size(struct request *req, const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->groups_count; i++) {
        uint64_t bytes = batch->groups[i].bytes + 4096;
        if (bytes <= HTTP_COMMAND_MAX_BYTES)
            continue;
        struct why why;
        why_set(&why, ERR_TOO_LARGE,
                "the messages of slot %u take %llu bytes in the log, more than %d",
                batch->groups[i].slot, (unsigned long long)bytes, HTTP_COMMAND_MAX_BYTES);
        reply_problem(req, ERR_TOO_LARGE, &why);
        return false;
    }
    return true;
}

static void start(struct request *req, bool with_channel)
{
    struct why why = {.err = OK};
    struct batch *batch = req->state = arena_alloc(&req->arena, sizeof(*batch));
    memset(batch, 0, offsetof(struct batch, part_table));
    batch->with_channel = with_channel;
    enum err err = query_bool(&req->query, "atomic", &batch->is_atomic, &why);
    if (err == OK)
        err = req->body_form == BODY_IS_NDJSON ? read_ndjson(req, batch, &why)
                                               : read_json(req, batch, &why);
    if (err != OK) {
        reply_problem(req, err, &why);
        return;
    }
    if (batch->is_atomic && !check_atomic(req, batch))
        return;
    sort_items(req, batch);
    if (!check_size(req, batch))
        return;
    if (batch->groups_count == 0) { /* nothing good in it */
        write_results(req, batch);
        return;
    }
    struct node_call *calls = arena_alloc(&req->arena, batch->groups_count * sizeof(*calls));
    for (uint32_t i = 0; i < batch->groups_count; i++)
        request_prepare_command(req, &calls[i], batch->groups[i].slot, encode_group(req, batch, i));
    request_wait_calls(req, calls, batch->groups_count, batch_done);
}

void batch_channel_run(struct request *req)
{
    start(req, false);
}

void batch_run(struct request *req)
{
    start(req, true);
}
