/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that another node must carry out (reads: query.c): a COMMAND or a TRANSFER goes to the slot's leader as a
 * request (wire/call.h) and comes back as a response. Any node answers any request.
 *
 * A request may be on its way twice never: it is sent once, and when the link breaks before the
 * answer, the outcome is unknown. When the other node says that it refused (a REFUSED error), the
 * command is certainly not applied, and if it named another leader the call goes there, as long as
 * hops are left. Requests that come in become calls of this node, with its own limits. */
#include "node/parts.h"
#include "wire/call.h"
#include "wire/limits.h"

enum { FORWARD_HOPS_MAX = 3 };
static_assert((int)FORWARD_HOPS_MAX <= (int)WIRE_HOPS_MAX, "what is sent must be read");

/* ---- asking -------------------------------------------------------------------------------------- */

bool forward_call(struct group *group, struct node_call *call, node_id to)
{
    struct node *node = group->node;
    if (node->world.send_request == NULL || call->no_forward || call->hops >= FORWARD_HOPS_MAX ||
        call->deadline_ms <= node->now_ms) {
        return false;
    }
    struct buf body = BUF_INIT;
    uint64_t left_ms = call->deadline_ms - node->now_ms;
    bool is_command = call->kind == NODE_CALL_COMMAND;
    uint8_t kind = CALL_COMMAND;
    if (call->kind == NODE_CALL_READ) {
        kind = CALL_QUERY;
        query_encode_request(&body, call);
    } else if (!is_command) {
        kind = admin_encode_request(&body, call);
    }
    struct call_request request = {
        .id = ++node->forward_id,
        .kind = kind,
        .hops = (uint8_t)(call->hops + 1),
        .slot = call->slot,
        .deadline_ms = left_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)left_ms,
        .body = is_command ? blob_bytes(call->command) : buf_bytes(&body)};
    const struct peer *peer = node_find_peer(node, to);
    if (peer != NULL && peer->feature_level >= NODE_FEATURE_ORIGIN) {
        request.request_id = bytes_of_string(node_origin_id(call));
        request.trace_id = bytes_of_string(node_origin_trace(call));
    }
    bool did_send = node->world.send_request(node->world.arg, to, &request);
    buf_done(&body);
    if (!did_send) {
        return false;
    }
    call->hops++;
    call->id = request.id;
    call->forwarded_to = to;
    call->stage = WAITER_FORWARDED;
    list_append(&node->forwarded, &call->link);
    (void)map_put_u64(node->forwarded_by_id, request.id, call);
    return true;
}

void forward_forget(struct node *node, const struct node_call *call)
{
    (void)map_remove_u64(node->forwarded_by_id, call->id);
}

void forward_lost(struct node *node, node_id peer)
{
    struct list *item = node->forwarded.next;
    while (item != &node->forwarded) {
        struct node_call *call = WAITER_OF(item);
        item = item->next;
        if (call->forwarded_to != peer) {
            continue;
        }
        if (call->kind == NODE_CALL_READ) {
            query_lost(node_group(node, call->slot), call, "the link to it broke");
        } else {
            waiter_finish(node, call, ERR_OUTCOME_UNKNOWN,
                          call->kind == NODE_CALL_JOB
                              ? "the link to that node broke before it answered"
                              : "the link to the leader broke before it answered");
        }
    }
}

/* Who was asked leads no more: it answers soon, or is cut off or asleep, and then nobody knows. */
void forward_leader_changed(struct group *group)
{
    struct node *node = group->node;
    struct list *item = node->forwarded.next;
    while (item != &node->forwarded) {
        struct node_call *call = WAITER_OF(item);
        item = item->next; /* a read that goes to the new leader is at the end of the list */
        if (call->slot != group->slot || call->forwarded_to == group->leader ||
            call->kind == NODE_CALL_JOB) {
            continue;
        }
        if (call->kind == NODE_CALL_READ) {
            query_leader_changed(group, call);
        } else {
            waiter_hurry(node, call, node->now_ms + NODE_FORWARD_GRACE_MS);
        }
    }
}

static struct msg_result *forward_result(struct bytes bytes)
{
    struct msg_result *result = msg_result_new(0);
    struct wire_result wire;
    if (wire_result_decode(bytes, &result->arena, &wire, NULL) != OK) {
        msg_result_free(result);
        return NULL;
    }
    result->kind = wire.kind;
    result->slot = wire.slot;
    result->log_index = wire.log_index;
    result->term = wire.term;
    result->floor = wire.floor;
    result->removed = wire.removed;
    result->appends_count = wire.appends_count;
    result->appends =
        arena_zero(&result->arena, wire.appends_count * sizeof(struct msg_append_result));
    for (uint32_t i = 0; i < wire.appends_count; i++) {
        const struct wire_append_result *from = &wire.appends[i];
        result->appends[i] = (struct msg_append_result){.err = from->err,
                                                        .seq = from->seq,
                                                        .message_id = from->message_id,
                                                        .timestamp_ms = from->timestamp_ms,
                                                        .log_index = from->log_index,
                                                        .duplicate = from->duplicate,
                                                        .deleted = from->deleted,
                                                        .last_seq = from->last_seq};
    }
    const struct wire_delete_result *from = &wire.deleted;
    result->deleted = (struct msg_delete_result){.err = from->err,
                                                 .logged = from->logged,
                                                 .ranges = from->ranges,
                                                 .ranges_count = from->ranges_count,
                                                 .start_seq = from->start_seq,
                                                 .end_seq = from->end_seq,
                                                 .deleted_count = from->deleted_count,
                                                 .already_deleted = from->already_deleted,
                                                 .first_seq = from->first_seq,
                                                 .last_seq = from->last_seq,
                                                 .deleted_at_ms = from->deleted_at_ms};
    return result;
}

void node_receive_response(struct node *node, node_id from, const struct call_response *response)
{
    ASSERT_THREAD(&node->loop);
    struct node_call *call = map_find_u64(node->forwarded_by_id, response->id);
    if (call == NULL || call->forwarded_to != from) {
        return; /* it met its deadline, or was never asked */
    }
    if (call->kind == NODE_CALL_READ) {
        query_response(node_group(node, call->slot), call, response);
        return;
    }
    enum err err = response->err;
    bool is_leaders = call->kind != NODE_CALL_JOB; /* that one is a single node's */
    if (is_leaders && err_kind(err) == ERR_KIND_REFUSED && response->leader != 0 &&
        response->leader != from && response->leader != node->options.id) {
        forward_forget(node, call);
        list_remove(&call->link);
        if (forward_call(node_group(node, call->slot), call, response->leader)) {
            return;
        }
    }
    if (is_leaders && (err == ERR_NO_LEADER || err == ERR_NOT_LEADER || err == ERR_TRANSFERRING ||
                       err == ERR_DRAINING || err == ERR_STARTING)) {
        forward_forget(node, call);
        list_remove(&call->link);
        if (leaderless_refused(node_group(node, call->slot), call)) {
            return;
        }
    }
    if (is_leaders && (err == ERR_DRAINING || err == ERR_STARTING)) {
        err = ERR_NO_LEADER; /* that node stops or starts; this one does not */
    }
    if (err == OK && call->kind == NODE_CALL_TRANSFER) {
        call->to = response->leader; /* who leads now, as the old leader says */
    }
    if (err == OK && call->kind == NODE_CALL_COMMAND) {
        call->result = forward_result(response->result);
        if (call->result == NULL) {
            err = ERR_OUTCOME_UNKNOWN; /* it was applied, but what came of it cannot be read */
        }
    }
    bool has_answer = call->kind == NODE_CALL_MEMBER || call->kind == NODE_CALL_PLACEMENT ||
                      call->kind == NODE_CALL_TELL || call->kind == NODE_CALL_GONE ||
                      call->kind == NODE_CALL_JOB;
    if (err == OK && has_answer) {
        call->answer = blob_copy(response->result);
    }
    bool has_admin = call->kind == NODE_CALL_COMPACT || call->kind == NODE_CALL_COLLECT ||
                     call->kind == NODE_CALL_REPLICAS || call->kind == NODE_CALL_SLOT ||
                     call->kind == NODE_CALL_CHECK;
    if (err == OK && has_admin) {
        call->admin = admin_decode(response->result);
        err = call->admin == NULL ? ERR_OUTCOME_UNKNOWN : OK;
    }
    char text[256];
    size_t len = response->text.len < sizeof(text) ? response->text.len : sizeof(text) - 1;
    if (len > 0) {
        memcpy(text, response->text.data, len);
    }
    text[len] = 0;
    waiter_finish(node, call, err, len == 0 ? NULL : text);
}

/* ---- being asked ------------------------------------------------------------------------------------- */

struct remote {
    struct node_call call;
    struct node *node;
    node_id from;
    uint64_t id;
    char request_id[ORIGIN_ID_MAX_BYTES + 1], trace_id[ORIGIN_TRACE_BYTES + 1];
};

static void remote_result(struct buf *buf, const struct msg_result *result, struct arena *arena)
{
    struct wire_append_result *appends =
        arena_zero(arena, result->appends_count * sizeof(struct wire_append_result));
    for (uint32_t i = 0; i < result->appends_count; i++) {
        const struct msg_append_result *from = &result->appends[i];
        appends[i] = (struct wire_append_result){.err = from->err,
                                                 .seq = from->seq,
                                                 .message_id = from->message_id,
                                                 .timestamp_ms = from->timestamp_ms,
                                                 .log_index = from->log_index,
                                                 .duplicate = from->duplicate,
                                                 .deleted = from->deleted,
                                                 .last_seq = from->last_seq};
    }
    const struct msg_delete_result *from = &result->deleted;
    struct wire_result wire = {.kind = result->kind,
                               .slot = result->slot,
                               .log_index = result->log_index,
                               .term = result->term,
                               .appends = appends,
                               .appends_count = result->appends_count,
                               .deleted = {.err = from->err,
                                           .logged = from->logged,
                                           .ranges = from->ranges,
                                           .ranges_count = from->ranges_count,
                                           .start_seq = from->start_seq,
                                           .end_seq = from->end_seq,
                                           .deleted_count = from->deleted_count,
                                           .already_deleted = from->already_deleted,
                                           .first_seq = from->first_seq,
                                           .last_seq = from->last_seq,
                                           .deleted_at_ms = from->deleted_at_ms},
                               .floor = result->floor,
                               .removed = result->removed};
    wire_result_encode(buf, &wire);
}

static void remote_answer(struct node *node, node_id to, uint64_t id, enum err err, node_id leader,
                          const char *text, const struct msg_result *result,
                          const struct node_admin *admin, const struct blob *answer)
{
    struct buf encoded = BUF_INIT;
    if (answer != NULL) {
        buf_append_bytes(&encoded, blob_bytes(answer));
    } else if (admin != NULL) {
        admin_encode(&encoded, admin);
    } else if (result != NULL) {
        remote_result(&encoded, result, &node->turn);
    }
    struct call_response response = {.id = id,
                                     .err = err,
                                     .leader = leader,
                                     .text = err == OK ? BYTES_NONE : bytes_of_string(text),
                                     .result = buf_bytes(&encoded)};
    /* No link any more: the asking node's own deadline, or its lost link, answers there. */
    if (!node->world.send_response(node->world.arg, to, &response)) {
        STAT_ADD(node, packets_dropped_total, 1);
    }
    buf_done(&encoded);
}

/* A client's request is found again here by its id: an order in any case, a command when the log is
 * to tell all. */
static void remote_log(const struct remote *remote)
{
    const struct node_call *call = &remote->call;
    bool is_order = call->kind == NODE_CALL_TRANSFER || call->kind == NODE_CALL_FULL_SYNC ||
                    call->kind == NODE_CALL_COMPACT || call->kind == NODE_CALL_COLLECT ||
                    call->kind == NODE_CALL_MEMBER;
    bool is_fault = err_kind(call->err) == ERR_KIND_BROKEN;
    if (is_fault) {
        log_every(100, LOG_LEVEL_ERROR, "node", "a call that a peer passed on met a fault",
                  "slot=%u peer=%" PRIu64 " code=%s why=%s " ORIGIN_FIELDS, call->slot,
                  remote->from, err_slug(call->err), LOG_QUOTED(call->why.text),
                  ORIGIN_ARGS(remote->request_id, remote->trace_id));
    } else if (is_order) {
        log_info("node", "an order that a peer passed on",
                 "slot=%u peer=%" PRIu64 " result=%s " ORIGIN_FIELDS, call->slot, remote->from,
                 err_slug(call->err), ORIGIN_ARGS(remote->request_id, remote->trace_id));
    } else {
        log_debug("node", "a call that a peer passed on",
                  "slot=%u peer=%" PRIu64 " result=%s " ORIGIN_FIELDS, call->slot, remote->from,
                  err_slug(call->err), ORIGIN_ARGS(remote->request_id, remote->trace_id));
    }
}

static void remote_origin(struct remote *remote, const struct call_request *request)
{
    /* Bounded and checked by call_decode_request. */
    if (request->request_id.len > 0) {
        memcpy(remote->request_id, request->request_id.data, request->request_id.len);
    }
    if (request->trace_id.len > 0) {
        memcpy(remote->trace_id, request->trace_id.data, request->trace_id.len);
    }
    remote->call.request_id = remote->request_id;
    remote->call.trace_id = remote->trace_id;
}

static void remote_done(struct node_call *call, void *arg)
{
    struct remote *remote = arg;
    remote_log(remote);
    remote_answer(remote->node, remote->from, remote->id, call->err, call->leader, call->why.text,
                  call->result, call->admin, call->answer);
    blob_unref(call->answer);
    msg_result_free(call->result);
    free(call->admin);
    free(remote);
}

/* Fills the call from the request; false: what is in it makes no sense. */
static bool remote_read(const struct call_request *request, struct node_call *call)
{
    if (request->kind == CALL_COMMAND) {
        call->kind = NODE_CALL_COMMAND;
        call->command = blob_copy(request->body);
        return true;
    }
    if (request->kind == CALL_ADMIN) {
        return admin_decode_request(request->body, call);
    }
    struct reader reader = reader_of(request->body);
    call->kind = request->kind == CALL_INSTALL ? NODE_CALL_FULL_SYNC : NODE_CALL_TRANSFER;
    call->to = reader_le64(&reader);
    return reader_is_done(&reader);
}

void node_receive_request(struct node *node, node_id from, const struct call_request *request)
{
    ASSERT_THREAD(&node->loop);
    if (request->kind == CALL_QUERY) {
        query_receive(node, from, request);
        return;
    }
    if (request->kind != CALL_COMMAND && request->kind != CALL_TRANSFER &&
        request->kind != CALL_ADMIN && request->kind != CALL_INSTALL) {
        remote_answer(node, from, request->id, ERR_NOT_SUPPORTED, 0,
                      err_sentence(ERR_NOT_SUPPORTED), NULL, NULL, NULL);
        return;
    }
    struct remote *remote = alloc_zero(sizeof(*remote));
    struct node_call *call = &remote->call;
    *remote = (struct remote){.node = node, .from = from, .id = request->id};
    call->slot = request->slot;
    call->deadline_ms = node_now_us(node) / 1000 + request->deadline_ms;
    call->hops = request->hops;
    call->is_remote = true;
    call->on_done = remote_done;
    call->arg = remote;
    remote_origin(remote, request);
    struct why why = {0};
    enum err err = remote_read(request, call)
                       ? node_submit(node, call, &why)
                       : why_set(&why, ERR_BAD_FORMAT, "%s", err_sentence(ERR_BAD_FORMAT));
    if (err != OK) {
        call->err = err;
        call->why = why;
        remote_log(remote);
        remote_answer(node, from, request->id, err, 0, why.text, NULL, NULL, NULL);
        free(remote);
    }
}
