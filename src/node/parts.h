/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share: the node, and the headers of its parts. Private to the room.
 * Thread: loop, but for what a comment says. */
#ifndef NODE_PARTS_H
#define NODE_PARTS_H

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/map.h"
#include "base/origin.h"
#include "msg/msg.h"
#include "node/alarm.h"
#include "node/backup.h"
#include "node/calls.h"
#include "node/catchup.h"
#include "node/check.h"
#include "node/admit.h"
#include "node/compaction.h"
#include "node/damage.h"
#include "node/disk.h"
#include "node/driver.h"
#include "node/group.h"
#include "node/jobs.h"
#include "node/limits.h"
#include "node/member.h"
#include "node/retention.h"
#include "node/stats.h"
#include "node/tail.h"
#include "node/tune.h"
#include "store/store.h"
#include "sys/failpoint.h"
#include "sys/log.h"
#include "sys/queue.h"
#include "sys/thread.h"
#include "wire/digest.h"

struct node {
    struct node_options options; /* members points to members; see tune.h */
    struct tune tune;
    struct node_member *members; /* owned */
    struct node_world world;
    struct store *store; /* borrowed */
    struct msg *msg;     /* borrowed */
    struct thread_owner loop;
    bool manual_ticks;
    bool is_unlisted; /* a cluster of one that listens to no peers */

    struct group *groups;        /* owned array */
    struct retention *retention; /* owned: retention.c */
    uint32_t groups_count;
    struct list dirty, touched, undurable, asking, untold;

    uint64_t now_ms; /* of this turn */
    uint64_t ticked_ms, second_ms;
    uint64_t read_tag;
    uint32_t compact_at, digest_at;

    struct queue *submit; /* owned. Thread: any pushes */
    struct queue_batch submitted;
    struct heap deadlines; /* of open calls */
    uint64_t open_calls, open_bytes;
    uint32_t leaderless_count;   /* calls in the groups' lists */
    struct list forwarded;       /* calls */
    struct list admins;          /* COMPACT calls that wait for the members' answers */
    struct map *forwarded_by_id; /* owned; the same ones */
    uint64_t forward_id;
    uint32_t queries_open;  /* reads for other nodes */
    uint64_t queries_bytes; /* of what they ask */
    struct arena turn;      /* cleared at each turn's end */
    uint64_t tail_bytes;    /* of all groups */
    uint32_t tail_hand;     /* where eviction goes on */

    struct membership membership;
    bool is_unproven; /* found.c: it founds nothing, and elects nobody who would */
    uint64_t booted_ms;
    uint64_t probes;        /* made in this boot */
    uint32_t leaving_asked; /* questions of leave.c that are open */
    struct node_boot boot;  /* what groups are booted with again */
    struct raft_options limits;
    struct node_disk_job jobs[2];
    struct node_disk_job *filling, *flying; /* flying: NULL when the disk thread has nothing */
    uint64_t flying_since_ms, slow_seen_ms, synced_ms;
    atomic_bool rot_seen;    /* some group is_rotten, not looked at yet. Thread: any */
    atomic_bool read_failed; /* set by any thread: a read of the store met an error of the disk */
    struct space space;      /* Thread: disk */
    bool is_hard, is_eaten;  /* the disk, as space.c last saw it */
    bool is_slow, care_due, is_failed, is_ending, was_drained, view_due;

    struct list background[NODE_BACKGROUND_LANES]; /* struct node_background_job: they wait */
    struct node_background_job *background_flying[NODE_BACKGROUND_LANES];
    struct list sendings;                      /* struct sending */
    struct need needs[NODE_CATCHUP_NEEDS_MAX]; /* that wait for their turn, in order */
    uint32_t needs_count;
    bool may_send_more;     /* a session has ended since the last turn */
    uint64_t sessions;      /* made in this boot */
    int64_t catchup_tokens; /* bytes that may be sent now */
    uint64_t refilled_ms;
    struct group *receiving; /* the one that has all credits; NULL: none */

    struct jobs *job_table;        /* owned. Thread: any */
    struct backups *backups;       /* owned. Thread: any */
    struct compaction *compaction; /* owned: the one that runs; NULL: none */
    atomic_bool compaction_wanted; /* a job waits. Thread: any */
    atomic_int compaction_family;  /* of that job; STORE_FAMILIES: all. Thread: any */
    struct checks *checks;         /* owned: the check that runs; NULL: none */
    atomic_bool checks_wanted;     /* a job waits. Thread: any */
    bool check_is_own;             /* it is the node's own, which checks what it leads */
    bool checks_moved;             /* something happened to it in this turn */
    uint64_t checks_due_ms, checks_ordered;
    uint64_t uncached_us; /* when the store's cache was emptied last. Thread: background, CHECK */

    atomic_bool draining, disk_low, started, is_removed, is_disowned, is_outdated;
    struct admit admit;
    atomic_uint_fast64_t disk_free_bytes, disk_total_bytes, open_calls_shown, unapplied_shown;
    atomic_uint_fast64_t open_bytes_shown, tail_bytes_shown, catchups_shown, needs_shown;
    struct stats stats;

    bool has_news;              /* some slot applied something in this turn */
    struct mutex listener_lock; /* held while on_applied runs, so that nobody is called too late */
    void (*on_applied)(void *arg);
    void *on_applied_arg;

    struct alarms alarms;
    struct mutex view_lock;
    struct node_slot *views; /* owned; under view_lock, as all below */
    uint64_t *views_ms;      /* owned: when each was made */
    struct peer peers[NODE_MEMBERS_MAX];
    uint32_t peers_count;
    uint64_t revision_shown; /* of the table of nodes */
    uint32_t level_shown;    /* its feature level */
};

static inline uint64_t node_now_us(const struct node *node)
{
    return node->world.mono_us(node->world.arg);
}

static inline struct group *node_group(struct node *node, slot_id slot)
{
    assert(slot < node->groups_count);
    return &node->groups[slot];
}

void node_fail(struct node *node, enum err err, const char *text);
bool node_query_is_of_slot(const struct node *node, const struct msg_query *query, uint32_t slot);

/* Makes room for one more at the end of an owned array. */
void *node_grow(void *array, uint32_t count, uint32_t *capacity, size_t size);

#endif
