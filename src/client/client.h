/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP requests to a cluster, for the tools: one server of several, keep-alive, time limits, and
 * the next server when one is down. Says exactly what became of a request that got no reply:
 * certainly not sent, or nobody knows. Refuses to know routes and what a body means.
 * Thread: a client belongs to one thread; make one for each. */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/why.h"

struct client;

enum { CLIENT_SERVERS_MAX = 64 };
#define CLIENT_NO_LIMIT UINT32_MAX

struct client_options {
    const char *const *servers; /* borrowed for the call; "http://host:port", at least one */
    size_t servers_count;
    uint32_t connect_timeout_ms; /* 0: 3000 */
    uint32_t timeout_ms;         /* of a whole request; 0: 30000 */
    const char *token;           /* borrowed for the call; sent as Bearer; may be NULL */
    const char *ca_file; /* likewise: PEM, who may vouch for https servers; NULL: the system's */
    bool is_insecure;    /* believe any https server */
};

enum client_method { CLIENT_GET, CLIENT_POST, CLIENT_PUT, CLIENT_DELETE };

struct client_request {
    enum client_method method;
    const char *path;         /* raw, with the query: "/v1/channels/2/a%2Fb" */
    const char *content_type; /* NULL: no body */
    struct bytes body;
    const char *accept;        /* NULL: application/json */
    const char *last_event_id; /* sent as Last-Event-ID; NULL: not */
    bool may_repeat;      /* sending it twice does no harm: reads, deletes, numbered messages */
    bool only_one_server; /* do not go on to the next one */
    size_t server;        /* with only_one_server: its index in options.servers */
    uint32_t timeout_ms;  /* of this request; 0: the client's; CLIENT_NO_LIMIT: 45 s of silence */
    /* Not NULL: a reply below 300 goes here piece by piece, not to reply.body. False ends it. */
    bool (*on_data)(struct bytes data, void *arg);
    void *arg;
};

/* Used again and again: client_call clears it. */
struct client_reply {
    int status;
    struct buf body;
    char content_type[96], request_id[72], location[160];
    bool is_ended;          /* on_data said so */
    uint32_t retry_after_s; /* 0: not given */
    const char *server;     /* who answered; borrowed from the client */
};

/* May the text be a header's value: printable ASCII without blanks? */
bool client_is_plain(const char *text);
struct client *client_new(const struct client_options *options);
void client_free(struct client *client); /* NULL is fine */
void client_reply_init(struct client_reply *reply);
void client_reply_done(struct client_reply *reply);

/* Sends request and waits. Any status is OK here. A 503 is taken to the next server first.
 * Errors: ERR_IO               no server could be reached: certainly not sent
 *         ERR_OUTCOME_UNKNOWN  sent, but no whole reply came, and may_repeat was off
 *         ERR_TIMEOUT          the same with may_repeat, on all servers; or a stream (on_data) broke
 *         ERR_TOO_LARGE        the reply is larger than 256 MiB */
MUST_USE enum err client_call(struct client *client, const struct client_request *request,
                              struct client_reply *reply, struct why *why);
size_t client_servers_count(const struct client *client);
const char *client_server(const struct client *client, size_t index);

#endif
