/* SPDX-License-Identifier: Apache-2.0 */
/* The server around libmicrohttpd 0.9.75, and what must be known of that library:
 *
 * - Its epoll loop hangs when one epoll_wait returns exactly 128 events (it then waits again without
 *   a timeout). A polling thread watches its connections, the listening socket and a wake-up
 *   descriptor; it is given at most HTTP_CONNECTIONS_PER_THREAD connections, so that 128 events can
 *   never come. max_connections therefore sets how many threads there are.
 * - It hands out paths with the escapes decoded and cut at a NUL. We keep the raw target from its
 *   log callback and decode ourselves; a raw NUL in the request line shows because the library's
 *   version pointer is then not right behind the target's end.
 * - A suspended connection has no timeout and does not notice that the client left: all waiting is
 *   for calls of the node, which answers each by its deadline, or for a time. The daemon may only
 *   be stopped when nothing is suspended.
 * - Its own timeout counts inactivity, which a byte a minute defeats. Every connection has an
 *   absolute deadline for what it is doing now (an atomic; no lock on a request's way), and a sweeper
 *   shuts the socket of those that are over it. The socket is open while the connection is in our
 *   list: the library closes it after the callback that takes it out.
 *
 * A request's stages: NEW (headers are here) -> BODY or DISCARD (an error is known, the body is
 * still read so that the client sees the answer) -> WAITING as often as its handler wants -> REPLIED. */
#include "http/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "http/handlers.h"
#include "http/jvalue.h"
#include "http/listen.h"
#include "http/reply.h"
#include "http/routes.h"
#include "http/stats.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/thread.h"

enum { HTTP_MAGIC = 0x48545450, CONNECTION_MAGIC = 0x434f4e4e };
enum { SWEEP_EVERY_MS = 250 };

struct connection {
    unsigned magic;
    struct list link;                 /* in http->connections */
    int fd;                           /* borrowed: the library's */
    atomic_uint_fast64_t deadline_ms; /* 0: none now */
    struct request request;
};

struct http {
    unsigned magic;
    struct http_options options; /* texts are not kept, but for: */
    char prefix[64];
    char address[LISTEN_ADDRESS_SIZE];
    char node_text[16];
    struct node *node; /* borrowed */
    struct MHD_Daemon *daemon;
    struct thread sweeper;
    atomic_bool is_stopping;
    atomic_uint requests; /* between their first line and their end */
    atomic_uint suspended;
    struct http_stats stats;

    struct mutex lock; /* guards what follows */
    struct cond wake;
    struct list connections;
    uint32_t connections_count;
    struct list sleepers; /* requests that wait for a time */
    bool sweeper_ends;
};

struct node *http_node(const struct http *http)
{
    return http->node;
}

const struct http_options *http_options_of(const struct http *http)
{
    return &http->options;
}

struct http_stats *http_stats_of(struct http *http)
{
    return &http->stats;
}

bool http_is_stopping(const struct http *http)
{
    return atomic_load_explicit(&((struct http *)(uintptr_t)http)->is_stopping,
                                memory_order_relaxed);
}

uint32_t http_connections(const struct http *http)
{
    struct http *mutable = (struct http *)(uintptr_t)http;
    mutex_lock(&mutable->lock);
    uint32_t count = http->connections_count;
    mutex_unlock(&mutable->lock);
    return count;
}

const char *http_address(const struct http *http)
{
    return http->address;
}

void http_options_init(struct http_options *options)
{
    *options = (struct http_options){
        .listen = "127.0.0.1:5001",
        .threads = 4,
        .max_connections = 2000,
        .max_body_bytes = HTTP_COMMAND_MAX_BYTES,
        .max_message_bytes = 1024 * 1024,
        .request_timeout_ms = 10000,
        .header_timeout_ms = 10000,
        .body_timeout_ms = 30000,
        .reply_timeout_ms = 30000,
        .idle_timeout_ms = 120000,
        .metrics_prefix = "lethe_",
        .replica_lag_threshold = 1000,
    };
}

/* ---- connections ------------------------------------------------------------------------------ */
static struct connection *connection_of(struct MHD_Connection *handle)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(handle, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct connection *connection;
    CAST_OBJ(connection, info->socket_context, CONNECTION_MAGIC);
    return connection;
}

static void set_deadline(struct connection *connection, uint64_t deadline_ms)
{
    atomic_store_explicit(&connection->deadline_ms, deadline_ms, memory_order_relaxed);
}

static void set_request_deadline(struct request *req, uint64_t timeout_ms)
{
    set_deadline(CONTAINER_OF(req, struct connection, request),
                 timeout_ms == 0 ? 0 : clock_mono_ms() + timeout_ms);
}

static void open_connection(struct http *http, struct MHD_Connection *handle, void **socket_context)
{
    struct connection *connection = alloc_zero(sizeof(*connection));
    connection->magic = CONNECTION_MAGIC;
    connection->fd = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    request_init(&connection->request, http);
    set_deadline(connection, clock_mono_ms() + http->options.header_timeout_ms);
    atomic_fetch_add_explicit(&http->stats.connections_total, 1, memory_order_relaxed);
    mutex_lock(&http->lock);
    list_append(&http->connections, &connection->link);
    http->connections_count++;
    mutex_unlock(&http->lock);
    *socket_context = connection;
}

static void close_connection(struct http *http, struct connection *connection)
{
    mutex_lock(&http->lock);
    list_remove(&connection->link);
    http->connections_count--;
    mutex_unlock(&http->lock);
    request_done(&connection->request);
    connection->magic = 0;
    free(connection);
}

static void on_connection(void *cls, struct MHD_Connection *handle, void **socket_context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http *http;
    CAST_OBJ(http, cls, HTTP_MAGIC);
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        open_connection(http, handle, socket_context);
    } else {
        struct connection *connection;
        CAST_OBJ(connection, *socket_context, CONNECTION_MAGIC);
        *socket_context = NULL;
        close_connection(http, connection);
    }
}

/* Hands the request back to its polling thread; it may be over before this returns. The count comes
 * last: http_stop goes on when it is 0. */
static void resume(struct request *req)
{
    struct http *http = req->http;
    MHD_resume_connection(req->connection);
    atomic_fetch_sub(&http->suspended, 1);
}

/* ---- sweeper: absolute deadlines, and requests that wait for a time ----------------------------- */
/* Resumes the sleepers that are due; when the next one is, or 0. Called with the lock. */
static uint64_t wake_sleepers(struct http *http, uint64_t now_ms)
{
    uint64_t next_ms = 0;
    struct list *item = http->sleepers.next;
    while (item != &http->sleepers) {
        struct request *req = CONTAINER_OF(item, struct request, wake_link);
        item = item->next;
        if (req->wake_ms <= now_ms || http->is_stopping) {
            list_remove(&req->wake_link);
            resume(req);
        } else if (next_ms == 0 || req->wake_ms < next_ms) {
            next_ms = req->wake_ms;
        }
    }
    return next_ms;
}

static void shut_late_connections(struct http *http, uint64_t now_ms)
{
    for (struct list *item = http->connections.next; item != &http->connections;
         item = item->next) {
        struct connection *connection = CONTAINER_OF(item, struct connection, link);
        uint64_t deadline_ms = atomic_load_explicit(&connection->deadline_ms, memory_order_relaxed);
        if (deadline_ms == 0 || now_ms < deadline_ms)
            continue;
        set_deadline(connection, 0);
        atomic_fetch_add_explicit(&http->stats.timeouts, 1, memory_order_relaxed);
        shutdown(connection->fd, SHUT_RDWR); /* the polling thread sees the end and cleans up */
    }
}

static void sweep(void *arg)
{
    struct http *http;
    CAST_OBJ(http, arg, HTTP_MAGIC);
    uint64_t next_sweep_ms = 0;
    mutex_lock(&http->lock);
    while (!http->sweeper_ends) {
        uint64_t now_ms = clock_mono_ms();
        uint64_t next_ms = wake_sleepers(http, now_ms);
        if (now_ms >= next_sweep_ms) {
            shut_late_connections(http, now_ms);
            next_sweep_ms = now_ms + SWEEP_EVERY_MS;
        }
        if (next_ms == 0 || next_ms > next_sweep_ms)
            next_ms = next_sweep_ms;
        cond_wait_until(&http->wake, &http->lock, next_ms);
    }
    mutex_unlock(&http->lock);
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
    char number[24];
    if (type != NULL)
        add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    add_header(response, "X-Request-Id", req->id);
    add_header(response, "Lethe-Node", req->http->node_text);
    if (req->has_applied_index) {
        snprintf(number, sizeof(number), "%llu", (unsigned long long)req->applied_index);
        add_header(response, "Lethe-Applied-Index", number);
    }
    if (req->location != NULL)
        add_header(response, MHD_HTTP_HEADER_LOCATION, req->location);
    if (req->etag[0] != '\0')
        add_header(response, MHD_HTTP_HEADER_ETAG, req->etag);
    if (req->retry_after != NULL)
        add_header(response, MHD_HTTP_HEADER_RETRY_AFTER, req->retry_after);
    if (req->allow != NULL && (req->status == 405 || req->status == 204))
        add_header(response, MHD_HTTP_HEADER_ALLOW, req->allow);
    for (uint32_t i = 0; i < req->extra_count; i++)
        add_header(response, req->extra[i].name, req->extra[i].value);
    if (req->must_close || http_is_stopping(req->http))
        add_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
}

static struct bytes reply_body(struct request *req)
{
    struct bytes body = buf_bytes(&req->out);
    if (!req->is_pretty || (req->media != MEDIA_JSON && req->media != MEDIA_PROBLEM))
        return body;
    buf_clear(&req->pretty);
    jvalue_append_pretty(&req->pretty, body);
    return buf_bytes(&req->pretty);
}

static enum MHD_Result queue_reply(struct request *req)
{
    assert(req->status != 0);
    struct bytes body = reply_body(req);
    /* The buffer is the request's, which outlives the response: no copy, nothing to free. */
    struct MHD_Response *response = MHD_create_response_from_buffer(
        body.len, (void *)(uintptr_t)(body.len == 0 ? (const void *)"" : body.data),
        MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        abort();
    add_headers(req, response);
    req->stage = REQUEST_REPLIED;
    set_request_deadline(req, req->http->options.reply_timeout_ms);
    enum MHD_Result ret = MHD_queue_response(req->connection, (unsigned)req->status, response);
    MHD_destroy_response(response);
    atomic_fetch_add_explicit(&req->http->stats.sent_bytes, body.len, memory_order_relaxed);
    return ret;
}

/* ---- waiting ------------------------------------------------------------------------------------ */
static void on_call_done(struct node_call *call, void *arg)
{
    struct request *req;
    (void)call;
    CAST_OBJ(req, arg, REQUEST_MAGIC);
    if (atomic_fetch_sub(&req->open_calls, 1) == 1)
        resume(req);
}

/* Suspends first: the last call may be answered before the last line here. */
static void start_calls(struct request *req)
{
    atomic_store(&req->open_calls, req->calls_count + 1);
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

static void start_sleep(struct request *req)
{
    struct http *http = req->http;
    mutex_lock(&http->lock);
    list_append(&http->sleepers, &req->wake_link);
    cond_signal(&http->wake);
    mutex_unlock(&http->lock);
}

static enum MHD_Result run(struct request *req, request_handler *handler)
{
    set_request_deadline(req, 0);
    req->waits = false;
    handler(req);
    if (!req->waits)
        return queue_reply(req);
    assert(req->status == 0);
    req->stage = REQUEST_WAITING;
    atomic_fetch_add(&req->http->suspended, 1);
    MHD_suspend_connection(req->connection);
    if (req->wake_ms != 0)
        start_sleep(req);
    else
        start_calls(req);
    return MHD_YES;
}

/* ---- from the library ---------------------------------------------------------------------------- */
static void *on_target(void *cls, const char *target, struct MHD_Connection *handle)
{
    struct http *http;
    CAST_OBJ(http, cls, HTTP_MAGIC);
    struct connection *connection = connection_of(handle);
    uint64_t header_end_ms = clock_mono_ms() + http->options.header_timeout_ms;
    atomic_fetch_add(&http->requests, 1);
    request_begin(&connection->request, handle, target);
    if (atomic_load_explicit(&connection->deadline_ms, memory_order_relaxed) > header_end_ms)
        set_deadline(connection, header_end_ms);
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
    struct http *http;
    struct request *req;
    CAST_OBJ(http, cls, HTTP_MAGIC);
    (void)handle;
    (void)how;
    if (*request_context == NULL)
        return;
    CAST_OBJ(req, *request_context, REQUEST_MAGIC);
    *request_context = NULL;
    stats_count(&http->stats, req, clock_mono_us());
    request_end(req);
    set_request_deadline(req, http->options.idle_timeout_ms);
    atomic_fetch_sub(&http->requests, 1);
}

static void read_content_length(struct request_headers *headers, const char *value)
{
    struct bytes text = bytes_of_string(value);
    if (headers->has_content_length ||
        !path_number(text, HTTP_MAX_INTEGER, &headers->content_length))
        headers->has_bad_length = true;
    headers->has_content_length = true;
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
        break;
    case 'c':
        if (strcasecmp(name, "Content-Type") == 0)
            headers->content_type = value;
        else if (strcasecmp(name, "Content-Length") == 0)
            read_content_length(headers, value);
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
    case 't':
        if (strcasecmp(name, "Transfer-Encoding") == 0)
            headers->is_chunked = true;
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
    MHD_get_connection_values(req->connection, MHD_HEADER_KIND, on_header, &req->headers);
    enum err err = request_read_head(req, method, &req->early_why);
    if (err == OK && has_raw_nul(req, version)) {
        err = why_set(&req->early_why, ERR_BAD_REQUEST, "the request target has a NUL in it");
        req->must_close = true;
    }
    bool asks_health = req->route != NULL && req->route->run == livez_run;
    if (err == OK && http_is_stopping(req->http) && !asks_health)
        err = why_set(&req->early_why, ERR_DRAINING, "this node is stopping");
    req->early = err;
    req->stage = err == OK ? REQUEST_BODY : REQUEST_DISCARD;
    set_request_deadline(req, req->http->options.body_timeout_ms);
    bool has_body = req->headers.is_chunked || req->headers.content_length > 0;
    if (err != OK && has_body &&
        (req->headers.expects_continue || req->must_close ||
         req->headers.content_length > HTTP_MAX_DISCARDED_BYTES)) {
        req->must_close = true;
        return run(req, refuse_run);
    }
    if (err == OK && req->headers.content_length > 0)
        buf_reserve(&req->body_buf, req->headers.content_length);
    return MHD_YES;
}

static enum MHD_Result on_body(struct request *req, const char *data, size_t len)
{
    uint64_t max = req->http->options.max_body_bytes;
    req->received_bytes += len;
    atomic_fetch_add_explicit(&req->http->stats.received_bytes, len, memory_order_relaxed);
    if (req->stage == REQUEST_BODY && req->received_bytes > max) {
        req->early =
            why_set(&req->early_why, ERR_TOO_LARGE,
                    "the body is larger than 'http.max_body_bytes' %llu", (unsigned long long)max);
        req->stage = REQUEST_DISCARD;
        buf_done(&req->body_buf);
    }
    if (req->stage == REQUEST_BODY)
        buf_append(&req->body_buf, data, len);
    return req->received_bytes > HTTP_MAX_DISCARDED_BYTES ? MHD_NO : MHD_YES;
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
        return run(req, req->next);
    case REQUEST_REPLIED:
        break;
    }
    /* A body that was refused before it came, and comes all the same. */
    *data_len = 0;
    return MHD_YES;
}

/* ---- start and stop ------------------------------------------------------------------------------- */
static void on_library_log(void *cls, const char *format, va_list args)
{
    char text[256];
    (void)cls;
    vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\r\n")] = '\0';
    log_every(1000, LOG_LEVEL_DEBUG, "http", "the HTTP library says", "text=%s", LOG_QUOTED(text));
}

static enum err check_options(const struct http_options *options, struct why *why)
{
    uint64_t most = (uint64_t)HTTP_MAX_THREADS * HTTP_CONNECTIONS_PER_THREAD;
    if (options->max_connections == 0 || options->max_connections > most)
        return why_set(why, ERR_BAD_CONFIG, "'http.max_connections' is %u, not 1 to %llu",
                       options->max_connections, (unsigned long long)most);
    if (options->threads == 0 || options->threads > HTTP_MAX_THREADS)
        return why_set(why, ERR_BAD_CONFIG, "'http.threads' is %u, not 1 to %d", options->threads,
                       HTTP_MAX_THREADS);
    if (options->max_body_bytes < 1024 || options->max_body_bytes > HTTP_COMMAND_MAX_BYTES)
        return why_set(why, ERR_BAD_CONFIG, "'http.max_body_bytes' is %llu, not 1024 to %d",
                       (unsigned long long)options->max_body_bytes, HTTP_COMMAND_MAX_BYTES);
    if (options->max_message_bytes == 0 || options->max_message_bytes > options->max_body_bytes)
        return why_set(why, ERR_BAD_CONFIG, "'max_message_bytes' is %llu, not 1 to %llu",
                       (unsigned long long)options->max_message_bytes,
                       (unsigned long long)options->max_body_bytes);
    if (options->request_timeout_ms == 0 || options->header_timeout_ms == 0 ||
        options->body_timeout_ms == 0 || options->reply_timeout_ms == 0 ||
        options->idle_timeout_ms == 0)
        return why_set(why, ERR_BAD_CONFIG, "a timeout of 'http' is 0");
    if (strlen(options->metrics_prefix) >= sizeof(((struct http *)0)->prefix))
        return why_set(why, ERR_BAD_CONFIG, "'metrics.prefix' is longer than %zu bytes",
                       sizeof(((struct http *)0)->prefix) - 1);
    return OK;
}

static uint32_t threads_for(const struct http_options *options)
{
    uint32_t needed =
        (options->max_connections + HTTP_CONNECTIONS_PER_THREAD - 1) / HTTP_CONNECTIONS_PER_THREAD;
    return needed > options->threads ? needed : options->threads;
}

static enum err start_daemon(struct http *http, int fd, struct why *why)
{
    uint32_t threads = threads_for(&http->options);
    /* The library divides the limit among its threads, each then counts for itself. */
    http->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_library_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_THREAD_POOL_SIZE, threads,
        MHD_OPTION_CONNECTION_LIMIT, http->options.max_connections,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_CONNECTION_MEMORY_BYTES,
        MHD_OPTION_THREAD_STACK_SIZE, (size_t)HTTP_THREAD_STACK_BYTES, MHD_OPTION_URI_LOG_CALLBACK,
        on_target, http, MHD_OPTION_UNESCAPE_CALLBACK, leave_escapes, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, on_end, http, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
        http, MHD_OPTION_END);
    if (http->daemon == NULL) {
        close(fd);
        return why_set(why, ERR_IO, "the HTTP server does not start with %u threads: %s", threads,
                       strerror(errno));
    }
    return OK;
}

static void free_http(struct http *http)
{
    mutex_done(&http->lock);
    cond_done(&http->wake);
    http->magic = 0;
    free(http);
}

enum err http_start(const struct http_options *options, struct node *node, struct http **ret_http,
                    struct why *why)
{
    enum err err = check_options(options, why);
    if (err != OK)
        return err;
    int fd = -1;
    struct http *http = alloc_zero(sizeof(*http));
    http->magic = HTTP_MAGIC;
    http->options = *options;
    memcpy(http->prefix, options->metrics_prefix, strlen(options->metrics_prefix) + 1);
    http->options.metrics_prefix = http->prefix;
    http->options.listen = http->address;
    http->node = node;
    snprintf(http->node_text, sizeof(http->node_text), "%u", (unsigned)node_self(node));
    mutex_init(&http->lock);
    cond_init(&http->wake);
    list_init(&http->connections);
    list_init(&http->sleepers);
    err = listen_open(options->listen, &fd, http->address, why);
    if (err == OK)
        err = start_daemon(http, fd, why);
    if (err == OK) {
        err = thread_start(&http->sweeper, "http-sweeper", sweep, http);
        if (err != OK)
            MHD_stop_daemon(http->daemon);
    }
    if (err != OK) {
        free_http(http);
        return err;
    }
    *ret_http = http;
    return OK;
}

static void pause_ms(unsigned ms)
{
    struct timespec time = {.tv_sec = 0, .tv_nsec = (long)ms * 1000000};
    nanosleep(&time, NULL);
}

void http_stop(struct http *http, uint32_t timeout_ms)
{
    if (http == NULL)
        return;
    uint64_t end_ms = clock_mono_ms() + timeout_ms;
    atomic_store(&http->is_stopping, true);
    int fd = MHD_quiesce_daemon(http->daemon);
    mutex_lock(&http->lock);
    cond_signal(&http->wake);
    mutex_unlock(&http->lock);
    /* The daemon may not be stopped while anything is suspended, however long that takes: the node
     * answers every call by its deadline. Replies get the time that the caller gave. */
    while (atomic_load(&http->suspended) > 0 ||
           (atomic_load(&http->requests) > 0 && clock_mono_ms() < end_ms))
        pause_ms(5);
    mutex_lock(&http->lock);
    http->sweeper_ends = true;
    cond_signal(&http->wake);
    mutex_unlock(&http->lock);
    thread_join(&http->sweeper);
    MHD_stop_daemon(http->daemon);
    if (fd >= 0)
        close(
            fd); /* only now: until it ends, a polling thread may still take it out of its epoll */
    free_http(http);
}
