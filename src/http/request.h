/* SPDX-License-Identifier: Apache-2.0 */
/* One request, from its first line to its reply. It lives inside its connection and is used again
 * for the next one, so that a request costs no allocation of its own: an arena for what it parses
 * and reads, a buffer for its body, a buffer for its reply.
 *
 * A handler runs on its connection's loop. It either sets a reply (reply.h), or asks to wait with one of
 * the request_wait functions and names what runs then. Thread: the connection's, one at a time. */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/origin.h"
#include "http/mailbox.h"
#include "http/path.h"
#include "http/query.h"
#include "node/node.h"

struct MHD_Connection;
struct http;
struct http_stats;
struct token_grant;
struct request;
struct route;

typedef void request_handler(struct request *req);

/* What a stream says when it is asked for more. */
enum stream_next {
    STREAM_GOES_ON, /* req->out has something */
    STREAM_AGAIN,   /* nothing was written, but more is there */
    STREAM_WAITS,   /* nothing now: request_wait_applied or request_wait_calls was called */
    STREAM_ENDS,
    STREAM_BREAKS /* the client must see that something is missing: the connection is cut */
};
typedef enum stream_next request_stream_more(struct request *req);

enum { REQUEST_MAGIC = 0x52455121, REQUEST_EXTRA_HEADERS_MAX = 8 };

enum request_stage { REQUEST_NEW, REQUEST_BODY, REQUEST_DISCARD, REQUEST_WAITING, REQUEST_REPLIED };

/* What a reply may look like; a route offers some of them, Accept chooses. */
enum media {
    MEDIA_NONE,
    MEDIA_JSON,
    MEDIA_NDJSON,
    MEDIA_TEXT,
    MEDIA_CSV,
    MEDIA_RAW,
    MEDIA_EVENTS,
    MEDIA_HTML,
    MEDIA_CSS,
    MEDIA_SCRIPT,
    MEDIA_SVG,
    MEDIA_METRICS,
    MEDIA_PROBLEM
};

/* The form of the body that came in. */
enum body_form { BODY_IS_EMPTY, BODY_IS_JSON, BODY_IS_NDJSON, BODY_IS_RAW };

struct request_headers {
    /* borrowed; NULL */
    const char *content_type, *content_encoding, *accept, *request_id, *if_match, *if_none_match;
    const char *last_event_id, *authorization, *traceparent, *origin;
    uint64_t content_length;
    bool has_content_length, has_bad_length, is_chunked, expects_continue;
    bool has_two_types; /* more than one Content-Type */
    bool has_two_authorizations, has_two_traceparents, has_two_origins;
    bool asks_method; /* Access-Control-Request-Method is there: a browser's preflight */
};

struct request {
    unsigned magic;
    enum request_stage stage;
    struct http *http;                 /* borrowed */
    struct MHD_Connection *connection; /* borrowed */
    uint64_t started_us;

    /* what was asked */
    const char *target_at;     /* where the library has the target: only to compare places */
    struct bytes target;       /* raw, in arena; once the head is read: without an authority */
    const struct route *route; /* NULL: none found */
    const char *allow;         /* methods of the path, for 405 and OPTIONS; NULL else */
    struct path path;
    struct query query;
    struct request_headers headers;
    char id[ORIGIN_ID_MAX_BYTES + 1];
    char trace[ORIGIN_TRACE_BYTES + 1]; /* its traceparent's; "": none that is valid */
    bool is_head, is_pretty, wants_redirect;
    enum media accepts; /* chosen among what the route offers */
    enum body_form body_form;
    bool body_is_text; /* RAW: text of some kind */
    struct bytes body; /* whole, borrowed from body_buf */

    /* who asks: access.h */
    struct {
        const char *name; /* of the token, in arena; NULL: nobody had to say */
        const struct token_grant *grants;
        uint32_t grants_count;
    } caller;
    bool wants_token, has_bad_token; /* for the header WWW-Authenticate */

    /* what the path names, as far as the route has it */
    struct channel channel;
    uint32_t slot;
    uint64_t number; /* {seq} {n} {id} of a node */
    struct bytes name;

    /* what its READ calls will read, so that another node can do that; NULL: nothing */
    const struct msg_query *queries;
    uint32_t queries_count;
    struct kept *kept; /* in arena: answers of other nodes, until the request's end */

    /* waiting */
    struct node_call call;   /* the usual single one */
    struct node_call *calls; /* borrowed: &call or an array in arena */
    uint32_t calls_count;
    atomic_uint open_calls;
    uint64_t wake_ms; /* or waiting for a time */
    bool waits;       /* the handler asked to; cleared before the next one runs */
    bool watches; /* until wake_ms, or until this node has applied more of the slot than this: */
    uint64_t watched_index;
    bool is_reader;      /* counted as a long poll or a stream */
    uint64_t granted_ms; /* time that the client itself asked for: its deadline is later by that */
    struct list wake_link;
    struct mailbox_item done; /* on its way back to its loop */
    request_handler *next;
    void *state; /* the handler's own, in arena */

    /* the reply */
    int status;   /* 0: none yet */
    enum err err; /* of a problem */
    enum media media;
    const char *location, *retry_after; /* borrowed or in arena; NULL */
    bool has_applied_index;
    uint64_t applied_index;
    char etag[40]; /* with its quotes; "" when none */
    struct {
        const char *name, *value;
    } extra[REQUEST_EXTRA_HEADERS_MAX];
    uint32_t extra_count;
    bool must_close;
    size_t envelope_len; /* of a problem in WuKongIM's form, but for its end */
    /* A reply whose length nobody knows: see request_stream. */
    request_stream_more *stream_more; /* NULL: the reply is req->out */
    void (*stream_done)(void *state);
    void *stream_state;
    size_t streamed; /* bytes of out that the library has */

    uint64_t sent_bytes; /* of the reply's body */
    uint64_t received_bytes, max_discarded_bytes;
    uint64_t held_bytes; /* inflight.h */
    enum err early;      /* found before the body came */
    struct why early_why;
    struct arena arena;
    struct buf body_buf, out;
    struct buf scratch; /* of one reply: its indented copy, or the cells of its table */
};

void request_init(struct request *req, struct http *http);
void request_done(struct request *req);
/* Ready for a new one on this connection. */
void request_begin(struct request *req, struct MHD_Connection *connection, const char *target);
/* Gives back what is more than a connection should keep while it is idle. */
void request_end(struct request *req);
/* Looks at target, method and headers: finds the route, reads the path's names and the query, and
 * checks all that can be checked before the body is here. Sets what it got to on failure too. */
MUST_USE enum err request_read_head(struct request *req, const char *method, struct why *why);
/* Checks the body's form against what the route takes. */
MUST_USE enum err request_read_body(struct request *req, struct why *why);

/* ---- waiting: one of these, then the handler returns ------------------------------------------ */
/* Makes a call ready: kind READ or COMMAND, slot, deadline and whether it may be forwarded. */
void request_prepare_read(struct request *req, struct node_call *call, uint32_t slot,
                          enum node_consistency consistency);
/* The request's READ calls will read this: a query of that kind about its channel, whose other fields
 * the caller fills. The second one of a request is asked together with the first, and so on. */
struct msg_query *request_ask(struct request *req, enum msg_query_kind kind);
/* What query `at` of call, which ended OK, found: here, or on the node that read for this one. It
 * lives as long as the request. Returns ret->err. */
MUST_USE enum err request_answer(struct request *req, const struct node_call *call, uint32_t at,
                                 struct msg_answer *ret, struct why *why);
/* Answers of other nodes are the request's now. */
void request_keep_answers(struct request *req);
/* Takes command over. */
void request_prepare_command(struct request *req, struct node_call *call, uint32_t slot,
                             struct blob *command);
/* next runs when all calls are answered. calls live in arena or are &req->call. */
void request_wait_calls(struct request *req, struct node_call *calls, uint32_t count,
                        request_handler *next);
/* next runs at that time of the monotonic clock, or somewhat later. */
void request_wait_until(struct request *req, uint64_t wake_ms, request_handler *next);

/* next runs when this node has applied more of req->slot than index, at that time, or when the server
 * stops. Within a stream next is NULL: the stream is asked again. */
void request_wait_applied(struct request *req, uint64_t index, uint64_t wake_ms,
                          request_handler *next);
/* Counts the request as a reader that stays: until its end. ERR_BUSY: there are as many as may be. */
MUST_USE enum err request_become_reader(struct request *req, struct why *why);
/* Ends a handler with a reply that `more` writes into req->out, piece by piece, as fast as the client
 * reads; out is empty each time. `done` (not NULL) frees state at the request's end. */
void request_stream(struct request *req, enum media media, request_stream_more *more, void *state,
                    void (*done)(void *state));

/* ---- what the room's parts ask of the server --------------------------------------------------- */
struct node *http_node(const struct http *http);
const struct http_options *http_options_of(const struct http *http);
/* An option of HTTP_TUNED_TABLE, as it is in this moment. */
#define HTTP_TUNED(http, field) __atomic_load_n(&http_options_of(http)->field, __ATOMIC_RELAXED)
/* What GET /v1/admin/config tells, as JSON. False: nobody told it the configuration. */
bool http_write_config(struct http *http, struct buf *out);
void http_sum_stats(const struct http *http, struct http_stats *ret);
bool http_is_stopping(const struct http *http);
/* One more reader that stays; false: there are as many as may be. Thread: any */
bool http_count_reader(struct http *http);
void http_uncount_reader(struct http *http);
uint32_t http_readers(const struct http *http);
uint32_t http_connections(const struct http *http);
uint64_t http_refused_connections(const struct http *http);
uint64_t http_inflight_bytes(const struct http *http);
bool request_is_by_admin_door(const struct request *req);
uint64_t http_certificate_expiry_s(const struct http *http); /* 0: no TLS */

#endif
