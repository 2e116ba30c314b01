/* SPDX-License-Identifier: Apache-2.0 */
/* A world for nodes without threads, sockets, clocks or disks: several nodes in one process, each
 * on a disk in memory that outlives it, one clock that moves when it is told to, packets that go
 * through src/wire and lie in a queue for each direction. The same steps give the same run.
 * Not thread-safe. */
#ifndef TESTS_LIB_FAKEWORLD_H
#define TESTS_LIB_FAKEWORLD_H

#include "base/rng.h"
#include "node/driver.h"
#include "store/memdisk.h"

enum { FAKEWORLD_NODES_MAX = 7 };

struct fakeworld_options {
    uint32_t nodes; /* ids 1..nodes, all voters */
    uint64_t seed;
    struct node_options node;          /* id, members, cluster are set by the world */
    const struct raft_options *limits; /* as in node_boot; borrowed */
    bool manual_ticks;
    uint32_t founders; /* 1..founders found the cluster, the others join it; 0: all found it */
    bool probes;       /* who shall be added is asked first; "hostN:..." is node N's address */
    bool greets;       /* handshakes: who is not admitted by the other gets nothing through */
};

struct fakeworld;

/* Nodes are down at first. */
void fakeworld_options_init(struct fakeworld_options *options, uint32_t nodes, uint64_t seed);
struct fakeworld *fakeworld_new(const struct fakeworld_options *options);
void fakeworld_free(struct fakeworld *world); /* crashes what is up */

/* Opens the store and makes the node. ERR_* as store_open and node_new. */
enum err fakeworld_start(struct fakeworld *world, node_id id, struct why *why);
/* Forgets the node; of its unsynced batches the first `keep` survive (memdisk_crash). Open calls
 * are answered as node_end_calls says. */
void fakeworld_crash(struct fakeworld *world, node_id id, int64_t keep);
/* From its next start on the node is of a build of that level. */
void fakeworld_set_level(struct fakeworld *world, node_id id, uint32_t feature_level);
/* What it says of its cluster's id to who asks (probes); borrowed. */
void fakeworld_set_cluster(struct fakeworld *world, node_id id, const char *cluster_id);
/* The node, which is down, gets an empty disk. */
void fakeworld_wipe(struct fakeworld *world, node_id id);
/* Drains it, then ends it in good order. */
void fakeworld_stop(struct fakeworld *world, node_id id);
struct node *fakeworld_node(struct fakeworld *world, node_id id); /* NULL: down */
struct memdisk *fakeworld_disk(struct fakeworld *world, node_id id);
/* Why the node said that it cannot go on; OK: it did not. */
struct bytes fakeworld_alarms(struct fakeworld *world, node_id id); /* kept; until the next */
uint64_t fakeworld_ballast(struct fakeworld *world, node_id id);    /* bytes; 0: there is none */
enum err fakeworld_fatal(struct fakeworld *world, node_id id);

/* ---- time ------------------------------------------------------------------------------------- */
uint64_t fakeworld_now_ms(const struct fakeworld *world);
/* Turns nodes, delivers packets and runs jobs until nothing moves; time stands still. False: it
 * still moved after very many rounds. */
bool fakeworld_settle(struct fakeworld *world);
/* Lets ms pass in steps of 10 ms, each settled. */
void fakeworld_run(struct fakeworld *world, uint64_t ms);
/* The same until done(arg); false: not within ms. */
bool fakeworld_run_until(struct fakeworld *world, uint64_t ms, bool (*done)(void *arg), void *arg);
/* The leader of slot that the most nodes agree on and that says so itself; 0: none. */
node_id fakeworld_leader(struct fakeworld *world, slot_id slot);
/* Runs until there is one, at most 20 s; 0: there is none. */
node_id fakeworld_elect(struct fakeworld *world, slot_id slot);

/* ---- faults ----------------------------------------------------------------------------------- */
/* Cuts or mends the way from one node to another; 0 stands for all. */
void fakeworld_cut(struct fakeworld *world, node_id from, node_id to, bool is_cut);
/* Called for each packet that is sent; true: it is lost. NULL: none. */
void fakeworld_on_send(struct fakeworld *world,
                       bool (*drop)(const struct raft_packet *packet, void *arg), void *arg);
/* The same for INSTALL and DIGESTS frames. */
void fakeworld_on_frame(struct fakeworld *world,
                        bool (*drop)(node_id from, node_id to, uint8_t kind, struct bytes body,
                                     void *arg),
                        void *arg);
/* A held background takes a job and does nothing, until it is let go. */
void fakeworld_hold_background(struct fakeworld *world, node_id id, bool is_held);
/* A held disk takes jobs and does nothing, until it is let go or stepped. */
void fakeworld_hold_disk(struct fakeworld *world, node_id id, bool is_held);
/* The wall clock of node id jumps by ms, and stays so. */
void fakeworld_shift_wall(struct fakeworld *world, node_id id, int64_t ms);
/* Tells the others that the process of node id has ended, as its closed connections would. */
void fakeworld_tell_gone(struct fakeworld *world, node_id id);
/* Does one part of the job that is held; false: there is none. */
bool fakeworld_step_disk(struct fakeworld *world, node_id id);

/* ---- calls ------------------------------------------------------------------------------------ */
struct fakecall {
    struct node_call call;
    bool is_done;
};

/* Starts a call with a deadline that far from now. The result stays until fakecall_done. */
enum err fakecall_command(struct fakeworld *world, node_id id, struct fakecall *call, slot_id slot,
                          struct blob *command, uint64_t timeout_ms);
enum err fakecall_read(struct fakeworld *world, node_id id, struct fakecall *call, slot_id slot,
                       enum node_consistency consistency, uint64_t min_index, uint64_t timeout_ms);
/* A read that another node may carry out; query is borrowed until it is done. */
enum err fakecall_query(struct fakeworld *world, node_id id, struct fakecall *call, slot_id slot,
                        enum node_consistency consistency, const struct msg_query *query,
                        uint64_t timeout_ms);
enum err fakecall_start_transfer(struct fakeworld *world, node_id id, struct fakecall *call,
                                 slot_id slot, node_id to, uint64_t timeout_ms);
/* An operator's call (NODE_CALL_COMPACT and below). */
enum err fakecall_admin(struct fakeworld *world, node_id id, struct fakecall *call, slot_id slot,
                        enum node_call_kind kind, node_id to, bool force_floor,
                        uint64_t timeout_ms);
/* A change of the cluster's nodes, or with what NODE_MEMBER_WHATS: where the slots are. */
enum err fakecall_member(struct fakeworld *world, node_id id, struct fakecall *call,
                         const struct node_member_change *change, uint64_t timeout_ms);
/* About a job of node `to`. */
enum err fakecall_job(struct fakeworld *world, node_id id, struct fakecall *call, node_id to,
                      enum node_job_ask what, const char *text, uint64_t timeout_ms);
void fakecall_done(struct fakecall *call); /* frees the result; asserts that it is_done */

#endif
