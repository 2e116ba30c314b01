/* SPDX-License-Identifier: Apache-2.0 */
/* The delete log: where one delete stands on each node, and lists of records. */
#include <stdlib.h>

#include "http/access.h"
#include "http/cursor.h"
#include "http/deleting.h"
#include "http/handlers.h"
#include "http/http.h"
#include "http/jwrite.h"
#include "http/reply.h"
#include "http/table.h"
#include "http/times.h"
#include "http/walk.h"
#include "sys/clock.h"

/* ---- one delete --------------------------------------------------------------------------------- */
struct status_state {
    uint64_t log_index;
    bool waits_applied;
    uint64_t until_ms; /* of the monotonic clock */
    struct msg_delete_record record;
};

enum { STATUS_POLL_MS = 50, STATUS_MAX_WAIT_MS = 300000, STATUS_DEFAULT_WAIT_MS = 30000 };

static void write_replica(struct buf *out, node_id node, const char *blocked)
{
    jwrite_comma(out);
    buf_put_u8(out, '{');
    jwrite_member_u64(out, "node", node);
    jwrite_member_text(out, "state", blocked == NULL ? "applied" : "pending");
    jwrite_key(out, "blocked_by");
    buf_append_string(out, "[");
    if (blocked != NULL)
        jwrite_string(out, bytes_of_string(blocked));
    buf_append_string(out, "]}");
}

/* Writes all replicas; true when each has durably applied the delete. Takes members over. */
static bool write_replicas(struct request *req, const struct status_state *state,
                           struct node_admin *members)
{
    bool all = true;
    jwrite_key(&req->out, "replicas");
    buf_put_u8(&req->out, '[');
    for (uint32_t i = 0; i < members->items_count; i++) {
        const struct node_admin_item *item = &members->items[i];
        bool applied = item->applied >= state->log_index;
        const char *reason = item->skipped_reason[0] != '\0' ? item->skipped_reason : "not_applied";
        all = all && applied;
        write_replica(&req->out, item->node, applied ? NULL : reason);
    }
    buf_put_u8(&req->out, ']');
    free(members);
    return all;
}

static void status_look(struct request *req);

static void status_ask(struct request *req)
{
    request_prepare_read(req, &req->call, req->slot, NODE_LINEARIZABLE);
    req->call.kind = NODE_CALL_REPLICAS;
    /* Waiting may have taken longer than a request usually may: each question has its own time. */
    req->call.deadline_ms = clock_mono_ms() + HTTP_TUNED(req->http, request_timeout_ms);
    request_wait_calls(req, &req->call, 1, status_look);
}

static void status_look(struct request *req)
{
    struct status_state *state = req->state;
    if (reply_calls_error(req))
        return;
    const struct msg_delete_record *record = &state->record;
    struct buf *out = &req->out;
    buf_clear(out);
    buf_printf(out, "{\"delete_id\":\"%u-%llu\"", req->slot, (unsigned long long)state->log_index);
    jwrite_member_u64(out, "channel_type", record->channel.type);
    jwrite_member_string(out, "channel_id", record->channel.id);
    deleting_write_ranges(out, record->ranges, record->ranges_count);
    jwrite_member_u64(out, "deleted_count", record->deleted_count);
    jwrite_member_u64(out, "deleted_at", record->deleted_at_ms);
    jwrite_member_u64(out, "slot", req->slot);
    jwrite_member_u64(out, "log_index", state->log_index);
    bool all = write_replicas(req, state, req->call.admin);
    jwrite_member_bool(out, "applied_everywhere", all);
    jwrite_member_bool(out, "purged_everywhere", false);
    buf_put_u8(out, '}');
    uint64_t now_ms = clock_mono_ms();
    if (!all && state->waits_applied && now_ms < state->until_ms && !http_is_stopping(req->http))
        request_wait_until(req, now_ms + STATUS_POLL_MS, status_ask);
    else
        reply_send(req, 200, MEDIA_JSON);
}

static void status_read(struct request *req)
{
    struct status_state *state = req->state;
    struct why why = {.err = OK};
    if (reply_calls_error(req))
        return;
    reply_set_applied(req, req->call.applied_index);
    struct msg_answer answer;
    enum err err = request_answer(req, &req->call, 0, &answer, &why);
    state->record = answer.record;
    if (err == OK)
        err = access_check_channel(req, state->record.channel, &why);
    if (err != OK)
        reply_problem(req, err, &why);
    else
        status_ask(req);
}

/* "<slot>-<log_index>" */
static enum err read_id(struct request *req, struct status_state *state, struct why *why)
{
    const uint8_t *dash = memchr(req->name.data, '-', req->name.len);
    uint64_t slot;
    if (dash == NULL)
        return why_set(why, ERR_BAD_PARAMETER, "the delete id is not of the form <slot>-<index>");
    size_t slot_len = (size_t)(dash - req->name.data);
    if (!path_number(bytes_of(req->name.data, slot_len), HTTP_MAX_INTEGER, &slot) ||
        !path_number(bytes_of(dash + 1, req->name.len - slot_len - 1), HTTP_MAX_INTEGER,
                     &state->log_index))
        return why_set(why, ERR_BAD_PARAMETER, "the delete id is not of the form <slot>-<index>");
    if (slot >= node_slot_count(http_node(req->http)) || state->log_index == 0)
        return why_set(why, ERR_NOT_FOUND, "there is no delete with this id");
    req->slot = (uint32_t)slot;
    return OK;
}

static enum err read_wait(struct request *req, struct status_state *state, struct why *why)
{
    struct bytes text;
    uint64_t timeout_ms = STATUS_DEFAULT_WAIT_MS;
    bool has_wait = query_find(&req->query, "wait", &text);
    if (has_wait && bytes_is_equal(text, bytes_of_string("purged")))
        return why_set(why, ERR_NOT_SUPPORTED, "this version does not have 'wait=purged' yet");
    if (has_wait && !bytes_is_equal(text, bytes_of_string("applied")))
        return why_set(why, ERR_BAD_PARAMETER, "'wait' is neither 'applied' nor 'purged'");
    state->waits_applied = has_wait;
    if (query_find(&req->query, "timeout", &text)) {
        if (!has_wait)
            return why_set(why, ERR_BAD_PARAMETER, "'timeout' goes with 'wait' only");
        if (!times_parse_duration(text, STATUS_MAX_WAIT_MS, &timeout_ms))
            return why_set(why, ERR_BAD_PARAMETER, "'timeout' is not a time like 30s, at most 5m");
    }
    state->until_ms = clock_mono_ms() + timeout_ms;
    return OK;
}

void delete_status_run(struct request *req)
{
    struct why why = {.err = OK};
    struct status_state *state = req->state = arena_zero(&req->arena, sizeof(*state));
    enum err err = read_id(req, state, &why);
    if (err == OK)
        err = read_wait(req, state, &why);
    if (err != OK) {
        reply_problem(req, err, &why);
        return;
    }
    request_ask(req, MSG_QUERY_DELETE)->number = state->log_index;
    request_prepare_read(req, &req->call, req->slot, NODE_LINEARIZABLE);
    request_wait_calls(req, &req->call, 1, status_read);
}

/* ---- lists ---------------------------------------------------------------------------------------- */
struct list_state {
    struct walk walk; /* first */
    struct msg_deletes_query query;
    bool has_channel, is_one_slot, has_marks;
    uint64_t floor, scope, last_index;
    struct table table; /* accepts TEXT */
};

static const char *const columns[] = {
    "delete_id",     "channel_type",    "channel_id", "start_seq", "end_seq",
    "deleted_count", "already_deleted", "deleted_at", "slot",      "log_index",
    "after_index",   "operator",        "request_id", "reason"};

enum { CURSOR_SLOT, CURSOR_SINCE_INDEX };

static void write_record(struct buf *out, const struct msg_delete_record *record)
{
    const struct range *ranges = record->ranges;
    uint32_t count = record->ranges_count;
    buf_put_u8(out, '{');
    jwrite_key(out, "delete_id");
    buf_printf(out, "\"%u-%llu\"", record->slot, (unsigned long long)record->log_index);
    jwrite_member_u64(out, "channel_type", record->channel.type);
    jwrite_member_string(out, "channel_id", record->channel.id);
    jwrite_member_u64(out, "start_seq", count == 0 ? 0 : ranges[0].start);
    jwrite_member_u64(out, "end_seq", count == 0 ? 0 : ranges[count - 1].end);
    deleting_write_ranges(out, ranges, count);
    jwrite_member_u64(out, "deleted_count", record->deleted_count);
    jwrite_member_u64(out, "already_deleted", record->already_deleted);
    jwrite_member_u64(out, "deleted_at", record->deleted_at_ms);
    jwrite_member_u64(out, "slot", record->slot);
    jwrite_member_u64(out, "log_index", record->log_index);
    jwrite_member_u64(out, "after_index", record->after_index);
    jwrite_member_string(out, "operator", record->operator_name);
    jwrite_member_string(out, "reason", record->reason);
    jwrite_member_string(out, "request_id", record->request_id);
    buf_put_u8(out, '}');
}

/* RFC 4180; a text that a spreadsheet would take for a formula gets a quote mark in front. */
static void write_csv_text(struct buf *out, struct bytes text)
{
    buf_append_string(out, ",\"");
    if (text.len > 0 && strchr("=+-@", text.data[0]) != NULL)
        buf_put_u8(out, '\'');
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '"')
            buf_put_u8(out, '"');
        buf_put_u8(out, text.data[i]);
    }
    buf_put_u8(out, '"');
}

static void write_csv_record(struct buf *out, const struct msg_delete_record *record)
{
    buf_printf(out, "%u-%llu,%u", record->slot, (unsigned long long)record->log_index,
               record->channel.type);
    write_csv_text(out, record->channel.id);
    buf_put_u8(out, ',');
    for (uint32_t i = 0; i < record->ranges_count; i++)
        buf_printf(out, "%s%llu-%llu", i == 0 ? "" : " ",
                   (unsigned long long)record->ranges[i].start,
                   (unsigned long long)record->ranges[i].end);
    buf_printf(out, ",%llu,%llu,%llu", (unsigned long long)record->deleted_count,
               (unsigned long long)record->deleted_at_ms, (unsigned long long)record->log_index);
    write_csv_text(out, record->operator_name);
    write_csv_text(out, record->reason);
    buf_append_string(out, "\r\n");
}

static void add_row(struct table *table, const struct msg_delete_record *record)
{
    char id[48];
    uint32_t count = record->ranges_count;
    snprintf(id, sizeof(id), "%u-%llu", record->slot, (unsigned long long)record->log_index);
    table_cell(table, id);
    table_cell_u64(table, record->channel.type);
    table_cell_bytes(table, record->channel.id);
    table_cell_u64(table, count == 0 ? 0 : record->ranges[0].start);
    table_cell_u64(table, count == 0 ? 0 : record->ranges[count - 1].end);
    table_cell_u64(table, record->deleted_count);
    table_cell_u64(table, record->already_deleted);
    table_cell_u64(table, record->deleted_at_ms);
    table_cell_u64(table, record->slot);
    table_cell_u64(table, record->log_index);
    table_cell_u64(table, record->after_index);
    table_cell_bytes(table, record->operator_name);
    table_cell_bytes(table, record->request_id);
    table_cell_bytes(table, record->reason);
}

static void write_item(struct request *req, struct list_state *state,
                       const struct msg_delete_record *record)
{
    if (req->accepts == MEDIA_TEXT) {
        add_row(&state->table, record);
    } else if (req->accepts == MEDIA_CSV) {
        write_csv_record(&req->out, record);
    } else {
        if (req->accepts == MEDIA_JSON)
            jwrite_comma(&req->out);
        write_record(&req->out, record);
        if (req->accepts == MEDIA_NDJSON)
            buf_put_u8(&req->out, '\n');
    }
}

/* Behind the records of a slot: there are no others up to the index that was read. So that who
 * keeps the log elsewhere sees that nothing is missing. */
static void write_mark(struct buf *out, uint32_t slot, const struct msg_deletes *found)
{
    buf_put_u8(out, '{');
    jwrite_member_u64(out, "slot", slot);
    jwrite_member_u64(out, "after_index", found->last_index);
    jwrite_member_u64(out, "through_index", found->applied_index);
    buf_append_string(out, "}\n");
}

static void ask(struct walk *walk, uint32_t slot, struct msg_query *ret)
{
    const struct list_state *state = (const struct list_state *)walk;
    *ret = (struct msg_query){.kind = MSG_QUERY_DELETES, .deletes = state->query};
    ret->deletes.slot = slot;
    ret->deletes.limit = (uint32_t)walk->left;
    if (slot != walk->at)
        ret->deletes.since_index = 0;
}

static enum err visit(struct request *req, struct walk *walk, struct why *why)
{
    struct list_state *state = (struct list_state *)walk;
    struct msg_answer answer;
    enum err err = walk_answer(req, walk, &answer, why);
    if (err != OK)
        return err;
    struct msg_deletes found = answer.deletes;
    if (found.count > walk->left) { /* another node read it before it was known what is left */
        found.count = (uint32_t)walk->left;
        found.more = true;
    }
    for (uint32_t i = 0; i < found.count; i++)
        write_item(req, state, &found.records[i]);
    if (state->has_marks && !found.more)
        write_mark(&req->out, walk->at, &found);
    state->floor = found.floor;
    state->last_index =
        found.more && found.count > 0 ? found.records[found.count - 1].log_index : 0;
    state->query.since_index = 0; /* for the next slot */
    walk->left -= found.count;
    walk->more = found.more;
    if (state->is_one_slot)
        reply_set_applied(req, found.applied_index);
    return OK;
}

static void finish(struct request *req)
{
    struct list_state *state = req->state;
    struct buf cursor_text = BUF_INIT;
    if (state->walk.more) {
        struct cursor cursor = {.scope = state->scope};
        cursor.numbers[CURSOR_SLOT] = state->walk.at;
        cursor.numbers[CURSOR_SINCE_INDEX] = state->last_index;
        cursor_append(&cursor_text, &cursor);
    }
    if (req->accepts == MEDIA_JSON) {
        buf_put_u8(&req->out, ']');
        if (state->is_one_slot)
            jwrite_member_u64(&req->out, "floor", state->floor);
        else
            jwrite_member_null(&req->out, "floor"); /* each slot has its own */
        jwrite_member_bool(&req->out, "more", state->walk.more);
        if (state->walk.more)
            jwrite_member_string(&req->out, "next_cursor", buf_bytes(&cursor_text));
        else
            jwrite_member_null(&req->out, "next_cursor");
        buf_put_u8(&req->out, '}');
    } else if (state->walk.more) {
        reply_header(req, "Lethe-Next-Cursor", arena_string(&req->arena, buf_bytes(&cursor_text)));
    }
    if (req->accepts == MEDIA_TEXT)
        table_write(&state->table, &req->out);
    reply_send(req, 200, req->accepts);
    buf_done(&cursor_text);
}

static enum err read_time(struct request *req, const char *name, uint64_t *ret_ms, struct why *why)
{
    struct bytes text;
    if (query_find(&req->query, name, &text) && !times_parse(text, clock_wall_ms(), ret_ms))
        return why_set(why, ERR_BAD_PARAMETER,
                       "'%s' is neither RFC 3339 nor milliseconds nor a time ago like -1h", name);
    return OK;
}

static enum err read_filters(struct request *req, struct list_state *state, struct why *why)
{
    struct msg_deletes_query *query = &state->query;
    enum err err = walk_parse(req, &state->walk, why);
    if (err == OK)
        err =
            query_number(&req->query, "since_index", 0, HTTP_MAX_INTEGER, &query->since_index, why);
    if (err == OK)
        err = read_time(req, "since", &query->since_ms, why);
    if (err == OK)
        err = read_time(req, "until", &query->until_ms, why);
    if (err == OK)
        err = query_text(&req->query, "operator", HTTP_TEXT_MAX_BYTES, &query->operator_name, why);
    if (err == OK)
        err = query_text(&req->query, "reason", HTTP_TEXT_MAX_BYTES, &query->reason, why);
    return err;
}

static enum err read_channel(struct request *req, struct list_state *state, struct why *why)
{
    struct bytes id = BYTES_NONE;
    uint64_t type = 0;
    bool has_type = query_has(&req->query, "channel_type");
    bool has_id = query_find(&req->query, "channel_id", &id);
    if (has_type != has_id)
        return why_set(why, ERR_BAD_PARAMETER,
                       "'channel_type' and 'channel_id' are only given together");
    if (!has_id)
        return OK;
    enum err err = query_number(&req->query, "channel_type", 0, UINT8_MAX, &type, why);
    req->channel = (struct channel){(uint8_t)type, id};
    if (err == OK)
        err = channel_check(req->channel, why);
    if (err == OK)
        req->slot = channel_slot(req->channel, node_slot_count(http_node(req->http)));
    state->has_channel = err == OK;
    return err;
}

static enum err set_slots(struct request *req, struct list_state *state, struct why *why)
{
    uint32_t slots = node_slot_count(http_node(req->http));
    uint64_t slot = UINT64_MAX;
    enum err err = query_number(&req->query, "slot", 0, slots - 1, &slot, why);
    if (err != OK)
        return err;
    if (state->has_channel) {
        if (slot != UINT64_MAX && slot != req->slot)
            return why_set(why, ERR_BAD_PARAMETER, "the channel lives in slot %u, not in 'slot' %u",
                           req->slot, (unsigned)slot);
        slot = req->slot;
        state->query.channel = &req->channel;
    }
    state->is_one_slot = slot != UINT64_MAX;
    if (!state->is_one_slot && query_has(&req->query, "since_index"))
        return why_set(why, ERR_BAD_PARAMETER, "'since_index' needs 'slot': each has its own log");
    state->walk.at = state->is_one_slot ? (uint32_t)slot : 0;
    state->walk.end = state->is_one_slot ? (uint32_t)slot + 1 : slots;
    return OK;
}

/* Of a whole log alone: with a filter, what lies between is not known. */
static enum err read_marks(struct request *req, struct list_state *state, struct why *why)
{
    static const char *const filters[] = {"operator", "reason", "since", "until", "channel_id"};
    enum err err = query_bool(&req->query, "marks", &state->has_marks, why);
    if (err != OK || !state->has_marks)
        return err;
    if (req->accepts != MEDIA_NDJSON)
        return why_set(why, ERR_BAD_PARAMETER, "'marks' goes with 'Accept: application/x-ndjson'");
    for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
        if (query_has(&req->query, filters[i]))
            return why_set(why, ERR_BAD_PARAMETER, "'marks' and '%s' exclude each other",
                           filters[i]);
    }
    return OK;
}

static enum err read_cursor(struct request *req, struct list_state *state, struct why *why)
{
    struct bytes text;
    struct cursor cursor;
    state->scope = cursor_scope("deletes", req->channel, BYTES_NONE) +
                   (state->is_one_slot ? state->walk.at + 1 : 0);
    if (!query_find(&req->query, "cursor", &text))
        return OK;
    if (query_has(&req->query, "since_index"))
        return why_set(why, ERR_BAD_PARAMETER, "'since_index' and 'cursor' exclude each other");
    enum err err = cursor_parse(text, state->scope, &req->arena, &cursor, why);
    if (err != OK)
        return err;
    if (cursor.numbers[CURSOR_SLOT] < state->walk.at ||
        cursor.numbers[CURSOR_SLOT] >= state->walk.end)
        return why_set(why, ERR_BAD_PARAMETER, "'cursor' belongs to another list");
    state->walk.at = (uint32_t)cursor.numbers[CURSOR_SLOT];
    state->query.since_index = cursor.numbers[CURSOR_SINCE_INDEX];
    return OK;
}

static void start_list(struct request *req, bool in_path)
{
    struct why why = {.err = OK};
    struct list_state *state = req->state = arena_zero(&req->arena, sizeof(*state));
    state->walk.ask = ask;
    state->walk.visit = visit;
    state->walk.finish = finish;
    state->has_channel = in_path;
    if (table_refuses_columns(req))
        return;
    enum err err = read_filters(req, state, &why);
    if (err == OK && !in_path)
        err = read_channel(req, state, &why);
    if (err == OK)
        err = set_slots(req, state, &why);
    if (err == OK)
        err = read_marks(req, state, &why);
    if (err == OK)
        err = read_cursor(req, state, &why);
    if (err == OK && req->accepts == MEDIA_TEXT)
        err = table_init(&state->table, &req->query, columns, ARRAY_LEN(columns), &req->scratch,
                         &why);
    if (err != OK) {
        reply_problem(req, err, &why);
        return;
    }
    if (req->accepts == MEDIA_JSON)
        buf_append_string(&req->out, "{\"deletes\":[");
    else if (req->accepts == MEDIA_CSV)
        buf_append_string(&req->out, "delete_id,channel_type,channel_id,ranges,deleted_count,"
                                     "deleted_at,log_index,operator,reason\r\n");
    walk_start(req);
}

void channel_deletes_run(struct request *req)
{
    start_list(req, true);
}

void deletes_run(struct request *req)
{
    start_list(req, false);
}
