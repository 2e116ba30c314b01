/* SPDX-License-Identifier: Apache-2.0 */
/* Consistency checks by command: one slot's (check.c) and the job over many (checks.c). Private to
 * the room, part of parts.h. Thread: loop, but for what a comment says. */
#ifndef NODE_CHECK_H
#define NODE_CHECK_H

#include "msg/msg.h"
#include "node/catchup.h"

struct store_snapshot;

/* What a replica keeps for checks of its slot. */
struct replica_check {
    struct group *group;
    struct list calls;               /* CHECK only_here calls: each waits for its index */
    struct store_snapshot *snapshot; /* owned: rows at index; NULL: none */
    raft_index index;
    raft_term term;
    struct node_background_job job;
    /* While is_running the fields of this block are the background's. */
    struct msg_check found;
    enum err err;
    struct why why;
    uint64_t began_us, counted_bytes;

    uint64_t since_ms; /* of the snapshot, until somebody asks */
    bool is_running;
    atomic_bool must_end; /* Thread: any */

    raft_index told_index; /* of what was found last; 0: nothing, or its rows are gone */
    bool is_sound;         /* the rows added up to the digest kept beside them */
    struct hash128 digest; /* of the rows */
};

/* A CHECK entry was applied: takes the snapshot of what it left. */
void check_snapshot(struct group *group, raft_index index, raft_term term,
                    struct store_snapshot *snapshot);
void check_order(struct group *group, struct node_call *call); /* the leader's, or passed on */
void check_here(struct group *group, struct node_call *call);  /* this replica's */
void check_tick(struct group *group);                          /* each second */
void check_forget(struct group *group);                        /* other rows replace these */
void check_end_all(struct node *node); /* the node stops: no check goes on */
void check_done(struct group *group);
/* Did a check find other rows here than those of digest at index? */
bool check_disagrees(const struct group *group, raft_index index, struct hash128 digest);

/* checks.c */
struct checks;
void checks_run(struct node *node);    /* each turn */
void checks_second(struct node *node); /* is one due? */
void checks_free(struct node *node);   /* its calls have ended */

#endif
