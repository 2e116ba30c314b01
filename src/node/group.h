/* SPDX-License-Identifier: Apache-2.0 */
/* group.c: one slot at work. Private to the room, part of parts.h. Thread: loop, but for what a
 * comment says. */
#ifndef NODE_GROUP_H
#define NODE_GROUP_H

#include <stdatomic.h>

#include "node/retention.h"
#include "node/catchup.h"
#include "node/check.h"
#include "node/disk.h"
#include "node/tail.h"

struct mark {
    raft_index index;
    uint64_t wall_ms, bytes; /* bytes: of all entries up to index, counted from an early point */
};

struct held {
    struct list link;
    struct raft_packet packet;
};

/* How far a replica is with giving up what it holds. */
enum left {
    LEFT_NO,
    LEFT_SURE,  /* its slot's leader said that the slot has left this node */
    LEFT_DUE,   /* it said so again, after a while: as soon as the group is quiet */
    LEFT_GOING, /* the batch is on its way */
    LEFT_DONE   /* nothing is left; also found so at a start */
};

struct group {
    struct node *node;
    slot_id slot;
    struct raft *raft;     /* owned */
    struct list dirty;     /* in node->dirty: it may have an update */
    struct list touched;   /* in node->touched: its view is old */
    struct list undurable; /* in node->undurable: durable_applied < applied */
    struct list asking;    /* in node->asking: reads wait to be asked for */
    struct list untold;    /* in node->untold: followers are told of a commit at untold_ms */
    uint64_t untold_ms;

    /* the log, as given to the disk */
    struct tail tail;
    struct raft_pos base, last;
    raft_term term; /* of the newest hard state given to the disk */
    node_id vote;
    raft_index commit;
    raft_index *config_rows; /* owned: indexes of the rows on disk, ascending */
    uint32_t config_rows_count, config_rows_capacity;
    struct blob **limbo; /* owned: payloads the core was given and has not listed yet */
    uint32_t limbo_count, limbo_capacity;
    uint64_t durable_seq;
    struct list held; /* struct held: packets that wait for the disk */
    uint32_t held_count;
    raft_index disk_last;  /* the highest row of the log on disk: last, or above it after a hole */
    bool is_majority_low;  /* disks of a majority of the voters */
    bool is_alone;         /* the only member: nobody is sent anything */
    bool is_halted;        /* nothing is applied until an install: damage.c */
    atomic_bool is_rotten; /* a read met a row that fails its checksum. Thread: any */
    uint64_t
        rot_checked_ms; /* when a check was ordered because of that; 0: not since the last install */

    /* the state machine */
    raft_index applying, applied, durable_applied; /* applying: handed to the disk thread */
    atomic_uint_fast64_t applied_shown;            /* for other threads */

    /* who waits */
    struct list commands;      /* calls by index */
    struct list reads_new;     /* not asked for yet */
    struct list reads_asked;   /* by tag (call->id) */
    struct list reads_waiting; /* for an index to be applied (call->index), ascending */
    struct list leaderless;    /* calls that met no leader: leaderless.c */
    struct list transfers;     /* calls that wait for another leader */
    struct list compacts;      /* COMPACT calls that wait for the disk */
    uint64_t last_time_ms;     /* of the last command proposed here */
    uint64_t first_time_ms;    /* of the first; 0: none yet */

    /* leave.c: the slot went elsewhere */
    uint8_t left; /* enum left */
    bool left_is_asked;
    uint64_t left_sure_ms, left_asked_ms;

    node_id leader;
    uint8_t role;
    node_id
        handed_to; /* whom balance.c offered its leadership to, not known yet whether in vain; 0: nobody */
    uint64_t leader_since_ms;
    bool may_lead;
    uint32_t told_mb; /* the room that the core was told of */

    /* retention */
    struct mark *marks; /* owned; NULL: not looked at yet */
    uint32_t marks_count;
    uint64_t log_bytes;    /* counted from the same point as the marks */
    raft_index compacting; /* asked for in a batch; 0: none */
    raft_index kept_from;  /* after a catch-up: the log above it stays until kept_until_ms */
    uint64_t kept_until_ms;

    /* catch-up */
    struct receiving receiving;
    struct msg_sink *sink;    /* owned. Thread: disk */
    atomic_bool is_replacing; /* the rows are not one state: nothing is served. Thread: any reads */
    atomic_bool is_unfit;     /* amnesia or quarantined: likewise */
    atomic_bool is_diverged;  /* alarm: this replica's digest is a minority's */
    atomic_bool holds;        /* this node has a part in the slot, as table and configuration say */
    atomic_bool leads;        /* role, for other threads: one that is to leave leads to the end */
    node_id ordered_peer;     /* of the last full install that was ordered here, and why */
    uint8_t ordered_reason;   /* enum node_catchup_reason */
    struct compared *compared;   /* owned: digests; NULL: not needed yet */
    bool is_undecided;           /* leader: replicas differ, and no state has a majority */
    struct replica_check *check; /* owned; NULL: no check has come by */
    raft_index spurned;          /* space.c: the first append that was left out; 0: none */
    uint64_t spurned_ms, needed_until_ms;
    uint64_t looked_ms;          /* for a dedup generation that is due */
    uint64_t collected_ms;       /* for delete records that may go */
    struct retention_clock ages; /* what time it is for limits of age */
};

void group_init(struct group *group, struct node *node, slot_id slot);
void group_done(struct group *group);
void group_dirty(struct group *group);
void group_touch(struct group *group);
void group_limbo(struct group *group, struct blob *blob); /* takes a reference of its own */
void group_limbo_clear(struct group *group);
void group_hold(struct group *group, const struct raft_packet *packet);
void group_add_config_row(struct group *group, raft_index index);
/* The disk reports: tickets up to seq, applies up to index. */
void group_persisted(struct group *group, uint64_t seq);
void group_applied(struct group *group, raft_index index);
void group_durable(struct group *group); /* a synced batch covers what is applied */

#endif
