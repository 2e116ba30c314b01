/* SPDX-License-Identifier: Apache-2.0 */
#include "http/piece.h"

#include "http/http.h"
#include "sys/clock.h"

void piece_init(struct piece_reader *reader, bool may_forward)
{
    reader->may_forward = may_forward;
    arena_init(&reader->arena);
}

void piece_done(struct piece_reader *reader)
{
    arena_done(&reader->arena);
    blob_unref(reader->kept);
    reader->kept = NULL;
}

static void ask(struct request *req, struct piece_reader *reader)
{
    struct node_call *call = &req->call;
    /* What is applied at the leader is all that a stream may tell; a round of its own is not needed. */
    request_prepare_read(req, call, req->slot, NODE_LEADER);
    call->no_forward = false;
    call->queries = reader->queries;
    call->queries_count = reader->queries_count;
    call->deadline_ms = clock_mono_ms() + HTTP_TUNED(req->http, request_timeout_ms);
    request_wait_calls(req, call, 1, NULL);
    reader->is_asked = true;
}

static enum err take(struct request *req, struct piece_reader *reader, struct why *why)
{
    struct node_call *call = &req->call;
    reader->is_asked = false;
    if (call->err != OK)
        return why_set(why, call->err, "%s", call->why.text);
    reader->kept = call->answer; /* the reader's from here on */
    enum err err = OK;
    for (uint32_t i = 0; err == OK && i < reader->queries_count; i++)
        err = node_answer(http_node(req->http), call, i, &reader->arena, &reader->answers[i], why);
    call->answer = NULL;
    reader->served_by = call->served_by;
    reader->by_call = reader->kept != NULL; /* else this node is fit again */
    return err;
}

enum err piece_read(struct request *req, struct piece_reader *reader, bool *ret_waits,
                    struct why *why)
{
    struct node *node = http_node(req->http);
    enum err err = OK;
    *ret_waits = false;
    arena_clear(&reader->arena);
    blob_unref(reader->kept);
    reader->kept = NULL;
    if (reader->is_asked)
        return take(req, reader, why);
    for (uint32_t i = 0; err == OK && !reader->by_call && i < reader->queries_count; i++)
        err = node_ask(node, &reader->queries[i], &reader->arena, &reader->answers[i], why);
    if (!reader->by_call && (err != ERR_UNREADY || !reader->may_forward)) {
        reader->served_by = node_self(node);
        return err;
    }
    reader->by_call = true;
    ask(req, reader);
    *ret_waits = true;
    return OK;
}
