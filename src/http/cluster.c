/* SPDX-License-Identifier: Apache-2.0 */
/* What this node knows of itself, its peers and its slots; and handing a leadership over. */
#include "http/fields.h"
#include "http/handlers.h"
#include "http/jwrite.h"
#include "http/reply.h"
#include "http/table.h"

static struct node_cluster *get_cluster(struct request *req)
{
    struct node_cluster *cluster = arena_alloc(&req->arena, sizeof(*cluster));
    node_get_cluster(http_node(req->http), cluster);
    return cluster;
}

static const char *peer_state(const struct node_peer *peer)
{
    if (peer->draining)
        return "draining";
    return peer->up || peer->self ? "up" : "down";
}

static void write_peer(struct buf *out, const struct node_peer *peer)
{
    jwrite_comma(out);
    buf_put_u8(out, '{');
    jwrite_member_u64(out, "id", peer->id);
    jwrite_member_text(out, "state", peer_state(peer));
    jwrite_member_bool(out, "self", peer->self);
    jwrite_member_text(out, "address", peer->address);
    jwrite_member_text(out, "http_address", peer->http_address);
    jwrite_member_u64(out, "slots", peer->slots);
    jwrite_member_u64(out, "leaders", peer->leaders);
    jwrite_member_text(out, "version", peer->version);
    jwrite_member_u64(out, "last_contact_ms", peer->last_contact_ms);
    buf_put_u8(out, '}');
}

static void write_peers(struct buf *out, const struct node_cluster *cluster)
{
    jwrite_key(out, "nodes");
    buf_put_u8(out, '[');
    for (uint32_t i = 0; i < cluster->peers_count; i++)
        write_peer(out, &cluster->peers[i]);
    buf_put_u8(out, ']');
}

void cluster_run(struct request *req)
{
    const struct node_cluster *cluster = get_cluster(req);
    struct buf *out = &req->out;
    buf_put_u8(out, '{');
    jwrite_member_text(out, "cluster_id", cluster->cluster_id);
    write_peers(out, cluster);
    jwrite_key(out, "slots");
    buf_put_u8(out, '{');
    jwrite_member_u64(out, "total", cluster->slots_total);
    jwrite_member_u64(out, "with_leader", cluster->slots_with_leader);
    jwrite_member_u64(out, "degraded", cluster->slots_degraded);
    buf_put_u8(out, '}');
    jwrite_member_u64(out, "served_by", cluster->self);
    jwrite_member_text(out, "version", LETHE_VERSION);
    buf_put_u8(out, '}');
    reply_send(req, 200, MEDIA_JSON);
}

static void nodes_table(struct request *req, const struct node_cluster *cluster)
{
    static const char *const names[] = {"id",    "state",   "address", "http_address",
                                        "slots", "leaders", "version", "last_contact_ms"};
    struct table table;
    struct why why = {.err = OK};
    enum err err = table_init(&table, &req->query, names, ARRAY_LEN(names), &req->scratch, &why);
    if (err != OK) {
        reply_problem(req, err, &why);
        return;
    }
    for (uint32_t i = 0; i < cluster->peers_count; i++) {
        const struct node_peer *peer = &cluster->peers[i];
        table_cell_u64(&table, peer->id);
        table_cell(&table, peer_state(peer));
        table_cell(&table, peer->address);
        table_cell(&table, peer->http_address);
        table_cell_u64(&table, peer->slots);
        table_cell_u64(&table, peer->leaders);
        table_cell(&table, peer->version);
        table_cell_u64(&table, peer->last_contact_ms);
    }
    table_write(&table, &req->out);
    reply_send(req, 200, MEDIA_TEXT);
}

void nodes_run(struct request *req)
{
    if (table_refuses_columns(req))
        return;
    const struct node_cluster *cluster = get_cluster(req);
    if (req->accepts == MEDIA_TEXT) {
        nodes_table(req, cluster);
        return;
    }
    buf_put_u8(&req->out, '{');
    write_peers(&req->out, cluster);
    jwrite_member_bool(&req->out, "more", false);
    buf_put_u8(&req->out, '}');
    reply_send(req, 200, MEDIA_JSON);
}

void node_run(struct request *req)
{
    const struct node_cluster *cluster = get_cluster(req);
    for (uint32_t i = 0; i < cluster->peers_count; i++) {
        if (cluster->peers[i].id == req->number) {
            write_peer(&req->out, &cluster->peers[i]);
            reply_send(req, 200, MEDIA_JSON);
            return;
        }
    }
    struct why why;
    why_set(&why, ERR_NOT_FOUND, "there is no node %llu", (unsigned long long)req->number);
    reply_problem(req, ERR_NOT_FOUND, &why);
}

/* ---- slots ---------------------------------------------------------------------------------------- */
static void write_replica(struct buf *out, const struct node_replica *replica)
{
    static const char *const states[] = {[NODE_PROBE] = "probe",
                                         [NODE_REPLICATE] = "replicate",
                                         [NODE_DELTA] = "delta",
                                         [NODE_FULL] = "full",
                                         [NODE_DOWN] = "down"};
    static const char *const checked[] = {
        [NODE_UNCHECKED] = "unchecked", [NODE_CHECKED_OK] = "ok", [NODE_DIVERGED] = "diverged"};
    assert(replica->state < ARRAY_LEN(states) && replica->checked < ARRAY_LEN(checked));
    jwrite_comma(out);
    buf_put_u8(out, '{');
    jwrite_member_u64(out, "node", replica->node);
    jwrite_member_text(out, "role",
                       replica->leader    ? "leader"
                       : replica->learner ? "learner"
                                          : "follower");
    jwrite_member_u64(out, "match_index", replica->match_index);
    jwrite_member_u64(out, "applied_index", replica->applied_index);
    jwrite_member_text(out, "state", states[replica->state]);
    jwrite_member_u64(out, "lag", replica->lag);
    jwrite_member_text(out, "checked", checked[replica->checked]);
    jwrite_member_u64(out, "checked_index", replica->checked_index);
    if (replica->state == NODE_DELTA || replica->state == NODE_FULL) {
        jwrite_key(out, "transfer");
        buf_put_u8(out, '{');
        jwrite_member_u64(out, "bytes", replica->transfer_bytes);
        jwrite_member_u64(out, "rows", replica->transfer_rows);
        jwrite_member_u64(out, "total_bytes", replica->transfer_total_bytes);
        jwrite_member_u64(out, "eta_ms", replica->transfer_eta_ms);
        buf_put_u8(out, '}');
    }
    buf_put_u8(out, '}');
}

static void write_slot(struct buf *out, const struct node_slot *slot, bool is_local)
{
    char digest[HASH128_HEX_SIZE];
    hash128_hex(slot->digest, digest);
    jwrite_comma(out);
    buf_put_u8(out, '{');
    jwrite_member_u64(out, "slot", slot->slot);
    jwrite_member_u64(out, "leader", slot->leader);
    jwrite_member_u64(out, "term", slot->term);
    jwrite_member_u64(out, "commit_index", slot->commit_index);
    /* A digest is worth something only with the index of the very state it sums up. */
    jwrite_member_u64(out, "applied_index", is_local ? slot->digest_index : slot->applied_index);
    jwrite_member_u64(out, "durable_applied_index", slot->durable_applied_index);
    jwrite_member_u64(out, "first_index", slot->first_index);
    jwrite_member_u64(out, "last_index", slot->last_index);
    jwrite_member_u64(out, "log_count", slot->log_count);
    jwrite_member_u64(out, "log_bytes", slot->log_bytes);
    jwrite_member_u64(out, "delete_log_floor", slot->delete_log_floor);
    jwrite_member_u64(out, "delete_log_count", slot->delete_log_count);
    jwrite_member_text(out, "digest", digest);
    jwrite_member_u64(out, "digest_index", slot->digest_index);
    jwrite_member_u64(out, "channels", slot->channels);
    jwrite_member_text(out, "replica_state",
                       slot->amnesia       ? "amnesia"
                       : slot->diverged    ? "diverged"
                       : slot->quarantined ? "quarantined"
                       : slot->installing  ? "installing"
                                           : "normal");
    jwrite_member_bool(out, "undecided", slot->undecided);
    jwrite_key(out, "replicas");
    buf_put_u8(out, '[');
    for (uint32_t i = 0; i < slot->replicas_count; i++)
        write_replica(out, &slot->replicas[i]);
    buf_append_string(out, "]}");
}

static bool get_slot(struct request *req, uint32_t number, struct node_slot *ret)
{
    memset(ret, 0, sizeof(*ret));
    return node_get_slot(http_node(req->http), number, ret);
}

static void slots_table(struct request *req)
{
    static const char *const names[] = {
        "slot",      "leader",           "term",     "commit_index", "applied_index", "log_count",
        "log_bytes", "delete_log_count", "channels", "digest"};
    struct table table;
    struct why why = {.err = OK};
    struct node_slot *slot = arena_alloc(&req->arena, sizeof(*slot));
    enum err err = table_init(&table, &req->query, names, ARRAY_LEN(names), &req->scratch, &why);
    if (err != OK) {
        reply_problem(req, err, &why);
        return;
    }
    for (uint32_t i = 0; i < node_slot_count(http_node(req->http)); i++) {
        char digest[HASH128_HEX_SIZE];
        if (!get_slot(req, i, slot))
            continue;
        hash128_hex(slot->digest, digest);
        table_cell_u64(&table, slot->slot);
        table_cell_u64(&table, slot->leader);
        table_cell_u64(&table, slot->term);
        table_cell_u64(&table, slot->commit_index);
        table_cell_u64(&table, slot->applied_index);
        table_cell_u64(&table, slot->log_count);
        table_cell_u64(&table, slot->log_bytes);
        table_cell_u64(&table, slot->delete_log_count);
        table_cell_u64(&table, slot->channels);
        table_cell(&table, digest);
    }
    table_write(&table, &req->out);
    reply_send(req, 200, MEDIA_TEXT);
}

void slots_run(struct request *req)
{
    if (table_refuses_columns(req))
        return;
    if (req->accepts == MEDIA_TEXT) {
        slots_table(req);
        return;
    }
    struct node_slot *slot = arena_alloc(&req->arena, sizeof(*slot));
    buf_append_string(&req->out, "{\"slots\":[");
    for (uint32_t i = 0; i < node_slot_count(http_node(req->http)); i++) {
        if (get_slot(req, i, slot))
            write_slot(&req->out, slot, false);
    }
    buf_append_string(&req->out, "],\"more\":false}");
    reply_send(req, 200, MEDIA_JSON);
}

static void one_slot(struct request *req, bool is_local)
{
    struct node_slot *slot = arena_alloc(&req->arena, sizeof(*slot));
    if (!get_slot(req, req->slot, slot)) {
        struct why why;
        why_set(&why, ERR_NOT_FOUND, "this node has no replica of slot %u", req->slot);
        reply_problem(req, ERR_NOT_FOUND, &why);
        return;
    }
    write_slot(&req->out, slot, is_local);
    reply_set_applied(req, is_local ? slot->digest_index : slot->applied_index);
    reply_send(req, 200, MEDIA_JSON);
}

void slot_run(struct request *req)
{
    one_slot(req, false);
}

void slot_local_run(struct request *req)
{
    one_slot(req, true);
}

/* ---- transfer --------------------------------------------------------------------------------------- */
static void transfer_done(struct request *req)
{
    if (reply_calls_error(req))
        return;
    buf_put_u8(&req->out, '{');
    jwrite_member_u64(&req->out, "slot", req->slot);
    jwrite_member_u64(&req->out, "leader", req->call.leader);
    buf_put_u8(&req->out, '}');
    reply_send(req, 200, MEDIA_JSON);
}

void transfer_leader_run(struct request *req)
{
    struct why why = {.err = OK};
    const struct jvalue *body = NULL;
    uint64_t to = 0;
    enum err err = fields_parse(req, &body, &why);
    if (err == OK)
        err = fields_number(body, "to", 1, UINT16_MAX, &to, NULL, &why);
    if (err != OK) {
        reply_problem(req, err, &why);
        return;
    }
    request_prepare_read(req, &req->call, req->slot, NODE_LINEARIZABLE);
    req->call.kind = NODE_CALL_TRANSFER;
    req->call.to = (node_id)to;
    request_wait_calls(req, &req->call, 1, transfer_done);
}
