/* SPDX-License-Identifier: Apache-2.0 */
/* The loop's own face of a node: what node/real/ and the simulator drive it with. All IO of the
 * node goes through its world (world.h); given the same world, store, calls and packets, a node
 * does the same again.
 *
 * The rhythm: deliver whatever is there (node_disk_done, node_receive, node_submit), then
 * node_turn; again when the world's wake asks for it, at latest at node_next_deadline_ms.
 *
 * Thread: one, called the loop, for all but node_disk_run (the disk thread) and what node.h says. */
#ifndef NODE_DRIVER_H
#define NODE_DRIVER_H

#include "node/node.h"
#include "node/world.h"
#include "raft/raft.h"

struct store;
struct msg;

struct node_boot {
    bool suspect_log;  /* the store opened with a log that it refused at first: amnesia */
    bool has_ballast;  /* the file is there, with the size of the options */
    bool owes_ballast; /* it was freed so that the store could be opened */
    bool no_campaign;  /* a cluster of one waits for its election timer like any other (tests) */
    /* Not NULL: the core's limits (heartbeat_ticks and below) instead of the defaults. Borrowed. */
    const struct raft_options *limits;
    bool manual_ticks; /* time passes by node_tick alone (scenarios) */
};

/* A node on an open store: reads its groups' state, checks their logs. Borrows world (copied),
 * store and msg until node_free; options and boot for the call. Nothing is written or sent yet,
 * but a first membership (synced). On failure nothing is left behind.
 * Errors: ERR_CORRUPT, ERR_DISK_FAILED, ERR_LOG_TOO_SHORT  as why says. */
MUST_USE enum err node_new(const struct node_options *options, const struct node_world *world,
                           struct store *store, struct msg *msg, const struct node_boot *boot,
                           struct node **ret_node, struct why *why);
/* Alarms of an earlier run, as world.save_alarms got them. Before the first turn.
 * Errors: ERR_BAD_FORMAT  some may have been taken over */
MUST_USE enum err node_recall_alarms(struct node *node, struct bytes text, struct why *why);
/* Forgets everything that is not in the store, as a crash would: no job may be with the world any
 * more, and calls that are still open are answered first (DRAINING, OUTCOME_UNKNOWN). */
void node_free(struct node *node);

/* ---- a turn ---------------------------------------------------------------------------------- */
/* One turn (raft.md section 5): proposals and reads that wait, then ticks (at most 3), then the
 * updates of all groups: packets, one batch for the disk, applies, answers. */
void node_turn(struct node *node);
/* When node_turn must run at latest, in mono_us / 1000; it may be in the past. */
uint64_t node_next_deadline_ms(const struct node *node);
/* Lets n ticks pass in every group; node_turn does it by the clock unless boot.manual_ticks. */
void node_tick(struct node *node, unsigned n);
/* One packet from a peer whose link was proven. Borrows it with all it points to for the call;
 * payloads of entries must be blobs (they are ref'd). */
void node_receive(struct node *node, const struct raft_packet *packet);
/* The link to a peer broke. is_gone: its process has ended, so what it led needs a new leader soon;
 * else its packets were lost. */
void node_peer_down(struct node *node, node_id peer, bool is_gone);
/* What a peer said of itself; "" and 0: it did not. */
struct node_peer_hello {
    const char *http_address, *version, *zone;
    uint64_t incarnation;
    uint32_t feature_level;
};
/* Both ways to it are open. Borrows hello. */
void node_peer_up(struct node *node, node_id peer, const struct node_peer_hello *hello);
/* Who answered a world.probe. */
struct node_found {
    bool is_answered, is_blank, speaks; /* speaks: a protocol that this build speaks too */
    node_id node;
    uint32_t feature_level, slot_count;
    const char *cluster_id, *text; /* text: why nobody answered; borrowed */
};
void node_found(struct node *node, uint64_t number, const struct node_found *found);
/* Whether the peer may be talked to, by the table in force: a live member, with the data folder that it
 * was first met with, and of a build that can apply all that the cluster uses (feature_level, as it says
 * itself). Worlds ask before they let anything of it through.
 * Errors: ERR_REMOVED         it was taken out, for ever
 *         ERR_NEW_FOLDER      it has another data folder than it was met with
 *         ERR_WRONG_FORMAT    its build is too old
 *         ERR_WRONG_IDENTITY  it is no member */
MUST_USE enum err node_admits(const struct node *node, node_id peer, uint64_t incarnation,
                              uint32_t feature_level, struct why *why);
/* A handshake with it failed, by this side's or its own word. ERR_REMOVED from its side: this node was
 * taken out of the cluster. ERR_NEW_FOLDER: this node's data folder is not the one that is known.
 * ERR_OLD_FOLDER: it is, but as it was before. */
void node_peer_refused(struct node *node, node_id peer, bool is_its_word, enum err err,
                       const char *text);
/* As node_call_start, from the loop's thread, without the submit queue: calls that peers forward. */
MUST_USE enum err node_submit(struct node *node, struct node_call *call, struct why *why);
/* The body of an INSTALL or DIGESTS frame from a proven peer, borrowed for the call. Whatever is in
 * it: what does not fit is dropped and counted.
 * Errors: ERR_BAD_FORMAT  impossible bytes: drop the link. */
MUST_USE enum err node_receive_frame(struct node *node, node_id from, uint8_t kind,
                                     struct bytes body, struct why *why);
/* A call that another node forwards; it is answered by world.send_response. Borrows request. */
void node_receive_request(struct node *node, node_id from, const struct call_request *request);
void node_receive_response(struct node *node, node_id from, const struct call_response *response);

/* ---- the disk thread -------------------------------------------------------------------------- */
/* Does the next part of the job, in this order: rows of installs; apply what is committed; write
 * the batch and sync it, with the promise file; housekeeping. Returns true when parts are left: call it again. After
 * each call the world delivers node_disk_done(node, job) to the loop, in order; after the last one
 * the disk thread does not touch job any more. Thread: any one. */
bool node_disk_run(struct node_disk_job *job);
/* True: that was the job's last part, and it is with the world no more. */
bool node_disk_done(struct node *node, struct node_disk_job *job);
/* For a world whose process dies with the job half done: it is with the world no more, and what it
 * was is forgotten. Only node_free may follow. */
void node_disk_abandon(struct node *node, struct node_disk_job *job);
/* For a world that makes writes fail: what the next node_disk_run would do. */
enum node_disk_part {
    NODE_DISK_INSTALL,
    NODE_DISK_APPLY,
    NODE_DISK_WRITE,
    NODE_DISK_CARE,
    NODE_DISK_PARTS
};
enum node_disk_part node_disk_next(const struct node_disk_job *job);

/* ---- the background threads ------------------------------------------------------------------- */
/* Each lane has one job at a time. A check reads for minutes, a catch-up for seconds: who asks for a
 * page (QUERY: reads for other nodes' clients) waits for neither. */
enum node_background_lane {
    NODE_BACKGROUND_CATCHUP,
    NODE_BACKGROUND_CHECK,
    NODE_BACKGROUND_BACKUP,
    NODE_BACKGROUND_COMPACTION,
    NODE_BACKGROUND_QUERY,
    NODE_BACKGROUND_LANES
};
enum node_background_lane node_background_lane(const struct node_background_job *job);
/* Does the job: reads of the store. Thread: any one. */
void node_background_run(struct node_background_job *job);
/* The job was run: it is with the world no more. The next one may be submitted from in here. */
void node_background_done(struct node *node, struct node_background_job *job);
/* As node_disk_abandon. */
void node_background_abandon(struct node *node, struct node_background_job *job);

/* ---- stopping --------------------------------------------------------------------------------- */
/* Refuses new calls from now on and offers leaderships to others. Thread: any for the refusing;
 * the rest happens in the next turn. */
void node_drain(struct node *node);
/* Nothing is open any more: no call, no job, nothing to write. */
bool node_is_drained(const struct node *node);
/* Answers all that is open: DRAINING when certainly not applied, else OUTCOME_UNKNOWN. */
void node_end_calls(struct node *node);

/* ---- for worlds ------------------------------------------------------------------------------- */
/* From now on the calling thread is the loop; released, anybody may be (as at first). */
void node_claim_loop(struct node *node);
void node_release_loop(struct node *node);
void *node_world_arg(const struct node *node);
/* Nothing of a cluster is in its data folder: no entry in any log, no table of nodes. */
bool node_is_blank(const struct node *node);
const struct members *node_members(const struct node *node); /* in force; until the next turn */
/* Where the node of this row is reached from here: as this node's own options say, when they name it
 * (behind a translating router, or a test's proxy, it may differ from node to node), else as the
 * table says. Until the next turn. */
const char *node_address_of(const struct node *node, const struct members_row *row);

/* ---- for tests -------------------------------------------------------------------------------- */
bool node_group_status(const struct node *node, slot_id slot, struct raft_status *ret);
struct raft *node_group_raft(struct node *node, slot_id slot); /* campaign, transfer, checks */
void node_group_touch(struct node *node, slot_id slot);        /* after an event given to it */
struct store *node_store(struct node *node);
struct msg *node_msg(struct node *node);
bool node_is_idle(const struct node *node);   /* no job with the world and none to hand over */
bool node_is_failed(const struct node *node); /* after world.fatal */

#endif
