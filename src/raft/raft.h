/* SPDX-License-Identifier: Apache-2.0 */
/* The consensus core of ONE group: event in, update out (Ongaro's thesis, "Consensus: Bridging
 * Theory and Practice", 2014; sections are named where a rule is implemented).
 *
 * Owns: term, vote, role, the term trail, sizes of the entries above applied, the configuration
 * history and one progress record a peer. Refuses to know: payloads, sockets, disks, clocks,
 * threads, logging. Time comes in as ticks, randomness as a seed; the same options, boot record
 * and events give the same updates. Not thread-safe: one thread owns a group. */
#ifndef RAFT_RAFT_H
#define RAFT_RAFT_H

#include "base/check.h"
#include "base/err.h"
#include "raft/types.h"

struct raft;

enum raft_role { RAFT_FOLLOWER, RAFT_CANDIDATE_PRE, RAFT_CANDIDATE, RAFT_LEADER };

struct raft_options {
    slot_id slot;
    node_id self;
    uint64_t boot;             /* start counter of this process: durable before the first packet */
    uint64_t seed;             /* hash(node, slot, boot) */
    uint32_t heartbeat_ticks;  /* 3 */
    uint32_t election_ticks;   /* 15: timeouts are drawn from [15, 29] */
    uint32_t append_max_bytes; /* 256 KiB: soft limit of one APPEND */
    uint32_t append_max_entries;    /* 1024 */
    uint32_t inflight_max_packets;  /* 64 per peer */
    uint64_t inflight_max_bytes;    /* 4 MiB per peer */
    uint64_t uncommitted_max_bytes; /* 8 MiB: more is refused with BUSY */
    uint32_t entry_max_bytes;       /* 8 MiB hard: more is TOO_LARGE */
    uint64_t apply_max_bytes;       /* 4 MiB handed out and not yet applied */
    uint64_t unapplied_max_bytes;   /* 64 MiB: a follower refuses appends beyond */
    uint32_t unapplied_max_entries; /* 100000 */
    uint32_t disk_low_mb;           /* 1024: free disk below it is low (status.disk_low_majority) */
    /* false. A commit that no entries carry waits for raft_tell_commit, or the next heartbeat: the
     * driver gathers many groups' and so spares a packet and its answer for most entries. */
    bool lazy_commit;
};

/* The defaults of design section 6 for slot, node and boot. */
void raft_options_init(struct raft_options *options, slot_id slot, node_id self, uint64_t boot);

struct raft_trail_run {
    raft_term term;
    raft_index first; /* the first index of this term's run */
};

struct raft_config_at {
    struct raft_pos pos;
    struct raft_config config;
};

/* What the driver found on disk. Arrays are borrowed for the call of raft_new only. */
struct raft_boot {
    raft_term term; /* hard state, as stored */
    node_id vote;
    raft_index commit;
    struct raft_pos base;               /* the entry before the first kept one; (0,0): none */
    raft_index last;                    /* last index on disk; base.index when the log is empty */
    const struct raft_trail_run *trail; /* runs above base, ascending; empty when the log is */
    uint32_t trail_count;
    const uint32_t *sizes; /* payload bytes of the entries (max(applied, base), last] */
    raft_index applied;    /* applied index found in the store: durable */
    const struct raft_config_at
        *configs; /* ascending; the first is at or below base, or the initial one */
    uint32_t configs_count;
    struct raft_install install; /* marker of an unfinished install; kind NONE: none */
    /* the row of the promise file (R19); all zero: no promise was ever made */
    raft_term promised_term;
    node_id promised_vote;
    struct raft_pos promised_last;
    bool suspect_log; /* WAL refused or a torn batch: AMNESIA until a full install */
    bool quarantined; /* leads and serves nothing until a full install */
};

enum raft_update_flag {
    RAFT_UPDATE_HARD_STATE = 1,
    RAFT_UPDATE_ENTRIES = 2,
    RAFT_UPDATE_SYNC = 4, /* the ticket must be synced (else it may ride with a later one) */
    RAFT_UPDATE_ROLE = 8,
    RAFT_UPDATE_CONFIG = 16,
    RAFT_UPDATE_INSTALL_IN = 32, /* install_in: write the marker, then fetch; a session that is
                                  already in the marker goes on from its cursor */
    RAFT_UPDATE_INSTALLED = 64,  /* an install ended well: base, config and applied were reset */
    RAFT_UPDATE_LEADER = 128     /* the known leader changed */
};

struct raft_read_done {
    uint64_t tag;
    raft_index index; /* serve once applied that far */
    enum err err;     /* OK, or NO_LEADER: refused, nothing was read */
};

struct raft_need {
    node_id peer;
    raft_index applied; /* the peer's durably applied index */
    uint64_t session;   /* marker that the peer reported, 0: none */
    bool ordered;       /* full: by raft_order_install, or the delta before it ended unequal */
};

/* Arrays of an update live until the group's next raft_take_update(). */
struct raft_update {
    uint32_t flags; /* enum raft_update_flag */
    uint64_t seq;   /* persist ticket; 0: nothing to write */
    raft_term term;
    node_id vote;
    raft_index commit;
    raft_index truncate_from; /* not 0: delete all entries >= it, then put entries */
    const struct raft_entry *entries;
    const struct raft_packet *packets;
    const struct raft_read_done *reads;
    const struct raft_need *installs;
    uint32_t entries_count, packets_count, reads_count, installs_count;
    raft_index apply_from, apply_to; /* committed and durable here; from > to: nothing */
    struct raft_install install_in;
    uint8_t role; /* enum raft_role */
    node_id leader;
};

enum raft_progress_state { RAFT_PROBE, RAFT_REPLICATE, RAFT_PROGRESS_DELTA, RAFT_PROGRESS_FULL };

struct raft_progress_status {
    node_id peer;
    uint8_t state; /* enum raft_progress_state */
    bool active;   /* heard of since the last CheckQuorum window */
    bool learner;
    raft_index match, next, applied; /* applied: durably, as the peer said */
    uint32_t inflight_packets;
    uint64_t inflight_bytes;
    uint32_t silent_ticks; /* since the last packet from it */
    uint32_t disk_free_mb;
    uint32_t
        round_ticks; /* of the last catch-up round (thesis 4.2.1); UINT32_MAX: none ended yet */
    bool amnesia;    /* counted nowhere */
    uint64_t install_session; /* of the install under way; 0: none */
};

struct raft_status {
    slot_id slot;
    node_id self, leader, vote;
    raft_term term;
    uint8_t role;
    bool amnesia, installing, quarantined, may_lead, transferring, read_ready;
    raft_index commit, applied, durable_applied, verified;
    raft_index durable; /* highest durable log index */
    struct raft_pos base, last;
    uint64_t seq, durable_seq; /* last ticket given out, last one durable */
    struct raft_config config; /* in force */
    struct raft_pos config_pos;
    bool config_pending;
    uint64_t uncommitted_bytes;
    uint32_t leader_silent_ticks; /* since the leader last spoke; 0 on the leader */
    bool disk_low_majority;       /* a majority of voters reports little free disk */
    struct raft_install install;
    uint32_t peers_count; /* leader only */
    struct raft_progress_status peers[4 * RAFT_MEMBERS_MAX];
};

/* A new group from what the disk held. Borrows both arguments for the call. */
struct raft *raft_new(const struct raft_options *options, const struct raft_boot *boot);
void raft_free(struct raft *raft);

bool raft_has_update(const struct raft *raft);
/* Taking is accepting: the driver will carry everything out, in order. */
void raft_take_update(struct raft *raft, struct raft_update *ret_update);
void raft_status(const struct raft *raft, struct raft_status *ret_status);
/* Cheap getters for hot paths. */
enum raft_role raft_role(const struct raft *raft);
node_id raft_leader(const struct raft *raft);
raft_term raft_current_term(const struct raft *raft);
/* Term of the entry at index, 0 when unknown (compacted away or beyond the end). */
raft_term raft_term_at(const struct raft *raft, raft_index index);
/* Asserts everything that must hold inside one group; tests call it after every event. */
void raft_check(const struct raft *raft);

/* ---- events; an error changed nothing: NOT_LEADER, NO_LEADER (read), UNREADY (read: installing,
 * amnesia, quarantined), BUSY, TOO_LARGE, TRANSFERRING, CONFIG_PENDING, BAD_PARAMETER (config),
 * IGNORED (nothing to do, or not of this group, boot or term) ---- */
void raft_tick(struct raft *raft, unsigned ticks);
void raft_campaign(struct raft *raft);      /* at once, without waiting for the timer */
void raft_forget_leader(struct raft *raft); /* the leader's process is gone: vote again, soon */
/* For tests: election timeouts are that long from now on, the running one too; 0: drawn again. */
void raft_pin_timeout(struct raft *raft, uint32_t ticks);
void raft_unreachable(struct raft *raft, node_id peer); /* packets to it were dropped: PROBE */
/* entries and their payloads stay valid until the update that lists them was taken. */
enum err raft_receive(struct raft *raft, const struct raft_packet *packet);
/* DATA or EMPTY entries. Fills pos of each. Payloads stay valid until the update that lists them was taken. */
enum err raft_propose(struct raft *raft, struct raft_entry *entries, uint32_t count,
                      struct raft_pos *ret_first);
/* A linearizable read: answered in update.reads under tag, whatever the role. */
enum err raft_read(struct raft *raft, uint64_t tag);
enum err raft_transfer(struct raft *raft, node_id to);
enum err raft_change_config(struct raft *raft, const struct raft_config *target);
/* A full one. IGNORED: one runs, or no member. BUSY: a quorum without the peer does not hold all that
 * is committed (with two voters: never; make it a learner first). */
enum err raft_order_install(struct raft *raft, node_id peer);
void raft_persisted(struct raft *raft, uint64_t seq); /* all tickets up to seq are durable */
/* Reports above what was handed out, and while an install is open, are of a state that the install
 * replaces: they are ignored. */
void raft_applied(struct raft *raft, raft_index index, bool durable);
void raft_compacted(struct raft *raft, raft_index to); /* base is (to, its term) now */
/* lazy_commit: true when a follower may not have heard of the commit yet, since the last update was
 * taken; raft_tell_commit tells it in the next one. */
bool raft_owes_commit(const struct raft *raft);
void raft_tell_commit(struct raft *raft);
/* What a range packet really carried, so that next and the windows are right. Above `applied` ranges
 * are exact; below, nothing more leaves to that peer until this is called (or 5 heartbeats went by).
 * count 0: nothing from last + 1 on could be read. */
void raft_filled(struct raft *raft, node_id to, raft_index last, uint32_t count, uint32_t bytes);
void raft_may_lead(struct raft *raft, bool yes, uint32_t disk_free_mb);
/* disk_low_mb of the options, from now on. */
void raft_set_disk_low(struct raft *raft, uint32_t disk_low_mb);
void raft_quarantine(struct raft *raft, bool yes);
/* The answer to a need that was listed; ignored when the peer has none any more, or an install is
 * under way. Taken or not, and ended or not, shows by install_session in its progress. */
void raft_install_offer(struct raft *raft, node_id to, const struct raft_install *install);
void raft_install_failed(struct raft *raft, node_id to, uint64_t session);
/* Receiver: the last batch is written in the ticket of the next update (digest equal), or given up. */
void raft_install_received(struct raft *raft, uint64_t session, bool ok);

#endif
