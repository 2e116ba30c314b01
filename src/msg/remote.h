/* SPDX-License-Identifier: Apache-2.0 */
/* Queries and answers (msg/types.h) as bytes, for a node that must ask another one: the body and the
 * result of a CALL_QUERY (wire/call.h). Byte by byte: README.md.
 *
 * Decoders trust no size: what is allocated is bounded by the bytes that are there. Slices of what
 * they give borrow from the input, arrays go into the arena. Owns nothing. Thread: any. */
#ifndef MSG_REMOTE_H
#define MSG_REMOTE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/why.h"
#include "msg/types.h"

/* Appends queries; their counts and texts must be within their limits (asserts). */
void msg_encode_queries(struct buf *buf, const struct msg_query *queries, uint32_t count);
/* *ret_count: at most MSG_QUERIES_MAX, at least 1. *ret is untouched on failure.
 * Errors: ERR_BAD_FORMAT       impossible bytes
 *         ERR_NOT_SUPPORTED    a kind that this version does not know */
MUST_USE enum err msg_decode_queries(struct bytes bytes, struct arena *arena,
                                     const struct msg_query **ret, uint32_t *ret_count,
                                     struct why *why);

/* Appends the answer to a query of this kind, without its length. */
void msg_encode_answer(struct buf *buf, uint8_t kind, const struct msg_answer *answer);
/* *ret is untouched on failure. Errors: ERR_BAD_FORMAT */
MUST_USE enum err msg_decode_answer(struct bytes bytes, uint8_t kind, struct arena *arena,
                                    struct msg_answer *ret, struct why *why);

#endif
