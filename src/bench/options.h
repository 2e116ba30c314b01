/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the room: what the command line says. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include "base/buf.h"
#include "client/flags.h"

enum bench_workload {
    BENCH_SINGLE,
    BENCH_BATCH,
    BENCH_NDJSON,
    BENCH_RAW,
    BENCH_PAGE,
    BENCH_POINT,
    BENCH_DELETE,
    BENCH_MIXED,
    BENCH_WORKLOADS
};

/* Parts of `mixed`, in percent. */
struct bench_mix {
    uint32_t append, page, point, delete;
};

struct bench_options {
    enum bench_workload workload;
    struct client_list targets; /* owned; "http://host:port" or https */
    uint64_t clients, threads;
    uint64_t duration_ms, count; /* count 0: by time */
    uint64_t warmup_ms;
    uint64_t rate;        /* requests a second over all clients; 0: closed loop */
    uint64_t patience_ms; /* fixed rate: later than that a request is not sent at all; 0: always */
    bool is_impatient;    /* what Retry-After asks for is not waited for */
    uint64_t channels, channel_type;
    double skew; /* Zipf's exponent; 0: uniform */
    uint64_t size, batch, page_limit, delete_size, preload;
    bool is_base64, has_numbers; /* has_numbers: client_msg_no, unknown outcomes are sent again */
    const char *consistency;     /* NULL: the server's default */
    const char *prefix;          /* of channel ids; NULL: made from the run's id */
    const char *journal;         /* NULL: none */
    const char *token;
    const char *ca_file; /* PEM: who may vouch for https targets; NULL: the system's */
    bool is_insecure;    /* believe any of them */
    struct bench_mix mix;
    uint64_t timeout_ms; /* of one request */
    bool is_json, is_quiet, is_verify, is_verify_local;
};

/* What a command line asks for. */
enum bench_command { BENCH_RUN, BENCH_VERIFY, BENCH_HELP, BENCH_VERSION };

MUST_USE enum err bench_options_parse(struct bench_options *options, int argc, char *const *argv,
                                      enum bench_command *ret_command, struct why *why);
void bench_options_done(struct bench_options *options);
void bench_options_help(struct buf *out);
const char *bench_workload_name(enum bench_workload workload);
/* True for those that store messages. */
bool bench_is_append(enum bench_workload workload);
MUST_USE enum err bench_mix_parse(const char *text, struct bench_mix *ret_mix, struct why *why);

#endif
