/* SPDX-License-Identifier: Apache-2.0 */
/* The server around libmicrohttpd 0.9.75: a few loops, each with connections of its own.
 *
 * A loop is a thread with one daemon of the library, in the mode in which the application polls: it
 * waits for the library's epoll descriptor and for its mailbox, then calls MHD_run, which never
 * waits. Everything of a connection happens on its loop, without a lock. Answers of the node come
 * through the mailbox, and the loop itself resumes what is answered: then the library needs no
 * wake-up of its own for each. The first loop also accepts, for all (door.c).
 *
 * What must be known of the library:
 *
 * - Its own polling hangs when one epoll_wait returns exactly 128 events: it then waits again,
 *   without a timeout. MHD_run has timeout 0, so that it cannot.
 * - It hands out paths with the escapes decoded and cut at a NUL. We keep the raw target from its
 *   log callback and decode ourselves; a raw NUL in the request line shows because the library's
 *   version pointer is then not right behind the target's end.
 * - A suspended connection has no timeout and does not notice that the client left: all waiting is
 *   for calls of the node, which answers each by its deadline, or for a time. A daemon may only be
 *   stopped when nothing is suspended. After MHD_resume_connection it reads before it asks us
 *   again, so that the client's end may come first: the answer is then ours to free.
 * - MHD_get_timeout must be asked before waiting: 0 when there is more to do at once.
 * - Its own timeout counts inactivity, which a byte a minute defeats. Every connection has an
 *   absolute deadline for what it is doing now, and its loop shuts the socket of those that are over
 *   it. The library then sees the end and cleans up. Deadlines go by the time at which the loop's
 *   turn began.
 *
 * A request's stages: NEW (headers are here) -> BODY or DISCARD (an error is known, the body is
 * still read so that the client sees the answer) -> WAITING as often as its handler wants -> REPLIED. */
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/alloc.h"
#include "http/handlers.h"
#include "http/inflight.h"
#include "http/jvalue.h"
#include "http/jwrite.h"
#include "http/reply.h"
#include "http/routes.h"
#include "http/server.h"
#include "sys/clock.h"
#include "sys/log.h"

enum { SWEEP_EVERY_MS = 250, END_POLL_MS = 2, STREAM_BLOCK_BYTES = 16 * 1024 };

/* ---- connections ------------------------------------------------------------------------------ */
static struct connection *connection_of(struct MHD_Connection *handle)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(handle, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct connection *connection;
    CAST_OBJ(connection, info->socket_context, CONNECTION_MAGIC);
    return connection;
}

static struct loop *loop_of(struct request *req)
{
    return CONTAINER_OF(req, struct connection, request)->loop;
}

static void set_deadline(struct request *req, uint64_t timeout_ms)
{
    struct connection *connection = CONTAINER_OF(req, struct connection, request);
    connection->deadline_ms = timeout_ms == 0 ? 0 : connection->loop->now_ms + timeout_ms;
}

static void open_connection(struct loop *loop, struct MHD_Connection *handle, void **socket_context)
{
    struct connection *connection = alloc_zero(sizeof(*connection));
    connection->magic = CONNECTION_MAGIC;
    connection->loop = loop;
    connection->key = loop->opening->key;
    connection->is_admin = loop->opening->is_admin;
    connection->fd = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    listen_print_remote(
        MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr,
        connection->remote);
    request_init(&connection->request, loop->http);
    set_deadline(&connection->request, loop->http->options.header_timeout_ms);
    stats_add(&loop->stats.connections_total, 1);
    list_append(&loop->connections, &connection->link);
    loop->opening = NULL;
    *socket_context = connection;
}

static void on_connection(void *cls, struct MHD_Connection *handle, void **socket_context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct loop *loop = cls;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        open_connection(loop, handle, socket_context);
        return;
    }
    struct connection *connection;
    CAST_OBJ(connection, *socket_context, CONNECTION_MAGIC);
    *socket_context = NULL;
    list_remove(&connection->link);
    request_done(&connection->request);
    door_uncount(loop, connection->key);
    connection->magic = 0;
    free(connection);
}

void loop_add_connection(struct loop *loop, struct accepted *accepted)
{
    loop->opening = accepted;
    enum MHD_Result ret = MHD_add_connection(
        loop->daemon, accepted->fd, (struct sockaddr *)&accepted->address, accepted->address_len);
    /* On a fault the library has closed the socket, and told us if it had got as far as us. */
    if (ret != MHD_YES) {
        log_every(1000, LOG_LEVEL_WARN, "http", "a new connection was refused", "detail=%s",
                  strerror(errno));
        if (loop->opening != NULL)
            door_uncount(loop, accepted->key);
    }
    loop->opening = NULL;
    free(accepted);
}

bool request_is_by_admin_door(const struct request *req)
{
    return CONTAINER_OF((struct request *)(uintptr_t)req, struct connection, request)->is_admin;
}

/* ---- replies ----------------------------------------------------------------------------------- */
static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    /* It refuses names and values with line ends; none of ours can have one. */
    if (MHD_add_response_header(response, name, value) != MHD_YES)
        log_every(1000, LOG_LEVEL_WARN, "http", "a reply header was refused", "name=%s", name);
}

static void add_headers(struct request *req, struct MHD_Response *response)
{
    const char *type = reply_media_type(req->media);
    if (type != NULL)
        add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    add_header(response, "X-Request-Id", req->id);
    add_header(response, "Lethe-Node", req->http->node_text);
    if (req->has_applied_index) {
        char number[DIGITS_SIZE];
        add_header(response, "Lethe-Applied-Index", digits_of(req->applied_index, number));
    }
    if (req->location != NULL)
        add_header(response, MHD_HTTP_HEADER_LOCATION, req->location);
    if (req->etag[0] != '\0')
        add_header(response, MHD_HTTP_HEADER_ETAG, req->etag);
    if (req->retry_after != NULL)
        add_header(response, MHD_HTTP_HEADER_RETRY_AFTER, req->retry_after);
    if (req->status == 401 && req->wants_token)
        add_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                   req->has_bad_token ? "Bearer realm=\"lethe\", error=\"invalid_token\""
                                      : "Bearer realm=\"lethe\"");
    if (req->allow != NULL && (req->status == 405 || req->status == 204))
        add_header(response, MHD_HTTP_HEADER_ALLOW, req->allow);
    for (uint32_t i = 0; i < req->extra_count; i++)
        add_header(response, req->extra[i].name, req->extra[i].value);
    struct cors_header cors[CORS_HEADERS_MAX];
    uint32_t cors_count = cors_headers(&req->http->cors, req, cors);
    for (uint32_t i = 0; i < cors_count; i++)
        add_header(response, cors[i].name, cors[i].value);
    if (req->must_close || http_is_stopping(req->http))
        add_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
}

static struct bytes reply_body(struct request *req)
{
    struct bytes body = buf_bytes(&req->out);
    if (!req->is_pretty || (req->media != MEDIA_JSON && req->media != MEDIA_PROBLEM))
        return body;
    buf_clear(&req->scratch);
    jvalue_append_pretty(&req->scratch, body);
    return buf_bytes(&req->scratch);
}

static void plan_calls(struct request *req);

/* The stream's next bytes, when the client can take some. What is not written yet is at most what one
 * `more` gave: a client that reads slowly holds nothing else up, and one that reads nothing for as
 * long as a reply may take is cut off by its deadline. */
static ssize_t read_stream(void *cls, uint64_t position, char *to, size_t max)
{
    struct request *req;
    (void)position;
    CAST_OBJ(req, cls, REQUEST_MAGIC);
    while (req->streamed == req->out.len) {
        buf_clear(&req->out);
        req->streamed = 0;
        req->waits = false;
        switch (req->stream_more(req)) {
        case STREAM_GOES_ON:
        case STREAM_AGAIN:
            break;
        case STREAM_WAITS:
            assert(req->waits && (req->wake_ms == 0 || req->watches));
            set_deadline(req, 0);
            MHD_suspend_connection(req->connection);
            if (req->wake_ms == 0)
                plan_calls(req);
            else
                watch_add(&loop_of(req)->watch, req);
            return 0;
        case STREAM_ENDS:
            return MHD_CONTENT_READER_END_OF_STREAM;
        case STREAM_BREAKS:
            return MHD_CONTENT_READER_END_WITH_ERROR;
        }
    }
    size_t len = req->out.len - req->streamed < max ? req->out.len - req->streamed : max;
    memcpy(to, req->out.data + req->streamed, len);
    req->streamed += len;
    set_deadline(req, req->http->options.reply_timeout_ms);
    stats_add(&loop_of(req)->stats.sent_bytes, len);
    req->sent_bytes += len;
    return (ssize_t)len;
}

static enum MHD_Result queue_reply(struct request *req)
{
    assert(req->status != 0);
    struct bytes body = req->stream_more != NULL ? BYTES_NONE : reply_body(req);
    /* The buffer is the request's, which outlives the response: no copy, nothing to free. */
    struct MHD_Response *response =
        req->stream_more != NULL
            ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES, read_stream,
                                                req, NULL)
            : MHD_create_response_from_buffer(
                  body.len, (void *)(uintptr_t)(body.len == 0 ? (const void *)"" : body.data),
                  MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        abort();
    inflight_add(req, body.len);
    add_headers(req, response);
    req->stage = REQUEST_REPLIED;
    set_deadline(req, req->http->options.reply_timeout_ms);
    enum MHD_Result ret = MHD_queue_response(req->connection, (unsigned)req->status, response);
    MHD_destroy_response(response);
    stats_add(&loop_of(req)->stats.sent_bytes, body.len);
    req->sent_bytes = body.len;
    return ret;
}

/* ---- waiting ------------------------------------------------------------------------------------ */
static void on_call_done(struct node_call *call, void *arg)
{
    struct request *req;
    (void)call;
    CAST_OBJ(req, arg, REQUEST_MAGIC);
    if (atomic_fetch_sub(&req->open_calls, 1) != 1)
        return;
    /* Once it is pushed, the request may be over at any time; the loop lives while it is counted. */
    struct loop *loop = loop_of(req);
    mailbox_push(&loop->mailbox, &req->done);
    atomic_fetch_sub(&loop->waiting, 1);
}

static void start_calls(struct request *req)
{
    struct loop *loop = loop_of(req);
    req->done = (struct mailbox_item){.kind = MAIL_ANSWERED};
    atomic_store(&req->open_calls, req->calls_count + 1);
    atomic_fetch_add(&loop->waiting, 1);
    for (uint32_t i = 0; i < req->calls_count; i++) {
        struct node_call *call = &req->calls[i];
        call->on_done = on_call_done;
        call->arg = req;
        enum err err = node_call_start(req->http->node, call, &call->why);
        if (err != OK) {
            call->err = err;
            atomic_fetch_sub(&req->open_calls, 1);
        }
    }
    on_call_done(NULL, req);
}

/* The node's loop is woken by the first call and finds the others there when it runs. */
static void start_all_calls(struct loop *loop)
{
    struct mailbox_item *next = loop->to_start;
    loop->to_start = NULL;
    loop->to_start_end = &loop->to_start;
    loop->to_start_count = 0;
    while (next != NULL) {
        struct request *req = CONTAINER_OF(next, struct request, done);
        next = next->next;
        start_calls(req);
    }
}

static void plan_calls(struct request *req)
{
    struct loop *loop = loop_of(req);
    req->done.next = NULL;
    *loop->to_start_end = &req->done;
    loop->to_start_end = &req->done.next;
    if (++loop->to_start_count == HTTP_STARTED_TOGETHER)
        start_all_calls(loop);
}

static enum MHD_Result run(struct request *req, request_handler *handler)
{
    set_deadline(req, 0);
    req->waits = false;
    handler(req);
    if (!req->waits)
        return queue_reply(req);
    assert(req->status == 0);
    req->stage = REQUEST_WAITING;
    MHD_suspend_connection(req->connection);
    if (req->wake_ms != 0 && req->watches)
        watch_add(&loop_of(req)->watch, req);
    else if (req->wake_ms != 0)
        list_append(&loop_of(req)->sleepers, &req->wake_link);
    else
        plan_calls(req);
    return MHD_YES;
}

/* A client that left while it waited: the answers are nobody's. */
static void free_answers(struct request *req)
{
    for (uint32_t i = 0; i < req->calls_count; i++) {
        msg_result_free(req->calls[i].result);
        free(req->calls[i].admin);
        blob_unref(req->calls[i].answer);
    }
}

/* ---- from the library ---------------------------------------------------------------------------- */
static void *on_target(void *cls, const char *target, struct MHD_Connection *handle)
{
    struct loop *loop = cls;
    struct connection *connection = connection_of(handle);
    uint64_t header_end_ms = loop->now_ms + loop->http->options.header_timeout_ms;
    atomic_fetch_add_explicit(&loop->requests, 1, memory_order_relaxed);
    request_begin(&connection->request, handle, target);
    if (connection->deadline_ms > header_end_ms)
        connection->deadline_ms = header_end_ms;
    return &connection->request;
}

/* Paths and arguments are decoded by us, from the raw target. */
static size_t leave_escapes(void *cls, struct MHD_Connection *handle, char *text)
{
    (void)cls;
    (void)handle;
    return strlen(text);
}

static void on_end(void *cls, struct MHD_Connection *handle, void **request_context,
                   enum MHD_RequestTerminationCode how)
{
    struct loop *loop = cls;
    struct request *req;
    (void)handle;
    (void)how;
    if (*request_context == NULL)
        return;
    CAST_OBJ(req, *request_context, REQUEST_MAGIC);
    *request_context = NULL;
    if (req->stage == REQUEST_WAITING || req->stream_more != NULL)
        free_answers(req);
    const char *remote = CONTAINER_OF(req, struct connection, request)->remote;
    uint64_t now_us = clock_mono_us();
    access_audit(req, remote);
    access_log(req, remote, now_us);
    inflight_release(req);
    stats_count(&loop->stats, req, now_us);
    request_end(req);
    set_deadline(req, loop->http->options.idle_timeout_ms);
    atomic_fetch_sub_explicit(&loop->requests, 1, memory_order_relaxed);
}

static void read_content_length(struct request_headers *headers, const char *value)
{
    struct bytes text = bytes_of_string(value);
    if (headers->has_content_length ||
        !path_number(text, HTTP_MAX_INTEGER, &headers->content_length))
        headers->has_bad_length = true;
    headers->has_content_length = true;
}

static void read_content_type(struct request_headers *headers, const char *value)
{
    headers->has_two_types = headers->content_type != NULL;
    headers->content_type = value;
}

static void read_authorization(struct request_headers *headers, const char *value)
{
    headers->has_two_authorizations = headers->authorization != NULL;
    headers->authorization = value;
}

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                 const char *value)
{
    struct request_headers *headers = cls;
    (void)kind;
    if (value == NULL)
        value = "";
    switch (name[0] | 0x20) {
    case 'a':
        if (strcasecmp(name, "Accept") == 0)
            headers->accept = value;
        else if (strcasecmp(name, "Authorization") == 0)
            read_authorization(headers, value);
        else if (strcasecmp(name, "Access-Control-Request-Method") == 0)
            headers->asks_method = true;
        break;
    case 'c':
        if (strcasecmp(name, "Content-Type") == 0)
            read_content_type(headers, value);
        else if (strcasecmp(name, "Content-Length") == 0)
            read_content_length(headers, value);
        else if (strcasecmp(name, "Content-Encoding") == 0 && strcasecmp(value, "identity") != 0)
            headers->content_encoding = value;
        break;
    case 'e':
        if (strcasecmp(name, "Expect") == 0)
            headers->expects_continue = true;
        break;
    case 'i':
        if (strcasecmp(name, "If-Match") == 0)
            headers->if_match = value;
        else if (strcasecmp(name, "If-None-Match") == 0)
            headers->if_none_match = value;
        break;
    case 'l':
        if (strcasecmp(name, "Last-Event-ID") == 0)
            headers->last_event_id = value;
        break;
    case 'o':
        if (strcasecmp(name, "Origin") == 0) {
            headers->has_two_origins = headers->origin != NULL;
            headers->origin = value;
        }
        break;
    case 't':
        if (strcasecmp(name, "Transfer-Encoding") == 0) {
            headers->is_chunked = true;
        } else if (strcasecmp(name, "traceparent") == 0) {
            headers->has_two_traceparents = headers->traceparent != NULL;
            headers->traceparent = value;
        }
        break;
    case 'x':
        if (strcasecmp(name, "X-Request-Id") == 0)
            headers->request_id = value;
        break;
    default:
        break;
    }
    return MHD_YES;
}

/* The library cuts a target at a NUL; then the version does not stand right behind it. */
static bool has_raw_nul(const struct request *req, const char *version)
{
    return version != req->target_at + req->target.len + 1;
}

static void options_run(struct request *req)
{
    reply_send(req, 204, MEDIA_NONE);
}

static void refuse_run(struct request *req)
{
    reply_problem(req, req->early, &req->early_why);
}

static enum MHD_Result on_head(struct request *req, const char *method, const char *version)
{
    bool has_nul = has_raw_nul(req, version); /* by the target as it came */
    MHD_get_connection_values(req->connection, MHD_HEADER_KIND, on_header, &req->headers);
    enum err err = request_read_head(req, method, &req->early_why);
    if (err == OK && has_nul) {
        err = why_set(&req->early_why, ERR_BAD_REQUEST, "the request target has a NUL in it");
        req->must_close = true;
    }
    bool asks_health = req->route != NULL && req->route->run == livez_run;
    if (err == OK && http_is_stopping(req->http) && !asks_health)
        err = why_set(&req->early_why, ERR_DRAINING, "this node is stopping");
    /* Before its body is read and taken apart: refusing has to cost little. */
    if (err == OK && req->route != NULL && req->route->run == send_run &&
        node_refuses_command(req->http->node))
        err =
            why_set(&req->early_why, ERR_QUEUE_FULL, "too many writes are under way at this node");
    if (err == OK && !asks_health)
        err = inflight_take(req, req->headers.content_length, &req->early_why);
    req->early = err;
    req->stage = err == OK ? REQUEST_BODY : REQUEST_DISCARD;
    set_deadline(req, req->http->options.body_timeout_ms);
    bool has_body = req->headers.is_chunked || req->headers.content_length > 0;
    req->max_discarded_bytes =
        err == ERR_UNAUTHORIZED ? HTTP_MAX_STRANGER_BYTES : HTTP_MAX_DISCARDED_BYTES;
    if (err != OK && has_body &&
        (req->headers.expects_continue || req->must_close ||
         req->headers.content_length > req->max_discarded_bytes)) {
        req->must_close = true;
        return run(req, refuse_run);
    }
    if (err == OK && req->headers.content_length > 0)
        buf_reserve(&req->body_buf, req->headers.content_length);
    return MHD_YES;
}

static enum MHD_Result on_body(struct request *req, const char *data, size_t len)
{
    uint64_t max = HTTP_TUNED(req->http, max_body_bytes);
    req->received_bytes += len;
    stats_add(&loop_of(req)->stats.received_bytes, len);
    if (req->stage == REQUEST_BODY && req->received_bytes > max) {
        req->early =
            why_set(&req->early_why, ERR_TOO_LARGE,
                    "the body is larger than 'http.max_body_bytes' %llu", (unsigned long long)max);
        req->stage = REQUEST_DISCARD;
        buf_done(&req->body_buf);
    }
    if (req->stage == REQUEST_BODY && req->headers.is_chunked)
        req->early = inflight_take(req, len, &req->early_why);
    if (req->stage == REQUEST_BODY && req->early == OK) {
        buf_append(&req->body_buf, data, len);
    } else if (req->stage == REQUEST_BODY) {
        req->stage = REQUEST_DISCARD;
        buf_done(&req->body_buf);
    }
    return req->received_bytes > req->max_discarded_bytes ? MHD_NO : MHD_YES;
}

static enum MHD_Result on_body_end(struct request *req)
{
    if (req->stage == REQUEST_DISCARD)
        return run(req, refuse_run);
    if (req->route == NULL)
        return run(req, options_run);
    req->early = request_read_body(req, &req->early_why);
    return run(req, req->early == OK ? req->route->run : refuse_run);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *handle, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_len, void **request_context)
{
    struct request *req;
    (void)cls;
    (void)handle;
    (void)url;
    CAST_OBJ(req, *request_context, REQUEST_MAGIC);
    switch (req->stage) {
    case REQUEST_NEW:
        return on_head(req, method, version);
    case REQUEST_BODY:
    case REQUEST_DISCARD:
        if (*data_len > 0) {
            enum MHD_Result ret = on_body(req, data, *data_len);
            *data_len = 0;
            return ret;
        }
        return on_body_end(req);
    case REQUEST_WAITING:
        request_keep_answers(req);
        return run(req, req->next);
    case REQUEST_REPLIED:
        break;
    }
    /* A body that was refused before it came, and comes all the same. */
    *data_len = 0;
    return MHD_YES;
}

static void on_library_log(void *cls, const char *format, va_list args)
{
    char text[256];
    (void)cls;
    vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\r\n")] = '\0';
    log_every(1000, LOG_LEVEL_DEBUG, "http", "the HTTP library says", "text=%s", LOG_QUOTED(text));
}

/* ---- a loop ---------------------------------------------------------------------------------------- */
static void take_mail(struct loop *loop)
{
    struct mailbox_item *next = mailbox_take(&loop->mailbox);
    while (next != NULL) {
        struct mailbox_item *item = next;
        next = item->next; /* what is handed over may be gone at once */
        if (item->kind == MAIL_ANSWERED)
            MHD_resume_connection(CONTAINER_OF(item, struct request, done)->connection);
        else
            loop_add_connection(loop, CONTAINER_OF(item, struct accepted, item));
    }
}

/* Resumes the requests that wait for a time and are due. */
static void wake_sleepers(struct loop *loop)
{
    struct list *item = loop->sleepers.next;
    while (item != &loop->sleepers) {
        struct request *req = CONTAINER_OF(item, struct request, wake_link);
        item = item->next;
        if (req->wake_ms <= loop->now_ms || http_is_stopping(loop->http)) {
            list_remove(&req->wake_link);
            MHD_resume_connection(req->connection);
        }
    }
}

static void resume(struct request *req)
{
    MHD_resume_connection(req->connection);
}

/* When something is due by the clock: the next sleeper, the next sweep; 0: nothing is. */
static uint64_t next_due_ms(const struct loop *loop)
{
    bool is_empty = loop->connections.next == &loop->connections;
    uint64_t ret_ms = is_empty ? 0 : loop->next_sweep_ms;
    for (struct list *item = loop->sleepers.next; item != &loop->sleepers; item = item->next) {
        struct request *req = CONTAINER_OF(item, struct request, wake_link);
        if (ret_ms == 0 || req->wake_ms < ret_ms)
            ret_ms = req->wake_ms;
    }
    return ret_ms;
}

static void shut_late_connections(struct loop *loop)
{
    for (struct list *item = loop->connections.next; item != &loop->connections;
         item = item->next) {
        struct connection *connection = CONTAINER_OF(item, struct connection, link);
        if (connection->deadline_ms == 0 || loop->now_ms < connection->deadline_ms)
            continue;
        connection->deadline_ms = 0;
        stats_add(&loop->stats.timeouts, 1);
        shutdown(connection->fd, SHUT_RDWR);
    }
}

/* Waits for the next event, at most until next_ms (0: for ever). */
static void poll_sources(struct loop *loop, bool has_more, uint64_t next_ms)
{
    struct epoll_event events[SOURCES];
    int timeout_ms = next_ms == 0              ? -1
                     : next_ms <= loop->now_ms ? 0
                                               : (int)(next_ms - loop->now_ms);
    if (has_more || !mailbox_fall_asleep(&loop->mailbox))
        timeout_ms = 0;
    int count = epoll_wait(loop->poll_fd, events, SOURCES, timeout_ms);
    mailbox_wake_up(&loop->mailbox);
    loop->now_ms = clock_mono_ms(); /* the sleep may have been long, and the door sets deadlines */
    for (int i = 0; i < count; i++) {
        if (events[i].data.u32 >= SOURCE_DOOR)
            door_accept(loop, (enum source)events[i].data.u32);
    }
}

/* Not at all while the library has more to do; but even then the door is looked at once a
 * millisecond. */
static void wait_for_work(struct loop *loop)
{
    MHD_UNSIGNED_LONG_LONG timeout = 0;
    bool has_more = MHD_get_timeout(loop->daemon, &timeout) == MHD_YES && timeout == 0;
    if (has_more && loop->polled_ms == loop->now_ms)
        return;
    loop->polled_ms = loop->now_ms;
    uint64_t next_ms = watch_next_ms(&loop->watch, next_due_ms(loop));
    /* The end of a call may still be at its last step, which wakes nobody. */
    if (atomic_load(&loop->http->must_end))
        next_ms = loop->now_ms + END_POLL_MS;
    if (loop == loop->http->loops)
        next_ms = door_next_ms(loop, next_ms);
    poll_sources(loop, has_more, next_ms);
}

/* Nothing may be suspended when the library's daemon is stopped. The order matters: a call's end
 * pushes first and is uncounted last. */
static bool is_over(struct loop *loop)
{
    return atomic_load(&loop->http->must_end) && atomic_load(&loop->waiting) == 0 &&
           mailbox_is_empty(&loop->mailbox) && loop->sleepers.next == &loop->sleepers &&
           watch_is_empty(&loop->watch);
}

void loop_run(void *arg)
{
    struct loop *loop = arg;
    tls_serve(loop->http->tls);
    bool is_door = loop == loop->http->loops;
    do {
        loop->now_ms = clock_mono_ms();
        if (is_door)
            door_mind(loop);
        take_mail(loop);
        wake_sleepers(loop);
        watch_walk(&loop->watch, loop->now_ms, http_is_stopping(loop->http), resume);
        if (loop->now_ms >= loop->next_sweep_ms) {
            shut_late_connections(loop);
            loop->next_sweep_ms = loop->now_ms + SWEEP_EVERY_MS;
        }
        if (MHD_run(loop->daemon) != MHD_YES)
            log_every(1000, LOG_LEVEL_ERROR, "http", "the HTTP library cannot go on");
        start_all_calls(loop);
        if (is_over(loop))
            return;
        wait_for_work(loop);
    } while (true);
}

/* ---- opening and closing ------------------------------------------------------------------------------- */
static struct MHD_Daemon *new_daemon(struct loop *loop)
{
    bool has_tls = loop->http->tls != NULL;
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
            (has_tls ? MHD_USE_TLS : 0),
        0, NULL, NULL, on_request, loop, MHD_OPTION_EXTERNAL_LOGGER, on_library_log, NULL,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_MAX_CONNECTIONS, /* door.c has the bound */
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_CONNECTION_MEMORY_BYTES,
        MHD_OPTION_URI_LOG_CALLBACK, on_target, loop, MHD_OPTION_UNESCAPE_CALLBACK, leave_escapes,
        NULL, MHD_OPTION_NOTIFY_COMPLETED, on_end, loop, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, loop,
        /* without TLS the list ends here */
        has_tls ? MHD_OPTION_HTTPS_CERT_CALLBACK : MHD_OPTION_END, tls_on_handshake,
        MHD_OPTION_HTTPS_PRIORITIES, TLS_PRIORITIES, MHD_OPTION_END);
}

static bool watch(struct loop *loop, enum source source, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u32 = source};
    return epoll_ctl(loop->poll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

enum err loop_open(struct http *http, struct loop *loop, struct why *why)
{
    loop->http = http;
    list_init(&loop->connections);
    list_init(&loop->sleepers);
    watch_init(&loop->watch);
    loop->to_start_end = &loop->to_start;
    loop->mailbox.fd = -1;
    loop->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->poll_fd < 0)
        return why_set(why, ERR_IO, "no epoll descriptor: %s", strerror(errno));
    enum err err = mailbox_init(&loop->mailbox, why);
    if (err != OK)
        return err;
    loop->daemon = new_daemon(loop);
    if (loop->daemon == NULL)
        return why_set(why, ERR_IO, "the HTTP library does not start: %s", strerror(errno));
    int fd = MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    if (!watch(loop, SOURCE_LIBRARY, fd, EPOLLIN) ||
        !watch(loop, SOURCE_MAILBOX, loop->mailbox.fd, EPOLLIN | EPOLLET))
        return why_set(why, ERR_IO, "an event descriptor cannot be watched: %s", strerror(errno));
    return OK;
}

void loop_close(struct loop *loop)
{
    struct mailbox_item *next = mailbox_take(&loop->mailbox);
    while (next != NULL) { /* let in when this loop had already ended */
        assert(next->kind == MAIL_ACCEPTED);
        struct accepted *accepted = CONTAINER_OF(next, struct accepted, item);
        next = next->next;
        close(accepted->fd);
        free(accepted);
    }
    if (loop->daemon != NULL)
        MHD_stop_daemon(loop->daemon);
    mailbox_done(&loop->mailbox);
    if (loop->poll_fd >= 0)
        close(loop->poll_fd);
}
