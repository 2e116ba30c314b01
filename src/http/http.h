/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP face of a node (api.md): requests in, calls to the node, replies out. Owns the listening
 * socket, the connections and the threads that serve them; knows no Raft, no store and no peers.
 * Thread: main, for everything here. */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include "node/node.h"

struct http;

/* What GET /v1/admin/config tells; a secret's value is hidden already. */
struct http_config_value {
    const char *key, *value, *source; /* source: default, file, env, flag */
    bool is_reloadable;
    const char *after_restart; /* what it is then, as configured by now; NULL: the same */
};

struct http_options {
    const char *listen;       /* "host:port", "[::1]:port"; port 0: any free one */
    uint32_t threads;         /* loops; each serves connections of its own */
    const char *admin_listen; /* likewise; then orders are taken there only; NULL, "": none */
    uint32_t max_connections; /* of all loops together; more wait in the listen queue */
    uint32_t max_connections_per_address; /* more are closed at once; 0: no bound of its own */
    uint64_t max_inflight_bytes;          /* of bodies and replies; beyond, requests get 503 busy */
    uint64_t max_body_bytes;              /* of a request; at most 8 MiB, the largest log entry */
    uint64_t max_message_bytes;           /* of one payload */
    uint32_t request_timeout_ms;          /* an answer is there by then: 503 or 504 if need be */
    uint32_t header_timeout_ms; /* absolute: from the first byte of a request to its last header */
    uint32_t body_timeout_ms;   /* absolute: from there to the end of the body */
    uint32_t reply_timeout_ms;  /* absolute: until the client has read the reply */
    uint32_t idle_timeout_ms;   /* absolute: from a reply to the next request */
    const char *tokens_file;    /* tokens.h; NULL or "": everybody may do everything */
    const char *const
        *cors_origins; /* pages of these may ask: "https://host", or "*" alone; checked before */
    uint32_t cors_origins_count;
    const char *tls_certificate; /* PEM files: a chain, its key; NULL or "": plain HTTP */
    const char *tls_key;
    bool log_access;                /* a line of the log for each request */
    bool audit_reads;               /* audit lines also for what operators only read */
    const char *metrics_prefix;     /* "lethe_" */
    uint32_t replica_lag_threshold; /* entries; for the metric replica_lag_count */
    const struct http_config_value
        *config; /* borrowed until http_stop or http_show_config; none: that route is a 501 */
    uint32_t config_count;
};

void http_options_init(struct http_options *options);

/* Listens and serves. Borrows options and its texts for the call, node and config until http_stop.
 * Errors: ERR_BAD_CONFIG  a value out of range, an address that cannot be understood, or tokens that
 *                         cannot be read (why has file:line)
 *         ERR_IO          the address cannot be listened on: why has the system's words */
MUST_USE enum err http_start(const struct http_options *options, struct node *node,
                             struct http **ret_http, struct why *why);
/* Takes no new connections, answers new requests with 503, waits until every open call of the node
 * is answered (the node answers each by its deadline) and, at most timeout_ms, until the replies
 * are read; then closes everything and frees. Call it before node_stop. NULL is fine. */
void http_stop(struct http *http, uint32_t timeout_ms);
/* Reads tokens and certificate again. What is wrong (tokens_load, tls_open) stays as it was in force;
 * why has the first fault. Thread: main. */
MUST_USE enum err http_reload(struct http *http, struct why *why);
/* The options that may change while it serves. */
#define HTTP_TUNED_TABLE(X)                                                                        \
    X(max_connections)                                                                             \
    X(max_connections_per_address)                                                                 \
    X(max_inflight_bytes)                                                                          \
    X(max_body_bytes)                                                                              \
    X(max_message_bytes)                                                                           \
    X(request_timeout_ms)                                                                          \
    X(log_access)                                                                                  \
    X(audit_reads)                                                                                 \
    X(replica_lag_threshold)
/* Takes them over, of which nothing else is looked at but by options_check: requests that come from
 * now on are held to them, connections that are open stay. Errors: ERR_BAD_CONFIG  nothing changed */
MUST_USE enum err http_tune(struct http *http, const struct http_options *options, struct why *why);
/* What GET /v1/admin/config tells from now on: borrowed until http_stop or the next time. What was
 * shown before is not looked at any more. */
void http_show_config(struct http *http, const struct http_config_value *values, uint32_t count);
/* Where it listens: "127.0.0.1:5001", with the port that the system chose. Lives as long as http. */
const char *http_address(const struct http *http);
const char *http_admin_address(const struct http *http); /* "": none */

#endif
