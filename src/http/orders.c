/* SPDX-License-Identifier: Apache-2.0 */
/* Orders about the cluster's nodes as jobs, "members-<revision>": the table of nodes keeps the last one,
 * and a few before it, so any node answers for them, whatever was restarted meanwhile. */
#include <stdio.h>

#include "http/fields.h"
#include "http/handlers.h"
#include "http/http.h"
#include "http/jwrite.h"
#include "http/orders.h"
#include "http/reply.h"
#include "sys/clock.h"

#define PREFIX "members-"

bool orders_read_id(struct bytes name, uint64_t *ret_revision)
{
    size_t at = sizeof(PREFIX) - 1;
    uint64_t revision = 0;
    if (name.len <= at || name.len > at + 19 || memcmp(name.data, PREFIX, at) != 0)
        return false;
    for (; at < name.len; at++) {
        if (name.data[at] < '0' || name.data[at] > '9')
            return false;
        revision = revision * 10 + (uint64_t)(name.data[at] - '0');
    }
    *ret_revision = revision;
    return true;
}

const char *orders_id(uint64_t revision, char text[ORDERS_ID_BYTES])
{
    (void)snprintf(text, ORDERS_ID_BYTES, PREFIX "%llu", (unsigned long long)revision);
    return text;
}

static const char *kind_of(const struct node_order *order)
{
    switch ((enum node_member_what)order->what) {
    case NODE_MEMBER_ADD:
        return order->replaced != 0 ? "replace_node" : "add_node";
    case NODE_MEMBER_PROMOTE:
        return "promote_node";
    case NODE_MEMBER_DRAIN:
        return "drain_node";
    case NODE_MEMBER_UNDRAIN:
        return "undrain_node";
    case NODE_MEMBER_REMOVE:
        return "remove_node";
    case NODE_MEMBER_PLAN:
    case NODE_MEMBER_CANCEL:
    case NODE_MEMBER_FINALIZE:
    case NODE_MEMBER_WHATS:
        break;
    }
    return "place_slots";
}

static const char *state_of(const struct node_order *order)
{
    return order->state == NODE_ORDER_RUNNING ? "running"
           : order->state == NODE_ORDER_DONE  ? "done"
                                              : "cancelled";
}

/* By the slots that it moves; without any it is as good as there. */
static void write_progress(struct buf *out, const struct node_order *order)
{
    bool is_running = order->state == NODE_ORDER_RUNNING;
    uint32_t parts = order->state == NODE_ORDER_DONE ? 1000
                     : !is_running || order->moves == 0
                         ? 0
                         : order->moves_settled * 1000u / order->moves;
    char text[16];
    snprintf(text, sizeof(text), "%u.%03u", parts / 1000, parts % 1000);
    jwrite_key(out, "progress");
    buf_append_string(out, text);
    uint64_t now_ms = clock_wall_ms();
    if (is_running && order->moves_settled > 0 && now_ms > order->started_ms)
        jwrite_member_u64(out, "eta_ms",
                          (now_ms - order->started_ms) * (order->moves - order->moves_settled) /
                              order->moves_settled);
    else
        jwrite_member_null(out, "eta_ms");
}

/* What an order waits for: its own node first, or any other one that is down. */
static void write_wait(struct request *req, const struct node_order *order)
{
    if (order->state != NODE_ORDER_RUNNING)
        return;
    struct node_cluster *cluster = arena_alloc(&req->arena, sizeof(*cluster));
    node_get_cluster(http_node(req->http), cluster);
    const struct node_peer *down = NULL;
    for (uint32_t i = 0; i < cluster->peers_count; i++) {
        const struct node_peer *peer = &cluster->peers[i];
        bool is_down = !peer->self && !peer->up;
        if (is_down && (down == NULL || peer->id == order->node))
            down = peer;
    }
    if (down == NULL)
        return;
    bool is_refused = down->refusal[0] != '\0';
    char text[sizeof(down->refusal) + 128];
    snprintf(text, sizeof(text), "no link to node %llu%s: %s%s", (unsigned long long)down->id,
             down->id == order->node ? "" : ", and what concerns it waits",
             is_refused ? "" : "is it running, and reachable at ",
             is_refused ? down->refusal : down->address);
    jwrite_member_text(&req->out, "detail", text);
}

void orders_write(struct request *req, const struct node_order *order)
{
    struct buf *out = &req->out;
    char id[ORDERS_ID_BYTES];
    jwrite_member_text(out, "id", orders_id(order->revision, id));
    jwrite_member_text(out, "kind", kind_of(order));
    jwrite_member_text(out, "state", state_of(order));
    jwrite_member_null(out, "node"); /* it is no single node's */
    jwrite_member_null(out, "slot");
    if (order->what != NODE_MEMBER_PLAN)
        jwrite_member_u64(out, "member", order->node);
    if (order->replaced != 0)
        jwrite_member_u64(out, "replaces", order->replaced);
    write_progress(out, order);
    jwrite_member_bool(out, "cancellable", order->state == NODE_ORDER_RUNNING);
    jwrite_member_u64(out, "created_at", order->started_ms);
    jwrite_member_u64(out, "started_at", order->started_ms);
    if (order->ended_ms == 0)
        jwrite_member_null(out, "ended_at");
    else
        jwrite_member_u64(out, "ended_at", order->ended_ms);
    write_wait(req, order);
    jwrite_member_u64(out, "items_count", 0);
}

struct node_placement *orders_take(struct request *req)
{
    struct node_placement *ret =
        req->call.answer == NULL ? NULL : node_placement_decode(blob_bytes(req->call.answer));
    blob_unref(req->call.answer);
    req->call.answer = NULL;
    return ret;
}

static const struct node_order *find_order(const struct node_placement *placement,
                                           uint64_t revision)
{
    if (placement->order.state != NODE_ORDER_NONE && placement->order.revision == revision)
        return &placement->order;
    for (uint32_t i = 0; i < placement->earlier_count; i++) {
        if (placement->earlier[i].revision == revision)
            return &placement->earlier[i];
    }
    return NULL;
}

static void answer(struct request *req)
{
    uint64_t revision = 0;
    struct why why = {.err = OK};
    if (reply_calls_error(req))
        return;
    struct node_placement *placement = orders_take(req);
    bool is_order = orders_read_id(req->name, &revision);
    const struct node_order *order =
        placement == NULL || !is_order ? NULL : find_order(placement, revision);
    enum err err = OK;
    if (placement == NULL)
        err =
            why_set(&why, ERR_OUTCOME_UNKNOWN, "the answer of the leader of slot 0 cannot be read");
    else if (order == NULL)
        err = why_set(&why, ERR_NOT_FOUND,
                      "there is no job 'members-%llu': only the last orders about the cluster's "
                      "nodes are kept; /v1/jobs has them",
                      (unsigned long long)revision);
    if (err != OK) {
        reply_problem(req, err, &why);
    } else {
        buf_put_u8(&req->out, '{');
        orders_write(req, order);
        jwrite_member_u64(&req->out, "items_left_out", 0);
        buf_append_string(&req->out, ",\"items\":[]}");
        reply_send(req, 200, MEDIA_JSON);
    }
    free(placement);
}

void orders_run(struct request *req)
{
    request_prepare_read(req, &req->call, 0, NODE_LINEARIZABLE);
    req->call.kind = NODE_CALL_PLACEMENT;
    request_wait_calls(req, &req->call, 1, answer);
}

void orders_cancel_run(struct request *req, uint64_t revision)
{
    const struct node_member_change change = {
        .what = NODE_MEMBER_CANCEL, .id = node_self(http_node(req->http)), .revision = revision};
    request_prepare_read(req, &req->call, 0, NODE_LINEARIZABLE);
    req->call.kind = NODE_CALL_MEMBER;
    req->call.command = node_member_encode(&change);
    request_wait_calls(req, &req->call, 1, answer);
}
