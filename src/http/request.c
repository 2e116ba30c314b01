/* SPDX-License-Identifier: Apache-2.0 */
#include "http/request.h"

#include "http/accept.h"
#include "http/access.h"
#include "http/http.h"
#include "http/reply.h"
#include "http/routes.h"
#include "sys/clock.h"
#include "sys/random.h"

void request_init(struct request *req, struct http *http)
{
    memset(req, 0, sizeof(*req));
    req->magic = REQUEST_MAGIC;
    req->http = http;
    arena_init(&req->arena);
    buf_init(&req->body_buf);
    buf_init(&req->out);
    buf_init(&req->scratch);
    list_init(&req->wake_link);
}

void request_done(struct request *req)
{
    arena_done(&req->arena);
    buf_done(&req->body_buf);
    buf_done(&req->out);
    buf_done(&req->scratch);
    req->magic = 0;
}

void request_begin(struct request *req, struct MHD_Connection *connection, const char *target)
{
    assert(req->open_calls == 0);
    /* All that stands before `arena` starts afresh; memory is kept. */
    struct http *http = req->http;
    memset(req, 0, offsetof(struct request, arena));
    req->magic = REQUEST_MAGIC;
    req->http = http;
    list_init(&req->wake_link);
    req->connection = connection;
    req->started_us = clock_mono_us();
    req->target_at = target;
    arena_clear(&req->arena);
    buf_clear(&req->body_buf);
    buf_clear(&req->out);
    req->target = arena_copy(&req->arena, bytes_of_string(target));
}

static void shrink(struct buf *buf)
{
    if (buf->capacity > HTTP_KEPT_BYTES)
        buf_done(buf);
}

struct kept {
    struct kept *next;
    struct blob *blob; /* owned */
};

void request_keep_answers(struct request *req)
{
    for (uint32_t i = 0; i < req->calls_count; i++) {
        if (req->calls[i].answer == NULL || req->calls[i].kind != NODE_CALL_READ)
            continue;
        struct kept *kept = arena_alloc(&req->arena, sizeof(*kept));
        *kept = (struct kept){.next = req->kept, .blob = req->calls[i].answer};
        req->kept = kept;
    }
}

void request_end(struct request *req)
{
    shrink(&req->body_buf);
    shrink(&req->out);
    buf_done(&req->scratch);
    for (; req->kept != NULL; req->kept = req->kept->next)
        blob_unref(req->kept->blob);
    if (req->arena.used > HTTP_KEPT_BYTES)
        arena_done(&req->arena);
    req->stage = REQUEST_NEW;
    req->connection = NULL;
    if (req->stream_done != NULL)
        req->stream_done(req->stream_state);
    req->stream_done = NULL;
    if (req->is_reader)
        http_uncount_reader(req->http);
    req->is_reader = false;
}

static void set_id(struct request *req)
{
    static const char hex[] = "0123456789abcdef";
    const char *parent = req->headers.traceparent;
    req->trace[0] = '\0';
    /* Two headers, or an invalid one: as if there were none. */
    if (parent != NULL && !req->headers.has_two_traceparents)
        (void)origin_read_traceparent(bytes_of_string(parent), req->trace);
    const char *id = req->headers.request_id;
    if (id != NULL && origin_is_id(bytes_of_string(id))) {
        memcpy(req->id, id, strlen(id) + 1);
        return;
    }
    uint8_t random[8];
    random_salt(random, sizeof(random));
    for (size_t i = 0; i < sizeof(random); i++) {
        req->id[2 * i] = hex[random[i] >> 4];
        req->id[2 * i + 1] = hex[random[i] & 15];
    }
    req->id[2 * sizeof(random)] = '\0';
}

static enum err check_framing(struct request *req, struct why *why)
{
    const struct request_headers *headers = &req->headers;
    /* Two lengths are how requests are smuggled past proxies: never guess which one holds. */
    if (headers->has_bad_length || (headers->is_chunked && headers->has_content_length)) {
        req->must_close = true;
        return why_set(why, ERR_BAD_REQUEST,
                       "the body has more than one length, or one that is no number");
    }
    /* Likewise two types: whoever stands in between may have looked at the other one. */
    if (headers->has_two_types)
        return why_set(why, ERR_BAD_REQUEST, "'Content-Type' is there more than once");
    return OK;
}

static enum err find_route(struct request *req, const char *method, struct why *why)
{
    enum err err = path_parse(req->target, &req->arena, &req->path, why);
    if (err != OK)
        return err;
    const struct route *found = routes_find_path(&req->path);
    if (found == NULL)
        return why_set(why, ERR_NO_ROUTE, "there is no route with this path");
    req->is_head = strcmp(method, "HEAD") == 0;
    req->route = routes_find_method(found, req->is_head ? "GET" : method);
    if (req->route != NULL)
        return OK;
    req->allow = routes_allow(found, &req->arena);
    if (strcmp(method, "OPTIONS") != 0)
        return why_set(why, ERR_METHOD_NOT_ALLOWED, "this path takes only %s", req->allow);
    return OK;
}

static enum err read_query(struct request *req, struct why *why)
{
    static const char anywhere[] = "pretty";
    char allowed[512];
    if (req->route->parameters == NULL || req->path.query.len == 0)
        return OK;
    int len = snprintf(allowed, sizeof(allowed), "%s %s", anywhere, req->route->parameters);
    assert(len > 0 && (size_t)len < sizeof(allowed));
    enum err err = query_parse(req->path.query, allowed, &req->arena, &req->query, why);
    if (err == OK)
        err = query_bool(&req->query, "pretty", &req->is_pretty, why);
    if (err == OK)
        err = query_bool(&req->query, "redirect", &req->wants_redirect, why);
    return err;
}

static enum err check_body_head(struct request *req, struct why *why)
{
    const struct request_headers *headers = &req->headers;
    uint64_t max = HTTP_TUNED(req->http, max_body_bytes);
    uint8_t takes = req->route->takes;
    if ((takes & TAKES_ANY) != 0)
        return OK;
    if (!headers->is_chunked && headers->content_length == 0)
        return OK;
    if (takes == TAKES_NONE)
        return why_set(why, ERR_UNSUPPORTED_MEDIA, "this route takes no body");
    if (headers->content_length > max)
        return why_set(why, ERR_TOO_LARGE,
                       "body of %llu bytes is larger than 'http.max_body_bytes' %llu",
                       (unsigned long long)headers->content_length, (unsigned long long)max);
    if (headers->content_encoding != NULL)
        return why_set(why, ERR_UNSUPPORTED_MEDIA,
                       "'Content-Encoding' is '%.80s'; bodies are taken as they are only",
                       headers->content_encoding);
    bool fits = accept_body_form(headers->content_type, &req->body_form, &req->body_is_text);
    if (fits && ((req->body_form == BODY_IS_JSON && (takes & TAKES_JSON) != 0) ||
                 (req->body_form == BODY_IS_NDJSON && (takes & TAKES_NDJSON) != 0) ||
                 (req->body_form == BODY_IS_RAW && (takes & TAKES_RAW) != 0)))
        return OK;
    const char *type = headers->content_type == NULL ? "" : headers->content_type;
    return why_set(why, ERR_UNSUPPORTED_MEDIA,
                   "'Content-Type' is '%.80s'; this route takes%s%s%s in UTF-8", type,
                   (takes & TAKES_JSON) != 0 ? " application/json" : "",
                   (takes & TAKES_NDJSON) != 0 ? " application/x-ndjson" : "",
                   (takes & TAKES_RAW) != 0 ? " application/octet-stream text/* image/* audio/* "
                                              "video/*"
                                            : "");
}

enum err request_read_head(struct request *req, const char *method, struct why *why)
{
    set_id(req);
    enum err err = check_framing(req, why);
    if (err == OK && req->target.len > HTTP_MAX_TARGET_BYTES)
        err = why_set(why, ERR_HEADERS_TOO_LARGE, "the request target is longer than %d bytes",
                      HTTP_MAX_TARGET_BYTES);
    req->target = path_origin_form(req->target);
    if (err == OK)
        err = find_route(req, method, why);
    if (err != OK || req->route == NULL)
        return err;
    err = access_check(req, why); /* before anything else is looked at */
    if (err == OK)
        err = read_query(req, why);
    if (err == OK)
        err = routes_read_names(req, req->route, why);
    if (err == OK && req->channel.id.len > 0)
        err = access_check_channel(req, req->channel, why);
    if (err != OK)
        return err;
    req->accepts = accept_choose(req->headers.accept, req->route->offers, ROUTE_OFFERS_MAX);
    if (req->accepts == MEDIA_NONE)
        return why_set(why, ERR_NOT_ACCEPTABLE, "'Accept' has nothing that this route can answer");
    if (req->headers.if_match != NULL && !req->route->takes_if_match &&
        strcmp(req->route->method, "GET") != 0)
        return why_set(why, ERR_NOT_SUPPORTED, "'If-Match' on this route");
    return check_body_head(req, why);
}

enum err request_read_body(struct request *req, struct why *why)
{
    req->body = buf_bytes(&req->body_buf);
    if (req->body.len > 0)
        return OK;
    uint8_t takes = req->route->takes;
    if (takes == TAKES_NONE || (takes & (TAKES_ANY | TAKES_OPTIONAL)) != 0) {
        req->body_form = BODY_IS_EMPTY;
        return OK;
    }
    /* An empty payload is a payload, an empty NDJSON body has no lines; only JSON needs a value. */
    enum body_form form;
    bool is_text;
    if (req->headers.content_type != NULL &&
        accept_body_form(req->headers.content_type, &form, &is_text)) {
        req->body_form = form;
        req->body_is_text = is_text;
        if ((form == BODY_IS_RAW && (takes & TAKES_RAW) != 0) ||
            (form == BODY_IS_NDJSON && (takes & TAKES_NDJSON) != 0))
            return OK;
        if (form != BODY_IS_JSON)
            return why_set(why, ERR_UNSUPPORTED_MEDIA,
                           "this route does not take bodies of 'Content-Type' '%.80s'",
                           req->headers.content_type);
    }
    return why_set(why, ERR_BAD_JSON, "the body is empty");
}

void request_prepare_read(struct request *req, struct node_call *call, uint32_t slot,
                          enum node_consistency consistency)
{
    memset(call, 0, sizeof(*call));
    call->kind = NODE_CALL_READ;
    call->slot = slot;
    call->consistency = consistency;
    call->no_forward = req->wants_redirect;
    call->request_id = req->id;
    call->trace_id = req->trace;
    call->queries = req->queries;
    call->queries_count = req->queries_count;
    call->deadline_ms =
        req->started_us / 1000 + req->granted_ms + HTTP_TUNED(req->http, request_timeout_ms);
}

struct msg_query *request_ask(struct request *req, enum msg_query_kind kind)
{
    struct msg_query *queries =
        arena_zero(&req->arena, (req->queries_count + 1) * sizeof(*queries));
    if (req->queries_count > 0)
        memcpy(queries, req->queries, req->queries_count * sizeof(*queries));
    req->queries = queries;
    struct msg_query *query = &queries[req->queries_count++];
    *query = (struct msg_query){.kind = (uint8_t)kind, .channel = req->channel, .slot = req->slot};
    return query;
}

enum err request_answer(struct request *req, const struct node_call *call, uint32_t at,
                        struct msg_answer *ret, struct why *why)
{
    return node_answer(http_node(req->http), call, at, &req->arena, ret, why);
}

void request_prepare_command(struct request *req, struct node_call *call, uint32_t slot,
                             struct blob *command)
{
    request_prepare_read(req, call, slot, NODE_LINEARIZABLE);
    call->kind = NODE_CALL_COMMAND;
    call->command = command;
}

void request_wait_calls(struct request *req, struct node_call *calls, uint32_t count,
                        request_handler *next)
{
    assert(count > 0 && !req->waits);
    req->waits = true;
    req->wake_ms = 0;
    req->calls = calls;
    req->calls_count = count;
    req->next = next;
}

void request_wait_until(struct request *req, uint64_t wake_ms, request_handler *next)
{
    assert(wake_ms > 0 && !req->waits);
    req->waits = true;
    req->calls_count = 0;
    req->wake_ms = wake_ms;
    req->watches = false;
    req->next = next;
}

void request_wait_applied(struct request *req, uint64_t index, uint64_t wake_ms,
                          request_handler *next)
{
    assert(req->is_reader);
    request_wait_until(req, wake_ms, next);
    req->watches = true;
    req->watched_index = index;
}

enum err request_become_reader(struct request *req, struct why *why)
{
    if (!http_count_reader(req->http))
        return why_set(why, ERR_BUSY,
                       "%u requests that stay (long polls, tails, exports) are open here already",
                       http_readers(req->http));
    req->is_reader = true;
    return OK;
}

void request_stream(struct request *req, enum media media, request_stream_more *more, void *state,
                    void (*done)(void *state))
{
    if (req->is_head) { /* the library would send the end of a chunked body that has no beginning */
        if (done != NULL)
            done(state);
        reply_send(req, 200, media);
        return;
    }
    req->calls_count = 0; /* those so far are over */
    req->stream_more = more;
    req->stream_state = state;
    req->stream_done = done;
    reply_send(req, 200, media);
}
