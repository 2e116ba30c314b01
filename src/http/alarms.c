/* SPDX-License-Identifier: Apache-2.0 */
/* What this node wants somebody to look at. Each node tells its own alarms and disarms its own; their
 * ids begin with the node's. */
#include "http/handlers.h"
#include "http/jwrite.h"
#include "http/metrics.h"
#include "http/reply.h"
#include "http/table.h"

static const char *alarm_id(struct request *req, const struct node_alarm *alarm)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "%llu-%s",
                   (unsigned long long)node_self(http_node(req->http)),
                   node_alarm_slug((enum node_alarm_kind)alarm->kind));
    return arena_string(&req->arena, bytes_of_string(text));
}

static void write_alarm(struct request *req, const struct node_alarm *alarm)
{
    struct buf *out = &req->out;
    jwrite_comma(out);
    buf_put_u8(out, '{');
    jwrite_member_text(out, "id", alarm_id(req, alarm));
    jwrite_member_text(out, "kind", node_alarm_slug((enum node_alarm_kind)alarm->kind));
    jwrite_member_u64(out, "node", node_self(http_node(req->http)));
    jwrite_member_bool(out, "active", alarm->active);
    jwrite_member_u64(out, "since", alarm->since_ms);
    jwrite_member_u64(out, "last", alarm->last_ms);
    jwrite_member_u64(out, "count", alarm->count);
    jwrite_key(out, "slots");
    buf_put_u8(out, '[');
    for (uint32_t i = 0; i < alarm->slots_count; i++) {
        jwrite_comma(out);
        jwrite_u64(out, alarm->slots[i]);
    }
    buf_put_u8(out, ']');
    jwrite_member_text(out, "detail", alarm->detail);
    buf_put_u8(out, '}');
}

static void write_table(struct request *req, const struct node_alarm *alarms, uint32_t count)
{
    static const char *const names[] = {"id", "kind", "active", "since", "last", "count", "detail"};
    struct table table;
    struct why why = {.err = OK};
    enum err err = table_init(&table, &req->query, names, ARRAY_LEN(names), &req->scratch, &why);
    if (err != OK) {
        reply_problem(req, err, &why);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        table_cell(&table, alarm_id(req, &alarms[i]));
        table_cell(&table, node_alarm_slug((enum node_alarm_kind)alarms[i].kind));
        table_cell(&table, alarms[i].active ? "yes" : "no");
        table_cell_u64(&table, alarms[i].since_ms);
        table_cell_u64(&table, alarms[i].last_ms);
        table_cell_u64(&table, alarms[i].count);
        table_cell(&table, alarms[i].detail);
    }
    table_write(&table, &req->out);
    reply_send(req, 200, MEDIA_TEXT);
}

void alarms_run(struct request *req)
{
    if (table_refuses_columns(req))
        return;
    struct node_alarm *alarms = arena_alloc(&req->arena, NODE_ALARM_KINDS * sizeof(*alarms));
    uint32_t count = node_get_alarms(http_node(req->http), alarms);
    if (req->accepts == MEDIA_TEXT) {
        write_table(req, alarms, count);
        return;
    }
    buf_append_string(&req->out, "{\"alarms\":[");
    for (uint32_t i = 0; i < count; i++)
        write_alarm(req, &alarms[i]);
    buf_put_u8(&req->out, ']');
    jwrite_member_bool(&req->out, "more", false);
    buf_put_u8(&req->out, '}');
    reply_send(req, 200, MEDIA_JSON);
}

/* "<node>-<kind>" of this node. */
static enum err read_alarm_id(struct request *req, enum node_alarm_kind *ret_kind, struct why *why)
{
    struct bytes text = req->name;
    size_t dash = 0;
    uint64_t id = 0;
    while (dash < text.len && text.data[dash] != '-')
        dash++;
    if (dash == text.len || !path_number(bytes_of(text.data, dash), UINT16_MAX, &id))
        return why_set(why, ERR_NOT_FOUND, "an alarm's id is a node, '-' and its kind");
    struct bytes slug = bytes_of(text.data + dash + 1, text.len - dash - 1);
    if (id != node_self(http_node(req->http)))
        return why_set(why, ERR_NOT_FOUND, "that is an alarm of node %llu, this is %llu: ask it",
                       (unsigned long long)id, (unsigned long long)node_self(http_node(req->http)));
    for (int kind = 0; kind < NODE_ALARM_KINDS; kind++) {
        if (bytes_is_equal(slug, bytes_of_string(node_alarm_slug((enum node_alarm_kind)kind)))) {
            *ret_kind = (enum node_alarm_kind)kind;
            return OK;
        }
    }
    return why_set(why, ERR_NOT_FOUND, "there is no such kind of alarm");
}

void alarm_disarm_run(struct request *req)
{
    struct why why = {.err = OK};
    enum node_alarm_kind kind = NODE_ALARM_NOSPACE;
    enum err err = read_alarm_id(req, &kind, &why);
    if (err == OK)
        err = node_disarm(http_node(req->http), kind, &why);
    if (err != OK) {
        reply_problem(req, err, &why);
        return;
    }
    buf_put_u8(&req->out, '{');
    jwrite_member_string(&req->out, "id", req->name);
    jwrite_member_bool(&req->out, "disarmed", true);
    buf_put_u8(&req->out, '}');
    reply_send(req, 200, MEDIA_JSON);
}

void metrics_write_alarms(struct request *req, const char *prefix)
{
    struct node_alarm *alarms = arena_alloc(&req->arena, NODE_ALARM_KINDS * sizeof(*alarms));
    uint32_t count = node_get_alarms(http_node(req->http), alarms);
    metrics_head(&req->out, prefix, "alarms", "gauge", "1 while the alarm is armed.");
    for (int kind = 0; kind < NODE_ALARM_KINDS; kind++) {
        bool is_armed = false;
        for (uint32_t i = 0; i < count; i++)
            is_armed |= alarms[i].kind == kind;
        buf_printf(&req->out, "%salarms{kind=\"%s\"} %d\n", prefix,
                   node_alarm_slug((enum node_alarm_kind)kind), is_armed);
    }
}
