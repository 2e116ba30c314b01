/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of the cluster's nodes and where the slots are, as calls carry them; part of node.h.
 * Thread: any. */
#ifndef NODE_NODES_H
#define NODE_NODES_H

#include "base/blob.h"
#include "raft/types.h"

enum {
    NODE_MEMBERS_MAX = 64,
    NODE_ADDRESS_MAX_BYTES = 256,
    NODE_ZONE_MAX_BYTES = 64,
    NODE_ORDERS_EARLIER_MAX = 8
};

enum node_member_what {
    NODE_MEMBER_ADD,     /* id, address, zone; learner: of every slot, until it is promoted;
                          * replaces: that node leaves, in the same step */
    NODE_MEMBER_PROMOTE, /* a learner gets its share of the slots */
    NODE_MEMBER_DRAIN,   /* it leads nothing, and what others can hold moves away */
    NODE_MEMBER_UNDRAIN,
    NODE_MEMBER_REMOVE, /* it leaves: moves away all it has, then never comes back */
    NODE_MEMBER_PLAN,   /* places slots anew: after a change of zones */
    NODE_MEMBER_CANCEL, /* takes the order of that revision back, as long as it runs */
    NODE_MEMBER_FINALIZE, /* what all nodes' builds can apply may be used: no older build from then on */
    NODE_MEMBER_WHATS
};

struct node_member_change {
    enum node_member_what what;
    node_id id, replaces;
    uint64_t revision;     /* CANCEL */
    bool learner, dry_run; /* dry_run: checked and planned, nothing is changed */
    char address[NODE_ADDRESS_MAX_BYTES];
    char zone[NODE_ZONE_MAX_BYTES + 1];
};
struct blob *node_member_encode(const struct node_member_change *change); /* one reference */

/* The states of a node of the cluster: as in wire/members.h. */
enum node_placed_state { NODE_PLACED_ACTIVE = 1, NODE_PLACED_DRAINING, NODE_PLACED_LEAVING };
struct node_placed {
    node_id id;
    uint8_t state; /* enum node_placed_state */
    bool learner;
    char zone[NODE_ZONE_MAX_BYTES + 1];
    uint32_t slots_before, slots_after; /* that it votes in, by the tables before and after */
};
struct node_move {
    uint32_t slot;
    uint8_t from_count, to_count;
    node_id from[RAFT_MEMBERS_MAX], to[RAFT_MEMBERS_MAX];
};
enum node_order_state {
    NODE_ORDER_NONE,
    NODE_ORDER_RUNNING,
    NODE_ORDER_DONE,
    NODE_ORDER_CANCELLED
};
/* What was ordered last; it is the job "members-<revision>". */
struct node_order {
    uint8_t state; /* enum node_order_state */
    uint8_t what;  /* enum node_member_what */
    uint64_t revision;
    node_id node, replaced;
    uint64_t started_ms, ended_ms; /* since 1970; ended_ms 0: it runs */
    uint32_t moves, moves_settled; /* slots that it moves, while it runs */
};

struct node_placement {
    uint64_t revision; /* of the table; 0: nobody ever changed it */
    uint8_t replica_count;
    uint32_t slots, settled; /* settled: as the table says; the change is done when all are */
    uint32_t feature_level;  /* in force */
    struct node_order order;
    struct node_order earlier[NODE_ORDERS_EARLIER_MAX]; /* before it, oldest first */
    uint32_t earlier_count;
    uint32_t nodes_count, moves_count;
    struct node_placed nodes[NODE_MEMBERS_MAX];
    struct node_move moves[]; /* of MEMBER: what it moves */
};
/* The caller's, free(). NULL: impossible bytes. */
struct node_placement *node_placement_decode(struct bytes answer);

#endif
