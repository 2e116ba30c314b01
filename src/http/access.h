/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks, and whether the route is for them. What a route needs stands in its row of the table
 * (routes.c): roles of which one is enough, and where its channel is. Without tokens everybody may
 * do everything. Thread: the request's. */
#ifndef HTTP_ACCESS_H
#define HTTP_ACCESS_H

#include <stdatomic.h>

#include "http/request.h"
#include "http/tokens.h"
#include "sys/thread.h"

/* Of a route, beside the roles of tokens.h. A route whose path names no channel is about all of
 * them, and not for tokens of some channels, unless it says otherwise. */
enum {
    ACCESS_OPEN = 32,       /* for everybody: health, and what is public anyway */
    ACCESS_NO_CHANNEL = 64, /* it tells nothing about channels */
    ACCESS_IN_BODY = 128    /* its handler asks access_check_channel for each channel */
};

/* The tokens in force. */
struct access {
    struct mutex lock;
    struct tokens *tokens; /* owned, under lock; NULL: everybody may do everything */
    char *path;            /* owned; NULL: none */
    /* Lines of the access log. Thread: any */
    atomic_uint_fast64_t line_second, lines, lines_left_out;
};

/* Takes over the tokens of a file; path may be NULL. access_done in any case. */
MUST_USE enum err access_init(struct access *access, const char *path, struct why *why);
void access_done(struct access *access);
/* Reads the file again; on a fault the tokens in force stay. Thread: any */
MUST_USE enum err access_reload(struct access *access, struct why *why);

/* Finds out who asks, and whether it has a role that the route takes. Sets req->caller.
 * Errors: ERR_UNAUTHORIZED  no token, or one that is not known
 *         ERR_FORBIDDEN     not with this token */
MUST_USE enum err access_check(struct request *req, struct why *why);
/* Whether the route's role extends to this channel. Errors: ERR_FORBIDDEN */
MUST_USE enum err access_check_channel(struct request *req, struct channel channel,
                                       struct why *why);
/* A line in the log for every delete and every order, whatever became of it; of what operators only
 * read when options.audit_reads says so, or it was denied. */
void access_audit(const struct request *req, const char *remote);
/* With options.log_access: a line for the request that is over. */
void access_log(const struct request *req, const char *remote, uint64_t now_us);

#endif
