/* SPDX-License-Identifier: Apache-2.0 */
/* Reads that another member carries out, because the replica here is being installed, is quarantined
 * or has forgotten what it promised, or because there is none. The call carries what it will read (msg/remote.h), goes to the
 * slot's leader, or to another member when that one cannot be asked, and comes back with what was
 * found there; node_answer hides the difference.
 *
 * A read has no effects: when the link breaks, when the leader changes or the other node is unfit
 * itself, somebody else is asked, three times in all, and at the end it is a refusal, never a doubt.
 * The other node makes an ordinary READ call of it, so that its consistency is that of any read there,
 * and reads its store in the background, never on its loop.
 *
 * An answer is one frame: a page or list that is too large for it is read again with half as much,
 * and says that more follows, as any page does. */
#include "node/parts.h"
#include "msg/remote.h"
#include "wire/call.h"
#include "wire/limits.h"

enum {
    QUERY_HOPS_MAX = 3, /* as often as forward_call does: the last one has all the time there is */
    BODY_MAX_BYTES = 1024 * 1024, /* 2,001 names to look for in one channel are the longest */
    ANSWER_HEAD_BYTES = 64
};

/* ---- asking -------------------------------------------------------------------------------------- */

static void refuse(struct group *group, struct node_call *call, enum err err, const char *text)
{
    call->retry_after_ms = READ_RETRY_MS;
    waiter_finish(group->node, call, err, text);
}

static bool ask(struct group *group, struct node_call *call, node_id to)
{
    call->asked_ms = group->node->now_ms;
    return forward_call(group, call, to);
}

/* The leader, else anybody who holds the slot and is there; not who was asked last. */
static bool ask_member(struct group *group, struct node_call *call)
{
    struct node *node = group->node;
    node_id first = table_route(group);
    if (first != 0 && first != call->avoided && ask(group, call, first)) {
        return true;
    }
    struct members_place place = table_place(node, group->slot);
    for (uint8_t i = 0; i < place.count; i++) {
        node_id id = place.ids[i];
        const struct peer *peer =
            node_find_peer(node, id); /* followers seldom hear of each other */
        if (id != node->options.id && id != first && id != call->avoided && peer != NULL &&
            !peer->lost && ask(group, call, id)) {
            return true;
        }
    }
    return false;
}

/* Why this node does not read itself, and how it went with others. */
static void refuse_unready(struct group *group, struct node_call *call, enum err err,
                           const char *outcome)
{
    char text[256];
    if (atomic_load(&group->holds)) {
        (void)snprintf(text, sizeof(text), "%s%s", READ_UNREADY, outcome);
    } else {
        (void)snprintf(text, sizeof(text), "node %u holds no replica of slot %u: ask node %u%s",
                       (unsigned)group->node->options.id, group->slot, (unsigned)table_route(group),
                       outcome);
    }
    refuse(group, call, err, text);
}

void query_elsewhere(struct group *group, struct node_call *call)
{
    node_id to = table_route(group);
    list_remove(&call->link);
#ifdef LETHE_MUTANT_unready_serves
    waiter_finish(group->node, call, OK, NULL);
    return;
#endif
#ifdef LETHE_MUTANT_unready_refuses
    refuse_unready(group, call, ERR_UNREADY, "");
    return;
#endif
    if (call->consistency == NODE_LOCAL) {
        refuse_unready(group, call, ERR_UNREADY, "");
    } else if (call->no_forward) {
        refuse_unready(group, call, to != 0 ? ERR_NOT_LEADER : ERR_UNREADY, "");
    } else if (call->queries_count == 0) {
        refuse_unready(group, call, ERR_UNREADY, "");
    } else if (to == 0 && atomic_load(&group->holds) && leaderless_wait(group, call)) {
        return;
    } else if (!ask_member(group, call)) {
        refuse_unready(group, call, ERR_UNREADY, "; no other member can be asked now");
    }
}

void query_encode_request(struct buf *buf, const struct node_call *call)
{
    buf_put_u8(buf, (uint8_t)call->consistency);
    buf_put_varint(buf, call->min_index);
    msg_encode_queries(buf, call->queries, call->queries_count);
}

/* It is with nobody any more. */
static void take_back(struct node *node, struct node_call *call)
{
    forward_forget(node, call);
    list_remove(&call->link);
    call->avoided = call->forwarded_to;
    call->stage = WAITER_NEW;
}

void query_lost(struct group *group, struct node_call *call, const char *text)
{
    struct node *node = group->node;
    node_id from = call->forwarded_to;
    take_back(node, call);
    if (ask_member(group, call)) {
        return;
    }
    call->avoided = 0;
    if (leaderless_refused(group, call)) {
        return;
    }
    char outcome[160];
    (void)snprintf(outcome, sizeof(outcome), "; node %u was asked instead: %s", (unsigned)from,
                   text);
    refuse_unready(group, call, ERR_UNREADY, outcome);
}

void query_leader_changed(struct group *group, struct node_call *call)
{
    struct node *node = group->node;
    node_id leader = table_route(group);
    if (leader == 0 || leader == call->forwarded_to || call->hops >= QUERY_HOPS_MAX - 1) {
        return; /* whoever has it may still answer */
    }
    node_id before = call->forwarded_to;
    take_back(node, call);
    if (!ask(group, call, leader)) {
        call->forwarded_to = before;
        query_lost(group, call, "it leads no more, and the leader cannot be asked");
    }
}

/* One that waits for min_index has its reason to take long. */
void query_tick(struct node *node)
{
    struct list *item = node->forwarded.next;
    while (item != &node->forwarded) {
        struct node_call *call = WAITER_OF(item);
        item = item->next; /* one that is asked again is at the end of the list, and new */
        if (call->kind == NODE_CALL_READ && call->min_index == 0 && call->hops < QUERY_HOPS_MAX &&
            node->now_ms - call->asked_ms >= NODE_QUERY_PATIENCE_MS) {
            query_lost(node_group(node, call->slot), call, "it did not answer");
        }
    }
}

/* What comes before the answers. False: impossible bytes. */
static bool read_head(struct reader *reader, node_id *ret_served_by, uint64_t *ret_applied_index,
                      uint32_t *ret_count)
{
    uint64_t served_by = reader_varint(reader);
    *ret_applied_index = reader_varint(reader);
    uint64_t count = reader_varint(reader);
    *ret_served_by = (node_id)served_by;
    *ret_count = (uint32_t)count;
    return !reader->failed && served_by >= 1 && served_by <= WIRE_NODE_ID_MAX && count >= 1 &&
           count <= MSG_QUERIES_MAX;
}

static void query_answered(struct group *group, struct node_call *call, struct bytes result)
{
    struct reader reader = reader_of(result);
    node_id served_by;
    uint64_t applied_index;
    uint32_t count;
    if (!read_head(&reader, &served_by, &applied_index, &count) || count != call->queries_count) {
        query_lost(group, call, "its answer is malformed");
        return;
    }
    call->answer = blob_copy(result);
    call->served_by = served_by;
    call->applied_index = applied_index;
    STAT_ADD(group->node, reads_forwarded_total, 1);
    waiter_finish(group->node, call, OK, NULL);
}

void query_response(struct group *group, struct node_call *call,
                    const struct call_response *response)
{
    struct node *node = group->node;
    enum err err = response->err;
    char text[256];
    (void)snprintf(text, sizeof(text), "%.*s", (int)response->text.len,
                   response->text.len == 0 ? "" : (const char *)response->text.data);
    const char *said = text[0] == '\0' ? err_sentence(err) : text;
    if (err == OK) {
        query_answered(group, call, response->result);
        return;
    }
    if (err == ERR_NOT_LEADER || err == ERR_UNREADY || err == ERR_DRAINING || err == ERR_STARTING ||
        err == ERR_NOT_SUPPORTED || err == ERR_TRANSFERRING || err == ERR_OUTCOME_UNKNOWN ||
        err_kind(err) == ERR_KIND_BROKEN) {
        query_lost(group, call, said);
        return;
    }
    if (err == ERR_NO_LEADER) {
        take_back(node, call);
        call->avoided = 0;
        if (leaderless_refused(group, call)) {
            return;
        }
    }

    waiter_finish(node, call, err, said);
}

enum err node_answer(struct node *node, const struct node_call *call, uint32_t at,
                     struct arena *arena, struct msg_answer *ret, struct why *why)
{
    assert(call->err == OK && at < call->queries_count);
    if (call->answer == NULL) {
        return node_ask(node, &call->queries[at], arena, ret, why);
    }
    struct reader reader = reader_of(blob_bytes(call->answer));
    node_id served_by;
    uint64_t applied_index;
    uint32_t count;
    bool is_sound = read_head(&reader, &served_by, &applied_index, &count) && at < count;
    struct bytes block = BYTES_NONE;
    for (uint32_t i = 0; is_sound && i <= at; i++) {
        block = reader_block(&reader);
        is_sound = !reader.failed;
    }
    if (!is_sound || msg_decode_answer(block, call->queries[at].kind, arena, ret, NULL) != OK) {
        *ret = (struct msg_answer){.err = ERR_UNREADY};
        return why_set(why, ERR_UNREADY, "node %u gave an answer that is malformed",
                       (unsigned)call->served_by);
    }
    if (ret->err != OK) {
        return why_set(why, ret->err, "%.*s", (int)ret->text.len, (const char *)ret->text.data);
    }
    return OK;
}

/* ---- being asked --------------------------------------------------------------------------------- */

struct asked {
    struct node_background_job job;
    struct node_call call;
    struct node *node;
    node_id from;
    uint64_t id;
    struct blob *body;  /* owned: what was asked */
    struct arena arena; /* owned */
    struct buf encoded; /* owned: the answer */
    node_id leader;
    enum err err;
    struct why why;
};

static void asked_free(struct asked *asked)
{
    asked->node->queries_open--;
    asked->node->queries_bytes -= asked->body->len;
    blob_unref(asked->call.answer);
    blob_unref(asked->body);
    arena_done(&asked->arena);
    buf_done(&asked->encoded);
    free(asked);
}

static void respond(struct node *node, node_id to, uint64_t id, enum err err, node_id leader,
                    const char *text, struct bytes result)
{
    struct call_response response = {.id = id,
                                     .err = err,
                                     .leader = leader,
                                     .text = err == OK ? BYTES_NONE : bytes_of_string(text),
                                     .result = err == OK ? result : BYTES_NONE};
    if (node->world.send_response(node->world.arg, to, &response)) {
        return;
    }
    /* No link any more, which the asking node sees; or its buffer is full, and this fits. */
    STAT_ADD(node, packets_dropped_total, 1);
    response = (struct call_response){
        .id = id, .err = ERR_BUSY, .text = bytes_of_string("the link between the nodes is full")};
    (void)node->world.send_response(node->world.arg, to, &response);
}

static void asked_respond(struct asked *asked, struct bytes result)
{
    respond(asked->node, asked->from, asked->id, asked->err, asked->leader, asked->why.text,
            result);
    asked_free(asked);
}

/* Half as much of what can go on where it ended. False: it cannot be less. */
static bool halve(struct msg_query *query)
{
    if (query->kind == MSG_QUERY_PAGE && query->page.max_bytes != 1) {
        uint64_t now = query->page.max_bytes == 0 ? MSG_PAGE_MAX_BYTES : query->page.max_bytes;
        query->page.max_bytes = now / 2;
        return true;
    }
    uint32_t *limit = query->kind == MSG_QUERY_CHANNELS  ? &query->channels.limit
                      : query->kind == MSG_QUERY_DELETES ? &query->deletes.limit
                                                         : NULL;
    if (limit == NULL || *limit == 1) {
        return false;
    }
    *limit = *limit == 0 ? MSG_LIST_MAX / 2 : *limit / 2;
    return true;
}

/* Appends the answer to one query; max: how long all together may be. */
static enum err answer_one(struct asked *asked, const struct msg_query *asked_for, size_t max)
{
    struct msg_query query = *asked_for;
    for (;;) {
        struct arena scratch;
        struct msg_answer answer;
        struct buf block = BUF_INIT;
        arena_init(&scratch);
        enum err err = node_ask(asked->node, &query, &scratch, &answer, &asked->why);
        bool is_refusal = err == ERR_UNREADY || err_kind(err) == ERR_KIND_BROKEN;
        if (!is_refusal) {
            msg_encode_answer(&block, query.kind, &answer);
        }
        arena_done(&scratch);
        bool fits = asked->encoded.len + block.len + 10 <= max;
        if (!is_refusal && fits) {
            buf_put_block(&asked->encoded, buf_bytes(&block));
        }
        buf_done(&block);
        if (is_refusal) {
            return err;
        }
        if (fits) {
            return OK;
        }
        if (!halve(&query)) {
            return why_set(&asked->why, ERR_TOO_LARGE,
                           "the answer is larger than the %zu bytes that one node passes on to "
                           "another: ask for less, or ask node %u",
                           max, (unsigned)asked->node->options.id);
        }
    }
}

/* Thread: background */
static void asked_run(struct node_background_job *job)
{
    struct asked *asked = CONTAINER_OF(job, struct asked, job);
    const struct node_call *call = &asked->call;
    if (node_now_us(asked->node) / 1000 >= call->deadline_ms) {
        asked->err = why_set(&asked->why, ERR_BUSY, "too many reads for other nodes wait here");
        return;
    }
    size_t max = call_max_body_bytes() - ANSWER_HEAD_BYTES;
    buf_put_varint(&asked->encoded, asked->node->options.id);
    buf_put_varint(&asked->encoded, call->applied_index);
    buf_put_varint(&asked->encoded, call->queries_count);
    for (uint32_t i = 0; i < call->queries_count && asked->err == OK; i++) {
        asked->err = answer_one(asked, &call->queries[i], max);
    }
}

static void asked_done(struct node_background_job *job)
{
    struct asked *asked = CONTAINER_OF(job, struct asked, job);
    STAT_ADD(asked->node, reads_for_others_total, asked->err == OK);
    asked_respond(asked, buf_bytes(&asked->encoded));
}

static void asked_forget(struct node_background_job *job)
{
    asked_free(CONTAINER_OF(job, struct asked, job));
}

/* The READ call ended: the store may be read, or somebody else has read his, or it was refused. */
static void asked_may_read(struct node_call *call, void *arg)
{
    struct asked *asked = arg;
    asked->err = call->err;
    asked->why = call->why;
    asked->leader = call->leader;
    if (call->err != OK || call->answer != NULL) {
        asked_respond(asked, call->answer == NULL ? BYTES_NONE : blob_bytes(call->answer));
        return;
    }
    asked->job = (struct node_background_job){.lane = NODE_BACKGROUND_QUERY,
                                              .run = asked_run,
                                              .done = asked_done,
                                              .forget = asked_forget};
    background_submit(asked->node, &asked->job);
}

/* Fills the call from what was asked. */
static enum err asked_read(struct asked *asked, slot_id slot, struct why *why)
{
    struct node_call *call = &asked->call;
    struct bytes body = blob_bytes(asked->body);
    struct reader reader = reader_of(body);
    uint8_t consistency = reader_u8(&reader);
    call->min_index = reader_varint(&reader);
    if (reader.failed || consistency >= NODE_LOCAL || slot >= asked->node->groups_count) {
        return why_set(why, ERR_BAD_FORMAT, "a read for another node is malformed");
    }
    call->consistency = (enum node_consistency)consistency;
    struct bytes left = bytes_of(reader.at, reader_left(&reader));
    enum err err =
        msg_decode_queries(left, &asked->arena, &call->queries, &call->queries_count, why);
    for (uint32_t i = 0; err == OK && i < call->queries_count; i++) {
        if (!node_query_is_of_slot(asked->node, &call->queries[i], slot)) {
            return why_set(why, ERR_BAD_FORMAT, "a query is not about slot %u", slot);
        }
    }
    return err;
}

void query_receive(struct node *node, node_id from, const struct call_request *request)
{
    if (node->world.background_submit == NULL || node->queries_open >= NODE_QUERIES_MAX ||
        node->queries_bytes + request->body.len > NODE_QUERIES_MAX_BYTES ||
        request->body.len > BODY_MAX_BYTES) {
        respond(node, from, request->id, ERR_BUSY, 0, "too many reads for other nodes are open",
                BYTES_NONE);
        return;
    }
    struct asked *asked = alloc_zero(sizeof(*asked));
    asked->node = node;
    asked->from = from;
    asked->id = request->id;
    asked->body = blob_copy(request->body);
    arena_init(&asked->arena);
    buf_init(&asked->encoded);
    node->queries_open++;
    node->queries_bytes += asked->body->len;
    struct node_call *call = &asked->call;
    call->kind = NODE_CALL_READ;
    call->slot = request->slot;
    call->deadline_ms = node_now_us(node) / 1000 + request->deadline_ms;
    call->hops = request->hops;
    call->is_remote = true;
    call->on_done = asked_may_read;
    call->arg = asked;
    enum err err = asked_read(asked, request->slot, &asked->why);
    if (err == OK) {
        err = node_submit(node, call, &asked->why);
    }
    if (err != OK) { /* else it may have been answered, and freed, already */
        asked->err = err;
        asked_respond(asked, BYTES_NONE);
    }
}
