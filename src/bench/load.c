/* SPDX-License-Identifier: Apache-2.0 */
/* Connections and event loops. A connection goes CLOSED -> OPENING -> IDLE <-> BUSY, and back to
 * CLOSED when it breaks; then its request's outcome is unknown, unless it is numbered: that one is
 * sent again, as it stands, until it is answered or the run ends. A broken connection goes on to
 * the next target after a short pause, so that a run outlives a server.
 *
 * Time: `start` to `measure` is the warm-up; only requests answered between `measure` and `end`
 * count in figures, all of them count for the journal. After `end` nothing new is sent, and what is
 * under way has its time limit to be answered. */
#include "bench/load.h"

#include "base/alloc.h"
#include "base/rng.h"
#include "bench/reply.h"
#include "bench/tls.h"
#include "client/url.h"
#include "sys/clock.h"
#include "sys/random.h"
#include "sys/thread.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <math.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

enum {
    STALL_US = 60 * 1000000, /* a counted run ends when nothing was answered for so long */
    READ_BYTES = 64 * 1024,
    TICK_MS = 20,
    PAUSE_US = 50000, /* before a broken connection goes on, or one refused without a Retry-After */
    RETRY_AFTER_MAX_S = 60,
    FLUSH_BYTES = 256 * 1024
};

struct worker {
    struct load *load; /* borrowed */
    struct thread thread;
    struct event_base *base;        /* owned */
    struct event *tick, *schedule;  /* owned */
    struct connection *connections; /* owned */
    size_t connections_count, finished;
    struct connection **idle; /* owned; fixed rate: who has nothing to do */
    size_t idle_count;
    uint64_t planned, rate; /* fixed rate: requests begun, and a second */
    struct load_counts counts;
    struct buf lines, scratch; /* owned; events of the journal; bodies that came in chunks */
    struct buf body, payload;  /* owned; requests are written here */
    struct rng rng;
    bool has_failed_journal;
};

static void start_next(struct connection *connection);
static bool is_over(struct load *load, uint64_t now);
static void on_readable(evutil_socket_t fd, short what, void *arg);
static void send_more(struct connection *connection);
static void on_writable(evutil_socket_t fd, short what, void *arg);

/* ---- set up ------------------------------------------------------------------------------------- */

static enum err resolve(const char *text, struct load_target *target, struct why *why)
{
    struct client_server server;
    char port[8], name[CLIENT_URL_SERVER_MAX_BYTES];
    enum err err = client_url_parse_server(text, &server, why);
    if (err != OK)
        return err;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    snprintf(port, sizeof(port), "%u", server.port);
    int code = getaddrinfo(server.host, port, &hints, &found);
    if (code != 0)
        return why_set(why, ERR_IO, "cannot find '%s': %s", server.host, gai_strerror(code));
    memcpy(&target->address, found->ai_addr, found->ai_addrlen);
    target->address_len = found->ai_addrlen;
    freeaddrinfo(found);
    client_url_print_server(&server, name);
    snprintf(target->host, sizeof(target->host), "%.279s", strstr(name, "://") + strlen("://"));
    target->is_tls = server.is_tls;
    snprintf(target->name, sizeof(target->name), "%s", server.host);
    return OK;
}

static void fill_popularity(struct load *load)
{
    size_t count = load->head->channels;
    double sum = 0;
    if (load->options->skew == 0 || load->is_preload)
        return;
    load->popularity = alloc_array(count, sizeof(*load->popularity));
    for (size_t i = 0; i < count; i++) {
        sum += 1 / pow((double)(i + 1), load->options->skew);
        load->popularity[i] = sum;
    }
    for (size_t i = 0; i < count; i++)
        load->popularity[i] /= sum;
}

enum err load_init(struct load *load, const struct bench_options *options,
                   const struct journal_head *head, struct journal *journal,
                   atomic_uint_fast64_t *last_seqs, bool is_preload, struct why *why)
{
    memset(load, 0, sizeof(*load));
    load->options = options;
    load->head = head;
    load->journal = journal;
    load->last_seqs = last_seqs;
    load->is_preload = is_preload;
    load->targets_count = options->targets.count;
    load->targets = alloc_array(load->targets_count, sizeof(*load->targets));
    client_url_append_encoded(&load->encoded_prefix, bytes_of_string(head->prefix));
    fill_popularity(load);
    for (size_t i = 0; i < load->targets_count; i++) {
        enum err err = resolve(options->targets.items[i], &load->targets[i], why);
        if (err != OK)
            return err;
        if (load->targets[i].is_tls && load->tls == NULL)
            err = tls_new(options->ca_file, options->is_insecure, &load->tls, why);
        if (err != OK)
            return err;
    }
    return OK;
}

void load_done(struct load *load)
{
    free(load->targets);
    free(load->popularity);
    buf_done(&load->encoded_prefix);
    tls_free(load->tls);
    memset(load, 0, sizeof(*load));
}

/* ---- connections -------------------------------------------------------------------------------- */

static void close_connection(struct connection *connection)
{
    if (connection->read_event != NULL)
        event_free(connection->read_event);
    if (connection->write_event != NULL)
        event_free(connection->write_event);
    tls_close(connection->session);
    connection->session = NULL;
    if (connection->fd >= 0)
        close(connection->fd);
    connection->read_event = connection->write_event = NULL;
    connection->fd = -1;
    connection->state = CONNECTION_CLOSED;
    buf_clear(&connection->in);
}

static void open_connection(struct connection *connection)
{
    struct load *load = connection->worker->load;
    const struct load_target *target = &load->targets[connection->target];
    int one = 1;
    int fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return; /* the tick tries again */
    connection->fd = fd;
    connection->started_us = clock_mono_us();
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    int code = connect(fd, (const struct sockaddr *)&target->address, target->address_len);
    if (code != 0 && errno != EINPROGRESS) {
        close_connection(connection);
        connection->target = (connection->target + 1) % load->targets_count;
        connection->not_before_us = clock_mono_us() + PAUSE_US;
        return;
    }
    connection->state = CONNECTION_OPENING;
    if (target->is_tls)
        connection->session = tls_open(load->tls, fd, target->name);
    connection->read_event =
        event_new(connection->worker->base, fd, EV_READ | EV_PERSIST, on_readable, connection);
    connection->write_event =
        event_new(connection->worker->base, fd, EV_WRITE, on_writable, connection);
    if (connection->read_event == NULL || connection->write_event == NULL)
        abort(); /* out of memory */
    event_add(connection->read_event, NULL);
    event_add(connection->write_event, NULL);
}

static void finish(struct connection *connection)
{
    if (connection->is_finished)
        return;
    connection->is_finished = true;
    close_connection(connection);
    if (++connection->worker->finished == connection->worker->connections_count)
        event_base_loopbreak(connection->worker->base);
}

/* ---- answers ------------------------------------------------------------------------------------ */

static void keep_sample(struct load *load, int status, struct bytes body)
{
    if (status == 0 || atomic_flag_test_and_set(&load->has_sample))
        return; /* a connection that broke has nothing to show */
    size_t len = body.len < 400 ? body.len : 400;
    snprintf(load->sample, sizeof(load->sample), "%d %.*s", status, (int)len,
             (const char *)body.data);
}

static void flush_lines(struct worker *worker)
{
    if (worker->lines.len > 0 && journal_write(worker->load->journal, &worker->lines) != OK)
        worker->has_failed_journal = true;
}

/* The request has this outcome: counts it. The caller decides what comes next. */
static enum load_outcome settle(struct connection *connection, int status, struct bytes body)
{
    struct worker *worker = connection->worker;
    struct load *load = worker->load;
    uint64_t messages = 0, duplicates = 0, now = clock_mono_us();
    enum load_outcome outcome =
        load_take_answer(load, connection, status, body, &worker->lines, &messages, &duplicates);
    if (load->journal == NULL)
        buf_clear(&worker->lines);
    else if (worker->lines.len > FLUSH_BYTES)
        flush_lines(worker);
    connection->has_request = false;
    bool is_delete = connection->request.kind == LOAD_DELETE;
    bool is_measured = now >= load->measure_us && (load->end_us == 0 || now <= load->end_us);
    uint64_t latency_us = now - connection->planned_us;
    atomic_fetch_add_explicit(&load->shown_requests, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&load->shown_messages, messages, memory_order_relaxed);
    atomic_fetch_add_explicit(&load->shown_latency_us, latency_us, memory_order_relaxed);
    if (outcome != LOAD_GOOD) {
        atomic_fetch_add_explicit(&load->shown_faults, 1, memory_order_relaxed);
        keep_sample(load, status, body);
    }
    struct load_counts *counts = &worker->counts;
    counts->refused += outcome == LOAD_REFUSED;
    counts->unknown += outcome == LOAD_UNKNOWN;
    counts->failed += outcome == LOAD_FAILED;
    if (is_measured && outcome == LOAD_GOOD) {
        counts->requests++;
        *(is_delete ? &counts->deleted : &counts->messages) += messages;
        counts->duplicates += duplicates;
        histogram_add(&counts->latency, latency_us);
    }
    return outcome;
}

/* No answer came, or none will. */
static void break_connection(struct connection *connection)
{
    struct worker *worker = connection->worker;
    struct load *load = worker->load;
    bool was_open = connection->state != CONNECTION_OPENING;
    close_connection(connection);
    connection->target = (connection->target + 1) % load->targets_count;
    connection->not_before_us = clock_mono_us() + PAUSE_US;
    if (!connection->has_request)
        return;
    worker->counts.broken++;
    if (connection->request.is_numbered) {
        connection->request.is_in_doubt = true;
        return; /* the same bytes go out again */
    }
    if (was_open)
        settle(connection, 0, BYTES_NONE);
}

/* How long a refused connection waits: what the server asked for and up to half of that again, so
 * that those who were refused together do not come back together. */
static uint64_t refused_pause_us(struct worker *worker, uint32_t retry_after_s)
{
    if (retry_after_s == 0 || worker->load->options->is_impatient)
        return PAUSE_US;
    uint64_t asked_us =
        (retry_after_s < RETRY_AFTER_MAX_S ? retry_after_s : RETRY_AFTER_MAX_S) * (uint64_t)1000000;
    return asked_us + rng_below(&worker->rng, asked_us / 2);
}

static void take_reply(struct connection *connection, const struct reply *reply)
{
    struct worker *worker = connection->worker;
    uint64_t now = clock_mono_us();
    connection->state = CONNECTION_IDLE;
    /* A numbered request with an unknown outcome is asked again: the answer says what became of
     * it. */
    bool is_unknown = reply->status == 504 || reply->status == 500;
    bool is_refused = reply->status == 503 || reply->status == 429 || reply->status == 507;
    struct load_request *request = &connection->request;
    request->is_in_doubt |= is_unknown && request->is_numbered;
    /* A refusal speaks for the attempt it answers, not for one before whose answer never came. */
    bool wants_again = (is_unknown && request->is_numbered) ||
                       (is_refused && (request->is_in_doubt || worker->load->is_preload));
    if (wants_again && !is_over(worker->load, now)) {
        connection->not_before_us =
            now + (is_refused ? refused_pause_us(worker, reply->retry_after_s) : PAUSE_US);
    } else {
        int status = is_refused && request->is_in_doubt ? 504 : reply->status;
        enum load_outcome outcome = settle(connection, status, reply->body);
        if (outcome == LOAD_REFUSED)
            connection->not_before_us = now + refused_pause_us(worker, reply->retry_after_s);
        else if (outcome == LOAD_FAILED)
            connection->not_before_us = now + PAUSE_US;
    }
    bool is_last = reply->is_last;
    memmove(connection->in.data, connection->in.data + reply->used,
            connection->in.len - reply->used);
    connection->in.len -= reply->used;
    if (is_last)
        close_connection(connection);
    start_next(connection);
}

/* As read(2), into connection->in. A session may hold more than its socket shows: it is emptied. */
static ssize_t read_more(struct connection *connection)
{
    struct buf *in = &connection->in;
    ssize_t len = 0, all = 0;
    buf_reserve(in, READ_BYTES);
    if (connection->session == NULL) {
        all = read(connection->fd, in->data + in->len, in->capacity - in->len);
        in->len += all > 0 ? (size_t)all : 0;
        return all;
    }
    while ((len = tls_read(connection->session, in->data + in->len, in->capacity - in->len)) > 0) {
        in->len += (size_t)len;
        all += len;
        buf_reserve(in, READ_BYTES);
    }
    return all > 0 ? all : len; /* an end behind the last bytes shows by the next read */
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct connection *connection = arg;
    (void)fd;
    (void)what;
    ssize_t len = read_more(connection);
    if (len < 0 && (errno == EAGAIN || errno == EINTR)) {
        if (connection->session != NULL && connection->state == CONNECTION_BUSY)
            send_more(connection); /* a handshake goes on with what was read */
        return;
    }
    if (len <= 0 || connection->state != CONNECTION_BUSY) {
        break_connection(connection);
        return;
    }
    struct reply reply;
    enum reply_state state =
        reply_parse(buf_bytes(&connection->in), &connection->worker->scratch, &reply);
    if (state == REPLY_BROKEN)
        break_connection(connection);
    else if (state == REPLY_COMPLETE)
        take_reply(connection, &reply);
}

/* ---- requests ----------------------------------------------------------------------------------- */

static void send_more(struct connection *connection)
{
    while (connection->sent < connection->out.len) {
        const uint8_t *data = connection->out.data + connection->sent;
        size_t left = connection->out.len - connection->sent;
        ssize_t len = connection->session != NULL ? tls_write(connection->session, data, left)
                                                  : send(connection->fd, data, left, MSG_NOSIGNAL);
        if (len < 0 && (errno == EAGAIN || errno == EINTR)) {
            if (connection->session == NULL || tls_wants_room(connection->session))
                event_add(connection->write_event, NULL);
            return;
        }
        if (len < 0) {
            break_connection(connection);
            return;
        }
        connection->sent += (size_t)len;
    }
}

static void send_request(struct connection *connection)
{
    connection->state = CONNECTION_BUSY;
    connection->sent = 0;
    connection->started_us = clock_mono_us();
    send_more(connection);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct connection *connection = arg;
    (void)what;
    if (connection->state == CONNECTION_BUSY) {
        send_more(connection);
        return;
    }
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
        break_connection(connection);
        return;
    }
    connection->state = CONNECTION_IDLE;
    start_next(connection);
}

/* When the next request of a fixed schedule is due. */
static uint64_t due_us(const struct worker *worker)
{
    return worker->load->start_us +
           (uint64_t)((double)worker->planned * 1000000 / (double)worker->rate);
}

/* Is the time up, or were we asked to stop? Then nothing new begins. */
static bool is_over(struct load *load, uint64_t now)
{
    return atomic_load_explicit(&load->is_stopping, memory_order_relaxed) ||
           (load->end_us != 0 && now >= load->end_us);
}

/* May another request begin, of those that --count allows? Counts it when it may. */
static bool take_turn(struct load *load)
{
    uint64_t count = load->is_preload ? 0 : load->options->count;
    if (count == 0)
        return true;
    return atomic_fetch_add_explicit(&load->taken, 1, memory_order_relaxed) < count;
}

/* Time is up: what is still without an answer stays unknown. */
static void wind_up(struct connection *connection)
{
    if (connection->has_request)
        settle(connection, 0, BYTES_NONE);
    finish(connection);
}

/* --patience: who would have asked then has left since, as no connection was free. */
static void skip_late(struct worker *worker, uint64_t now)
{
    uint64_t patience_us = worker->load->options->patience_ms * 1000;
    while (patience_us != 0 && due_us(worker) + patience_us < now) {
        worker->planned++;
        worker->counts.unsent++;
    }
}

static void begin_request(struct connection *connection, uint64_t now)
{
    struct worker *worker = connection->worker;
    struct load *load = worker->load;
    bool is_planned = worker->rate != 0;
    if (is_planned)
        skip_late(worker, now);
    if (is_planned && due_us(worker) > now) {
        connection->is_aside = true;
        worker->idle[worker->idle_count++] = connection;
        return;
    }
    if (!take_turn(load) || !load_next_request(load, connection)) {
        finish(connection);
        return;
    }
    connection->planned_us = is_planned ? due_us(worker) : now;
    worker->planned++;
    connection->has_request = true;
    send_request(connection);
}

/* The connection has nothing under way: gives it something, puts it aside, or ends it. */
static void start_next(struct connection *connection)
{
    uint64_t now = clock_mono_us();
    bool is_under_way =
        connection->state == CONNECTION_BUSY || connection->state == CONNECTION_OPENING;
    if (connection->is_finished || connection->is_aside || is_under_way)
        return;
    if (is_over(connection->worker->load, now))
        wind_up(connection);
    else if (now < connection->not_before_us)
        return; /* the tick comes back to it */
    else if (connection->state == CONNECTION_CLOSED)
        open_connection(connection);
    else if (connection->has_request)
        send_request(connection); /* numbered, and left over from a connection that broke */
    else
        begin_request(connection, now);
}

/* Fixed rate: all requests that are due go to connections that wait. */
static void on_schedule(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    (void)fd;
    (void)what;
    while (worker->idle_count > 0 && due_us(worker) <= clock_mono_us()) {
        struct connection *connection = worker->idle[--worker->idle_count];
        connection->is_aside = false;
        start_next(connection);
    }
    uint64_t now = clock_mono_us(), due = due_us(worker);
    /* Without a free connection the next one that gets free looks at the schedule itself. */
    uint64_t wait = due > now ? due - now : 1000;
    struct timeval delay = {.tv_sec = (time_t)(wait / 1000000),
                            .tv_usec = (suseconds_t)(wait % 1000000)};
    event_add(worker->schedule, &delay);
}

/* Everything that waits for time: pauses, time limits, the end. */
static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    struct load *load = worker->load;
    uint64_t now = clock_mono_us(), timeout_us = load->options->timeout_ms * 1000;
    bool over = is_over(load, now);
    (void)fd;
    (void)what;
    if (over)
        worker->idle_count = 0;
    for (size_t i = 0; i < worker->connections_count; i++) {
        struct connection *connection = &worker->connections[i];
        connection->is_aside = connection->is_aside && !over;
        bool is_late = now > connection->started_us + timeout_us;
        if ((connection->state == CONNECTION_BUSY && is_late) ||
            (connection->state == CONNECTION_OPENING && (is_late || over)))
            break_connection(connection);
        start_next(connection);
    }
    if (worker->lines.len > 0)
        flush_lines(worker);
}

/* ---- threads ------------------------------------------------------------------------------------ */

static void run_worker(void *arg)
{
    struct worker *worker = arg;
    struct timeval tick = {.tv_usec = TICK_MS * 1000}, now = {0};
    worker->tick = event_new(worker->base, -1, EV_PERSIST, on_tick, worker);
    worker->schedule = event_new(worker->base, -1, 0, on_schedule, worker);
    event_add(worker->tick, &tick);
    if (worker->rate != 0)
        event_add(worker->schedule, &now);
    for (size_t i = 0; i < worker->connections_count; i++)
        start_next(&worker->connections[i]);
    if (worker->finished < worker->connections_count)
        event_base_dispatch(worker->base);
    if (worker->rate != 0 && worker->load->end_us != 0) {
        uint64_t planned = worker->planned;
        uint64_t wanted = (worker->load->end_us - worker->load->start_us) * worker->rate / 1000000;
        worker->counts.unsent += wanted > planned ? wanted - planned : 0;
    }
    flush_lines(worker);
    event_free(worker->tick);
    event_free(worker->schedule);
}

static void init_worker(struct load *load, size_t index, uint64_t *next_numbers)
{
    struct worker *worker = &load->workers[index];
    const struct bench_options *options = load->options;
    size_t threads = options->threads;
    struct event_config *config = event_config_new();
    worker->load = load;
    worker->rng = rng_of(random_u64());
    if (!load->is_preload)
        worker->rate = options->rate / threads + (index < options->rate % threads);
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
    if (worker->rate != 0) /* costs a system call a turn, and only a schedule needs it */
        event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
    worker->base = event_base_new_with_config(config);
    event_config_free(config);
    if (worker->base == NULL)
        abort(); /* no epoll: nothing can be done */
    worker->connections_count = options->clients / threads + (index < options->clients % threads);
    worker->connections = alloc_array(worker->connections_count, sizeof(*worker->connections));
    worker->idle = alloc_array(worker->connections_count, sizeof(struct connection *));
    for (size_t i = 0; i < worker->connections_count; i++) {
        struct connection *connection = &worker->connections[i];
        connection->worker = worker;
        connection->client = (uint32_t)(index + i * threads);
        connection->target = connection->client % load->targets_count;
        connection->fd = -1;
        connection->rng = &worker->rng;
        connection->body = &worker->body;
        connection->payload = &worker->payload;
        connection->fill_channel = connection->client;
        connection->next_number = next_numbers[connection->client];
    }
}

static void done_worker(struct worker *worker, uint64_t *next_numbers)
{
    for (size_t i = 0; i < worker->connections_count; i++) {
        struct connection *connection = &worker->connections[i];
        next_numbers[connection->client] = connection->next_number;
        close_connection(connection);
        buf_done(&connection->in);
        buf_done(&connection->out);
    }
    free(worker->connections);
    free(worker->idle);
    event_base_free(worker->base);
    buf_done(&worker->lines);
    buf_done(&worker->scratch);
    buf_done(&worker->body);
    buf_done(&worker->payload);
}

static void show_progress(struct load *load, uint64_t shown[4], double seconds, uint64_t elapsed_s)
{
    uint64_t requests = atomic_load(&load->shown_requests);
    uint64_t messages = atomic_load(&load->shown_messages);
    uint64_t faults = atomic_load(&load->shown_faults);
    uint64_t latency_us = atomic_load(&load->shown_latency_us);
    double count = (double)(requests - shown[0]);
    fprintf(stderr, "%4llu s  %9.0f requests/s  %10.0f messages/s  mean %8.2f ms  %llu faults%s\n",
            (unsigned long long)elapsed_s, count / seconds, (double)(messages - shown[1]) / seconds,
            count > 0 ? (double)(latency_us - shown[3]) / count / 1000 : 0,
            (unsigned long long)(faults - shown[2]), load->is_preload ? "  (preload)" : "");
    shown[0] = requests;
    shown[1] = messages;
    shown[2] = faults;
    shown[3] = latency_us;
}

static bool is_running(struct load *load)
{
    for (size_t i = 0; i < load->options->threads; i++) {
        struct worker *worker = &load->workers[i];
        if (worker->thread.is_started && pthread_tryjoin_np(worker->thread.handle, NULL) != 0)
            return true;
        worker->thread.is_started = false;
    }
    return false;
}

/* Waits for the workers, with a line a second. */
static void watch(struct load *load, const volatile int *is_interrupted)
{
    uint64_t shown[4] = {0}, started = clock_mono_us(), last = started;
    uint64_t answered = 0, answered_us = started;
    while (is_running(load)) {
        usleep(20000);
        uint64_t now = clock_mono_us();
        if (atomic_load(&load->shown_requests) != answered) {
            answered = atomic_load(&load->shown_requests);
            answered_us = now;
        }
        if (*is_interrupted || (load->end_us == 0 && now - answered_us > STALL_US))
            atomic_store(&load->is_stopping, true);
        if (now - last >= 1000000 && !load->options->is_quiet) {
            show_progress(load, shown, (double)(now - last) / 1000000, (now - started) / 1000000);
            last = now;
        }
    }
}

static void sum_up(struct load *load, struct load_counts *into)
{
    memset(into, 0, sizeof(*into));
    for (size_t i = 0; i < load->options->threads; i++) {
        const struct load_counts *from = &load->workers[i].counts;
        into->requests += from->requests;
        into->messages += from->messages;
        into->deleted += from->deleted;
        into->refused += from->refused;
        into->unknown += from->unknown;
        into->failed += from->failed;
        into->broken += from->broken;
        into->duplicates += from->duplicates;
        into->unsent += from->unsent;
        histogram_merge(&into->latency, &from->latency);
    }
}

enum err load_run(struct load *load, uint64_t *next_numbers, const volatile int *is_interrupted,
                  struct load_counts *ret_counts, double *ret_seconds, struct why *why)
{
    const struct bench_options *options = load->options;
    load->workers = alloc_array(options->threads, sizeof(*load->workers));
    load->start_us = clock_mono_us();
    load->measure_us = load->start_us + (load->is_preload ? 0 : options->warmup_ms * 1000);
    bool is_timed = !load->is_preload && options->count == 0 && options->workload != BENCH_DELETE;
    if (is_timed)
        load->end_us = load->measure_us + options->duration_ms * 1000;
    enum err err = OK;
    for (size_t i = 0; i < options->threads; i++) {
        init_worker(load, i, next_numbers);
        if (err == OK)
            err = thread_start(&load->workers[i].thread, "load", run_worker, &load->workers[i]);
    }
    if (err != OK)
        atomic_store(&load->is_stopping, true);
    watch(load, is_interrupted);
    uint64_t ended = clock_mono_us();
    if (load->end_us != 0 && ended > load->end_us)
        ended = load->end_us;
    *ret_seconds = ended > load->measure_us ? (double)(ended - load->measure_us) / 1000000 : 0;
    sum_up(load, ret_counts);
    for (size_t i = 0; i < options->threads; i++) {
        if (load->workers[i].has_failed_journal && err == OK)
            err = ERR_IO;
        done_worker(&load->workers[i], next_numbers);
    }
    free(load->workers);
    load->workers = NULL;
    return err == OK ? OK
                     : why_set(why, err,
                               "a thread could not be started, or the journal "
                               "could not be written");
}
