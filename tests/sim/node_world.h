/* SPDX-License-Identifier: Apache-2.0 */
/* The world of on=node: several whole nodes (the real src/node, src/msg, src/raft) in one thread,
 * each on a disk in memory that outlives it, with a clock of its own that moves when it is told to.
 * Packets go through src/wire and lie in a queue for each direction until they are delivered; a
 * disk does the parts of its job when it is asked. The same commands give the same run. */
#ifndef SIM_NODE_WORLD_H
#define SIM_NODE_WORLD_H

#include "base/buf.h"
#include "base/list.h"
#include "base/rng.h"
#include "language.h"
#include "node/driver.h"
#include "store/memdisk.h"
#include "store/store.h"

enum { WORLD_NODES_MAX = 7, WORLD_SLOTS_MAX = 4, WORLD_LINK_MAX = 400 };

/* What a parcel carries: a packet's kind, or one of these. */
enum { PARCEL_REQUEST = 100, PARCEL_RESPONSE, PARCEL_INSTALL, PARCEL_DIGESTS };

struct parcel {
    struct list link;
    struct buf frame; /* owned: a whole frame */
    node_id from, to;
    uint64_t incarnation, boot, start; /* of who sent it */
    int kind;
    bool is_held;
    uint64_t due_us; /* of the world's clock: not before, when the network is left to itself */
};

/* What others were told by this node about one slot: a restart may not fall behind it (I7). */
struct told {
    raft_term term, vote_term;
    node_id vote;
    struct raft_pos acked;
};

/* What the checks remember of one slot of a node; outlives its process. */
struct seat_slot {
    struct told told;
    uint64_t applied;         /* as the store said last; lives with the process */
    uint64_t durable_applied; /* what a power cut would leave */
    uint64_t durable_last;    /* of the log */
    raft_term durable_term;
    raft_term led_term; /* the last one in which it was seen leading */
    raft_term term;     /* as the core said last */
    raft_index commit;
    bool amnesia, installing;
};

struct seat {
    struct world *world;
    node_id id;
    struct memdisk *disk; /* owned; not used with store=rocks */
    char *dir;            /* owned; NULL: the store is in memory */
    struct store *store;
    struct msg *msg;
    struct node *node;                                             /* NULL: down */
    struct node_disk_job *job;                                     /* with the disk */
    struct node_background_job *background[NODE_BACKGROUND_LANES]; /* slow reads of the store */
    uint64_t job_due_us; /* of the world's clock: when its next part is done */
    bool is_paused, is_stalled, is_woken, is_moved;
    bool is_dying;         /* its process is gone: what it says now is heard by nobody */
    bool must_end;         /* a read for a client failed: the next turn is its last */
    bool is_drained;       /* it was told to stop, and refuses calls until it is started again */
    uint64_t slow_ms;      /* how long a part of a job takes */
    unsigned rate_percent; /* its clock's rate */
    int64_t wall_shift_ms; /* its wall clock's error */
    uint64_t mono_us;      /* its clock */
    enum err fatal;        /* why the node said that it cannot go on */
    /* members=1: the data folder's, another one after a wipe; starts; what was met: a handshake
     * keeps the folder of each peer, and each start of a peer is a new link */
    uint64_t incarnation, boots;
    uint64_t known[WORLD_NODES_MAX + 1], met_boots[WORLD_NODES_MAX + 1];
    /* The highest start counter that a peer came with, and which of its starts that was (a nonce) */
    uint64_t known_boots[WORLD_NODES_MAX + 1], known_starts[WORLD_NODES_MAX + 1];
    uint64_t disk_boot; /* the start counter on its own disk */
    uint64_t start;     /* of all starts of the world: which one this is */
    /* node_damage.c: a row is not what was written; its disk is an old copy of itself */
    bool is_damaged, was_damaged, is_rolled_back;
    struct damage *damage;                       /* owned; NULL: none that can be undone */
    struct disk_copy *copy;                      /* owned; NULL: none */
    uint64_t refused_boots[WORLD_NODES_MAX + 1]; /* the start of a peer that refused this one */
    struct seat_slot slots[WORLD_SLOTS_MAX];
};

/* What the network does to packets while it is left to itself (`run`). */
struct weather {
    unsigned loss_percent, dup_percent, reorder_percent, delay_ms;
};

struct witness;
struct clients;

struct world {
    struct buf *transcript; /* borrowed */
    uint32_t nodes, slots;
    bool has_catchup; /* nodes may send installs */
    bool is_on_rocks; /* real RocksDB, in temporary folders: disks neither fail nor lose anything */
    bool has_members; /* handshakes, and the cluster's nodes may change */
    uint32_t founders; /* seats 1..founders found the cluster, the others may join it */
    struct node_options options;
    struct raft_options limits;
    struct node_member members[WORLD_NODES_MAX];
    struct seat seats[WORLD_NODES_MAX + 1]; /* by id */
    struct list links[WORLD_NODES_MAX + 1][WORLD_NODES_MAX + 1];
    uint32_t link_counts[WORLD_NODES_MAX + 1][WORLD_NODES_MAX + 1];
    bool is_cut[WORLD_NODES_MAX + 1][WORLD_NODES_MAX + 1];
    bool is_clogged[WORLD_NODES_MAX + 1][WORLD_NODES_MAX + 1];
    struct weather weather;
    uint64_t now_us;
    struct rng rng;
    struct witness *witness; /* owned */
    struct clients *clients; /* owned */
    uint64_t commands, elections, starts;
    uint64_t changed_us, wiped_us; /* when members changed, and a disk was lost, last */
    char error[600];               /* the first violation; empty: none */
};

#define LLU(x) ((unsigned long long)(x))

struct world *world_new(const struct words *cluster, struct buf *transcript);
void world_free(struct world *world);
/* Notes a violation; the first one stays. */
void world_fail(struct world *world, const char *format, ...) PRINTF_LIKE(2, 3);
void world_note(struct world *world, const char *format, ...) PRINTF_LIKE(2, 3);
struct seat *world_seat(struct world *world, node_id id); /* NULL: no such node */
bool parcel_is_call(const struct parcel *parcel); /* its link neither doubles nor reorders */
bool seat_is_live(const struct seat *seat);       /* up, not failed, not paused */

/* ---- node_world.c ----------------------------------------------------------------------------- */
void seat_start(struct seat *seat);
enum err seat_open_store(struct seat *seat, bool accept_short_log, struct why *why);
/* Of its unsynced batches the first keep survive. */
void seat_crash(struct seat *seat, int64_t keep);
/* Cuts the log of a node that is down behind what it promised. False: nothing to cut. */
bool seat_forget_log(struct seat *seat, slot_id slot, raft_index to);
void seat_turn(struct seat *seat);
/* Does one part of the disk's job; false: it has none. is_lost: the node never hears of it. */
bool seat_disk(struct seat *seat, bool is_lost);
bool seat_background(struct seat *seat); /* does its background job; false: it has none */
uint64_t seat_now_ms(const struct seat *seat);
const char *packet_name(int kind);
int packet_kind_of_name(const char *name); /* -1: no such kind */

/* ---- node_network.c --------------------------------------------------------------------------- */
extern const struct node_world seat_face;
struct parcel *parcel_copy(const struct parcel *parcel);
void parcel_free(struct parcel *parcel);
/* Of one link, up to n of a kind (-1: any), without a turn. is_patient: only what is due. */
unsigned link_deliver(struct world *world, node_id from, node_id to, int kind, unsigned n,
                      bool is_patient);
/* Delivers up to n packets of a kind (-1: any), 0 stands for any node. */
unsigned world_deliver(struct world *world, node_id from, node_id to, int kind, unsigned n);
void world_drop_calls(struct world *world, node_id to); /* its links broke */
void world_drop_link(struct world *world, node_id from, node_id to);
/* ---- node_damage.c ---------------------------------------------------------------------------- */
void seat_mend(struct seat *seat); /* what was flipped on its disk is right again */
void seat_free_damage(struct seat *seat);
bool seat_is_damaged_in_slot(
    const struct seat *seat); /* in a row of its messages, deletes or retries */
void seat_free_copy(struct seat *seat);
void check_unharmed(struct world *world); /* I32 */
enum step world_damage(struct world *world, const struct words *words);
enum step world_lose_row(struct world *world, const struct words *words);
enum step world_check(struct world *world, const struct words *words);
enum step world_keep_disk(struct world *world, const struct words *words);
enum step world_roll_back(struct world *world, const struct words *words);
/* ---- node_members.c --------------------------------------------------------------------------- */
/* A handshake: whether both let the other in. Whoever is refused is told so. */
bool seat_may_send(struct seat *seat, struct seat *to);
bool seat_lets_in(struct seat *seat, const struct parcel *parcel);
void seat_meet(struct seat *seat); /* before a turn: links that are new */
uint64_t seat_heard_ms(void *arg, node_id peer);
bool seat_has_met(void *arg, node_id peer);
void seat_options(struct seat *seat, struct node_options *options,
                  struct node_member members[WORLD_NODES_MAX]);
/* By the newest table that somebody has: a live member, with the data folder it was met with. */
bool world_is_member(struct world *world, node_id id);
bool world_is_in_slot(const struct raft_config *config, node_id id);
/* The slot is as the newest table wants it, or cannot get there, as a member lost its disk. */
bool world_is_settled(struct world *world, slot_id slot, const struct raft_status *leader);
/* Somebody met it with another data folder than it has now, or a newer one. */
bool world_has_lost_disk(struct world *world, node_id id);
/* Each slot keeps a quorum without its disk. */
bool world_may_lose_disk(struct world *world, node_id id);
bool world_was_just_changed(const struct world *world); /* its members, ten seconds ago at most */
enum step world_member(struct world *world, const struct words *words);
enum step world_wipe(struct world *world, const struct words *words);
enum step world_expect_member(struct world *world, const struct words *words, bool *ret_known);
/* ---- node_time.c ------------------------------------------------------------------------------ */
void world_advance(struct world *world, uint64_t us); /* clocks only */
/* Delivers, runs disks, turns nodes until nothing moves; time stands still. False: it never ends. */
bool world_settle(struct world *world, const bool in[WORLD_NODES_MAX + 1], unsigned rounds);
/* Lets time pass with the network and disks at work. False: it never settles. */
bool world_run(struct world *world, uint64_t ms);
/* Who leads the slot, as itself says, in the newest term; 0: nobody. */
node_id world_leader(struct world *world, slot_id slot);

/* ---- node_checks.c: invariants ---------------------------------------------------------------- */
void check_sent(struct seat *seat, const struct raft_packet *packet);
void check_restarted(struct seat *seat); /* the node was just made */
void check_applied(struct seat *seat);   /* its disk did an apply part */
void check_written(struct seat *seat, const uint64_t applied_before[WORLD_SLOTS_MAX]);
void check_turned(struct seat *seat);
/* Recomputes digests from rows and compares the whole state of a slot with the witness. */
void check_state(struct seat *seat, slot_id slot);
void check_world(struct world *world); /* after every command */

#endif
