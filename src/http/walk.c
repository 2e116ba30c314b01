/* SPDX-License-Identifier: Apache-2.0 */
#include "http/walk.h"

#include "http/reading.h"
#include "http/reply.h"

static void visit_group(struct request *req)
{
    struct walk *walk = req->state;
    struct why why = {.err = OK};
    if (reply_calls_error(req))
        return;
    while (walk->at < walk->group_end && !walk->more) {
        if (walk->left == 0) {
            /* The page is full at the end of a slot; whether others have anything is not known. */
            walk->more = true;
            break;
        }
        enum err err = walk->visit(req, walk, &why);
        if (err != OK) {
            reply_problem(req, err, &why);
            return;
        }
        if (!walk->more)
            walk->at++;
    }
    if (walk->at >= walk->end || walk->more)
        walk->finish(req);
    else
        walk_start(req);
}

void walk_start(struct request *req)
{
    struct walk *walk = req->state;
    uint32_t count = walk->end - walk->at;
    if (count == 0) {
        walk->finish(req);
        return;
    }
    if (count > HTTP_LIST_SLOTS_AT_ONCE)
        count = HTTP_LIST_SLOTS_AT_ONCE;
    struct node_call *calls = arena_alloc(&req->arena, count * sizeof(*calls));
    walk->queries = arena_zero(&req->arena, count * sizeof(*walk->queries));
    for (uint32_t i = 0; i < count; i++) {
        request_prepare_read(req, &calls[i], walk->at + i, walk->consistency);
        walk->ask(walk, walk->at + i, &walk->queries[i]);
        calls[i].queries = &walk->queries[i];
        calls[i].queries_count = 1;
    }
    walk->group_end = walk->at + count;
    request_wait_calls(req, calls, count, visit_group);
}

const struct node_call *walk_call(const struct request *req, const struct walk *walk)
{
    return &req->calls[walk->at + req->calls_count - walk->group_end];
}

enum err walk_answer(struct request *req, struct walk *walk, struct msg_answer *ret,
                     struct why *why)
{
    walk->ask(walk, walk->at, &walk->queries[walk->at + req->calls_count - walk->group_end]);
    return request_answer(req, walk_call(req, walk), 0, ret, why);
}

enum err walk_parse(struct request *req, struct walk *walk, struct why *why)
{
    struct reading reading;
    walk->left = HTTP_LIST_DEFAULT_ITEMS;
    enum err err = query_number(&req->query, "limit", 1, HTTP_LIST_MAX_ITEMS, &walk->left, why);
    if (err == OK)
        err = reading_parse(req, &reading, why);
    if (err == OK)
        walk->consistency = reading.consistency;
    return err;
}
