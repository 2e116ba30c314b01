/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the room: the load itself. Workers (threads with an event loop) own connections; each
 * connection has one request under way. Closed loop: the next request follows the reply. Fixed rate:
 * requests have planned times, and latency counts from those, so that a stall shows in full. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "bench/histogram.h"
#include "bench/journal.h"
#include "bench/options.h"

#include <stdatomic.h>
#include <sys/socket.h>

struct event;
struct event_base;
struct load;
struct worker;
struct tls;
struct tls_session;

enum load_request_kind { LOAD_APPEND, LOAD_PAGE, LOAD_POINT, LOAD_DELETE };

/* What a connection asks for, and what the answer will be held against. */
struct load_request {
    enum load_request_kind kind;
    uint32_t channel, messages;
    uint64_t first_number;       /* APPEND: of the first message */
    uint64_t start_seq, end_seq; /* DELETE */
    bool is_numbered;            /* may be sent again */
    bool is_in_doubt;            /* an attempt before was never answered, or with 504 */
};

enum connection_state { CONNECTION_CLOSED, CONNECTION_OPENING, CONNECTION_IDLE, CONNECTION_BUSY };

struct connection {
    struct worker *worker; /* borrowed */
    uint32_t client;       /* number in the whole run */
    enum connection_state state;
    int fd;                                 /* owned; -1: none */
    struct tls_session *session;            /* owned; NULL: plain */
    struct event *read_event, *write_event; /* owned */
    size_t target;
    struct buf out, in; /* owned */
    size_t sent;
    struct load_request request;
    bool has_request; /* out holds one that is not answered */
    bool is_finished; /* no further requests */
    bool is_aside;    /* fixed rate: stands in worker->idle */
    uint64_t next_number;
    uint64_t planned_us, started_us, not_before_us;
    uint64_t fill_channel, fill_done; /* preload: where this client is */
    struct rng *rng;                  /* borrowed: the worker's */
    struct buf *body, *payload; /* borrowed: the worker's, to write in before lengths are known */
};

struct load_counts {
    uint64_t requests, messages, deleted, refused, unknown, failed, broken, duplicates, unsent;
    struct histogram latency; /* us; of requests that were answered as hoped */
};

struct load_target {
    struct sockaddr_storage address;
    socklen_t address_len;
    char host[280]; /* for the Host header */
    bool is_tls;
    char name[256]; /* that its certificate must be for */
};

/* One run of the load; the preload and the measured part are two. */
struct load {
    const struct bench_options *options; /* borrowed */
    const struct journal_head *head;     /* borrowed: run id, prefix */
    struct journal *journal;             /* borrowed; NULL: nothing is kept */
    bool is_preload;
    struct load_target *targets; /* owned */
    struct tls *tls;             /* owned; NULL: no target has it */
    size_t targets_count;
    struct buf encoded_prefix;       /* owned; of channel ids in paths */
    double *popularity;              /* owned; running sums, NULL: uniform */
    atomic_uint_fast64_t *last_seqs; /* borrowed; highest acknowledged seq of each channel */
    atomic_uint_fast64_t next_delete, taken; /* taken: requests begun, for --count */
    struct worker *workers;                  /* owned */
    uint64_t start_us, measure_us, end_us;   /* end_us: nothing begins after it; 0: by count */
    atomic_bool is_stopping;
    atomic_uint_fast64_t shown_requests, shown_messages, shown_faults, shown_latency_us;
    atomic_flag has_sample;
    char sample[512]; /* the first answer that was not hoped for */
};

/* next_numbers: of each client, goes on where an earlier run ended; NULL: from 0. */
MUST_USE enum err load_init(struct load *load, const struct bench_options *options,
                            const struct journal_head *head, struct journal *journal,
                            atomic_uint_fast64_t *last_seqs, bool is_preload, struct why *why);
/* Runs to its end; is_interrupted (a signal's flag) ends it early. *ret_counts is the sum over all
 * workers, *ret_seconds what was measured. next_numbers holds a counter for each client. */
MUST_USE enum err load_run(struct load *load, uint64_t *next_numbers,
                           const volatile int *is_interrupted, struct load_counts *ret_counts,
                           double *ret_seconds, struct why *why);
void load_done(struct load *load);

/* ---- request.c: what is asked, and what an answer means ----------------------------------------- */

/* Fills connection->out and request; false when there is nothing left to do for this client. */
bool load_next_request(struct load *load, struct connection *connection);
/* The outcome of the request: a status, or 0 when no answer came. Puts events into lines. Returns
 * what to count. */
enum load_outcome { LOAD_GOOD, LOAD_REFUSED, LOAD_UNKNOWN, LOAD_FAILED };
enum load_outcome load_take_answer(struct load *load, struct connection *connection, int status,
                                   struct bytes body, struct buf *lines, uint64_t *ret_messages,
                                   uint64_t *ret_duplicates);

#endif
