/* SPDX-License-Identifier: Apache-2.0 */
/* disk.c: what the disk thread is given, and how a job is filled. Private to the room, part of parts.h.
 * Thread: loop, but for what a comment says. */
#ifndef NODE_DISK_H
#define NODE_DISK_H

#include "base/blob.h"
#include "msg/msg.h"
#include "node/catchup.h"
#include "node/driver.h"
#include "node/space.h"
#include "store/store.h"

struct disk_entry {
    raft_index index;
    raft_term term;
    struct blob *payload;      /* owned; NULL with kind 0: cold, to be read from the store */
    uint8_t kind;              /* enum raft_entry_kind; 0: not known, read it */
    bool is_wanted;            /* somebody waits for result */
    struct msg_result *result; /* owned, set by the disk thread */
    /* CHECK: owned, what its apply left; set by the disk thread */
    struct store_snapshot *snapshot;
};

struct disk_run {
    slot_id slot;
    uint32_t first, count; /* in entries */
    bool wants_state;      /* somebody compares digests */
    /* Owned, set by the disk thread, which then cuts count: the entry behind the last one needs a row that is
     * damaged, and this is what was found. */
    char *damage;
    struct row_applied applied; /* then: after the last of them; set by the disk thread */
};

/* Committed entries of many groups, each group's in their order. */
struct disk_apply {
    struct disk_entry *entries; /* owned */
    struct disk_run *runs;      /* owned */
    uint32_t entries_count, entries_capacity, runs_count, runs_capacity;
    uint64_t bytes;
};

struct disk_ticket {
    slot_id slot;
    uint64_t seq;
    struct promise_row promise;
};

struct disk_compaction {
    slot_id slot;
    raft_index to;
};

/* The end of an install: its rows are written before anything else of the job. */
struct disk_installed {
    slot_id slot;
    struct raft_pos target;
    struct store_batch *batch; /* owned */
};

/* One batch for all groups. */
struct disk_write {
    struct store_batch *batch;           /* owned */
    struct sink_ops begins;              /* installs whose first rows go into batch */
    struct disk_ticket *tickets;         /* owned */
    struct disk_compaction *compactions; /* owned */
    uint32_t tickets_count, tickets_capacity, compactions_count, compactions_capacity;
    bool wants_sync;   /* somebody waits for it */
    uint64_t since_ms; /* when the first row came; 0: nothing to write */
};

struct node_disk_job {
    struct node *node;
    struct disk_apply apply;
    struct disk_write write;
    struct sink_ops sinks;            /* rows of installs */
    struct disk_installed *installed; /* owned */
    uint32_t installed_count, installed_capacity;
    bool has_install, has_apply, has_write, has_care; /* fixed while it is with the disk thread */
    uint8_t next;                                     /* enum node_disk_part, the disk thread's */
    uint8_t delivered;                                /* likewise, the loop's */
    bool is_spoilt; /* the disk thread's: a part failed, the others are left out */
    /* what came of each part */
    enum err err[NODE_DISK_PARTS];
    struct why why[NODE_DISK_PARTS];
    struct space_seen space; /* care */
};

void disk_job_init(struct node_disk_job *job, struct node *node);
void disk_job_done(struct node_disk_job *job);
/* Hands what is ready to the disk thread when that has nothing to do. */
void disk_hand_over(struct node *node);
/* Room for one more in the batch and apply list that are being filled. */
struct disk_run *disk_add_run(struct node *node, slot_id slot);
struct disk_entry *disk_add_entry(struct node *node, struct disk_run *run);
struct disk_ticket *disk_add_ticket(struct node *node);
void disk_add_compaction(struct node *node, slot_id slot, raft_index to);
/* Takes batch. The ticket that belongs to it must be added in the same turn. */
void disk_add_installed(struct node *node, slot_id slot, struct raft_pos target,
                        struct store_batch *batch);
struct store_batch *disk_batch(struct node *node); /* the one being filled; a row is coming */
void disk_want_sync(struct node *node);
bool disk_is_due(const struct node *node);  /* there is something to hand over */
bool disk_is_full(const struct node *node); /* enough is filled: take no more */
void disk_tell_groups(struct node *node);
/* So long the loop did not turn (the process was stopped, the machine slept): no time of the disk. */
void disk_overslept(struct node *node, uint64_t ms);
void disk_watch(struct node *node); /* the guard: slow, stuck, calm again */

#endif
