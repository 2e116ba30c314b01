/* SPDX-License-Identifier: Apache-2.0 */
/* How fresh a read must be: its parameters, its call, and what the reply says about it. */
#ifndef HTTP_READING_H
#define HTTP_READING_H

#include "http/request.h"

struct reading {
    enum node_consistency consistency;
    uint64_t min_index, max_staleness_ms;
    request_handler *next;
    bool is_whole; /* the call has all the time there is */
};

/* consistency, max_staleness, min_index. Errors: ERR_BAD_PARAMETER */
MUST_USE enum err reading_parse(struct request *req, struct reading *ret, struct why *why);
/* Waits for a READ of the request's slot, then next. reading is, or begins, req->state. */
void reading_start(struct request *req, struct reading *reading, request_handler *next);
/* After a READ whose first query is MSG_QUERY_CHANNEL: what it found, and the reply's applied index.
 * False: a problem is the reply. */
bool reading_channel(struct request *req, struct msg_channel *ret);
/* The member "read" of a reply. */
void reading_write(struct request *req, const struct reading *reading, uint64_t applied_index);

#endif
