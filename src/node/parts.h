/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share: the node, its groups, the disk's jobs. Private to the room.
 * Thread: loop, but for what a comment says. */
#ifndef NODE_PARTS_H
#define NODE_PARTS_H

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/map.h"
#include "msg/msg.h"
#include "node/catchup.h"
#include "node/check.h"
#include "node/admit.h"
#include "node/driver.h"
#include "node/jobs.h"
#include "node/limits.h"
#include "store/store.h"
#include "sys/failpoint.h"
#include "sys/log.h"
#include "sys/queue.h"
#include "sys/thread.h"
#include "wire/digest.h"

/* ---- tail.c: the newest entries of a group's log ---------------------------------------------- */
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

/* ---- disk.c: what the disk thread is given ---------------------------------------------------- */
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
    uint32_t first, count;      /* in entries */
    bool wants_state;           /* somebody compares digests */
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
    uint64_t free_bytes, total_bytes; /* care */
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
void disk_watch(struct node *node); /* the guard: slow, stuck, calm again */

/* ---- group.c: one slot at work ----------------------------------------------------------------- */
struct mark {
    raft_index index;
    uint64_t wall_ms, bytes; /* bytes: of all entries up to index, counted from an early point */
};

struct held {
    struct list link;
    struct raft_packet packet;
};

struct group {
    struct node *node;
    slot_id slot;
    struct raft *raft;     /* owned */
    struct list dirty;     /* in node->dirty: it may have an update */
    struct list touched;   /* in node->touched: its view is old */
    struct list undurable; /* in node->undurable: durable_applied < applied */
    struct list asking;    /* in node->asking: reads wait to be asked for */

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
    raft_index disk_last; /* the highest row of the log on disk: last, or above it after a hole */
    bool is_majority_low; /* disks of a majority of the voters */
    bool is_alone;        /* the only member: nobody is sent anything */

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

    node_id leader;
    uint8_t role;
    uint64_t leader_since_ms;
    bool may_lead;

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
    node_id ordered_peer;     /* of the last full install that was ordered here, and why */
    uint8_t ordered_reason;   /* enum node_catchup_reason */
    struct compared *compared;   /* owned: digests; NULL: not needed yet */
    bool is_undecided;           /* leader: replicas differ, and no state has a majority */
    struct replica_check *check; /* owned; NULL: no check has come by */
    uint64_t looked_ms;          /* for a dedup generation that is due */
    uint64_t collected_ms;       /* for delete records that may go */
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

/* ---- boot.c, ready.c, compact.c, route.c, read.c, waiter.c ------------------------------------- */
MUST_USE enum err boot_groups(struct node *node, const struct node_boot *boot, struct why *why);

/* applied.c: readers of other threads that wait for something new. */
void applied_show(struct group *group); /* its store shows group->applied */
void applied_tell(struct node *node);   /* at the end of a turn */

/* Takes the updates of dirty groups and carries them out. */
void ready_run(struct node *node);
/* Sends packet now, filled with entries when it asks for them. */
void ready_send(struct group *group, const struct raft_packet *packet);

/* digest.c: what replicas tell each other of their states at equal indexes. */
void digest_note(struct group *group, const struct row_applied *applied); /* a state reached here */
void digest_forget(struct group *group);                                  /* another state began */
void digest_done(struct group *group);
void digest_note_install(struct group *group,
                         node_id peer); /* it is brought up by more than a log */
void digest_run(struct node *node);     /* each second: the leader tells */
void digest_receive(struct node *node, node_id from, const struct wire_digest *digests,
                    uint32_t count);
/* A check found other rows there than a majority's: that member is told, and healed. */
void digest_condemn_by_check(struct group *group, node_id member, raft_index index,
                             struct hash128 right);
/* Where an apply must stop so that a digest can be compared; to when nowhere. */
raft_index digest_stop(const struct group *group, raft_index from, raft_index to);
enum node_checked digest_checked(const struct group *group, node_id peer, raft_index *ret_index);

void compact_run(struct node *node);                    /* each second */
void compact_done(struct group *group, raft_index to);  /* the batch that did it is written */
void compact_note(struct group *group, uint64_t bytes); /* an entry was appended */

void balance_run(struct node *node); /* balance.c, each second: even out who leads */

void compact_order(struct group *group, struct node_call *call);
void compact_serve(struct group *group); /* something became durable, or was compacted */

/* collect.c: which delete records may go. */
struct collect_plan {
    raft_index floor_before, floor_after; /* equal: nothing may go */
    bool is_forced;
    node_id held_by[RAFT_MEMBERS_MAX * 2];
    uint32_t held_by_count;
};
/* is_order: an operator's, up to what is durably applied here. False: the store cannot be read. */
bool collect_plan(struct group *group, bool is_order, struct collect_plan *ret);
enum err collect_propose(struct group *group, const struct collect_plan *plan,
                         struct raft_pos *ret_pos);
void collect_run(struct group *group); /* each second */

/* admin.c */
void admin_compact(struct group *group, struct node_call *call);
void admin_full_sync(struct group *group, struct node_call *call);
void admin_collect(struct group *group, struct node_call *call);
void admin_replicas(struct group *group, struct node_call *call);
void admin_slot(struct group *group, struct node_call *call);
/* view.c: a slot as its leader sees it, on its way to another node. view_decode fails the reader
 * when the bytes are impossible. */
void view_encode(struct buf *buf, const struct node_slot *slot);
void view_decode(struct reader *reader, struct node_slot *ret);
uint8_t admin_encode_request(struct buf *buf, const struct node_call *call); /* its kind */
bool admin_decode_request(struct bytes body, struct node_call *call);        /* false: no sense */
void admin_encode(struct buf *buf, const struct node_admin *admin);
struct node_admin *admin_decode(struct bytes bytes); /* NULL: impossible bytes */
/* True: the call went to the leader, or there is none; it is not this node's business. */
bool admin_pass_on(struct group *group, struct node_call *call);
/* Asks every member for its part of call (only_here). on_all: takes admin, which has an item of each,
 * and answers call; NULL: it is answered with that. */
typedef void admin_judge(struct group *group, struct node_call *call, struct node_admin *admin);
void admin_fan(struct group *group, struct node_call *call, admin_judge *on_all);

/* Takes a started call from the queue or a peer to where it waits. */
void route_call(struct node *node, struct node_call *call);
void route_stamp(struct group *group, struct blob *command); /* its time */
void route_drain(struct node *node);                         /* offers leaderships to others */
void route_transfers(struct group *group);                   /* the leader may have changed */

void route_again(struct group *group, struct node_call *call); /* nothing was done with it yet */

/* leaderless.c. The slot is between two leaders, or another node refused the call (it was not
 * proposed there). True: it waits for the next leader; false: nothing changed, it must be refused. */
bool leaderless_wait(struct group *group, struct node_call *call);
bool leaderless_refused(struct group *group, struct node_call *call);
void leaderless_go_on(struct group *group); /* the leader changed, or a tick passed */

/* forward.c. False: it was not sent, nothing changed. */
bool forward_call(struct group *group, struct node_call *call, node_id to);
void forward_forget(struct node *node, const struct node_call *call);
void forward_leader_changed(struct group *group);   /* those at another node hurry */
void forward_lost(struct node *node, node_id peer); /* the link broke: those are in doubt */

void read_start(struct group *group, struct node_call *call);
void read_ask(struct node *node); /* the reads of this turn */
void read_done(struct group *group, const struct raft_read_done *done);
void read_applied(struct group *group);

enum waiter_stage {
    WAITER_NEW,        /* nothing was done */
    WAITER_LEADERLESS, /* likewise: it waits for a leader */
    WAITER_PROPOSED,   /* in doubt from here on */
    WAITER_FORWARDED,  /* likewise */
    WAITER_ASKED,      /* a read waits for its index */
    WAITER_APPLYING,   /* a read waits for its index to be applied */
    WAITER_TRANSFER,
    WAITER_ADMIN
};

/* Counts the call as open, with its deadline. */
void waiter_open(struct node *node, struct node_call *call);
/* Its deadline is not later than this from now on. */
void waiter_hurry(struct node *node, struct node_call *call, uint64_t by_ms);
/* Answers it: it is the caller's again, in no list. */
void waiter_finish(struct node *node, struct node_call *call, enum err err, const char *text);
void waiter_add(struct list *list, struct node_call *call); /* by call->index, ascending */
void waiter_expire(struct node *node);                      /* those whose deadline has come */
void waiter_end_list(struct node *node, struct list *list);
#define READ_UNREADY "this replica is being brought up to date, ask another one"
#define WAITER_OF(item) CONTAINER_OF(item, struct node_call, link)

/* ---- stats.c ------------------------------------------------------------------------------------ */
struct stat_histogram {
    atomic_uint_fast64_t count, sum_us, buckets[NODE_HISTOGRAM_BUCKETS];
};

#define NODE_COUNTERS(X)                                                                           \
    X(appended_messages_total)                                                                     \
    X(appended_bytes_total)                                                                        \
    X(duplicates_total)                                                                            \
    X(deletes_total)                                                                               \
    X(range_deletes_total)                                                                         \
    X(deleted_messages_total)                                                                      \
    X(proposals_total)                                                                             \
    X(proposals_refused_total)                                                                     \
    X(outcome_unknown_total)                                                                       \
    X(reads_total)                                                                                 \
    X(entries_written_total)                                                                       \
    X(batches_total)                                                                               \
    X(applied_entries_total)                                                                       \
    X(packets_sent_total)                                                                          \
    X(packets_received_total)                                                                      \
    X(packets_dropped_total)                                                                       \
    X(elections_total)                                                                             \
    X(leader_changes_total)                                                                        \
    X(full_syncs_total)                                                                            \
    X(recoveries_total)                                                                            \
    X(catchup_sent_bytes_total)                                                                    \
    X(catchup_received_bytes_total)                                                                \
    X(catchup_ms_total)                                                                            \
    X(catchup_failed_total)                                                                        \
    X(refused_chunks_total)                                                                        \
    X(digests_equal_total)                                                                         \
    X(digests_different_total)                                                                     \
    X(digests_unknown_total)                                                                       \
    X(floor_raises_total)                                                                          \
    X(checks_ok_total)                                                                             \
    X(checks_diverged_total)                                                                       \
    X(checks_unchecked_total)                                                                      \
    X(check_bytes_total)

/* Counters are relaxed atomics: any thread adds, any thread reads. */
struct stats {
#define X(name) atomic_uint_fast64_t name;
    NODE_COUNTERS(X)
#undef X
    atomic_uint_fast64_t catchups[NODE_CATCHUP_MODES][NODE_CATCHUP_REASONS];
    struct stat_histogram fsync, apply, commit, append, loop_turn;
};
#define STAT_ADD(node, name, n)                                                                    \
    atomic_fetch_add_explicit(&(node)->stats.name, (uint64_t)(n), memory_order_relaxed)
void stat_observe(struct stat_histogram *histogram, uint64_t us); /* Thread: any */
void stats_publish(struct node *node);                            /* the views of touched groups */
/* What applying a wanted command did. */
void stats_result(struct node *node, const struct msg_result *result, uint64_t bytes);

/* ---- the node ------------------------------------------------------------------------------------ */
struct peer {
    struct node_member member;
    uint64_t contact_ms; /* last packet or link event; 0: never */
    uint64_t up_ms;      /* since when it is heard of; 0: it is not */
    bool lost;
};

struct node {
    struct node_options options; /* members points to members */
    struct node_member *members; /* owned */
    struct node_world world;
    struct store *store; /* borrowed */
    struct msg *msg;     /* borrowed */
    struct thread_owner loop;
    bool manual_ticks;

    struct group *groups; /* owned array */
    uint32_t groups_count;
    struct list dirty, touched, undurable, asking;

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
    struct arena turn;   /* cleared at each turn's end */
    uint64_t tail_bytes; /* of all groups */
    uint32_t tail_hand;  /* where eviction goes on */

    struct node_disk_job jobs[2];
    struct node_disk_job *filling, *flying; /* flying: NULL when the disk thread has nothing */
    uint64_t flying_since_ms, slow_seen_ms, synced_ms;
    atomic_bool read_failed; /* set by any thread: a read of the store met an error of the disk */
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

    struct jobs *job_table;    /* owned. Thread: any */
    struct checks *checks;     /* owned: the check that runs; NULL: none */
    atomic_bool checks_wanted; /* a job waits. Thread: any */
    bool check_is_own;         /* it is the node's own, which checks what it leads */
    bool checks_moved;         /* something happened to it in this turn */
    uint64_t checks_due_ms, checks_ordered;
    uint64_t uncached_us; /* when the store's cache was emptied last. Thread: background, CHECK */

    atomic_bool draining, disk_low, started;
    struct admit admit;
    atomic_uint_fast64_t disk_free_bytes, disk_total_bytes, open_calls_shown, unapplied_shown;
    atomic_uint_fast64_t open_bytes_shown, tail_bytes_shown, catchups_shown, needs_shown;
    struct stats stats;

    bool has_news;              /* some slot applied something in this turn */
    struct mutex listener_lock; /* held while on_applied runs, so that nobody is called too late */
    void (*on_applied)(void *arg);
    void *on_applied_arg;

    struct mutex view_lock;
    struct node_slot *views; /* owned; under view_lock, as all below */
    uint64_t *views_ms;      /* owned: when each was made */
    struct peer peers[NODE_MEMBERS_MAX];
    uint32_t peers_count;
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
/* Makes room for one more at the end of an owned array. */
void *node_grow(void *array, uint32_t count, uint32_t *capacity, size_t size);

#endif
