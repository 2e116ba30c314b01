/* SPDX-License-Identifier: Apache-2.0 */
/* Where a tool sends its requests and as whom: flags, then LETHE_SERVER, LETHE_TOKEN and LETHE_CACERT, then
 * loopback. Thread: main. */
#ifndef CLIENT_CONTEXT_H
#define CLIENT_CONTEXT_H

#include "client/client.h"
#include "client/flags.h"

struct client_context {
    struct client_list servers; /* owned; normalised: "http://host:port" */
    const char *token;          /* borrowed from flag or environment; NULL: none */
    const char *ca_file;        /* likewise: LETHE_CACERT */
    bool is_insecure;
    uint64_t timeout_ms;
};

/* How https servers are believed; all zero: as the system does. */
struct client_trust {
    const char *ca_file; /* PEM; borrowed; NULL: LETHE_CACERT, else the system's authorities */
    bool is_insecure;    /* any */
};

/* servers: what --server gave, empty: the environment decides. */
MUST_USE enum err client_context_init(struct client_context *context,
                                      const struct client_list *servers, const char *token,
                                      const struct client_trust *trust, uint64_t timeout_ms,
                                      struct why *why);
void client_context_done(struct client_context *context);
struct client *client_context_connect(const struct client_context *context);
/* To other servers with the same token and limits; connect_timeout_ms 0: the usual one. */
struct client *client_context_connect_to(const struct client_context *context,
                                         const struct client_list *servers,
                                         uint32_t connect_timeout_ms);

#endif
