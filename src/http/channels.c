/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/channels/{t}/{c} and GET /v1/channels. */
#include "http/cursor.h"
#include "http/handlers.h"
#include "http/jwrite.h"
#include "http/reading.h"
#include "http/reply.h"
#include "http/table.h"
#include "http/tag.h"
#include "http/walk.h"

static void write_channel(struct buf *out, const struct msg_channel *channel, node_id leader)
{
    buf_put_u8(out, '{');
    jwrite_member_u64(out, "channel_type", channel->channel.type);
    jwrite_member_string(out, "channel_id", channel->channel.id);
    jwrite_member_u64(out, "slot", channel->slot);
    jwrite_member_u64(out, "leader", leader);
    jwrite_member_u64(out, "first_seq", channel->first_seq);
    jwrite_member_u64(out, "last_seq", channel->last_seq);
    jwrite_member_u64(out, "message_count", channel->message_count);
    jwrite_member_u64(out, "deleted_count", channel->deleted_count);
    jwrite_member_u64(out, "bytes", channel->bytes);
    jwrite_member_u64(out, "last_timestamp", channel->last_timestamp_ms);
    jwrite_member_u64(out, "delete_version", channel->delete_version);
    buf_put_u8(out, '}');
}

static void channel_read(struct request *req)
{
    struct msg_channel channel;
    if (!reading_channel(req, &channel))
        return;
    channel.channel = req->channel; /* also where nothing is known of it yet */
    channel.slot = req->slot;
    tag_set_channel(req, &channel);
    if (reply_is_unchanged(req))
        return;
    write_channel(&req->out, &channel, req->call.leader);
    reply_send(req, 200, MEDIA_JSON);
}

void channel_run(struct request *req)
{
    struct why why = {.err = OK};
    struct reading *reading = req->state = arena_zero(&req->arena, sizeof(*reading));
    request_ask(req, MSG_QUERY_CHANNEL);
    enum err err = reading_parse(req, reading, &why);
    if (err != OK)
        reply_problem(req, err, &why);
    else
        reading_start(req, reading, channel_read);
}

/* ---- the list ------------------------------------------------------------------------------------ */
struct channels_state {
    struct walk walk; /* first */
    int type;
    struct bytes prefix;
    struct channel after; /* in slot walk.at */
    uint64_t scope;
    struct table table; /* accepts TEXT */
};

static const char *const columns[] = {
    "channel_type",  "channel_id",    "slot",  "leader",         "first_seq",     "last_seq",
    "message_count", "deleted_count", "bytes", "last_timestamp", "delete_version"};

enum { CURSOR_SLOT, CURSOR_TYPE };

static void add_row(struct table *table, const struct msg_channel *channel, node_id leader)
{
    table_cell_u64(table, channel->channel.type);
    table_cell_bytes(table, channel->channel.id);
    table_cell_u64(table, channel->slot);
    table_cell_u64(table, leader);
    table_cell_u64(table, channel->first_seq);
    table_cell_u64(table, channel->last_seq);
    table_cell_u64(table, channel->message_count);
    table_cell_u64(table, channel->deleted_count);
    table_cell_u64(table, channel->bytes);
    table_cell_u64(table, channel->last_timestamp_ms);
    table_cell_u64(table, channel->delete_version);
}

static void ask(struct walk *walk, uint32_t slot, struct msg_query *ret)
{
    const struct channels_state *state = (const struct channels_state *)walk;
    *ret = (struct msg_query){.kind = MSG_QUERY_CHANNELS,
                              .channels = {.slot = slot,
                                           .type = state->type,
                                           .prefix = state->prefix,
                                           .limit = (uint32_t)walk->left}};
    if (slot == walk->at)
        ret->channels.after = state->after;
}

static enum err visit(struct request *req, struct walk *walk, struct why *why)
{
    struct channels_state *state = (struct channels_state *)walk;
    struct msg_answer answer;
    struct buf *out = &req->out;
    enum err err = walk_answer(req, walk, &answer, why);
    if (err != OK)
        return err;
    struct msg_channels found = answer.channels;
    if (found.count > walk->left) { /* another node read it before it was known what is left */
        found.count = (uint32_t)walk->left;
        found.more = true;
    }
    node_id leader = walk_call(req, walk)->leader;
    for (uint32_t i = 0; i < found.count; i++) {
        if (req->accepts == MEDIA_TEXT) {
            add_row(&state->table, &found.channels[i], leader);
            continue;
        }
        if (req->accepts == MEDIA_JSON)
            jwrite_comma(out);
        write_channel(out, &found.channels[i], leader);
        if (req->accepts == MEDIA_NDJSON)
            buf_put_u8(out, '\n');
    }
    walk->left -= found.count;
    walk->more = found.more;
    state->after = found.more && found.count > 0 ? found.channels[found.count - 1].channel
                                                 : (struct channel){0, BYTES_NONE};
    return OK;
}

static void finish(struct request *req)
{
    struct channels_state *state = req->state;
    struct buf cursor_text = BUF_INIT;
    if (state->walk.more) {
        struct cursor cursor = {.scope = state->scope, .name = state->after.id};
        cursor.numbers[CURSOR_SLOT] = state->walk.at;
        cursor.numbers[CURSOR_TYPE] = state->after.type;
        cursor_append(&cursor_text, &cursor);
    }
    if (req->accepts != MEDIA_JSON) {
        if (req->accepts == MEDIA_TEXT)
            table_write(&state->table, &req->out);
        if (state->walk.more)
            reply_header(req, "Lethe-Next-Cursor",
                         arena_string(&req->arena, buf_bytes(&cursor_text)));
        reply_send(req, 200, req->accepts);
    } else {
        buf_put_u8(&req->out, ']');
        jwrite_member_bool(&req->out, "more", state->walk.more);
        if (state->walk.more)
            jwrite_member_string(&req->out, "next_cursor", buf_bytes(&cursor_text));
        else
            jwrite_member_null(&req->out, "next_cursor");
        buf_put_u8(&req->out, '}');
        reply_send(req, 200, MEDIA_JSON);
    }
    buf_done(&cursor_text);
}

static enum err read_cursor(struct request *req, struct channels_state *state, struct why *why)
{
    struct bytes text;
    struct cursor cursor;
    if (!query_find(&req->query, "cursor", &text))
        return OK;
    enum err err = cursor_parse(text, state->scope, &req->arena, &cursor, why);
    if (err != OK)
        return err;
    if (cursor.numbers[CURSOR_SLOT] < state->walk.at ||
        cursor.numbers[CURSOR_SLOT] >= state->walk.end)
        return why_set(why, ERR_BAD_PARAMETER, "'cursor' belongs to another list");
    state->walk.at = (uint32_t)cursor.numbers[CURSOR_SLOT];
    state->after = (struct channel){(uint8_t)cursor.numbers[CURSOR_TYPE], cursor.name};
    return OK;
}

static enum err read_query(struct request *req, struct channels_state *state, struct why *why)
{
    uint32_t slots = node_slot_count(http_node(req->http));
    uint64_t type = UINT64_MAX, slot = UINT64_MAX;
    enum err err = walk_parse(req, &state->walk, why);
    if (err == OK)
        err = query_text(&req->query, "prefix", CHANNEL_ID_MAX_BYTES, &state->prefix, why);
    if (err == OK)
        err = query_number(&req->query, "type", 0, UINT8_MAX, &type, why);
    if (err == OK)
        err = query_number(&req->query, "slot", 0, slots - 1, &slot, why);
    if (err != OK)
        return err;
    state->type = type == UINT64_MAX ? -1 : (int)type;
    state->walk.at = slot == UINT64_MAX ? 0 : (uint32_t)slot;
    state->walk.end = slot == UINT64_MAX ? slots : (uint32_t)slot + 1;
    state->scope = cursor_scope("channels", (struct channel){0, BYTES_NONE}, state->prefix) +
                   (uint64_t)(state->type + 1) * 8192 + (slot == UINT64_MAX ? 0 : slot + 1);
    return read_cursor(req, state, why);
}

void channels_run(struct request *req)
{
    struct why why = {.err = OK};
    struct channels_state *state = req->state = arena_zero(&req->arena, sizeof(*state));
    state->walk.ask = ask;
    state->walk.visit = visit;
    state->walk.finish = finish;
    if (table_refuses_columns(req))
        return;
    enum err err = read_query(req, state, &why);
    if (err == OK && req->accepts == MEDIA_TEXT)
        err = table_init(&state->table, &req->query, columns, ARRAY_LEN(columns), &req->scratch,
                         &why);
    if (err != OK) {
        reply_problem(req, err, &why);
        return;
    }
    if (req->accepts == MEDIA_JSON)
        buf_append_string(&req->out, "{\"channels\":[");
    walk_start(req);
}
