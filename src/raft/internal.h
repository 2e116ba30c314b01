/* SPDX-License-Identifier: Apache-2.0 */
/* struct raft, and what its files call of each other. Private to src/raft and its unit tests.
 * A function is named after its file: state_, election_, replicate_, read_, member_, transfer_,
 * install_, out_; recv_x handles one kind of packet and says OK or IGNORED. */
#ifndef RAFT_INTERNAL_H
#define RAFT_INTERNAL_H

#include "base/rng.h"
#include "raft/log.h"
#include "raft/progress.h"
#include "raft/quorum.h"
#include "raft/raft.h"
#include "raft/rules.h"

enum { RAFT_READS_MAX = 65536, RAFT_BALLOTS_MAX = 2 * RAFT_MEMBERS_MAX };

struct ballot {
    node_id voter;
    int yes; /* 1, or -1 */
};

struct read_wait { /* on the leader */
    node_id from;
    uint64_t from_boot; /* of a follower's READ */
    uint64_t tag;
};

struct read_forward { /* on a follower: asked of the leader under a number of our own */
    uint64_t number, tag, tick;
};

struct reads {
    uint64_t number;               /* last one used, for rounds and forwards; never twice a boot */
    uint64_t round_number;         /* of the round that runs */
    raft_index round_index;        /* commit when it began */
    struct read_wait *running;     /* owned */
    struct read_wait *gathering;   /* owned: the next round */
    struct read_forward *forwards; /* owned, ascending by number */
    uint32_t running_count, gathering_count, forwards_count;
    uint32_t running_capacity, gathering_capacity, forwards_capacity;
};

/* What the next update will say. Two of them: the arrays of the last one are still being read. */
struct outbox {
    struct raft_entry *entries;
    struct raft_packet *packets;
    struct raft_read_done *reads;
    struct raft_need *installs;
    uint32_t entries_count, packets_count, reads_count, installs_count;
    uint32_t entries_capacity, packets_capacity, reads_capacity, installs_capacity;
    struct raft_config own_config; /* of the CONFIG entry made here, if there is one */
    raft_index truncate_from;
    bool install_in, installed;
    struct raft_install install;
};

struct raft {
    struct raft_options options;
    node_id self;
    struct rng rng;

    /* hard state; commit rides with it (R8) */
    raft_term term;
    node_id vote;
    raft_index commit;
    bool hard_dirty;   /* term or vote is in no ticket yet */
    uint64_t hard_seq; /* the ticket of term and vote */
    uint64_t seq, durable_seq;

    uint8_t role; /* enum raft_role */
    node_id leader;
    uint64_t leader_boot; /* the boot its packets came from */
    bool role_changed, leader_changed, config_changed;

    struct raft_log log;
    struct raft_config_at *configs; /* owned, ascending; the last is in force (R15) */
    uint32_t configs_count, configs_capacity;
    raft_index verified; /* up to here this log equals the leader's */
    raft_index applied, durable_applied, handed;

    /* time, in ticks */
    uint64_t tick, leader_tick;
    uint32_t election_elapsed, election_timeout;
    uint32_t pinned_timeout; /* 0: drawn at each reset */
    uint32_t heartbeat_elapsed, installs_elapsed, check_elapsed;

    /* a campaign */
    uint64_t campaign;
    bool campaign_transfer;
    struct ballot ballots[RAFT_BALLOTS_MAX];
    uint32_t ballots_count;

    /* leader */
    struct progress *peers; /* owned; members but this node */
    uint32_t peers_count;
    bool replicate_wanted; /* something may have to leave: decided when the update is taken */
    bool owes_commit;      /* lazy_commit: some follower was not told of the newest commit */
    bool tells_commit;     /* the next update tells it */
    bool installs_due;
    node_id transfer_to;
    uint32_t transfer_elapsed;
    bool transfer_told;
    bool leaving; /* step down when the transfer ends, well or not */

    struct reads reads;

    /* unfit states */
    bool may_lead, quarantined, amnesia, suspect;
    raft_index promised_index; /* AMNESIA ends when this is durable again */
    uint32_t disk_free_mb;
    bool installing;
    struct raft_install install;   /* the marker */
    bool install_is_told;          /* the driver fetches; false: found at boot, not offered again */
    uint64_t install_last_session; /* highest accepted in install_last_term */
    raft_term install_last_term;

    struct outbox out[2];
    uint8_t filling; /* the one that the next update takes */
};

/* ---- out.c: what leaves ------------------------------------------------------------------- */
struct raft_packet *out_packet(struct raft *raft, uint8_t kind, node_id to);
/* Echoes boot and number of the request; flags say what this node is. */
struct raft_packet *out_reply(struct raft *raft, uint8_t kind, const struct raft_packet *request);
void out_entry(struct raft *raft, const struct raft_entry *entry);
void out_truncate(struct raft *raft, raft_index from);
void out_read(struct raft *raft, uint64_t tag, raft_index index, enum err err);
void out_need(struct raft *raft, const struct progress *p);
void out_done(struct outbox *out);
/* The ticket that makes term and vote, and the entries up to index, durable. */
uint64_t out_ticket_of_hard_state(const struct raft *raft);
uint64_t out_ticket_of(const struct raft *raft, raft_index index);

/* ---- state.c: changes of role ---------------------------------------------------------------- */
void state_set_leader(struct raft *raft, node_id leader);
void state_set_vote(struct raft *raft, node_id vote);
void state_become_follower(struct raft *raft, raft_term term, node_id leader);
void state_become_candidate(struct raft *raft, bool pre);
void state_become_leader(struct raft *raft);
void state_reset_timer(struct raft *raft);
/* A packet of the leader of this term came in. */
void state_hear_leader(struct raft *raft, const struct raft_packet *packet);
bool state_leader_is_fresh(const struct raft *raft);
void state_set_commit(struct raft *raft, raft_index commit);
void state_check_amnesia(struct raft *raft);

/* ---- election.c ------------------------------------------------------------------------------ */
bool election_is_fit(const struct raft *raft);
void election_start(struct raft *raft, bool pre, bool transfer);
void election_tick(struct raft *raft);
void election_own_vote(struct raft *raft); /* when the hard state became durable */
void election_check_quorum(struct raft *raft);
void election_count(struct raft *raft, node_id voter, bool yes);

/* ---- replicate.c ------------------------------------------------------------------------------ */
void replicate_all(struct raft *raft); /* fills the outbox with what peers should get now */
void replicate_heartbeats(struct raft *raft);
void replicate_tick(struct raft *raft);
bool replicate_advance_commit(struct raft *raft);
/* Appends to the leader's own log; positions are filled in. */
void replicate_append(struct raft *raft, struct raft_entry *entries, uint32_t count);
void replicate_need_install(struct raft *raft, struct progress *p, bool ordered);
/* What counts of voter for a commit: own entries once durable, nothing of a node in amnesia. */
uint64_t replicate_match(const struct raft *raft, node_id voter);
bool replicate_has_own_term_commit(const struct raft *raft);

/* ---- member.c ---------------------------------------------------------------------------------- */
const struct raft_config *member_config(const struct raft *raft);
struct raft_pos member_config_pos(const struct raft *raft);
bool member_is_voter(const struct raft_config *config, node_id id);
bool member_is_learner(const struct raft_config *config, node_id id);
bool member_is_member(const struct raft_config *config, node_id id);
bool member_is_joint(const struct raft_config *config);
bool member_is_valid(const struct raft_config *config);
/* The configuration entry that begins the change from `from` to target. */
void member_enter(const struct raft_config *from, const struct raft_config *target,
                  struct raft_config *ret_config);
void member_leave(const struct raft_config *joint, struct raft_config *ret_config);
void member_push(struct raft *raft, struct raft_pos pos, const struct raft_config *config);
void member_truncate(struct raft *raft, raft_index from);
void member_compact(struct raft *raft, raft_index to);
void member_install(struct raft *raft, const struct raft_install *install);
void member_rebuild_peers(struct raft *raft); /* progress records follow the config in force */
void member_after_commit(struct raft *raft);  /* auto leave; a removed leader hands over */
struct progress *member_peer(const struct raft *raft, node_id id); /* NULL: none */

/* ---- read.c ------------------------------------------------------------------------------------- */
void read_advance(struct raft *raft); /* starts and ends rounds */
void read_refuse_all(struct raft *raft);
void read_refuse_forwards(struct raft *raft);
void read_tick(struct raft *raft);
void read_done_all(struct raft *raft);

/* ---- transfer.c ---------------------------------------------------------------------------------- */
void transfer_advance(struct raft *raft);
void transfer_tick(struct raft *raft);
void transfer_end(struct raft *raft);
void transfer_leave(struct raft *raft); /* hand over to anybody fit, and step down */

/* ---- install.c -------------------------------------------------------------------------------------- */
void install_list(struct raft *raft);
void install_send(struct raft *raft, struct progress *p);
void install_settle(struct raft *raft, struct progress *p, raft_index at);
void install_fail(struct raft *raft, struct progress *p);

/* ---- packets, one kind each ---------------------------------------------------------------------------- */
enum err recv_append(struct raft *raft, const struct raft_packet *packet);
enum err recv_append_reply(struct raft *raft, const struct raft_packet *packet);
enum err recv_heartbeat(struct raft *raft, const struct raft_packet *packet);
enum err recv_heartbeat_reply(struct raft *raft, const struct raft_packet *packet);
enum err recv_vote(struct raft *raft, const struct raft_packet *packet);
enum err recv_vote_reply(struct raft *raft, const struct raft_packet *packet);
enum err recv_install(struct raft *raft, const struct raft_packet *packet);
enum err recv_install_reply(struct raft *raft, const struct raft_packet *packet);
enum err recv_take_over(struct raft *raft, const struct raft_packet *packet);
enum err recv_read(struct raft *raft, const struct raft_packet *packet);
enum err recv_read_reply(struct raft *raft, const struct raft_packet *packet);
/* What every reply of a peer says, whatever its kind; NULL: stale, of a stranger, or no leader. */
struct progress *recv_from_peer(struct raft *raft, const struct raft_packet *packet);

#endif
