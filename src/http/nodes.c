/* SPDX-License-Identifier: Apache-2.0 */
/* The cluster's nodes: adding, promoting, draining, removing, and where the slots are. A change is
 * written down and answered with 202; it is done when the placement says that all slots are settled. */
#include "http/fields.h"
#include "http/handlers.h"
#include "http/http.h"
#include "http/jwrite.h"
#include "http/orders.h"
#include "http/reply.h"

static const char *state_name(const struct node_placed *node)
{
    switch (node->state) {
    case NODE_PLACED_DRAINING:
        return "draining";
    case NODE_PLACED_LEAVING:
        return "leaving";
    default:
        return node->learner ? "learner" : "active";
    }
}

static void write_ids(struct buf *out, const char *name, const node_id *ids, uint8_t count)
{
    jwrite_key(out, name);
    buf_put_u8(out, '[');
    for (uint8_t i = 0; i < count; i++) {
        jwrite_comma(out);
        jwrite_u64(out, ids[i]);
    }
    buf_put_u8(out, ']');
}

static void write_placed(struct buf *out, const struct node_placed *node)
{
    jwrite_comma(out);
    buf_put_u8(out, '{');
    jwrite_member_u64(out, "id", node->id);
    jwrite_member_text(out, "state", state_name(node));
    jwrite_member_bool(out, "learner", node->learner);
    jwrite_member_text(out, "zone", node->zone);
    jwrite_member_u64(out, "slots_before", node->slots_before);
    jwrite_member_u64(out, "slots_after", node->slots_after);
    buf_put_u8(out, '}');
}

static void write_placement(struct buf *out, const struct node_placement *placement)
{
    buf_put_u8(out, '{');
    jwrite_member_u64(out, "revision", placement->revision);
    jwrite_member_u64(out, "replica_count", placement->replica_count);
    jwrite_member_bool(out, "done", placement->settled == placement->slots);
    char id[ORDERS_ID_BYTES];
    if (placement->order.state == NODE_ORDER_NONE)
        jwrite_member_null(out, "job");
    else
        jwrite_member_text(out, "job", orders_id(placement->order.revision, id));
    jwrite_member_u64(out, "feature_level", placement->feature_level);
    jwrite_key(out, "slots");
    buf_put_u8(out, '{');
    jwrite_member_u64(out, "total", placement->slots);
    jwrite_member_u64(out, "settled", placement->settled);
    buf_append_string(out, "},\"nodes\":[");
    for (uint32_t i = 0; i < placement->nodes_count; i++)
        write_placed(out, &placement->nodes[i]);
    buf_append_string(out, "],\"moves\":[");
    for (uint32_t i = 0; i < placement->moves_count; i++) {
        const struct node_move *move = &placement->moves[i];
        jwrite_comma(out);
        buf_put_u8(out, '{');
        jwrite_member_u64(out, "slot", move->slot);
        write_ids(out, "from", move->from, move->from_count);
        write_ids(out, "to", move->to, move->to_count);
        buf_put_u8(out, '}');
    }
    buf_append_string(out, "]}");
}

static void answer(struct request *req, unsigned status)
{
    if (reply_calls_error(req))
        return;
    struct node_placement *placement = orders_take(req);
    if (placement == NULL) {
        struct why why;
        why_set(&why, ERR_OUTCOME_UNKNOWN, "the answer of the leader of slot 0 cannot be read");
        reply_problem(req, ERR_OUTCOME_UNKNOWN, &why);
        return;
    }
    if (status == 202 && placement->order.state == NODE_ORDER_RUNNING) {
        char location[sizeof("/v1/jobs/") + ORDERS_ID_BYTES] = "/v1/jobs/";
        (void)orders_id(placement->order.revision, location + strlen(location));
        reply_header(req, "Location", arena_string(&req->arena, bytes_of_string(location)));
    }
    write_placement(&req->out, placement);
    free(placement);
    reply_send(req, status, MEDIA_JSON);
}

static void planned(struct request *req)
{
    answer(req, 200);
}

static void changed(struct request *req)
{
    answer(req, 202);
}

static void order(struct request *req, const struct node_member_change *change)
{
    request_prepare_read(req, &req->call, 0, NODE_LINEARIZABLE);
    req->call.kind = NODE_CALL_MEMBER;
    req->call.command = node_member_encode(change);
    request_wait_calls(req, &req->call, 1, change->dry_run ? planned : changed);
}

static enum err read_add(struct request *req, struct node_member_change *change, struct why *why)
{
    const struct jvalue *body = NULL;
    bool has_id = false;
    uint64_t id = 0, replaces = 0;
    enum err err = fields_parse(req, &body, why);
    if (err == OK)
        err = fields_number(body, "id", 1, UINT16_MAX, &id, &has_id, why);
    if (err == OK && !has_id)
        err = why_set(why, ERR_BAD_PARAMETER, "'id' is missing: the 'node.id' of the new node");
    if (err == OK)
        err = fields_number(body, "replaces", 1, UINT16_MAX, &replaces, NULL, why);
    if (err == OK)
        err = fields_text(body, "address", change->address, sizeof(change->address), why);
    if (err == OK && change->address[0] == '\0')
        err = why_set(why, ERR_BAD_PARAMETER,
                      "'address' is missing: the host:port where the new node listens for peers");
    if (err == OK)
        err = fields_text(body, "zone", change->zone, sizeof(change->zone), why);
    if (err == OK)
        err = fields_bool(body, "learner", &change->learner, why);
    if (err == OK)
        err = fields_bool(body, "dry_run", &change->dry_run, why);
    if (err == OK && change->learner && replaces != 0)
        err = why_set(why, ERR_BAD_PARAMETER,
                      "a learner cannot replace a node: it would hold nothing for it");
    change->id = (node_id)id;
    change->replaces = (node_id)replaces;
    return err;
}

void nodes_add_run(struct request *req)
{
    struct node_member_change change = {.what = NODE_MEMBER_ADD};
    struct why why = {.err = OK};
    enum err err = read_add(req, &change, &why);
    if (err != OK)
        reply_problem(req, err, &why);
    else
        order(req, &change);
}

static void change_one(struct request *req, enum node_member_what what)
{
    struct node_member_change change = {.what = what, .id = (node_id)req->number};
    struct why why = {.err = OK};
    const struct jvalue *body = NULL;
    enum err err = fields_parse(req, &body, &why);
    if (err == OK)
        err = fields_bool(body, "dry_run", &change.dry_run, &why);
    if (err == OK && query_has(&req->query, "dry_run"))
        err = query_bool(&req->query, "dry_run", &change.dry_run, &why);
    if (err == OK && (req->number == 0 || req->number > UINT16_MAX))
        err =
            why_set(&why, ERR_NOT_FOUND, "there is no node %llu", (unsigned long long)req->number);
    if (err != OK)
        reply_problem(req, err, &why);
    else
        order(req, &change);
}

void nodes_promote_run(struct request *req)
{
    change_one(req, NODE_MEMBER_PROMOTE);
}

void nodes_drain_run(struct request *req)
{
    change_one(req, NODE_MEMBER_DRAIN);
}

void nodes_undrain_run(struct request *req)
{
    change_one(req, NODE_MEMBER_UNDRAIN);
}

void nodes_remove_run(struct request *req)
{
    change_one(req, NODE_MEMBER_REMOVE);
}

void placement_run(struct request *req)
{
    request_prepare_read(req, &req->call, 0, NODE_LINEARIZABLE);
    req->call.kind = NODE_CALL_PLACEMENT;
    request_wait_calls(req, &req->call, 1, planned);
}

void upgrade_finalize_run(struct request *req)
{
    req->number = node_self(http_node(req->http));
    change_one(req, NODE_MEMBER_FINALIZE);
}

void placement_plan_run(struct request *req)
{
    req->number = node_self(http_node(req->http));
    change_one(req, NODE_MEMBER_PLAN);
}
