/* SPDX-License-Identifier: Apache-2.0 */
/* WuKongIM's routes about the cluster, with those fields that mean something here. */
#include <stdlib.h>

#include "http/handlers.h"
#include "http/http.h"
#include "http/jwrite.h"
#include "http/reply.h"
#include "http/wukong.h"

void wukong_health_run(struct request *req)
{
    struct node_cluster *cluster = arena_alloc(&req->arena, sizeof(*cluster));
    struct why why = {.err = OK};
    node_get_cluster(http_node(req->http), cluster);
    if (!cluster->serving || cluster->draining) {
        enum err err = cluster->draining ? ERR_DRAINING : ERR_STARTING;
        why_set(&why, err, "this node does not serve: GET /readyz?verbose has more");
        reply_problem(req, err, &why);
        return;
    }
    buf_append_string(&req->out, "{\"status\":\"ok\"}");
    reply_send(req, 200, MEDIA_JSON);
}

/* {"total":N,"data":[ */
static void begin_list(struct buf *out, uint64_t total)
{
    buf_put_u8(out, '{');
    jwrite_member_u64(out, "total", total);
    buf_append_string(out, ",\"data\":[");
}

void wukong_nodes_run(struct request *req)
{
    struct node_cluster *cluster = arena_alloc(&req->arena, sizeof(*cluster));
    struct buf *out = &req->out;
    node_get_cluster(http_node(req->http), cluster);
    begin_list(out, cluster->peers_count);
    for (uint32_t i = 0; i < cluster->peers_count; i++) {
        const struct node_peer *peer = &cluster->peers[i];
        buf_append_string(out, i == 0 ? "{" : ",{");
        jwrite_member_u64(out, "id", peer->id);
        jwrite_member_text(out, "cluster_addr", peer->address);
        jwrite_member_text(out, "api_server_addr", peer->http_address);
        jwrite_member_u64(out, "online", peer->up);
        jwrite_member_u64(out, "slot_count", peer->slots);
        jwrite_member_u64(out, "slot_leader_count", peer->leaders);
        jwrite_member_text(out, "app_version", peer->version);
        buf_put_u8(out, '}');
    }
    buf_append_string(out, "]}");
    reply_send(req, 200, MEDIA_JSON);
}

static void write_slot(struct buf *out, const struct node_slot *slot,
                       const struct node_cluster *cluster)
{
    jwrite_comma(out);
    buf_put_u8(out, '{');
    jwrite_member_u64(out, "id", slot->slot);
    jwrite_member_u64(out, "leader_id", slot->leader);
    jwrite_member_u64(out, "term", slot->term);
    jwrite_key(out, "replicas");
    buf_put_u8(out, '[');
    /* Who leads knows all of them; elsewhere every member has every slot. */
    bool is_led_here = slot->leader == cluster->self;
    uint32_t count = is_led_here ? slot->replicas_count : cluster->peers_count;
    for (uint32_t i = 0; i < count; i++) {
        jwrite_comma(out);
        jwrite_u64(out, is_led_here ? slot->replicas[i].node : cluster->peers[i].id);
    }
    buf_put_u8(out, ']');
    jwrite_member_u64(out, "log_index", slot->last_index);
    buf_put_u8(out, '}');
}

void wukong_slots_run(struct request *req)
{
    struct node *node = http_node(req->http);
    struct node_cluster *cluster = arena_alloc(&req->arena, sizeof(*cluster));
    struct node_slot *slot = arena_alloc(&req->arena, sizeof(*slot));
    node_get_cluster(node, cluster);
    begin_list(&req->out, node_slot_count(node));
    for (uint32_t i = 0; i < node_slot_count(node); i++) {
        if (node_get_slot(node, i, slot))
            write_slot(&req->out, slot, cluster);
    }
    buf_append_string(&req->out, "]}");
    reply_send(req, 200, MEDIA_JSON);
}

static enum err read_slot(struct request *req, struct why *why)
{
    uint64_t slot;
    if (!path_number(req->name, HTTP_MAX_INTEGER, &slot) ||
        slot >= node_slot_count(http_node(req->http)))
        return why_set(why, ERR_NOT_FOUND, "there is no such slot: they go from 0 to %u",
                       node_slot_count(http_node(req->http)) - 1);
    req->slot = (uint32_t)slot;
    return OK;
}

static void replicas_read(struct request *req)
{
    if (reply_calls_error(req))
        return;
    struct node_admin *members = req->call.admin;
    struct buf *out = &req->out;
    begin_list(out, members->items_count);
    for (uint32_t i = 0; i < members->items_count; i++) {
        const struct node_admin_item *item = &members->items[i];
        buf_append_string(out, i == 0 ? "{" : ",{");
        jwrite_member_u64(out, "replica_id", item->node);
        jwrite_member_u64(out, "leader_id", req->call.leader);
        jwrite_member_text(out, "role_format",
                           item->node == req->call.leader ? "leader" : "follower");
        jwrite_member_u64(out, "running", strcmp(item->skipped_reason, "node_down") != 0);
        jwrite_member_u64(out, "applied_index", item->applied);
        buf_put_u8(out, '}');
    }
    buf_append_string(out, "]}");
    free(members);
    reply_send(req, 200, MEDIA_JSON);
}

void wukong_replicas_run(struct request *req)
{
    struct why why = {.err = OK};
    enum err err = read_slot(req, &why);
    if (err != OK) {
        reply_problem(req, err, &why);
        return;
    }
    request_prepare_read(req, &req->call, req->slot, NODE_LINEARIZABLE);
    req->call.kind = NODE_CALL_REPLICAS;
    request_wait_calls(req, &req->call, 1, replicas_read);
}

/* ---- POST /cluster/slots/{id}/migrate -------------------------------------------------------------- */
static void migrate_done(struct request *req)
{
    if (reply_calls_error(req))
        return;
    buf_append_string(&req->out, "{\"status\":200}");
    reply_send(req, 200, MEDIA_JSON);
}

/* Every member has every slot: what can move is the leadership. */
static enum err read_migration(struct request *req, uint64_t *ret_to, struct why *why)
{
    const struct jvalue *object = NULL;
    uint64_t from = 0;
    enum err err = wukong_parse(req, &object, why);
    if (err == OK)
        err = wukong_number(object, "migrate_from", UINT16_MAX, &from, why);
    if (err == OK)
        err = wukong_number(object, "migrate_to", UINT16_MAX, ret_to, why);
    if (err == OK)
        err = read_slot(req, why);
    if (err != OK)
        return err;
    if (from == 0 || *ret_to == 0 || from == *ret_to)
        return why_set(why, ERR_BAD_PARAMETER,
                       "'migrate_from' and 'migrate_to' are not two different nodes");
    struct node_slot *slot = arena_alloc(&req->arena, sizeof(*slot));
    if (!node_get_slot(http_node(req->http), req->slot, slot) || slot->leader != from)
        return why_set(why, ERR_CONFLICT,
                       "node %llu does not lead slot %u (%u does); only a leadership can move, as "
                       "every member has every slot",
                       (unsigned long long)from, req->slot, (unsigned)slot->leader);
    return OK;
}

void wukong_migrate_run(struct request *req)
{
    struct why why = {.err = OK};
    uint64_t to = 0;
    enum err err = read_migration(req, &to, &why);
    if (err != OK) {
        reply_problem(req, err, &why);
        return;
    }
    request_prepare_read(req, &req->call, req->slot, NODE_LINEARIZABLE);
    req->call.kind = NODE_CALL_TRANSFER;
    req->call.to = to;
    request_wait_calls(req, &req->call, 1, migrate_done);
}
