/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: work that outlasts a request. They are the node's that took them, which their ids say;
 * any other one asks it. Those about the cluster's nodes are the cluster's (orders.c). */
#include <stdio.h>

#include "http/fields.h"
#include "http/handlers.h"
#include "http/http.h"
#include "http/jwrite.h"
#include "http/orders.h"
#include "http/reply.h"

static void write_time(struct buf *out, const char *name, uint64_t time_ms)
{
    if (time_ms == 0)
        jwrite_member_null(out, name);
    else
        jwrite_member_u64(out, name, time_ms);
}

static void write_progress(struct buf *out, uint32_t progress)
{
    char text[16];
    snprintf(text, sizeof(text), "%u.%03u", progress / NODE_JOB_PROGRESS_MAX,
             progress % NODE_JOB_PROGRESS_MAX / (NODE_JOB_PROGRESS_MAX / 1000));
    jwrite_key(out, "progress");
    buf_append_string(out, text);
}

static void write_head(struct buf *out, node_id owner, const struct node_job *job)
{
    jwrite_member_text(out, "id", job->id);
    jwrite_member_text(out, "kind", node_job_kind_slug((enum node_job_kind)job->kind));
    jwrite_member_text(out, "state", node_job_state_slug((enum node_job_state)job->state));
    jwrite_member_u64(out, "node", owner);
    if (job->slot < 0)
        jwrite_member_null(out, "slot");
    else
        jwrite_member_u64(out, "slot", (uint64_t)job->slot);
    if (job->kind == NODE_JOB_BACKUP || job->kind == NODE_JOB_VERIFY) {
        if (job->subject[0] == '\0')
            jwrite_member_null(out, "backup");
        else
            jwrite_member_text(out, "backup", job->subject);
    }
    write_progress(out, job->progress);
    write_time(out, "eta_ms", job->eta_ms);
    write_time(out, "created_at", job->created_ms);
    write_time(out, "started_at", job->started_ms);
    write_time(out, "ended_at", job->ended_ms);
    if (job->text[0] != '\0')
        jwrite_member_text(out, "detail", job->text);
    jwrite_member_u64(out, "items_count", job->items_count);
}

static void write_result(struct buf *out, const struct node_job_item *item)
{
    jwrite_member_text(out, "result", item->result);
    if (item->reason[0] == '\0')
        jwrite_member_null(out, "reason");
    else
        jwrite_member_text(out, "reason", item->reason);
}

/* A column family of this node: of no slot. */
static void write_family(struct buf *out, const struct node_job_item *item)
{
    jwrite_member_null(out, "slot");
    jwrite_member_text(out, "family", item->family);
    write_result(out, item);
    jwrite_member_u64(out, "bytes_before", item->before_bytes);
    jwrite_member_u64(out, "bytes_after", item->after_bytes);
    buf_append_string(out, ",\"nodes\":[]}");
}

/* An item about a whole slot, with those of its members that follow it. Returns the one behind. */
static uint32_t write_item(struct buf *out, const struct node_job *job, uint32_t at)
{
    uint32_t slot = job->items[at].slot;
    jwrite_comma(out);
    buf_put_u8(out, '{');
    if (job->kind == NODE_JOB_COMPACTION) {
        write_family(out, &job->items[at]);
        return at + 1;
    }
    jwrite_member_u64(out, "slot", slot);
    if (job->items[at].node == 0)
        write_result(out, &job->items[at++]);
    jwrite_key(out, "nodes");
    buf_put_u8(out, '[');
    for (; at < job->items_count && job->items[at].slot == slot && job->items[at].node != 0; at++) {
        jwrite_comma(out);
        buf_put_u8(out, '{');
        jwrite_member_u64(out, "node", job->items[at].node);
        write_result(out, &job->items[at]);
        buf_put_u8(out, '}');
    }
    buf_append_string(out, "]}");
    return at;
}

static void show(struct request *req, node_id owner, const struct node_job *job)
{
    struct buf *out = &req->out;
    buf_put_u8(out, '{');
    write_head(out, owner, job);
    jwrite_member_u64(out, "items_left_out", job->items_left_out);
    jwrite_key(out, "items");
    buf_put_u8(out, '[');
    for (uint32_t i = 0; i < job->items_count;)
        i = write_item(out, job, i);
    buf_append_string(out, "]}");
    reply_send(req, 200, MEDIA_JSON);
}

/* ---- of other nodes -------------------------------------------------------------------------------- */

static bool is_elsewhere(const struct request *req, node_id node)
{
    return node != 0 && node != node_self(http_node(req->http));
}

static void ask_owner(struct request *req, node_id owner, enum node_job_ask what, struct bytes text,
                      request_handler *next)
{
    request_prepare_read(req, &req->call, 0, NODE_LINEARIZABLE);
    req->call.kind = NODE_CALL_JOB;
    req->call.to = owner;
    req->call.command = node_job_ask_encode(what, text);
    request_wait_calls(req, &req->call, 1, next);
}

/* What the other node answered; false: a problem was the reply. It lives until the request's end. */
static bool take_answer(struct request *req, struct bytes *ret_answer)
{
    struct why why = {.err = OK};
    if (req->call.err == ERR_BAD_FORMAT) { /* it does not know the question */
        why_set(&why, ERR_NOT_SUPPORTED, "node %u runs an older version: ask it itself",
                (unsigned)req->call.to);
        reply_problem(req, ERR_NOT_SUPPORTED, &why);
        return false;
    }
    if (reply_calls_error(req))
        return false;
    *ret_answer = arena_copy(&req->arena, blob_bytes(req->call.answer));
    blob_unref(req->call.answer);
    req->call.answer = NULL;
    return true;
}

static void owner_showed(struct request *req)
{
    struct why why = {.err = OK};
    struct bytes answer;
    struct node_job job;
    if (!take_answer(req, &answer))
        return;
    if (node_job_answer_decode(answer, &req->arena, &job)) {
        show(req, req->call.to, &job);
        return;
    }
    why_set(&why, ERR_NOT_SUPPORTED,
            "the answer of node %u cannot be read: it runs another version",
            (unsigned)req->call.to);
    reply_problem(req, ERR_NOT_SUPPORTED, &why);
}

static void owner_began(struct request *req)
{
    struct bytes id;
    if (take_answer(req, &id))
        jobs_accept(req, arena_string(&req->arena, id));
}

bool jobs_begin_elsewhere(struct request *req, const struct jvalue *body, enum node_job_ask what,
                          struct bytes text, enum err *ret_err, struct why *why)
{
    uint64_t node = node_self(http_node(req->http));
    *ret_err = fields_number(body, "node", 1, UINT16_MAX, &node, NULL, why);
    if (*ret_err != OK || !is_elsewhere(req, (node_id)node))
        return false;
    ask_owner(req, (node_id)node, what, text, owner_began);
    return true;
}

/* ---- one job --------------------------------------------------------------------------------------- */

void job_run(struct request *req)
{
    uint64_t revision = 0;
    if (orders_read_id(req->name, &revision)) {
        orders_run(req);
        return;
    }
    if (is_elsewhere(req, node_job_owner(req->name))) {
        ask_owner(req, node_job_owner(req->name), NODE_JOB_ASK_GET, req->name, owner_showed);
        return;
    }
    struct why why = {.err = OK};
    struct node *node = http_node(req->http);
    struct node_job job;
    enum err err = node_get_job(node, req->name, &req->arena, &job, &why);
    if (err != OK)
        reply_problem(req, err, &why);
    else
        show(req, node_self(node), &job);
}

/* The cluster's last order about its nodes first, then those before it; without a leader nobody knows them. */
static void write_order(struct request *req)
{
    struct node_placement *placement = req->call.err == OK ? orders_take(req) : NULL;
    if (placement != NULL && placement->order.state != NODE_ORDER_NONE) {
        buf_put_u8(&req->out, '{');
        orders_write(req, &placement->order);
        buf_put_u8(&req->out, '}');
    }
    for (uint32_t i = placement == NULL ? 0 : placement->earlier_count; i > 0; i--) {
        jwrite_comma(&req->out);
        buf_put_u8(&req->out, '{');
        orders_write(req, &placement->earlier[i - 1]);
        buf_put_u8(&req->out, '}');
    }
    free(placement);
}

static void list_jobs(struct request *req)
{
    struct node *node = http_node(req->http);
    struct node_job *jobs;
    struct buf *out = &req->out;
    uint32_t count = node_list_jobs(node, &req->arena, &jobs);
    buf_append_string(out, "{\"jobs\":[");
    write_order(req);
    for (uint32_t i = 0; i < count; i++) {
        jwrite_comma(out);
        buf_put_u8(out, '{');
        write_head(out, node_self(node), &jobs[i]);
        buf_put_u8(out, '}');
    }
    buf_append_string(out, "],\"more\":false}");
    reply_send(req, 200, MEDIA_JSON);
}

void jobs_run(struct request *req)
{
    request_prepare_read(req, &req->call, 0, NODE_LINEARIZABLE);
    req->call.kind = NODE_CALL_PLACEMENT;
    request_wait_calls(req, &req->call, 1, list_jobs);
}

void job_cancel_run(struct request *req)
{
    struct why why = {.err = OK};
    const struct jvalue *body = NULL; /* there is nothing to say in it yet */
    uint64_t revision = 0;
    enum err err = fields_parse(req, &body, &why);
    if (err == OK && orders_read_id(req->name, &revision)) {
        orders_cancel_run(req, revision);
        return;
    }
    if (err == OK && is_elsewhere(req, node_job_owner(req->name))) {
        ask_owner(req, node_job_owner(req->name), NODE_JOB_ASK_CANCEL, req->name, owner_showed);
        return;
    }
    if (err == OK)
        err = node_cancel_job(http_node(req->http), req->name, &why);
    if (err != OK)
        reply_problem(req, err, &why);
    else
        job_run(req);
}

void jobs_accept(struct request *req, const char *id)
{
    struct buf location = BUF_INIT;
    buf_append_string(&location, "/v1/jobs/");
    buf_append_string(&location, id);
    reply_header(req, "Location", arena_string(&req->arena, buf_bytes(&location)));
    buf_done(&location);
    buf_put_u8(&req->out, '{');
    jwrite_member_text(&req->out, "id", id);
    buf_put_u8(&req->out, '}');
    reply_send(req, 202, MEDIA_JSON);
}

void check_run(struct request *req)
{
    struct why why = {.err = OK};
    const struct jvalue *body = NULL;
    struct node *node = http_node(req->http);
    uint64_t slot = 0;
    bool is_one_slot = false;
    char id[NODE_JOB_ID_BYTES];
    enum err err = fields_parse(req, &body, &why);
    if (err == OK)
        err = fields_number(body, "slot", 0, HTTP_MAX_INTEGER, &slot, &is_one_slot, &why);
    if (err == OK)
        err = node_start_check(node, is_one_slot ? (int64_t)slot : -1, id, &why);
    if (err != OK)
        reply_problem(req, err, &why);
    else
        jobs_accept(req, id);
}

void compaction_run(struct request *req)
{
    struct why why = {.err = OK};
    const struct jvalue *body = NULL;
    char family[40] = "", id[NODE_JOB_ID_BYTES];
    enum err err = fields_parse(req, &body, &why);
    if (err == OK)
        err = fields_text(body, "family", family, sizeof(family), &why);
    if (err == OK &&
        jobs_begin_elsewhere(req, body, NODE_JOB_ASK_COMPACT, bytes_of_string(family), &err, &why))
        return;
    if (err == OK)
        err = node_start_compaction(http_node(req->http), family[0] == '\0' ? NULL : family, id,
                                    &why);
    if (err != OK)
        reply_problem(req, err, &why);
    else
        jobs_accept(req, id);
}
