/* SPDX-License-Identifier: Apache-2.0 */
/* tail.c: the newest entries of a group's log, so that nobody reads them back. Private to the room,
 * part of parts.h. Thread: loop. */
#ifndef NODE_TAIL_H
#define NODE_TAIL_H

#include "base/blob.h"
#include "raft/types.h"

struct tail_entry {
    raft_term term;
    struct blob *payload; /* one reference; NULL: EMPTY */
    uint8_t kind;
};

/* Entries [first, next), without a gap. All that are not durable yet are in it. */
struct tail {
    struct tail_entry *ring; /* owned */
    uint32_t capacity;       /* a power of two, or 0 */
    raft_index first, next;
    uint64_t bytes;
};

void tail_done(struct tail *tail);
/* Takes a reference of its own. index must be next, or the tail empty. */
void tail_append(struct tail *tail, raft_index index, raft_term term, uint8_t kind,
                 struct blob *payload);
const struct tail_entry *tail_find(const struct tail *tail, raft_index index); /* NULL: cold */
void tail_truncate(struct tail *tail, raft_index from); /* entries >= from go */
void tail_evict(struct tail *tail, raft_index through); /* entries <= through go */
uint64_t tail_entry_bytes(const struct tail_entry *entry);

#endif
