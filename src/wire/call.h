/* SPDX-License-Identifier: Apache-2.0 */
/* Calls between nodes: a request that one node forwards to another (a command to a slot's leader,
 * a question for its read index ...), the answer, and the result of an applied command in it.
 *
 * Knows who asks what, for how long and how often it was passed on. Refuses to know what is in the
 * body: that is the node's (a COMMAND's is what command_encode made). Errors travel as slugs, so
 * that nodes of different versions understand each other. Owns nothing. Thread: any. */
#ifndef WIRE_CALL_H
#define WIRE_CALL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/ranges.h"
#include "base/why.h"
#include "raft/types.h"

/* A kind that a node does not know is not an error of this room: the node answers it with
 * ERR_NOT_SUPPORTED. */
enum call_kind {
    CALL_COMMAND = 1,    /* body: an encoded command; result: wire_result */
    CALL_READ_INDEX = 2, /* body: empty; result: le64 index */
    CALL_QUERY = 3,      /* a read that this node cannot serve itself */
    CALL_DELETE = 4,     /* a delete whose ranges the leader works out; result: wire_result */
    CALL_CONFIG = 5,     /* body: wire_config: the membership to change to */
    CALL_TRANSFER = 6,   /* body: le64 node id that shall lead */
    CALL_INSTALL = 7,    /* body: le64 node id that shall get a full install */
    CALL_STATUS = 8,     /* what a node says of itself and its slots */
    CALL_ERASURE = 9,    /* what a node purged */
    CALL_ADMIN = 10,     /* node-wide jobs and settings */
    CALL_KINDS           /* one more than the last */
};

struct call_request {
    uint64_t id;          /* of the caller's choice, unique among its open calls */
    uint8_t kind;         /* enum call_kind; never 0 */
    uint8_t hops;         /* how often it was passed on: WIRE_HOPS_MAX at most */
    slot_id slot;         /* 0 when the kind needs none */
    uint32_t deadline_ms; /* what is left of the caller's patience */
    raft_term min_term;   /* the receiver must be at this term or later; 0: any */
    raft_index min_index; /* the receiver must have applied this far; 0: any */
    struct bytes body;    /* borrowed */
    /* For the receiver's log (base/origin.h); borrowed, empty when not known. Builds below
     * NODE_FEATURE_ORIGIN do not read them: leave them empty there. */
    struct bytes request_id, trace_id;
};

struct call_response {
    uint64_t id;         /* of the request */
    enum err err;        /* OK, or why not */
    node_id leader;      /* whom to ask instead; 0: not known */
    struct bytes text;   /* beside an error, at most WIRE_WHY_MAX_BYTES; borrowed */
    struct bytes result; /* borrowed */
};

/* Append a whole frame (REQUEST, RESPONSE) to buf. Hops, slot, text and the body's length must be
 * within their limits (asserts); a longer text is cut. */
void call_encode_request(struct buf *buf, const struct call_request *request);
void call_encode_response(struct buf *buf, const struct call_response *response);
/* How large a body or result may be. */
size_t call_max_body_bytes(void);

/* Decode the body of such a frame; slices borrow from it. *ret is untouched on failure.
 * A slug that this version does not know becomes ERR_OUTCOME_UNKNOWN: whether the call took effect
 * cannot be concluded from it.
 * Errors: ERR_BAD_FORMAT    impossible bytes: drop the link. */
MUST_USE enum err call_decode_request(struct bytes body, struct call_request *ret, struct why *why);
MUST_USE enum err call_decode_response(struct bytes body, struct call_response *ret,
                                       struct why *why);

/* ---- results of commands: field by field those of msg/types.h ------------------------------- */

struct wire_append_result {
    enum err err;
    uint64_t seq, message_id, timestamp_ms;
    uint64_t log_index;
    bool duplicate, deleted;
    uint64_t last_seq;
};

struct wire_delete_result {
    enum err err;
    bool logged;
    const struct range *ranges; /* ascending, merged; none is fine */
    uint32_t ranges_count;
    uint64_t start_seq, end_seq;
    uint64_t deleted_count, already_deleted;
    uint64_t first_seq, last_seq, deleted_at_ms;
};

struct wire_result {
    uint8_t kind; /* enum command_kind */
    slot_id slot;
    uint64_t log_index, term;
    const struct wire_append_result *appends;
    uint32_t appends_count; /* at most ENTRY_MESSAGES_MAX */
    struct wire_delete_result deleted;
    uint64_t floor, removed;
};

/* Appends the bare result to buf: what goes into call_response.result. */
void wire_result_encode(struct buf *buf, const struct wire_result *result);
/* Arrays go into arena. *ret is untouched on failure.
 * Errors: ERR_BAD_FORMAT    impossible bytes. */
MUST_USE enum err wire_result_decode(struct bytes bytes, struct arena *arena,
                                     struct wire_result *ret, struct why *why);

#endif
