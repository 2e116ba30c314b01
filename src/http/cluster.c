/* SPDX-License-Identifier: Apache-2.0 */
/* What this node knows of itself, its peers and its slots; and handing a leadership over. */
#include <stdlib.h>

#include "http/fields.h"
#include "http/handlers.h"
#include "http/jwrite.h"
#include "http/reply.h"
#include "http/table.h"
#include "sys/clock.h"

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
    jwrite_member_u64(out, "feature_level", peer->feature_level);
    jwrite_member_bool(out, "learner", peer->learner);
    jwrite_member_bool(out, "leaving", peer->leaving);
    jwrite_member_text(out, "zone", peer->zone);
    if (peer->refusal[0] != '\0' && !peer->up)
        jwrite_member_text(out, "refused", peer->refusal);
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
    jwrite_member_u64(out, "feature_level", cluster->feature_level);
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

/* whose: "leader" or "local", whose knowledge it is. */
static void write_slot(struct buf *out, const struct node_slot *slot, bool is_local,
                       const char *whose)
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
                       slot->left          ? "left"
                       : slot->leaving     ? "leaving"
                       : !slot->holds      ? "none"
                       : slot->amnesia     ? "amnesia"
                       : slot->diverged    ? "diverged"
                       : slot->quarantined ? "quarantined"
                       : slot->installing  ? "installing"
                                           : "normal");
    jwrite_member_bool(out, "undecided", slot->undecided);
    jwrite_member_text(out, "view", whose);
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

/* Only a slot's leader hears of every replica: slots that others lead are asked of them, some at a
 * time. What a leader cannot tell soon is answered from this node's own view, which says so. */
enum { SLOTS_AT_ONCE = 64, SLOT_VIEW_WAIT_MS = 1000 };

struct slots_state {
    uint32_t at, end; /* still to be written */
    uint32_t group_end;
    struct node_slot *slot; /* one at a time */
    struct table table;     /* accepts TEXT */
};

static const char *const slot_columns[] = {
    "slot",      "leader",           "term",     "commit_index", "applied_index", "log_count",
    "log_bytes", "delete_log_count", "channels", "digest",       "view"};

static bool is_led_here(const struct request *req, const struct node_slot *slot)
{
    return slot->leader == node_self(http_node(req->http));
}

static bool is_led_elsewhere(const struct request *req, const struct node_slot *slot)
{
    return slot->leader != 0 && !is_led_here(req, slot);
}

static void prepare_view(struct request *req, struct node_call *call, uint32_t slot)
{
    request_prepare_read(req, call, slot, NODE_LEADER);
    call->kind = NODE_CALL_SLOT;
    uint64_t soon_ms = clock_mono_ms() + SLOT_VIEW_WAIT_MS;
    if (soon_ms < call->deadline_ms)
        call->deadline_ms = soon_ms;
}

/* The leader's view into *slot, when call brought one; true then. */
static bool take_view(const struct node_call *call, struct node_slot *slot)
{
    bool has = call->err == OK && call->admin != NULL && call->admin->has_slot;
    if (has)
        *slot = call->admin->slot;
    free(call->admin);
    return has;
}

static void write_slot_row(struct table *table, const struct node_slot *slot, const char *whose)
{
    char digest[HASH128_HEX_SIZE];
    hash128_hex(slot->digest, digest);
    table_cell_u64(table, slot->slot);
    table_cell_u64(table, slot->leader);
    table_cell_u64(table, slot->term);
    table_cell_u64(table, slot->commit_index);
    table_cell_u64(table, slot->applied_index);
    table_cell_u64(table, slot->log_count);
    table_cell_u64(table, slot->log_bytes);
    table_cell_u64(table, slot->delete_log_count);
    table_cell_u64(table, slot->channels);
    table_cell(table, digest);
    table_cell(table, whose);
}

/* Writes the slots of the group; calls: of those that others lead, ascending. */
static void write_group(struct request *req, struct slots_state *state,
                        const struct node_call *calls, uint32_t count)
{
    uint32_t next = 0;
    for (; state->at < state->group_end; state->at++) {
        if (!get_slot(req, state->at, state->slot))
            continue;
        bool is_asked = next < count && calls[next].slot == state->at;
        bool is_leaders = is_led_here(req, state->slot);
        if (is_asked)
            is_leaders = take_view(&calls[next++], state->slot);
        const char *whose = is_leaders ? "leader" : "local";
        if (req->accepts == MEDIA_TEXT)
            write_slot_row(&state->table, state->slot, whose);
        else
            write_slot(&req->out, state->slot, false, whose);
    }
}

static void slots_go_on(struct request *req);

static void slots_answered(struct request *req)
{
    write_group(req, req->state, req->calls, req->calls_count);
    slots_go_on(req);
}

static void slots_end(struct request *req)
{
    struct slots_state *state = req->state;
    if (req->accepts == MEDIA_TEXT)
        table_write(&state->table, &req->out);
    else
        buf_append_string(&req->out, "],\"more\":false}");
    reply_send(req, 200, req->accepts);
}

static void slots_go_on(struct request *req)
{
    struct slots_state *state = req->state;
    while (state->at < state->end) {
        uint32_t count = 0;
        struct node_call *calls = arena_alloc(&req->arena, SLOTS_AT_ONCE * sizeof(*calls));
        state->group_end = state->at;
        for (; state->group_end < state->end && count < SLOTS_AT_ONCE; state->group_end++) {
            if (get_slot(req, state->group_end, state->slot) && is_led_elsewhere(req, state->slot))
                prepare_view(req, &calls[count++], state->group_end);
        }
        if (count > 0) {
            request_wait_calls(req, calls, count, slots_answered);
            return;
        }
        write_group(req, state, NULL, 0);
    }
    slots_end(req);
}

void slots_run(struct request *req)
{
    if (table_refuses_columns(req))
        return;
    struct slots_state *state = req->state = arena_zero(&req->arena, sizeof(*state));
    state->slot = arena_alloc(&req->arena, sizeof(*state->slot));
    state->end = node_slot_count(http_node(req->http));
    if (req->accepts == MEDIA_TEXT) {
        struct why why = {.err = OK};
        enum err err = table_init(&state->table, &req->query, slot_columns, ARRAY_LEN(slot_columns),
                                  &req->scratch, &why);
        if (err != OK) {
            reply_problem(req, err, &why);
            return;
        }
    } else {
        buf_append_string(&req->out, "{\"slots\":[");
    }
    slots_go_on(req);
}

static void send_slot(struct request *req, const struct node_slot *slot, bool is_local,
                      const char *whose)
{
    write_slot(&req->out, slot, is_local, whose);
    reply_set_applied(req, is_local ? slot->digest_index : slot->applied_index);
    reply_send(req, 200, MEDIA_JSON);
}

static void slot_answered(struct request *req)
{
    struct node_slot *slot = req->state;
    bool is_leaders = take_view(&req->call, slot);
    send_slot(req, slot, false, is_leaders ? "leader" : "local");
}

static void one_slot(struct request *req, bool is_local)
{
    struct node_slot *slot = req->state = arena_alloc(&req->arena, sizeof(*slot));
    if (!get_slot(req, req->slot, slot)) {
        struct why why;
        why_set(&why, ERR_NOT_FOUND, "this node has no replica of slot %u", req->slot);
        reply_problem(req, ERR_NOT_FOUND, &why);
        return;
    }
    if (!is_local && is_led_elsewhere(req, slot)) {
        prepare_view(req, &req->call, req->slot);
        request_wait_calls(req, &req->call, 1, slot_answered);
        return;
    }
    send_slot(req, slot, is_local, !is_local && is_led_here(req, slot) ? "leader" : "local");
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
