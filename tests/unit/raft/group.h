/* SPDX-License-Identifier: Apache-2.0 */
/* A few replicas in one process, whose disks and appliers are done at once and whose packets
 * travel through one queue: the smallest driver that the core can have. raft_check runs after
 * every event. The thorough one is tests/sim/core_model.c. */
#ifndef UNIT_RAFT_GROUP_H
#define UNIT_RAFT_GROUP_H

#include "raft/raft.h"

enum { GROUP_NODES_MAX = 7 };

struct group_entry {
    struct raft_entry entry;
    struct raft_config config;
};

struct group_node {
    struct raft *raft; /* NULL: no such node, or stopped */
    uint64_t boot;
    /* the disk */
    raft_term term;
    node_id vote;
    raft_index commit, applied;
    struct raft_pos base;
    struct raft_config_at base_config;
    struct group_entry *log; /* entries above base */
    uint32_t log_count, log_capacity;
    struct raft_install marker;
    /* what was seen */
    struct raft_read_done read;
    uint64_t reads, tickets, campaigns;
};

struct group {
    struct group_node nodes[GROUP_NODES_MAX + 1]; /* by id */
    struct raft_options options;
    bool cut[GROUP_NODES_MAX + 1]; /* this node is alone */
    struct raft_packet *queue;
    uint32_t queue_first, queue_count, queue_capacity;
    bool check;    /* raft_check after every event */
    bool installs; /* answer needs by full installs */
    uint64_t sessions;
};

/* Nodes 1..nodes; the voters are the first ones. */
void group_init(struct group *group, int nodes, int voters);
void group_done(struct group *group);
void group_start(struct group *group, node_id id);
void group_stop(struct group *group, node_id id);
/* Takes updates and delivers packets until nothing moves. */
void group_settle(struct group *group);
bool group_settle_once(struct group *group); /* one round; false: nothing moved */
void group_tick(struct group *group, int ticks);
node_id group_leader(const struct group *group); /* of the highest term; 0: none */
node_id group_elect(struct group *group, node_id id);
enum err group_propose(struct group *group, node_id id, uint32_t size_bytes, uint32_t count);
raft_index group_last(const struct group *group, node_id id);

#endif
