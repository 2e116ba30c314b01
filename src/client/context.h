/* SPDX-License-Identifier: Apache-2.0 */
/* Where a tool sends its requests and as whom. Servers are, in this order: the flag's, those of the
 * context that a flag names, LETHE_SERVER, the context that LETHE_CONTEXT names, the current one of
 * the file, loopback. A context's token and authority go with its own servers and no others; for
 * those there are the flags, then LETHE_TOKEN and LETHE_CACERT. Thread: main. */
#ifndef CLIENT_CONTEXT_H
#define CLIENT_CONTEXT_H

#include "client/client.h"
#include "client/flags.h"

struct client_json;

/* How https servers are believed; all zero: as the system does. */
struct client_trust {
    const char *ca_file; /* PEM; borrowed; NULL: LETHE_CACERT, else the system's authorities */
    bool is_insecure;    /* any */
};

/* What a command line says; NULL, 0 and empty: nothing. Borrowed for the context's life. */
struct client_choice {
    const struct client_list *servers;
    const char *name; /* of a context */
    const char *token;
    struct client_trust trust;
    uint64_t timeout_ms;
};

struct client_context {
    struct client_list servers; /* owned; normalised: "http://host:port" */
    const char *token;          /* borrowed from flag, environment or store; NULL: none */
    const char *ca_file;        /* likewise: LETHE_CACERT */
    bool is_insecure;
    uint64_t timeout_ms;
    const char *name;          /* of the context in use; borrowed from store; NULL: none */
    struct client_json *store; /* owned; NULL: not read */
};

/* Half done on failure, too: end it with client_context_done.
 * Errors: ERR_BAD_PARAMETER, ERR_NOT_FOUND (no such context), and those of client_contexts_load. */
MUST_USE enum err client_context_init(struct client_context *context,
                                      const struct client_choice *choice, struct why *why);
void client_context_done(struct client_context *context);
struct client *client_context_connect(const struct client_context *context);
/* To other servers with the same token and limits; connect_timeout_ms 0: the usual one. */
struct client *client_context_connect_to(const struct client_context *context,
                                         const struct client_list *servers,
                                         uint32_t connect_timeout_ms);

/* ---- the file of contexts -------------------------------------------------------------------------
 * {"current":"prod","contexts":{"prod":{"servers":"a:5001,b:5001","token":"...","cacert":"..."}}} in
 * $XDG_CONFIG_HOME/lethe/contexts.json, else ~/.config/lethe/contexts.json. It holds tokens: only its
 * owner may read it. */

/* False: neither XDG_CONFIG_HOME nor HOME says where. */
bool client_contexts_path(struct buf *ret_path);
/* No file is as good as an empty one. The caller frees *ret_store.
 * Errors: ERR_BAD_JSON, ERR_TOO_LARGE (1 MiB), ERR_IO. */
MUST_USE enum err client_contexts_load(struct client_json **ret_store, struct why *why);
/* Makes the folder (0700) and replaces the file (0600). */
MUST_USE enum err client_contexts_save(const struct client_json *store, struct why *why);
/* 1-64 of A-Z a-z 0-9 . _ - */
bool client_context_name_is_good(const char *name);

#endif
