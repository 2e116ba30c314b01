/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of membership share. Private to the room. Thread: loop.
 *
 * Three things are kept apart. The table (wire/members.h) says which nodes the cluster has and who
 * shall vote in which slot: it is a value of slot 0's state machine, changed by commands there alone.
 * A slot's members are its Raft configuration: its own leader brings it towards the table, step by
 * step, whenever they differ (move.c). And who is told what: slot 0's leader tells every node the
 * table and who leads what, and hears from each how far its slots are (tell.c). So nothing of a
 * change lives in memory alone: whoever leads after a crash goes on with it. */
#ifndef NODE_MEMBER_H
#define NODE_MEMBER_H

#include "msg/types.h"
#include "node/node.h"
#include "wire/members.h"

struct group;

/* What slot 0's leader heard of a node last. */
struct told {
    node_id node;
    uint64_t revision; /* of the table it knows */
    uint64_t heard_ms; /* 0: never */
    bool is_asked;     /* an answer is awaited */
    uint8_t *slots;    /* owned, by slot: enum told_slot bits */
};
enum told_slot { TOLD_LEADS = 1, TOLD_SETTLED = 2 };

struct membership {
    struct members table; /* in force as far as this node knows; revision 0: of the options */
    raft_index looked_at; /* slot 0's applied index when its value was read last */
    bool has_looked;
    bool is_removed;  /* this node is, by the table or by what others said */
    bool is_disowned; /* others know it with another data folder, or a newer state of this one */
    bool is_outdated; /* the latter, which its folder remembers */
    node_id *leaders; /* owned, by slot: as slot 0's leader said; 0: not known */
    uint64_t
        *settled; /* owned, by slot: the table's revision that it was seen as; slot 0's leader's */
    struct told *told; /* owned; slot 0's leader's */
    uint32_t told_count;
    uint64_t told_ms;         /* when it told last */
    struct raft_pos proposed; /* of the last table that was proposed here */
};

/* What is known of a node of the cluster, this one included. Under view_lock where others read it. */
struct peer {
    struct node_member member;
    uint64_t contact_ms; /* last packet or link event; 0: never */
    uint64_t up_ms;      /* since when it is heard of; 0: it is not */
    uint64_t untaken_ms; /* when it was last seen not to have taken a leadership; 0: never */
    bool lost;
    bool disowns;   /* it says that this node's data folder is another one than it knows */
    bool was_met;   /* both let the other in, now or before an earlier start of this data folder */
    bool is_untold; /* its link is new: it may have an older table */
    /* by the table */
    uint8_t state; /* enum members_state */
    bool learner;
    char zone[MEMBERS_ZONE_MAX_BYTES + 1];
    uint32_t slots;
    /* as it said itself */
    uint64_t incarnation;
    uint32_t feature_level;
    char version[32], said_zone[MEMBERS_ZONE_MAX_BYTES + 1], refusal[256];
};
struct peer *node_find_peer(const struct node *node, node_id id); /* NULL: no member */
/* Heard of within the last seconds; this node itself is. */
bool node_peer_is_up(const struct node *node, node_id id);

/* ---- table.c ------------------------------------------------------------------------------------ */
/* The table of the options, or what the store has. Before the groups; table_booted after them. */
MUST_USE enum err table_boot(struct node *node, struct why *why);
void table_booted(struct node *node);
/* As the options say; the caller's. */
void table_of_options(const struct node *node, struct members *ret);
void table_done(struct node *node);
/* Slot 0's state may have another one now. */
void table_look(struct node *node);
/* Takes table over when it is newer than the one known. */
void table_adopt_take(struct node *node, struct members *table);
/* What this node's part in the slot is, after its configuration or the table changed. */
void table_place_group(struct group *group);
/* Who voted in the slot by the table; count 0: it is not known. */
struct members_place table_place(const struct node *node, slot_id slot);
/* Learners of every slot by the table, ascending; at most RAFT_MEMBERS_MAX. */
uint8_t table_standbys(const struct node *node, node_id *ids);
/* Whom to ask about a slot that this node has no part in: 0: nobody is known. */
node_id table_route(const struct group *group);
bool table_may_lead(const struct node *node,
                    node_id id); /* it is no node that shall lead nothing */
/* Whether a command of that kind may be proposed: all builds of the cluster know it.
 * Errors: ERR_CONFLICT  why says what is missing */
enum err table_may_propose(const struct node *node, uint8_t command, struct why *why);
bool table_is_settled(const struct group *group); /* this leader's slot is as the table says */
/* Whether what the peer says in Raft counts. */
bool table_hears(const struct node *node, node_id peer);
void table_disown(struct node *node, struct peer *peer, bool is_disowned);
/* This node was told that its folder is an old copy. Each start counts, so after a few more ones its peers
 * could no longer tell: the folder itself remembers, for ever. */
void table_outdate(struct node *node, const char *text);
/* This node was told that it is removed. */
void table_fence(struct node *node, const char *text);

/* ---- found.c: who may found a cluster --------------------------------------------------------------- */
void found_boot(struct node *node); /* after the groups */
void found_met(struct node *node, struct peer *peer);
void found_look(struct node *node); /* each tick */
/* A vote that an empty node may not give. */
bool found_refuses(const struct node *node, const struct raft_packet *packet);

/* ---- place.c: who shall hold what. Pure ---------------------------------------------------------- */
/* Fills table->places for slots from those it has, moving as few as it can: each slot gets
 * replica_count nodes (or as many as there are), evenly, zones apart. False: nobody is left. */
bool place_plan(struct members *table, uint32_t slots);

/* ---- placement.c: changes and placements as bytes. Pure -------------------------------------------- */
bool placement_read_change(struct bytes bytes,
                           struct node_member_change *ret); /* false: no sense */
/* What node_placement_decode reads: the way from one table to another one, or, when both are the same,
 * how many slots are settled. */
/* How far it is: of all slots, and of those that the last order moves. */
struct placement_now {
    uint32_t slots, settled, moves_settled;
};
struct blob *placement_encode(const struct members *from, const struct members *to,
                              const struct placement_now *now);
bool placement_is_same(const struct members_place *a, const struct members_place *b);

/* ---- order.c: what was ordered last, as the table keeps it. Pure ------------------------------------ */
/* Notes in next how `from` was, where the change differs from it. */
const struct members_order *order_find_earlier(const struct members *table,
                                               uint64_t revision); /* NULL: not known */
void order_note(const struct members *from, struct members *next,
                const struct node_member_change *change, uint64_t wall_ms);
/* It is through. False: none runs. */
bool order_end(struct members *next, uint64_t wall_ms);
/* Rows and places as before the order that began with that revision.
 * Errors: ERR_NOT_FOUND, ERR_CONFLICT (it has ended); next is to be thrown away then. */
enum err order_take_back(struct members *next, uint64_t revision, uint64_t wall_ms,
                         struct why *why);

/* ---- change.c: what operators ask for ------------------------------------------------------------- */
void change_member(struct group *group, struct node_call *call);
void change_placement(struct group *group, struct node_call *call);
void change_run(struct node *node); /* each second: what slot 0's leader does by itself */
/* Proposes table as the next one; on success *ret_pos. Copies. */
enum err change_propose(struct node *node, const struct members *table, struct raft_pos *ret_pos);
void change_applied(struct node *node, struct node_call *call, const struct msg_result *result);

/* ---- probe.c: who shall be added is asked first ----------------------------------------------------- */
/* True: the call waits for the answer, and goes on with change_member. */
bool probe_start(struct node *node, struct node_call *call,
                 const struct node_member_change *change);

/* ---- move.c ----------------------------------------------------------------------------------------- */
void move_run(struct node *node); /* each second: configurations towards the table */

/* ---- tell.c ------------------------------------------------------------------------------------------ */
void tell_run(struct node *node);                               /* each second */
void tell_receive(struct group *group, struct node_call *call); /* what the leader of slot 0 says */
/* How many slots are as the table says, as this leader of slot 0 heard within the last seconds. */
uint32_t tell_settled(const struct node *node);
uint32_t tell_moves_settled(const struct node *node); /* of those that the last order moves */
void tell_done(struct node *node);

#endif
