/* SPDX-License-Identifier: Apache-2.0 */
/* Replies: the status of every error in one switch, problem bodies (RFC 9457), and the few headers
 * that all replies have. The body is written into req->out. Thread: the request's. */
#ifndef HTTP_REPLY_H
#define HTTP_REPLY_H

#include "http/request.h"

/* The HTTP status that an error is told with. */
int reply_status_of(enum err err);
const char *reply_media_type(enum media media);

/* Ends a handler with what it wrote into req->out. */
void reply_send(struct request *req, int status, enum media media);
/* Ends it with a problem; what was written into req->out is thrown away. */
void reply_problem(struct request *req, enum err err, const struct why *why);
/* The same in two steps, to add members (jwrite) between them. */
void reply_problem_begin(struct request *req, enum err err, const struct why *why);
void reply_problem_end(struct request *req);
/* The members of a problem, but for request_id, into an object that is open in buf. */
void reply_problem_members(struct buf *buf, enum err err, const struct why *why);
/* Ends a handler whose call failed: with a redirect where one was asked for and the leader is
 * known, else with a problem. */
void reply_call_error(struct request *req, const struct node_call *call);
/* The first problem among the calls; false when all went well. */
bool reply_calls_error(struct request *req);
/* 304 and true when If-None-Match has the tag that is set. */
bool reply_is_unchanged(struct request *req);
void reply_header(struct request *req, const char *name, const char *value);
void reply_set_applied(struct request *req, uint64_t applied_index);
/* Does If-Match (or If-None-Match, by weak comparison) name this tag? */
bool reply_tag_matches(const char *header, const char *tag, bool weak);

#endif
