/* SPDX-License-Identifier: Apache-2.0 */
/* A node: where Raft groups, the state machine, the store and the peers meet. One loop owns all
 * groups; a disk thread writes one synced batch for all of them and applies what is committed.
 * This is what src/http and cmd/lethed use; the loop's own face is node/driver.h.
 * Thread: any, for everything here but start and stop (main). */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include "base/blob.h"
#include "base/heap.h"
#include "base/list.h"
#include "msg/types.h"
#include "node/nodes.h"
#include "raft/types.h"

struct node;
struct msg_result;

/* Levels of what a build can apply; what the lowest one of the cluster lacks is not proposed. */
enum {
    NODE_FEATURE_MEMBERS = 2,
    NODE_FEATURE_ORIGIN = 3,
    NODE_FEATURE_ORDERS = 4,  /* orders that can be taken back, levels that are raised by order */
    NODE_FEATURE_EARLIER = 5, /* the table keeps orders that a later one came on top of */
    NODE_FEATURE_LEVEL = 5
};

struct node_member {
    node_id id;
    char address[NODE_ADDRESS_MAX_BYTES];      /* host:port of its peer listener */
    char http_address[NODE_ADDRESS_MAX_BYTES]; /* host:port, "" while not known */
};

struct node_options {
    node_id id;
    const char *data_dir;
    const char *cluster_id;
    uint32_t slot_count;
    const struct node_member *members; /* borrowed for the call; self included */
    uint32_t members_count;
    char listen[NODE_ADDRESS_MAX_BYTES];       /* peers; "" for a cluster of one: no listener */
    char http_address[NODE_ADDRESS_MAX_BYTES]; /* told to peers, for redirects */
    /* PEM files for TLS between members: who vouches, the own certificate, its key. "": plain. */
    const char *tls_authority, *tls_certificate, *tls_key;
    const char *tls_revoked; /* PEM file with revocation lists; NULL, "": none */
    uint64_t dedup_window_ms;
    uint64_t block_cache_bytes, memtable_bytes;
    uint64_t log_keep_applied, log_keep_hours, log_min_keep, log_max_bytes;
    uint32_t tick_ms;              /* 100 */
    uint64_t submit_max_commands;  /* started here and not answered yet: 1024 */
    uint64_t submit_max_bytes;     /* 64 MiB */
    uint64_t disk_soft_free_bytes; /* appends are refused below */
    uint64_t
        disk_hard_free_bytes;    /* the ballast is freed below; as a follower it takes no appends */
    uint64_t disk_ballast_bytes; /* 0: none */
    uint32_t replica_lag_threshold; /* entries */
    /* Delete records that every member has applied go after retention; beyond max_records (0: no
     * bound) the oldest go whoever lacks them. */
    uint64_t delete_log_retention_ms; /* 30 days */
    uint64_t delete_log_max_records;  /* 1,000,000 of a slot */
    uint64_t catchup_bytes_per_s;     /* sent by this node; 0: unbounded; 32 MiB */
    uint32_t catchup_chunk_rows;      /* 0: as many as fit; tests want few */
    bool balance;                     /* spread leaders over the members by itself */
    uint64_t check_bytes_per_s;       /* read by a consistency check; 0: unbounded; 8 MiB */
    const char *backup_dir;           /* NULL or "": data_dir/backups; borrowed for the call */
    uint64_t backup_keep;             /* good ones; older ones go when one was made; 0: all; 7 */
    uint64_t backup_expire_ms;        /* 0: never; 30 days */
    uint64_t check_interval_ms; /* between checks of the slots that are led here; 0: none; 24 h */
    uint32_t replica_count;     /* of each slot, 1..7; what a new cluster begins with; 7 */
    char zone[NODE_ZONE_MAX_BYTES + 1]; /* "": none */
    uint64_t leave_delay_ms; /* before a replica whose slot went elsewhere is removed; 10 s */
    uint32_t feature_level;  /* NODE_FEATURE_LEVEL; lower: as an older build would say (tests) */
    bool trusts_founders;    /* empty nodes found without having met all others (tests) */
    bool join; /* an empty data folder founds nothing: it waits until the cluster adds this node */
};

void node_options_init(struct node_options *options);

/* Opens the store and starts the loop and disk threads. Errors as store_open, with what to do. */
MUST_USE enum err node_start(const struct node_options *options, struct node **ret_node,
                             struct why *why);
/* Refuses new calls (ERR_DRAINING), hands leaderships over, answers every call that is open, at
 * most timeout_ms later; then flushes and frees. */
void node_stop(struct node *node, uint32_t timeout_ms);
/* Reads the files of TLS again, for links that are made from now on; on a fault all stays as it is.
 * Thread: main. Errors: ERR_BAD_CONFIG, ERR_NOT_FOUND, ERR_IO  why has the file */
MUST_USE enum err node_reload(struct node *node, struct why *why);
/* The options that may change while a node runs. */
#define NODE_TUNED_TABLE(X)                                                                        \
    X(dedup_window_ms)                                                                             \
    X(log_keep_applied)                                                                            \
    X(log_keep_hours)                                                                              \
    X(log_min_keep)                                                                                \
    X(log_max_bytes)                                                                               \
    X(submit_max_commands)                                                                         \
    X(submit_max_bytes)                                                                            \
    X(disk_soft_free_bytes)                                                                        \
    X(disk_hard_free_bytes)                                                                        \
    X(replica_lag_threshold)                                                                       \
    X(delete_log_retention_ms)                                                                     \
    X(delete_log_max_records)                                                                      \
    X(catchup_bytes_per_s)                                                                         \
    X(balance)                                                                                     \
    X(check_bytes_per_s)                                                                           \
    X(check_interval_ms)                                                                           \
    X(backup_keep)                                                                                 \
    X(backup_expire_ms)
/* Takes them over from options, of which nothing else is looked at; in force from the loop's next
 * turn on. Thread: any. Errors: ERR_BAD_CONFIG  a bound of the queue is 0: nothing was changed */
MUST_USE enum err node_tune(struct node *node, const struct node_options *options, struct why *why);
/* Called (on some thread) when the node can no longer go on: a failed write, damaged bytes. The
 * process must end with a non-zero code. Set before start. */
void node_on_fatal(void (*on_fatal)(enum err err, const char *text, void *arg), void *arg);

/* ---- one slot and its replicas, as a node sees them -------------------------------------------- */
enum node_replica_state { NODE_PROBE, NODE_REPLICATE, NODE_DELTA, NODE_FULL, NODE_DOWN };
/* What comparisons of digests at equal indexes said last. Nobody who could not be asked lately is
 * anything but unchecked. */
enum node_checked { NODE_UNCHECKED, NODE_CHECKED_OK, NODE_DIVERGED };

struct node_replica {
    node_id node;
    bool leader, learner;
    uint8_t state;   /* enum node_replica_state */
    uint8_t checked; /* enum node_checked; of the leader: OK when somebody agrees with it */
    raft_index checked_index;
    raft_index match_index, applied_index; /* applied: durably, as it said last */
    uint64_t lag;                          /* leader's last index minus match */
    /* state DELTA or FULL: the transfer so far; zeros when none runs yet */
    uint64_t transfer_bytes, transfer_rows, transfer_total_bytes; /* total: about */
    uint64_t transfer_eta_ms;                                     /* 0: not known */
};

enum node_catchup_mode { NODE_BY_LOG, NODE_BY_DELTA, NODE_BY_FULL, NODE_CATCHUP_MODES };

/* Why a replica was brought up by that step. */
#define NODE_CATCHUP_REASON_TABLE(X) /* symbol, slug */                                            \
    X(BEHIND, "behind")              /* its next entry was compacted, or it was away (log) */      \
    X(FLOOR, "floor")                /* the delete log does not reach back to it */                \
    X(SIZE, "size")                  /* too much changed for a delta */                            \
    X(OPERATOR, "operator")          /* it was ordered */                                          \
    X(DIVERGED, "diverged")          /* its digest was a minority's */                             \
    X(REFUSED, "refused")            /* it could not take a delta, or ended one unequal */

enum node_catchup_reason {
#define X(symbol, slug) NODE_WHY_##symbol,
    NODE_CATCHUP_REASON_TABLE(X)
#undef X
        NODE_CATCHUP_REASONS
};
const char *node_catchup_reason_slug(enum node_catchup_reason reason); /* static text */
const char *node_catchup_mode_slug(enum node_catchup_mode mode);       /* likewise */

struct node_slot {
    uint32_t slot;
    node_id leader;
    uint8_t role; /* enum raft_role of this node */
    raft_term term;
    raft_index commit_index, applied_index, durable_applied_index, first_index, last_index;
    uint64_t log_count, log_bytes;
    uint64_t delete_log_floor, delete_log_count, channels;
    struct hash128 digest; /* at digest_index */
    raft_index digest_index;
    bool holds; /* this node has a part in the slot; else it asks others about it */
    bool amnesia, installing, quarantined;
    bool leaving, left; /* its slot went elsewhere: it waits to remove what it has; that is done */
    bool diverged;      /* alarm: this replica's state was found to be a minority's */
    bool undecided; /* leader: replicas differ and no state has a majority; appends are refused */
    uint8_t install_kind;                 /* installing: enum raft_install_kind */
    uint64_t install_bytes, install_rows; /* received in the session that runs */
    uint64_t leader_silent_ms;
    uint32_t
        voters_count; /* by its configuration, or the table where this node has no part in it */
    node_id voters[RAFT_MEMBERS_MAX];
    uint32_t replicas_count; /* on a node that does not lead: only what it knows itself */
    struct node_replica replicas[RAFT_MEMBERS_MAX * 2];
};

/* ---- calls: commands and reads --------------------------------------------------------------- */
enum node_call_kind {
    NODE_CALL_COMMAND,  /* propose command in slot, answer after commit and apply here */
    NODE_CALL_READ,     /* answer when this node's store may be read at that consistency */
    NODE_CALL_TRANSFER, /* hand the slot's leadership to call->to */
    /* Operators' calls; what they tell is in call->admin. Any node takes them. */
    NODE_CALL_COMPACT, /* the Raft log on every member, whatever its retention's lower bounds say */
    NODE_CALL_FULL_SYNC, /* order a full install for member call->to; OK: it was ordered */
    NODE_CALL_COLLECT,   /* raise the floor of the delete log, as far as its rules allow */
    NODE_CALL_REPLICAS,  /* how far each member has durably applied, as the leader knows */
    NODE_CALL_SLOT,      /* the slot as its leader sees it: admin->slot */
    NODE_CALL_CHECK,     /* every member recomputes its digest at one index; node_start_check */
    /* Of the whole cluster: slot 0's leader carries them out; slot is 0. Both answer with what
     * node_placement_decode reads. */
    NODE_CALL_MEMBER,    /* change its nodes: command is what node_member_encode made */
    NODE_CALL_PLACEMENT, /* who shall hold what, and how far that is */
    NODE_CALL_TELL,      /* between nodes alone */
    /* Of node call->to alone, about a job of its own: orders.h. Slot is 0. */
    NODE_CALL_JOB,
    NODE_CALL_GONE, /* likewise: has the slot left node call->to for certain? */
    NODE_CALL_KINDS
};

/* What one member did, or is. */
struct node_admin_item {
    node_id node;
    raft_index first_before, first_after; /* COMPACT: first index kept; 0 when it did not answer */
    raft_index applied;                   /* durably; CHECK: the index of its digest */
    uint8_t checked;                      /* CHECK: enum node_checked */
    struct hash128 digest;                /* CHECK: of the rows; not sound: as it had been kept */
    /* COMPACT, why it stopped short: node_down, no_answer, transfer, not_durably_applied,
     * installing, nothing_to_do. REPLICAS: node_down, installing. CHECK: why it is not ok. Else
     * empty */
    char skipped_reason[64];
};

struct node_admin {
    struct node_admin_item items[RAFT_MEMBERS_MAX * 2]; /* COMPACT, REPLICAS, CHECK */
    uint32_t items_count;
    raft_index floor_before, floor_after;  /* COLLECT */
    uint64_t removed;                      /* COLLECT: records that went here */
    node_id held_by[RAFT_MEMBERS_MAX * 2]; /* COLLECT: who has not applied what is old enough */
    uint32_t held_by_count;
    bool has_slot;
    struct node_slot slot; /* SLOT */
};

enum node_consistency { NODE_LINEARIZABLE, NODE_LEADER, NODE_LOCAL };

struct node_call {
    /* filled by the caller before node_call_start, zeroed else */
    enum node_call_kind kind;
    uint32_t slot;
    struct blob *command; /* COMMAND, MEMBER: taken over by node_call_start, on failure too */
    enum node_consistency consistency; /* READ */
    uint64_t min_index;                /* READ: wait until applied that far */
    uint64_t max_staleness_ms;         /* READ local: refuse with TOO_STALE beyond; 0: any */
    /* READ: what is to be read once that may be, MSG_QUERIES_MAX at most; borrowed until on_done. With
     * them a node whose replica may not be read has another member read; without it is UNREADY. */
    const struct msg_query *queries;
    uint32_t queries_count;
    node_id to;                   /* TRANSFER, 0: the node picks; FULL_SYNC; JOB */
    uint64_t through_index, keep; /* COMPACT; through 0: all; keep: newest applied entries.
                                        * CHECK only_here: index and term of its entry */
    bool force_floor;     /* COLLECT: up to what the leader has durably applied, whoever lacks it */
    bool only_here;       /* COMPACT, CHECK: this node's replica alone */
    uint64_t deadline_ms; /* clock_mono_ms: answered by then, whatever happens */
    bool no_forward;      /* end with NOT_LEADER (leader is set) instead of forwarding */
    const char *request_id,
        *trace_id; /* for logs (base/origin.h); until on_done; NULL: not known */
    void (*on_done)(struct node_call *call, void *arg); /* exactly once, on a node thread; quick */
    void *arg;

    /* set before on_done */
    enum err err; /* OK; REFUSED kinds: certainly not applied; OUTCOME_UNKNOWN */
    struct why why;
    struct msg_result *result; /* COMMAND: the caller's, msg_result_free */
    struct node_admin *admin;  /* operators' calls, unless err: the caller's, free() */
    /* MEMBER, PLACEMENT; READ that another node read, for node_answer: the caller's, blob_unref; unless err */
    struct blob *answer;
    node_id served_by;       /* READ: whose store it is */
    uint64_t applied_index;  /* of the slot there, when it was answered */
    node_id leader;          /* last known, 0: none */
    uint64_t staleness_ms;   /* READ local: since the leader was last heard of; 0 on the leader */
    uint32_t retry_after_ms; /* REFUSED: a sane time to wait; 0: default */

    /* the node's own */
    struct list link;
    struct heap_node deadline;
    uint64_t id, index, term, started_us;
    uint64_t wait_until_ms; /* for a leader; 0: it was not without one */
    uint8_t stage, hops;
    bool is_admitted;  /* counts towards submit_max_commands */
    bool is_remote;    /* another node asks */
    bool is_probed;    /* MEMBER: the new node answered, and is who it shall be */
    node_id avoided;   /* READ: who could not read it; 0: nobody was asked */
    uint64_t asked_ms; /* READ: when another node was */
    node_id forwarded_to;
    void *owner;
};

/* Starts call; it must live until on_done. An error means that on_done is never called:
 * ERR_QUEUE_FULL, ERR_DRAINING, ERR_STARTING, ERR_DISK_FULL (COMMAND with an append): certainly not
 * applied. */
MUST_USE enum err node_call_start(struct node *node, struct node_call *call, struct why *why);

/* ---- reads of this node's own store: after a READ call said so, or for local views ------------ */
MUST_USE enum err node_get_page(struct node *node, const struct msg_page_query *query,
                                struct arena *arena, struct msg_page *ret, struct why *why);
MUST_USE enum err node_get_message(struct node *node, struct channel channel, uint64_t seq,
                                   struct arena *arena, struct msg_message *ret,
                                   uint64_t *ret_delete_index, uint64_t *ret_applied_index,
                                   struct why *why);
MUST_USE enum err node_get_seqs(struct node *node, struct channel channel, const uint64_t *seqs,
                                uint32_t seqs_count, struct arena *arena, struct msg_page *ret,
                                struct why *why);
MUST_USE enum err node_find_client_msg_no(struct node *node, struct channel channel,
                                          struct bytes client_msg_no, struct bytes from_uid,
                                          struct arena *arena, struct msg_page *ret,
                                          struct why *why);
/* ERR_NOT_FOUND */
MUST_USE enum err node_find_message_id(struct node *node, struct channel channel,
                                       uint64_t message_id, struct arena *arena,
                                       struct msg_message *ret, struct why *why);
MUST_USE enum err node_get_channel(struct node *node, struct channel channel, struct arena *arena,
                                   struct msg_channel *ret, struct why *why);
MUST_USE enum err node_list_channels(struct node *node, const struct msg_channels_query *query,
                                     struct arena *arena, struct msg_channels *ret,
                                     struct why *why);
MUST_USE enum err node_list_deletes(struct node *node, const struct msg_deletes_query *query,
                                    struct arena *arena, struct msg_deletes *ret, struct why *why);
MUST_USE enum err node_get_delete(struct node *node, uint32_t slot, uint64_t log_index,
                                  struct arena *arena, struct msg_delete_record *ret,
                                  struct why *why);
MUST_USE enum err node_preview_delete(struct node *node, const struct msg_delete_request *request,
                                      struct arena *arena, struct msg_delete_result *ret,
                                      uint64_t *ret_applied_index, struct why *why);

/* Any of the above by its value. Returns ret->err. */
MUST_USE enum err node_ask(struct node *node, const struct msg_query *query, struct arena *arena,
                           struct msg_answer *ret, struct why *why);
/* What query `at` of a READ call that ended OK finds: read now from this node's store, or decoded from
 * what another node read for it (call->answer); slices may borrow from that. Returns ret->err, with what
 * the query tells beside an error.
 * Errors: those of the query; ERR_UNREADY  this replica began to be replaced: try the call again */
MUST_USE enum err node_answer(struct node *node, const struct node_call *call, uint32_t at,
                              struct arena *arena, struct msg_answer *ret, struct why *why);

/* ---- waiting for something new --------------------------------------------------------------- */
/* How far this node's store shows the slot; 0: there is no such slot. Thread: any, without a lock */
uint64_t node_applied_index(struct node *node, uint32_t slot);
/* on_applied runs on the node's loop after a turn in which some slot here applied something: it may
 * set flags and wake others, nothing more. NULL: nobody listens, and none runs once this returns. */
void node_on_applied(struct node *node, void (*on_applied)(void *arg), void *arg);

/* ---- what the node knows of itself and the cluster: a copy, at most a tick old ---------------- */
struct node_peer {
    node_id id;
    char address[NODE_ADDRESS_MAX_BYTES], http_address[NODE_ADDRESS_MAX_BYTES];
    char version[32];
    char zone[NODE_ZONE_MAX_BYTES + 1];
    char refusal[256]; /* why it is not let in, or does not let this node in; "": nothing */
    bool up, self, draining, leaving, learner;
    uint64_t incarnation;     /* 0: not known */
    uint32_t feature_level;   /* 0: not known */
    uint64_t last_contact_ms; /* ago */
    uint32_t slots, leaders;  /* slots: that it shall hold */
};

struct node_cluster {
    char cluster_id[65];
    node_id self;
    uint64_t incarnation, boot;
    uint32_t slots_total, slots_with_leader, slots_degraded;
    bool serving, draining; /* serving: store open and a leader known for every slot */
    bool removed;           /* this node was taken out: it serves nothing */
    uint64_t revision;      /* of the table of nodes; 0: the one of the options */
    uint32_t feature_level; /* in force: no node may be older; 0: none was ever set */
    uint32_t peers_count;
    struct node_peer peers[NODE_MEMBERS_MAX];
};

void node_get_cluster(struct node *node, struct node_cluster *ret);
uint32_t node_slot_count(const struct node *node);
node_id node_self(const struct node *node);
uint32_t node_feature_level(const struct node *node); /* the highest that its build can apply */
/* False when there is no such slot here. Digest and digest_index are of one state. */
bool node_get_slot(struct node *node, uint32_t slot, struct node_slot *ret);
/* Would a COMMAND be refused with QUEUE_FULL just now? Counts it as refused then. Thread: any */
bool node_refuses_command(struct node *node);
/* Would stopping this node cost some slot its quorum? */
bool node_is_safe_to_stop(struct node *node);

/* Where the delete at log_index of the slot stands on each member, as the leader knows: durably
 * applied, or pending (this node leads: at most a tick old; else ask by NODE_CALL_REPLICAS). False:
 * there is no such slot here, or this node does not lead it. */
struct node_delete_replica {
    node_id node;
    bool applied, down;
};
struct node_delete_status {
    struct node_delete_replica replicas[RAFT_MEMBERS_MAX * 2];
    uint32_t replicas_count;
    bool applied_everywhere;
};
bool node_get_delete_status(struct node *node, uint32_t slot, raft_index log_index,
                            struct node_delete_status *ret);
/* How many of the slot's deletes a replica that has applied up to `applied` lacks, of those that this
 * node has; at most max are counted. *ret_oldest_ms: when the first of them was done, 0 for none. */
MUST_USE enum err node_count_deletes(struct node *node, uint32_t slot, raft_index applied,
                                     uint64_t max, uint64_t *ret_count, uint64_t *ret_oldest_ms,
                                     struct why *why);

/* ---- figures --------------------------------------------------------------------------------- */
enum { NODE_HISTOGRAM_BUCKETS = 24 };
/* Bucket i counts what took at most 2^i * 16 microseconds; the last one everything else. */
struct node_histogram {
    uint64_t count, sum_us, buckets[NODE_HISTOGRAM_BUCKETS];
};

struct node_metrics {
    uint64_t appended_messages_total, appended_bytes_total, duplicates_total;
    uint64_t deletes_total, range_deletes_total, deleted_messages_total;
    uint64_t proposals_total, proposals_refused_total, outcome_unknown_total, reads_total;
    /* reads that another member carried out for this node; those carried out here for others */
    uint64_t reads_forwarded_total, reads_for_others_total;
    uint64_t entries_written_total, batches_total, applied_entries_total;
    uint64_t packets_sent_total, packets_received_total, packets_dropped_total;
    uint64_t peer_bytes_sent_total, peer_bytes_received_total, peer_garbage_total;
    uint64_t peer_refused_total, peer_certificate_refused_total;
    uint64_t peer_certificate_expiry_s; /* since 1970; 0: no TLS */
    uint64_t elections_total, leader_changes_total;
    /* catch-ups led here that ended well, by mode and reason */
    uint64_t catchups[NODE_CATCHUP_MODES][NODE_CATCHUP_REASONS];
    uint64_t catchup_failed_total,
        catchup_ms_total; /* sent: broken off; time of those that ended */
    uint64_t catchup_sent_bytes_total, catchup_received_bytes_total, refused_chunks_total;
    uint64_t full_syncs_total, recoveries_total; /* installs ended here: full ones; all */
    uint64_t
        replicas_left_total; /* of slots that went elsewhere: what was left of them was removed */
    uint64_t digests_equal_total, digests_different_total, digests_unknown_total;
    uint64_t floor_raises_total; /* proposed here */
    /* slots that checks looked at, as led here; rows read from disk by them */
    uint64_t checks_ok_total, checks_diverged_total, checks_unchecked_total, check_bytes_total;
    uint64_t submit_queue_depth, submit_queue_bytes, open_calls, unapplied_entries;
    uint64_t open_bytes, tail_bytes; /* of proposals in doubt; of log entries kept in memory */
    uint64_t peer_queued_bytes;      /* given to links, not sent yet */
    uint64_t catchups_running, catchups_waiting; /* led here */
    /* commit: propose to commit; append: a write with messages from its start to its answer */
    struct node_histogram fsync, apply, commit, append, loop_turn;
    /* RocksDB's */
    uint64_t memtable_bytes, block_cache_bytes, table_readers_bytes, live_sst_bytes, wal_bytes;
    uint64_t pending_compaction_bytes, background_errors, disk_free_bytes, disk_total_bytes;
    uint64_t store_snapshots, range_tombstones;
    uint64_t live_versions, oldest_snapshot_s; /* unix seconds; 0: none is open */
    uint64_t immutable_memtables, level0_files, running_compactions, running_flushes;
    uint64_t writes_stopped, delayed_writes_bytes_per_s;
    uint64_t disk_soft_free_bytes; /* appends are refused below */
};
void node_get_metrics(struct node *node, struct node_metrics *ret);

#include "node/orders.h"

#endif
