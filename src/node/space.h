/* SPDX-License-Identifier: Apache-2.0 */
/* space.c: room on the disk, the ballast, and what a node does without room. Private to the room,
 * part of parts.h. Thread: loop, but for what a comment says. */
#ifndef NODE_SPACE_H
#define NODE_SPACE_H

#include "node/driver.h"

struct group;

/* The disk thread's, but for the first state, which node_new sets. */
struct space {
    bool has_ballast;  /* the file is there */
    bool is_owed;      /* it was freed: what it freed is not for appends */
    bool has_given_up; /* this file system makes none */
};

/* What a look at the disk found. */
struct space_seen {
    uint64_t total_bytes, free_bytes; /* total 0: a store in memory, which has no size */
    uint64_t spare_bytes;             /* free, but for what the ballast freed */
    bool is_soft, is_hard;            /* below the mark, by what is spare */
    bool is_eaten;                    /* below the hard mark even with what the ballast freed */
};

void space_look(struct node *node, struct space_seen *ret); /* Thread: disk */
void space_seen(struct node *node, const struct space_seen *seen);

/* The packet as this node takes it: all of it, or *cut, which is its beginning, or NULL: nothing. */
const struct raft_packet *space_admit(struct group *group, const struct raft_packet *packet,
                                      struct raft_packet *cut);

#endif
