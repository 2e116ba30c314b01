/* SPDX-License-Identifier: Apache-2.0 */
/* What the core keeps of the log: where it begins and ends, the term of every index (the trail),
 * the payload bytes of what is above `floor` as running sums, and how much is durable.
 * Refuses to know payloads, commit, terms other than those of entries. Owned by struct raft. */
#ifndef RAFT_LOG_H
#define RAFT_LOG_H

#include "raft/raft.h"

/* A ticket with entries that is not durable yet: when it is, so is everything up to high. */
struct log_pending {
    uint64_t seq;
    raft_index high;
};

struct raft_log {
    struct raft_pos base; /* the entry before the first kept one */
    raft_index last;      /* base.index: empty */
    raft_index durable;   /* highest durable index; below base while an install is being written */

    struct raft_trail_run *trail; /* owned: runs above base, ascending */
    uint32_t trail_count, trail_capacity;

    /* sums[i & mask]: payload bytes of all entries up to i, for i in [floor, last]. */
    uint64_t *sums; /* owned; NULL until the first entry */
    uint32_t sums_capacity;
    raft_index floor;
    uint64_t floor_sum; /* the sum at floor when sums is NULL */

    struct log_pending *pending; /* owned, ascending; a ring */
    uint32_t pending_first, pending_count, pending_capacity;
};

/* Of a boot record: trail, sizes above applied, everything on disk is durable. */
void log_init(struct raft_log *log, const struct raft_boot *boot);
void log_done(struct raft_log *log);

/* Term of index; 0: below base or above last. base itself is known. */
raft_term log_term(const struct raft_log *log, raft_index index);
struct raft_pos log_last(const struct raft_log *log);
/* The highest index <= index, not below base, whose term is <= term: where two logs whose one has
 * (index, term) may still agree (thesis 3.5, the accelerated backtracking). */
struct raft_pos log_find_hint(const struct raft_log *log, raft_index index, raft_term term);

void log_append(struct raft_log *log, raft_term term, uint32_t size_bytes);
/* Deletes all entries >= from; clamps durable and every pending ticket below it. */
void log_truncate(struct raft_log *log, raft_index from);
void log_compact(struct raft_log *log, raft_index to);
/* An install at target: what lies above it stays only when the log holds target itself. */
void log_install(struct raft_log *log, struct raft_pos target);

/* The entries up to last are in ticket seq. Tickets come in ascending order. */
void log_ticket(struct raft_log *log, uint64_t seq, raft_index high);
void log_persisted(struct raft_log *log, uint64_t seq);
/* The ticket that makes index durable: 0 durable already, UINT64_MAX none yet. */
uint64_t log_ticket_of(const struct raft_log *log, raft_index index);

/* Forgets the sizes at and below to (applied). */
void log_raise_floor(struct raft_log *log, raft_index to);
/* Payload bytes of the entries (from, to]; from >= floor. */
uint64_t log_bytes(const struct raft_log *log, raft_index from, raft_index to);
/* The highest index in [first, last] whose range from first stays within max_bytes; at least
 * first. first > floor. */
raft_index log_fit(const struct raft_log *log, raft_index first, raft_index last,
                   uint64_t max_bytes);

void log_check(const struct raft_log *log);

#endif
