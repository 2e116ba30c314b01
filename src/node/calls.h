/* SPDX-License-Identifier: Apache-2.0 */
/* Where calls go and wait (route.c, leaderless.c, forward.c, read.c, waiter.c, admin.c), and what is
 * done for a group beside them (boot.c, ready.c, digest.c, compact.c, collect.c, balance.c). Private to
 * the room, part of parts.h. Thread: loop. */
#ifndef NODE_CALLS_H
#define NODE_CALLS_H

#include "node/group.h"
#include "wire/digest.h"

struct call_request;
struct call_response;

MUST_USE enum err boot_groups(struct node *node, const struct node_boot *boot, struct why *why);
/* One group anew, as a restart would make it: nothing of it is with the disk or on its way there. */
MUST_USE enum err boot_again(struct group *group, struct why *why);

/* applied.c: readers of other threads that wait for something new. */
void applied_show(struct group *group); /* its store shows group->applied */
void applied_tell(struct node *node);   /* at the end of a turn */

/* Takes the updates of dirty groups and carries them out. */
void ready_run(struct node *node);
/* Followers are told of commits that nothing carried to them for NODE_TELL_MS; when that is due next. */
void ready_tell(struct node *node);
uint64_t ready_tell_ms(const struct node *node);
/* Sends packet now, filled with entries when it asks for them. */
void ready_send(struct group *group, const struct raft_packet *packet);

/* digest.c: what replicas tell each other of their states at equal indexes. */
void digest_note(struct group *group, const struct row_applied *applied); /* a state reached here */
/* Rows here were found to be damaged: this replica is out of service, and whoever leads is told so. */
void digest_confess(struct group *group, const char *found);
void digest_forget(struct group *group); /* another state began */
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
/* The log up to what is durably applied goes, in batch, for a group that is booted again after it. */
void compact_all(struct group *group, struct store_batch *batch);
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

void job_ask(struct group *group, struct node_call *call); /* job_ask.c */

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

/* query.c: reads that another node carries out, and those that others ask of this one. */
/* This replica may not be read: the call goes to another member, or is refused. It may be in a list. */
void query_elsewhere(struct group *group, struct node_call *call);
void query_encode_request(struct buf *buf, const struct node_call *call);
void query_response(struct group *group, struct node_call *call,
                    const struct call_response *response);
void query_receive(struct node *node, node_id from, const struct call_request *request);
/* Whoever was asked will not answer: somebody else is. */
void query_lost(struct group *group, struct node_call *call, const char *text);
void query_tick(struct node *node); /* each tick: those that wait for too long */
void query_leader_changed(struct group *group, struct node_call *call);

void read_start(struct group *group, struct node_call *call);
void read_ask(struct node *node); /* the reads of this turn */
void read_done(struct group *group, const struct raft_read_done *done);
void read_applied(struct group *group);
void read_leave(struct group *group); /* nothing is read here now: others are asked */

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
enum { READ_RETRY_MS = 1000 };
#define READ_UNREADY "this replica is being brought up to date, ask another one"
#define SLOT_HALTED                                                                                \
    "a damaged row stops this slot, and no other node has it: restore a backup; reads with "       \
    "consistency=local go on"
#define READ_NO_REPLICA "this node holds no replica of the slot, ask another one"
/* The call's origin for ORIGIN_ARGS: never NULL. */
static inline const char *node_origin_id(const struct node_call *call)
{
    return call->request_id == NULL ? "" : call->request_id;
}
static inline const char *node_origin_trace(const struct node_call *call)
{
    return call->trace_id == NULL ? "" : call->trace_id;
}
#define WAITER_OF(item) CONTAINER_OF(item, struct node_call, link)

#endif
