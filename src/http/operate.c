/* SPDX-License-Identifier: Apache-2.0 */
/* Operators' orders about logs and replicas: of one slot or of all of them, some slots at a time. What
 * a slot could not do does not keep the others from it: it stands in `failed`, with its problem. */
#include <stdlib.h>

#include "http/fields.h"
#include "http/handlers.h"
#include "http/http.h"
#include "http/jwrite.h"
#include "http/reply.h"

struct fault {
    uint32_t slot;
    enum err err;
    struct why why;
};

struct order {
    enum node_call_kind kind;
    void (*write)(struct buf *out, uint32_t slot, const struct node_admin *admin);
    uint64_t through_index, keep; /* COMPACT */
    bool force_floor;             /* COLLECT */
    bool is_one_slot;
    uint32_t at, end;
    struct fault *faults; /* in arena */
    uint32_t faults_count;
};

static void write_compacted(struct buf *out, uint32_t slot, const struct node_admin *admin)
{
    for (uint32_t i = 0; i < admin->items_count; i++) {
        const struct node_admin_item *item = &admin->items[i];
        jwrite_comma(out);
        buf_put_u8(out, '{');
        jwrite_member_u64(out, "slot", slot);
        jwrite_member_u64(out, "node", item->node);
        jwrite_member_u64(out, "first_index_before", item->first_before);
        jwrite_member_u64(out, "first_index_after", item->first_after);
        jwrite_member_u64(out, "applied_index", item->applied);
        if (item->skipped_reason[0] == '\0')
            jwrite_member_null(out, "skipped_reason");
        else
            jwrite_member_text(out, "skipped_reason", item->skipped_reason);
        buf_put_u8(out, '}');
    }
}

static void write_collected(struct buf *out, uint32_t slot, const struct node_admin *admin)
{
    jwrite_comma(out);
    buf_put_u8(out, '{');
    jwrite_member_u64(out, "slot", slot);
    jwrite_member_u64(out, "floor_before", admin->floor_before);
    jwrite_member_u64(out, "floor_after", admin->floor_after);
    jwrite_member_u64(out, "removed", admin->removed);
    jwrite_key(out, "held_by");
    buf_put_u8(out, '[');
    for (uint32_t i = 0; i < admin->held_by_count; i++) {
        jwrite_comma(out);
        jwrite_u64(out, admin->held_by[i]);
    }
    buf_append_string(out, "]}");
}

static void finish(struct request *req)
{
    const struct order *order = req->state;
    struct buf *out = &req->out;
    buf_append_string(out, "],\"failed\":[");
    for (uint32_t i = 0; i < order->faults_count; i++) {
        const struct fault *fault = &order->faults[i];
        jwrite_comma(out);
        buf_put_u8(out, '{');
        jwrite_member_u64(out, "slot", fault->slot);
        reply_problem_members(out, fault->err, &fault->why);
        buf_put_u8(out, '}');
    }
    buf_append_string(out, "]}");
    reply_send(req, 200, MEDIA_JSON);
}

static void order_some(struct request *req);

static void some_done(struct request *req)
{
    struct order *order = req->state;
    if (order->is_one_slot && reply_calls_error(req))
        return;
    for (uint32_t i = 0; i < req->calls_count; i++) {
        struct node_call *call = &req->calls[i];
        if (call->err != OK) {
            order->faults[order->faults_count++] =
                (struct fault){.slot = call->slot, .err = call->err, .why = call->why};
            continue;
        }
        assert(call->admin != NULL);
        order->write(&req->out, call->slot, call->admin);
        free(call->admin);
    }
    if (order->at == order->end)
        finish(req);
    else
        order_some(req);
}

static void order_some(struct request *req)
{
    struct order *order = req->state;
    uint32_t count = order->end - order->at;
    if (count > HTTP_ORDER_SLOTS_AT_ONCE)
        count = HTTP_ORDER_SLOTS_AT_ONCE;
    struct node_call *calls = arena_alloc(&req->arena, count * sizeof(*calls));
    for (uint32_t i = 0; i < count; i++) {
        request_prepare_read(req, &calls[i], order->at + i, NODE_LINEARIZABLE);
        calls[i].kind = order->kind;
        calls[i].through_index = order->through_index;
        calls[i].keep = order->keep;
        calls[i].force_floor = order->force_floor;
    }
    order->at += count;
    request_wait_calls(req, calls, count, some_done);
}

/* All slots, or the one that order->at names already. */
static void start(struct request *req, struct order *order)
{
    uint32_t slots = node_slot_count(http_node(req->http));
    order->end = order->is_one_slot ? order->at + 1 : slots;
    order->faults = arena_alloc(&req->arena, (order->end - order->at) * sizeof(*order->faults));
    req->state = order;
    buf_append_string(&req->out, "{\"items\":[");
    order_some(req);
}

static void compact(struct request *req, bool is_one_slot)
{
    struct why why = {.err = OK};
    const struct jvalue *body = NULL;
    struct order *order = arena_zero(&req->arena, sizeof(*order));
    order->kind = NODE_CALL_COMPACT;
    order->write = write_compacted;
    order->is_one_slot = is_one_slot;
    order->at = is_one_slot ? req->slot : 0;
    bool has_through = false;
    enum err err = fields_parse(req, &body, &why);
    if (err == OK)
        err = fields_number(body, "through_index", 0, HTTP_MAX_INTEGER, &order->through_index,
                            &has_through, &why);
    if (err == OK)
        err = fields_number(body, "keep", 0, HTTP_MAX_INTEGER, &order->keep, NULL, &why);
    if (err == OK && has_through && !is_one_slot)
        err = why_set(&why, ERR_BAD_PARAMETER,
                      "'through_index' is of one slot; for all of them there is 'keep'");
    if (err == OK && has_through && order->through_index == 0)
        err = why_set(&why, ERR_BAD_PARAMETER, "'through_index' is 0: null means all");
    if (err != OK)
        reply_problem(req, err, &why);
    else
        start(req, order);
}

void operate_compact_run(struct request *req)
{
    compact(req, true);
}

void operate_compact_all_run(struct request *req)
{
    compact(req, false);
}

void operate_collect_run(struct request *req)
{
    struct why why = {.err = OK};
    const struct jvalue *body = NULL;
    uint32_t slots = node_slot_count(http_node(req->http));
    struct order *order = arena_zero(&req->arena, sizeof(*order));
    order->kind = NODE_CALL_COLLECT;
    order->write = write_collected;
    uint64_t slot = 0;
    enum err err = fields_parse(req, &body, &why);
    if (err == OK)
        err = fields_bool(body, "force_floor", &order->force_floor, &why);
    if (err == OK)
        err = fields_number(body, "slot", 0, slots - 1, &slot, &order->is_one_slot, &why);
    order->at = (uint32_t)slot;
    if (err != OK)
        reply_problem(req, err, &why);
    else
        start(req, order);
}

/* ---- a full install -------------------------------------------------------------------------------- */
static void full_sync_done(struct request *req)
{
    if (reply_calls_error(req))
        return;
    free(req->call.admin);
    buf_put_u8(&req->out, '{');
    jwrite_member_u64(&req->out, "slot", req->slot);
    jwrite_member_u64(&req->out, "node", req->call.to);
    jwrite_member_bool(&req->out, "ordered", true);
    buf_put_u8(&req->out, '}');
    reply_send(req, 202, MEDIA_JSON);
}

void operate_full_sync_run(struct request *req)
{
    struct why why = {.err = OK};
    const struct jvalue *body = NULL;
    uint64_t to = 0;
    bool has_node = false;
    enum err err = fields_parse(req, &body, &why);
    if (err == OK)
        err = fields_number(body, "node", 1, UINT16_MAX, &to, &has_node, &why);
    if (err == OK && !has_node)
        err = why_set(&why, ERR_BAD_PARAMETER, "'node' is missing");
    if (err != OK) {
        reply_problem(req, err, &why);
        return;
    }
    request_prepare_read(req, &req->call, req->slot, NODE_LINEARIZABLE);
    req->call.kind = NODE_CALL_FULL_SYNC;
    req->call.to = (node_id)to;
    request_wait_calls(req, &req->call, 1, full_sync_done);
}

/* ---- configuration ----------------------------------------------------------------------------------- */
void operate_config_run(struct request *req)
{
    if (!http_write_config(req->http, &req->out)) {
        struct why why;
        why_set(&why, ERR_NOT_SUPPORTED, "this server was not told its configuration");
        reply_problem(req, ERR_NOT_SUPPORTED, &why);
        return;
    }
    reply_send(req, 200, MEDIA_JSON);
}
