/* SPDX-License-Identifier: Apache-2.0 */
/* Several replicas of one group: the real src/raft on model disks, a model network and a toy
 * state (a hash chain over what was applied). Everything waits for a command: writes until they
 * are persisted, entries until they are applied, packets until they are delivered. */
#ifndef SIM_CORE_MODEL_H
#define SIM_CORE_MODEL_H

#include "base/blob.h"
#include "base/buf.h"
#include "base/rng.h"
#include "language.h"
#include "raft/raft.h"

enum { MODEL_NODES_MAX = 9, MODEL_PACKET_ENTRIES_MAX = 64, MODEL_INSTALL_IDLE_TICKS = 100 };

/* One entry of a model log; chain hashes all entries up to it. */
struct model_entry {
    raft_term term;
    uint8_t kind;
    uint32_t size_bytes;
    struct blob *payload; /* counted */
    struct raft_config config;
    uint64_t chain;
};

struct model_log {
    struct raft_pos base;
    uint64_t base_chain;
    struct model_entry *items; /* owned; items[i] has index base.index + 1 + i */
    size_t count, capacity;
};

struct model_state { /* the toy state machine */
    raft_index applied;
    raft_term applied_term;
    uint64_t hash;
};

/* What a disk holds. A node has two: as written (memory), and as durable. */
struct model_disk {
    raft_term term;
    node_id vote;
    raft_index commit;
    struct model_log log;
    struct raft_config_at base_config; /* in force at the base, or the initial one */
    struct model_state state;
    struct raft_install marker; /* kind NONE: none */
    raft_term promised_term;
    node_id promised_vote;
    struct raft_pos promised_last;
};

/* One write on its way to the disk, in order. Tickets are synced; what lies before a durable
 * ticket is durable too. */
struct model_write {
    struct model_write *next;
    uint64_t seq; /* 0: an unsynced apply or compaction */
    bool hard_state;
    raft_term term;
    node_id vote;
    raft_index commit;
    raft_index truncate_from;
    struct model_entry *entries; /* owned */
    struct raft_pos first;
    uint32_t entries_count;
    bool has_state;
    struct model_state state;
    struct raft_pos compact_to; /* index 0: no compaction */
    bool set_marker, installed;
    struct raft_install install;
};

struct model_held {
    struct model_held *next;
    struct raft_packet packet; /* a deep copy */
};

struct model_install { /* a transfer, on the leader */
    bool open;
    struct raft_install install;
    struct model_state state; /* of the snapshot */
    uint64_t chain;
    unsigned idle_ticks; /* of the leader, since it was offered */
};

struct model_read {
    uint64_t tag;
    raft_index index;
    enum err err;
    bool served;
    raft_index floor; /* highest index acknowledged anywhere when the read began */
    bool open;
};

enum { MODEL_READS_MAX = 64 };

struct model_node {
    node_id id;
    bool exists, up, paused, manual, stalled, wiped;
    uint64_t boot;
    unsigned skew_percent, skew_rest; /* ticks of its clock per 100 of ours */
    struct raft *raft;
    struct model_disk written, durable;
    struct model_log lost;                    /* what its disk once held durably, and lost */
    struct model_write *writes, **writes_end; /* FIFO */
    struct model_held *held, **held_end;
    raft_index apply_from, apply_to; /* handed out, not applied yet */
    raft_index durable_applied;
    uint64_t durable_seq;
    struct model_install sending[MODEL_NODES_MAX + 1]; /* by peer's id */
    struct raft_install receiving;                     /* kind NONE: nothing */
    node_id receiving_from;
    struct model_read reads[MODEL_READS_MAX];
    int reads_count;
    uint64_t elections, busy;
    enum err last_error;
    uint32_t pinned_timeout; /* 0: election timeouts are drawn */
    bool cold;               /* ranges at or below applied are filled later, by model_fill */
    struct model_held *to_fill;
    raft_index floor; /* a peer that applied that far gets a delta; UINT64_MAX: never */
    /* watermarks for the invariants */
    raft_index seen_commit, seen_applied;
    raft_term seen_term;
};

struct model_packet {
    struct model_packet *next;
    struct raft_packet packet;
    bool held;
};

struct model {
    struct model_node nodes[MODEL_NODES_MAX + 1]; /* by id */
    struct model_packet *links[MODEL_NODES_MAX + 1][MODEL_NODES_MAX + 1];
    bool cut[MODEL_NODES_MAX + 1][MODEL_NODES_MAX + 1]; /* from, to */
    struct raft_options options;
    struct raft_config initial;
    struct raft_pos base;
    uint64_t seed, payloads;
    bool begun; /* something happened: `option` counts from the next start of a node on */
    uint64_t elections;
    struct buf *transcript; /* borrowed; NULL: not wanted */
    char error[512];
    struct checker *checker; /* owned: what was ever committed, elected, voted */
};

struct model *model_new(const struct words *cluster, struct buf *transcript);
void model_free(struct model *model);
enum step model_fail(struct model *model, const char *format, ...) PRINTF_LIKE(2, 3);
void model_note(struct model *model, const char *format, ...) PRINTF_LIKE(2, 3);

/* ---- events of one node; each may do nothing ---------------------------------------------- */
void model_take(struct model *model, struct model_node *node); /* until there is no update */
bool model_persist(struct model *model, struct model_node *node, unsigned tickets);
bool model_apply(struct model *model, struct model_node *node, unsigned entries);
bool model_deliver(struct model *model, node_id from, node_id to, int kind, unsigned n);
bool model_stream(struct model *model, node_id from, node_id to, bool ok); /* ends an install */
void model_crash(struct model *model, struct model_node *node, unsigned keep_tickets,
                 bool keep_all);
void model_restart(struct model *model, struct model_node *node);
void model_drop_link(struct model *model, node_id from, node_id to);
bool model_settle(struct model *model, const bool in[MODEL_NODES_MAX + 1], unsigned max_rounds);
void model_tick(struct model *model, struct model_node *node, unsigned ticks);
/* The ticket in front fails: nothing is known of it, the process stops (R18). keep: it is on disk
 * all the same. */
bool model_persist_fail(struct model *model, struct model_node *node, bool keep);
/* Reads n cold ranges for to (0: any) and sends them. */
bool model_fill(struct model *model, struct model_node *node, node_id to, unsigned n);
/* Up to its own pins (open installs) and what is durably applied. */
bool model_compact(struct model *model, struct model_node *node, raft_index to);
/* A stopped node's disk is replaced by an empty one: its identity is gone, and peers refuse it. */
void model_wipe(struct model_node *node);
/* A node whose identity is gone, or that waits in amnesia, helps nobody: is some configuration
 * without a quorum for good? */
bool model_is_lost(struct model *model);
void model_options(struct model *model, const struct words *words);

struct model_packet *model_packet_copy(const struct model_packet *item);
/* The stopped node's disk loses all entries above to; what it promised stays. */
void model_disk_forget(struct model_node *node, raft_index to);

struct model_entry *model_log_at(struct model_log *log, raft_index index); /* NULL: not there */
raft_index model_log_last(const struct model_log *log);
raft_term model_log_term(const struct model_log *log, raft_index index); /* base too; 0: unknown */

/* ---- invariants (core_checks.c): STEP_OK or STEP_FAILED with model->error ------------------- */
struct checker *checker_new(void);
void checker_free(struct checker *checker);
enum step checker_run(struct model *model);
void checker_on_send(struct model *model, struct model_node *node,
                     const struct raft_packet *packet);
/* As the core made it, before it may leave. */
void checker_on_packet(struct model *model, struct model_node *node,
                       const struct raft_packet *packet);
void checker_on_apply(struct model *model, struct model_node *node, raft_index index,
                      const struct model_entry *entry);
/* A leader's commit is judged by what it knew then. */
void checker_on_commit(struct model *model, struct model_node *node);
void checker_on_install(struct model *model, struct model_node *node);
raft_index checker_committed(const struct checker *checker);
const char *packet_kind_name(int kind);
int packet_kind_of(const char *name); /* -1: unknown */

#endif
